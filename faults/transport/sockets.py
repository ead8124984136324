"""Which sockets can be read or written: an epoll of our own below the event loop, called back as long as it is so.

uvloop's watch of a socket is over with the first error on it: a reset that comes together with bytes would be told
once, for the bytes, and never again (uvloop 0.22, handles/poll.pyx: _fatal_error). Where the system has no epoll, the
loop's own watches do.
"""

import asyncio
import select
from collections.abc import Callable
from typing import Protocol, TypeAlias

Ready: TypeAlias = Callable[[], None]

_READ, _WRITE, _FAILED = 0x01, 0x04, 0x18
"""EPOLLIN, EPOLLOUT, EPOLLERR with EPOLLHUP; the last two come unasked."""


class Sockets(Protocol):
    """What is called back while a socket, told by its descriptor, can be read or written, or has failed. A socket is
    taken out before it is closed."""

    def add_reader(self, fd: int, ready: Ready, /) -> object: ...

    def add_writer(self, fd: int, ready: Ready, /) -> object: ...

    def remove_reader(self, fd: int, /) -> object: ...

    def remove_writer(self, fd: int, /) -> object: ...


class Watched:
    """The sockets of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._readers: dict[int, Ready] = {}
        self._writers: dict[int, Ready] = {}
        self._epoll = select.epoll()
        loop.add_reader(self._epoll.fileno(), self._ready)

    def add_reader(self, fd: int, ready: Ready) -> None:
        is_new = not self._is_watched(fd)
        self._readers[fd] = ready
        self._watch(fd, is_new=is_new)

    def add_writer(self, fd: int, ready: Ready) -> None:
        is_new = not self._is_watched(fd)
        self._writers[fd] = ready
        self._watch(fd, is_new=is_new)

    def remove_reader(self, fd: int) -> None:
        if self._readers.pop(fd, None) is not None:
            self._watch(fd, is_new=False)

    def remove_writer(self, fd: int) -> None:
        if self._writers.pop(fd, None) is not None:
            self._watch(fd, is_new=False)

    def close(self) -> None:
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _is_watched(self, fd: int) -> bool:
        return fd in self._readers or fd in self._writers

    def _watch(self, fd: int, *, is_new: bool) -> None:
        wanted = (_READ if fd in self._readers else 0) | (_WRITE if fd in self._writers else 0)
        if is_new:
            self._epoll.register(fd, wanted)
        elif wanted:
            self._epoll.modify(fd, wanted)
        else:
            self._epoll.unregister(fd)

    def _ready(self) -> None:
        for fd, events in self._epoll.poll(0):
            # Looked up anew each time: what was called before may have closed this one.
            if events & (_READ | _FAILED) and (ready := self._readers.get(fd)) is not None:
                ready()
            if events & (_WRITE | _FAILED) and (ready := self._writers.get(fd)) is not None:
                ready()


def watched(loop: asyncio.AbstractEventLoop) -> Watched | None:
    """None where the loop itself must do."""
    return Watched(loop) if hasattr(select, "epoll") else None

"""Which sockets can be read, written, or are gone: an epoll of our own below the event loop's.

The loop's readers tell nothing of a socket that is not read, and uvloop's stop at a reset although bytes stand before
it. Where there is no epoll the loop's own serve, and who is gone is noticed at the next write.
"""

import asyncio
import select
from collections.abc import Callable
from typing import TypeAlias

Callback: TypeAlias = Callable[[], None]

AT_ONCE = 256
"""Sockets served before the loop's other work has its turn."""
_READ, _WRITE, _GONE, _ONCE = 0x001, 0x004, 0x008 | 0x010, 1 << 31  # epoll(7): IN, OUT, ERR and HUP, ET


class Poller:
    """Calls back, in the running loop, for each socket told of, by its number."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._readers: dict[int, Callback] = {}
        self._writers: dict[int, Callback] = {}
        self._gone: dict[int, Callback] = {}
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        if self._epoll is not None:
            loop.add_reader(self._epoll.fileno(), self._ready)

    def watch(self, fd: int, gone: Callback) -> None:
        """From now on until `forget`. `gone` is called when it is reset, or ended both ways, while nobody reads or
        writes it."""
        self._gone[fd] = gone
        if self._epoll is not None:
            self._epoll.register(fd, _ONCE)

    def forget(self, fd: int) -> None:
        """Before it is closed; nothing where it was not watched."""
        if self._gone.pop(fd, None) is None:
            return
        self.read(fd, None)
        self.write(fd, None)
        if self._epoll is not None:
            self._epoll.unregister(fd)

    def read(self, fd: int, callback: Callback | None) -> None:
        """Called back as long as there is something to read, or its end; None: no more."""
        self._set(self._readers, fd, callback)
        if self._epoll is None:
            if callback is not None:
                self._loop.add_reader(fd, callback)
            else:
                self._loop.remove_reader(fd)

    def write(self, fd: int, callback: Callback | None) -> None:
        """Called back as long as it can be written; None: no more."""
        self._set(self._writers, fd, callback)
        if self._epoll is None:
            if callback is not None:
                self._loop.add_writer(fd, callback)
            else:
                self._loop.remove_writer(fd)

    def close(self) -> None:
        if self._epoll is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()

    def _set(self, callbacks: dict[int, Callback], fd: int, callback: Callback | None) -> None:
        if callback is not None:
            callbacks[fd] = callback
        else:
            callbacks.pop(fd, None)
        if self._epoll is not None and fd in self._gone:
            wanted = (_READ if fd in self._readers else 0) | (_WRITE if fd in self._writers else 0)
            self._epoll.modify(fd, wanted or _ONCE)

    def _ready(self) -> None:
        assert self._epoll is not None
        readers, writers = self._readers, self._writers
        for fd, events in self._epoll.poll(0, AT_ONCE):
            # What is called may forget any of the others.
            if events & (_READ | _GONE) and (callback := readers.get(fd)) is not None:
                callback()
            callback = writers.get(fd) if events & (_WRITE | _GONE) else None
            if callback is None and events & _GONE and fd not in readers:
                callback = self._gone.get(fd)
            if callback is not None:
                callback()

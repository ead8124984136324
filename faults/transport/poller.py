"""Which sockets can be read and written, by the event loop, and which are gone, by an epoll of our own.

The loop tells nothing of a socket that is not read, and uvloop (0.22) lets go of one that is reset although bytes stand
before the reset. Where there is no epoll, who is gone is noticed at the next write.
"""

import asyncio
import select
from collections.abc import Callable
from typing import TypeAlias

Callback: TypeAlias = Callable[[], None]

AT_ONCE = 256
_ONCE = 1 << 31  # epoll(7): EPOLLET; EPOLLERR and EPOLLHUP are always told


class Poller:
    """Calls back, in the event loop, for sockets by their numbers."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.read, self.rest = loop.add_reader, loop.remove_reader
        self.write, self.stop_writing = loop.add_writer, loop.remove_writer
        self._loop = loop
        self._gone: dict[int, Callback] = {}
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        if self._epoll is not None:
            loop.add_reader(self._epoll.fileno(), self._some_gone)

    def watch(self, fd: int, gone: Callback) -> None:
        """`gone` is called when the socket is reset, or has ended both ways, until it is forgotten."""
        self._gone[fd] = gone
        if self._epoll is not None:
            self._epoll.register(fd, _ONCE)

    def forget(self, fd: int) -> None:
        """Before it is closed; nothing where it was not watched."""
        if self._gone.pop(fd, None) is not None and self._epoll is not None:
            self._epoll.unregister(fd)

    def close(self) -> None:
        if self._epoll is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()

    def _some_gone(self) -> None:
        assert self._epoll is not None
        for fd, _ in self._epoll.poll(0, AT_ONCE):
            if (gone := self._gone.get(fd)) is not None:  # another's call may have made it forgotten
                gone()

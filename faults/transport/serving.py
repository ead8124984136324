"""The API of an embedded server on a port of its own: start, announce, stop."""

import asyncio
import resource
import signal
import socket
from collections.abc import Callable

from aiohttp import web

from faults.transport.addresses import BACKLOG

IDLE_S, FINISH_WITHIN_S = 60.0, 2.0
HEAD_MAX = 1024 * 1024
"""Bytes of a line and of a header of a request, as in Go: a name of a proxy may be long, and stands in its path."""


async def serve(
    application: web.Application, listening: socket.socket, *, announce: Callable[[int], None], until: asyncio.Event
) -> None:
    """Serves on a bound socket until the event is set, and then lets what is under way finish, for a while.

    `announce` is told the port as soon as connections are accepted.
    """
    runner = web.AppRunner(
        application,
        access_log=None,
        keepalive_timeout=IDLE_S,
        shutdown_timeout=FINISH_WITHIN_S,
        max_line_size=HEAD_MAX,
        max_field_size=HEAD_MAX,
    )
    await runner.setup()
    try:
        await web.SockSite(runner, listening, backlog=BACKLOG).start()
        announce(int(listening.getsockname()[1]))
        await until.wait()
    finally:
        await runner.cleanup()


def take_all_descriptors() -> None:
    """Raises the process's own limit as far as it may be: each connection through a proxy takes two."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Interrupts:
    """SIGTERM and Ctrl-C as an event; `by_hand` says whether it was Ctrl-C. A second one ends the process as usual."""

    def __init__(self) -> None:
        self.came, self.by_hand = asyncio.Event(), False
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._take, number)

    def _take(self, number: signal.Signals) -> None:
        self.by_hand = self.by_hand or number == signal.SIGINT
        self.came.set()
        for each in (signal.SIGTERM, signal.SIGINT):
            self._loop.remove_signal_handler(each)

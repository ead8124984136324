"""What faults wait with: waits that can be ended together, and the places at a finite upstream."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Waits:
    """Waits that can be ended together."""

    def __init__(self) -> None:
        self._scopes: set[asyncio.Timeout] = set()

    def add(self, scope: asyncio.Timeout) -> None:
        self._scopes.add(scope)

    def discard(self, scope: asyncio.Timeout) -> None:
        self._scopes.discard(scope)

    def release(self) -> None:
        """Ends every wait now."""
        scopes, self._scopes = self._scopes, set()
        now = asyncio.get_running_loop().time() if scopes else 0.0
        for scope in scopes:
            if not scope.expired():  # ended together with others of its kind a moment ago
                scope.reschedule(now)


class Room:
    """The places at a finite upstream and the line before them, in the order of arrival."""

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)
        self._waiting = 0

    def is_full(self, line: int) -> bool:
        """Whether every place is taken and so many wait for one already."""
        return self._places.locked() and self._waiting >= line

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place, as soon as one is free."""
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()

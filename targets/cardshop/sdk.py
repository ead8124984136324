"""Where other people's blocking SDKs run: on threads, so many at once and no more.

The limit is a real cause of stalls: while the channel is slow every thread waits for it, and whoever comes next waits
for a thread, a notice that needs one as well.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar, cast

from targets.cardshop.gateway import overloaded

T = TypeVar("T")


class SdkThreads:
    """At most `count` calls at once; whoever waits longer than `patience_s` for a thread gives up."""

    def __init__(self, count: int, *, patience_s: float) -> None:
        self._free = asyncio.Semaphore(count)
        self._patience_s = patience_s

    async def run(self, call: Callable[[], T]) -> T:
        """What the call returns or raises; GatewayError, shop.overloaded, where no thread became free in time."""
        try:
            async with asyncio.timeout(self._patience_s):
                await self._free.acquire()
        except TimeoutError:
            raise overloaded() from None
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        # A daemon, for the shop must be able to end while an SDK without a timeout still waits.
        threading.Thread(target=_work, args=(call, done, self._free), name="sdk", daemon=True).start()
        return await done


def _work(call: Callable[[], T], done: "asyncio.Future[T]", free: asyncio.Semaphore) -> None:
    result: T | None = None
    failure: Exception | None = None
    try:
        result = call()
    except Exception as error:
        failure = error

    def arrive() -> None:
        free.release()
        if done.done():  # whoever asked has gone
            return
        if failure is not None:
            done.set_exception(failure)
        else:
            done.set_result(cast(T, result))

    loop = done.get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(arrive)

"""Purchases that a supplier works on for a while: taken on now, ended by themselves, and then told of.

No dialect shows here: what is told, and whether anybody wants to hear it, is the dialect's.
"""

import asyncio
from collections.abc import Callable
from enum import StrEnum

import msgspec

from ledger.clock import SECOND_NS, Clock
from ledger.states import Code
from mocks.call import Subject
from mocks.goods import NOBODY
from mocks.supplier.stock import Purchase, Request, Stock

FAILED_WORDS = "failed after it was accepted"
NOBODY_WORDS = "no such account"


class Ending(StrEnum):
    """What comes of a purchase that was taken on."""

    DELIVERED = "delivered"
    PARTLY = "partly"
    OTHERS = "others"
    EMPTY = "empty"
    FAILED = "failed"
    NEVER = "never"


class _Bench(msgspec.Struct, frozen=True):
    """How long one upstream works on a purchase, and who is told when one has ended."""

    takes_ns: int
    tell: Callable[[Purchase], None]


class Works:
    """All purchases of a process that are worked on. The tasks belong to the given group; `stop` ends them."""

    def __init__(self, stock: Stock, clock: Clock, tasks: asyncio.TaskGroup) -> None:
        self._stock, self._clock, self._tasks = stock, clock, tasks
        self._benches: dict[str, _Bench] = {}
        self._working: dict[str, tuple[asyncio.Task[None], Ending]] = {}

    def serve(self, upstream: str, takes_s: float, tell: Callable[[Purchase], None]) -> None:
        """From now on the upstream works for so many wire seconds on what it takes on, and tells of its end."""
        self._benches[upstream] = _Bench(int(takes_s * SECOND_NS), tell)

    @property
    def working(self) -> int:
        """Purchases that will end by themselves."""
        return len(self._working)

    def begin(self, request: Request, subject: Subject, ending: Ending = Ending.DELIVERED) -> Purchase:
        """Takes the request on; it ends by itself after a while. UnknownProduct, SoldOut."""
        purchase = self._stock.take_on(request, subject)
        if ending is not Ending.NEVER:
            due_t = purchase.t + self._benches[purchase.upstream].takes_ns
            task = self._tasks.create_task(self._work(purchase, due_t), name=f"purchase {purchase.trade_no}")
            self._working[purchase.trade_no] = (task, ending)
        return purchase

    async def _work(self, purchase: Purchase, due_t: int) -> None:
        await self._clock.wait_until(due_t)
        self.finish(purchase)
        self._benches[purchase.upstream].tell(purchase)

    def finish(self, purchase: Purchase) -> bool:
        """Ends the work on a purchase now, telling nobody; whether there was any to be done."""
        found = self._working.pop(purchase.trade_no, None)
        if found is None:
            return False
        task, ending = found
        if task is not asyncio.current_task():
            task.cancel()
        if purchase.request.account.startswith(NOBODY):  # a supplier finds that out when it tops the account up
            self._stock.fail(purchase, Code.ACCOUNT_INVALID, NOBODY_WORDS)
            return True
        match ending:
            case Ending.DELIVERED:
                self._stock.deliver(purchase)
            case Ending.PARTLY:
                self._stock.deliver_partly(purchase)
            case Ending.OTHERS:
                self._stock.deliver_others(purchase)
            case Ending.EMPTY:
                self._stock.deliver_nothing(purchase)
            case _:
                self._stock.fail(purchase, Code.UPSTREAM_REFUSED, FAILED_WORDS)
        return True

    def stop(self) -> None:
        """Ends all work; what was not delivered yet never will be."""
        working, self._working = self._working, {}
        for task, _ in working.values():
            task.cancel()

"""The ends of trades that come by themselves, told of where the dialect tells of it: those that nobody pays in time are
closed, and those that were paid are finished once nothing can be given back any more."""

import asyncio
import heapq

from ledger.clock import Clock
from mocks.notices import About, Matter, Notices
from mocks.payment.trades import Trade, Trades

CLOSED = Matter(About.CLOSED)
FINISHED = Matter(About.FINISHED)


class Expiry:
    """Watches every trade of a process that has an end. Its task belongs to the group it was given; `stop` ends it."""

    def __init__(self, clock: Clock, trades: Trades, notices: Notices[Trade], tasks: asyncio.TaskGroup) -> None:
        self._clock, self._trades, self._notices, self._tasks = clock, trades, notices, tasks
        self._due: list[tuple[int, str, About]] = []
        self._task: asyncio.Task[None] | None = None

    def watch(self, trade: Trade) -> None:
        """From now on the trade is closed at its end, if nobody has paid it by then. Once is enough."""
        if trade.order.expires_t is not None:
            self._wait_for((trade.order.expires_t, trade.trade_no, About.CLOSED))

    def watch_finish(self, trade: Trade, finish_t: int) -> None:
        """From now on the shop is told, at that moment, that the trade is finished: if any of the money is still its
        own by then."""
        self._wait_for((finish_t, trade.trade_no, About.FINISHED))

    def _wait_for(self, due: tuple[int, str, About]) -> None:
        heapq.heappush(self._due, due)
        if self._due[0] is due:  # the next to end: whoever waits, waits for a later one
            self.stop()
            self._task = self._tasks.create_task(self._run(), name="expiry of trades")

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def forget(self) -> None:
        self.stop()
        self._due = []

    async def _run(self) -> None:
        while self._due:
            await self._clock.wait_until(self._due[0][0])
            _, trade_no, about = heapq.heappop(self._due)
            if (trade := self._trades.get(trade_no)) is not None:
                self._end(trade, about)
        self._task = None

    def _end(self, trade: Trade, about: About) -> None:
        if about is About.FINISHED:
            if trade.refundable_fen:
                self._notices.begin(trade, FINISHED)
        elif self._trades.close(trade):
            self._notices.begin(trade, CLOSED)

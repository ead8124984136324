"""The end of trades that nobody pays in time: closed when they are due, and told of where the dialect tells of it."""

import asyncio
import heapq

from ledger.clock import Clock
from mocks.notices import About, Matter, Notices
from mocks.payment.trades import Trade, Trades

CLOSED = Matter(About.CLOSED)


class Expiry:
    """Watches every trade of a process that has an end. Its task belongs to the group it was given; `stop` ends it."""

    def __init__(self, clock: Clock, trades: Trades, notices: Notices[Trade], tasks: asyncio.TaskGroup) -> None:
        self._clock, self._trades, self._notices, self._tasks = clock, trades, notices, tasks
        self._due: list[tuple[int, str]] = []
        self._task: asyncio.Task[None] | None = None

    def watch(self, trade: Trade) -> None:
        """From now on the trade is closed at its end, if nobody has paid it by then. Once is enough."""
        if trade.order.expires_t is None:
            return
        heapq.heappush(self._due, (trade.order.expires_t, trade.trade_no))
        if self._due[0][1] == trade.trade_no:  # the next to end: whoever waits, waits for a later one
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
            _, trade_no = heapq.heappop(self._due)
            trade = self._trades.get(trade_no)
            if trade is not None and self._trades.close(trade):
                self._notices.begin(trade, CLOSED)
        self._task = None

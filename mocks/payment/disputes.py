"""Complaints of buyers at the channel: from when it takes them, and how it ends those that the shop does not settle.

Source of the lengths: docs/protocols/disputes.md.
"""

import asyncio

from ledger.clock import SECOND_NS, Clock
from mocks.notices import About, Matter, Notices
from mocks.payment.trades import Dispute, Trade, TradeError, Trades
from plan.run import Plan


class TooEarly(TradeError):
    """The channel does not take complaints about this trade before `from_t`, on the run's axis."""

    def __init__(self, from_t: int) -> None:
        super().__init__(f"complaints are taken from {from_t} on")
        self.from_t = from_t


class Disputes:
    """Takes every complaint of a process and watches it. Its tasks belong to the group it was given; `stop` ends
    them."""

    def __init__(
        self, plan: Plan, clock: Clock, trades: Trades, notices: Notices[Trade], tasks: asyncio.TaskGroup
    ) -> None:
        self._plan, self._clock, self._trades, self._notices, self._tasks = plan, clock, trades, notices, tasks
        self._watched: dict[str, asyncio.Task[None]] = {}
        trades.on_dispute_ended = self._tell_ended

    def complain(self, trade: Trade, words: str) -> Dispute:
        """Opens the buyer's complaint, tells the shop, and gives it its time. TooEarly, and what `Trades.complain`
        refuses: NotPaid, IsDisputed."""
        if trade.captured_t is not None and trade.refundable_fen and trade.dispute is None:
            from_t = trade.captured_t + self._lasts_ns(self._plan.upstreams[trade.upstream].complaint_after)
            if self._clock.t() < from_t:
                raise TooEarly(from_t)
        dispute = self._trades.complain(trade, words)
        self._notices.begin(trade, Matter(About.DISPUTED, dispute.no))
        forced_t = dispute.t + self._lasts_ns(self._plan.upstreams[trade.upstream].forced_after)
        watch = self._tasks.create_task(self._watch(trade, forced_t), name=f"complaint about {trade.trade_no}")
        self._watched[trade.trade_no] = watch
        return dispute

    def stop(self) -> None:
        watched, self._watched = self._watched, {}
        for task in watched.values():
            task.cancel()

    async def _watch(self, trade: Trade, forced_t: int) -> None:
        await self._clock.wait_until(forced_t)
        self._watched.pop(trade.trade_no, None)
        self._trades.end_dispute(trade, forced=True)

    def _tell_ended(self, trade: Trade) -> None:
        assert trade.dispute is not None
        if (watch := self._watched.pop(trade.trade_no, None)) is not None:
            watch.cancel()
        if trade.dispute.forced:
            self._notices.begin(trade, Matter(About.REFUNDED, trade.dispute.no))
        self._notices.begin(trade, Matter(About.DISPUTE_ENDED, trade.dispute.no))

    def _lasts_ns(self, business_s: float) -> int:
        return int(self._plan.wire_s(business_s) * SECOND_NS)

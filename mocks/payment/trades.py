"""The money truly taken: every trade is created, captured, refunded, disputed and closed here, each exactly once.

No dialect shows here: a trade knows nothing of the names that its fields have on the wire.
"""

from collections.abc import Callable, Iterator
from itertools import islice

import msgspec

from ledger.clock import Clock, utc_now
from ledger.events import Captured, Disputed, DisputeEnded, Refunded, RefundRequested, TradeClosed, TradeCreated
from ledger.money import Fen
from mocks.call import Append, Subject


class TradeError(Exception):
    """What was asked of a trade cannot be: the reason, in words for our own people."""


class AmountDiffers(TradeError):
    """The shop's order number is taken by a trade over another amount."""


class NotPaid(TradeError):
    """There is no money to give back."""


class TooMuch(TradeError):
    """More would be given back than is left of what was taken."""


class IsClosed(TradeError):
    """The trade was closed before anybody paid."""


class RefundDiffers(TradeError):
    """The number of the refund was used before, for another amount."""


class IsDisputed(TradeError):
    """The buyer has complained about the trade before."""


class Order(msgspec.Struct, frozen=True, gc=False):
    """What a shop asked for. `way` is how the buyer pays; `carried` goes back to the shop untouched."""

    upstream: str
    order_no: str
    amount_fen: Fen
    goods: str
    way: str
    notice_to: str
    back_to: str
    carried: str
    merchant: str
    expires_t: int | None = None
    """When, on the run's axis, nobody can pay any more."""


class Refund(msgspec.Struct, frozen=True, gc=False):
    """Money given back. `no` is the shop's number for it; `forced` where the channel did it by itself; `notice_to`
    where the shop wants to be told, if elsewhere than of the payment."""

    no: str
    amount_fen: Fen
    t: int
    why: str = ""
    notice_to: str = ""
    forced: bool = False


class Dispute(msgspec.Struct, frozen=True, gc=False):
    """A buyer's complaint at the channel, in his `words`. Open until `ended_t`; `forced` where the channel ended it by
    giving the money back by itself."""

    no: str
    t: int
    words: str
    ended_t: int | None = None
    forced: bool = False

    @property
    def is_open(self) -> bool:
        return self.ended_t is None


class Trade(msgspec.Struct, gc=False):
    """One trade. `subject` keys its decisions for good; facts are written under `o`, which may be learnt later."""

    trade_no: str
    order: Order
    key: str
    keyed_by: str
    o: str
    created_t: int
    captured_t: int | None = None
    refunds: tuple[Refund, ...] = ()
    closed_t: int | None = None
    dispute: Dispute | None = None
    notices: int = 0
    heard: str = ""

    @property
    def subject(self) -> Subject:
        return Subject(self.key, self.keyed_by, self.o)

    @property
    def upstream(self) -> str:
        return self.order.upstream

    @property
    def product(self) -> str:
        return self.order.goods

    @property
    def is_captured(self) -> bool:
        return self.captured_t is not None

    @property
    def closed(self) -> bool:
        return self.closed_t is not None

    @property
    def refunded_fen(self) -> int:
        return sum(refund.amount_fen for refund in self.refunds)

    def refund(self, no: str) -> Refund | None:
        """The refund under the shop's number."""
        return next((refund for refund in self.refunds if refund.no == no), None)

    @property
    def refundable_fen(self) -> int:
        """What may still be given back."""
        return self.order.amount_fen - self.refunded_fen if self.is_captured else 0

    @property
    def state(self) -> str:
        if self.closed:
            return "closed"
        if not self.is_captured:
            return "created"
        return "captured" if self.refundable_fen else "refunded"


class Totals(msgspec.Struct):
    """Of one upstream: its trades, and the money taken and not given back."""

    trades: int = 0
    kept_fen: int = 0


class Trades:
    """All trades of a process, over all its upstreams. Every change is journalled as it happens."""

    def __init__(self, clock: Clock, append: Append) -> None:
        self._clock, self._append = clock, append
        self.on_dispute_ended: Callable[[Trade], None] = lambda trade: None
        """Called when a complaint has ended, however it did."""
        self.on_refund: Callable[[Trade], None] = lambda trade: None
        """Called when money was given back, by whoever's wish."""
        self._stamp = utc_now().strftime("%Y%m%d%H%M%S")
        self._count = 0  # goes on after `forget`: a number is never given twice
        self._by_no: dict[str, Trade] = {}
        self._by_order: dict[tuple[str, str], Trade] = {}
        self._by_o: dict[str, tuple[str, ...]] = {}
        self._totals: dict[str, Totals] = {}

    def __len__(self) -> int:
        return len(self._by_no)

    def __iter__(self) -> Iterator[Trade]:
        return iter(self._by_no.values())

    def totals(self, upstream: str) -> Totals:
        return self._totals.setdefault(upstream, Totals())

    def create(self, order: Order, subject: Subject) -> Trade:
        """The trade of the shop's order, made at the first time it is asked for; AmountDiffers if it is taken."""
        known = self._by_order.get((order.upstream, order.order_no))
        if known is not None:
            if known.order.amount_fen != order.amount_fen:
                raise AmountDiffers(f"{order.order_no} is a trade over another amount")
            return known
        self._count += 1
        o = subject.o or order.order_no
        trade_no = f"{self._stamp}{self._count:07d}"
        trade = Trade(trade_no, order, subject.key, subject.keyed_by, o, self._clock.t())
        self._append(
            TradeCreated(
                t=trade.created_t,
                o=o,
                upstream=order.upstream,
                trade_no=trade_no,
                out_trade_no=order.order_no,
                amount_fen=order.amount_fen,
                way=order.way,
                keyed_by=trade.keyed_by,
            )
        )
        self.totals(order.upstream).trades += 1
        self._by_no[trade_no] = self._by_order[order.upstream, order.order_no] = trade
        self._by_o[o] = (*self._by_o.get(o, ()), trade_no)
        return trade

    def find(self, upstream: str, *, trade_no: str = "", order_no: str = "") -> Trade | None:
        """A trade of this upstream by its own or else by the shop's number."""
        if trade_no:
            trade = self._by_no.get(trade_no)
            return trade if trade is not None and trade.order.upstream == upstream else None
        return self._by_order.get((upstream, order_no))

    def get(self, trade_no: str) -> Trade | None:
        """A trade of any upstream by its own number."""
        return self._by_no.get(trade_no)

    def latest(self, upstream: str, count: int, offset: int = 0) -> list[Trade]:
        """So many trades of an upstream, the newest first."""
        own = (trade for trade in reversed(self._by_no.values()) if trade.order.upstream == upstream)
        return list(islice(own, offset, offset + count))

    def about(self, o: str) -> list[Trade]:
        """The trades whose facts are written under this order key."""
        return [self._by_no[trade_no] for trade_no in self._by_o.get(o, ())]

    def learn_key(self, trade: Trade, key: str) -> None:
        """The buyer told the key of an order whose shop passed none through: facts are written under it from now on.
        Of a trade that is paid, the money stays his who paid, whoever comes to its page later."""
        if trade.keyed_by == "key" or trade.o == key or trade.is_captured:
            return
        left = tuple(no for no in self._by_o[trade.o] if no != trade.trade_no)
        if left:
            self._by_o[trade.o] = left
        else:
            del self._by_o[trade.o]
        trade.o = key
        self._by_o[key] = (*self._by_o.get(key, ()), trade.trade_no)

    def capture(self, trade: Trade) -> bool:
        """Takes the money; whether this was the time it was taken. IsClosed if nobody can pay any more."""
        if trade.is_captured:
            return False
        if trade.closed:
            raise IsClosed(f"{trade.trade_no} was closed")
        t, order = self._clock.t(), trade.order
        event = Captured(t=t, o=trade.o, upstream=order.upstream, trade_no=trade.trade_no, amount_fen=order.amount_fen)
        self._append(event)
        trade.captured_t = t
        self.totals(order.upstream).kept_fen += order.amount_fen
        return True

    def refund(
        self, trade: Trade, amount_fen: Fen, no: str = "", *, why: str = "", notice_to: str = ""
    ) -> tuple[Refund, bool]:
        """Gives money back, under the shop's number `no` (none: one of ours); the refund, and whether this was the time
        it was given. The same number asked for again gives nothing more. NotPaid, TooMuch or RefundDiffers where it
        cannot be."""
        if amount_fen <= 0:
            raise TooMuch("a refund gives at least one fen back")
        t, trade_no, upstream = self._clock.t(), trade.trade_no, trade.order.upstream
        self._append(RefundRequested(t=t, o=trade.o, upstream=upstream, trade_no=trade_no, amount_fen=amount_fen))
        if not trade.is_captured:
            raise NotPaid(f"{trade_no} was never paid")
        if no and (known := trade.refund(no)) is not None:
            if known.amount_fen != amount_fen:
                raise RefundDiffers(f"{no} was a refund of {known.amount_fen} fen")
            return known, False
        if amount_fen > trade.refundable_fen:
            raise TooMuch(f"{trade_no}: {amount_fen} fen asked, {trade.refundable_fen} left")
        refund = self._give(trade, Refund(no or f"{trade_no}R{len(trade.refunds) + 1}", amount_fen, t, why, notice_to))
        if not trade.refundable_fen and trade.dispute is not None and trade.dispute.is_open:
            self.end_dispute(trade, forced=False)
        return refund, True

    def _give(self, trade: Trade, refund: Refund) -> Refund:
        order = trade.order
        trade.refunds = (*trade.refunds, refund)
        self.totals(order.upstream).kept_fen -= refund.amount_fen
        event = Refunded(
            t=refund.t, o=trade.o, upstream=order.upstream, trade_no=trade.trade_no, amount_fen=refund.amount_fen
        )
        self._append(event)
        self.on_refund(trade)
        return refund

    def complain(self, trade: Trade, words: str) -> Dispute:
        """Opens the buyer's complaint over what is left of his money. NotPaid where nothing is, IsDisputed where he
        has complained before."""
        if not trade.refundable_fen:
            raise NotPaid(f"{trade.trade_no}: nothing was paid, or all was given back")
        if trade.dispute is not None:
            raise IsDisputed(f"{trade.trade_no} was complained about")
        t, order = self._clock.t(), trade.order
        trade.dispute = Dispute(f"{trade.trade_no}D1", t, words)
        event = Disputed(
            t=t,
            o=trade.o,
            upstream=order.upstream,
            trade_no=trade.trade_no,
            amount_fen=trade.refundable_fen,
            words=words,
        )
        self._append(event)
        return trade.dispute

    def end_dispute(self, trade: Trade, forced: bool) -> Refund | None:
        """Ends the open complaint; by force, the rest of the money goes back to the buyer: the refund, if there was
        one. Nothing happens where none is open."""
        dispute = trade.dispute
        if dispute is None or not dispute.is_open:
            return None
        t, left_fen = self._clock.t(), Fen(trade.refundable_fen)
        refund = None
        if forced and left_fen:
            refund = self._give(trade, Refund(dispute.no, left_fen, t, dispute.words, forced=True))
        trade.dispute = msgspec.structs.replace(dispute, ended_t=t, forced=refund is not None)
        upstream, was_forced = trade.order.upstream, refund is not None
        self._append(DisputeEnded(t=t, o=trade.o, upstream=upstream, trade_no=trade.trade_no, forced=was_forced))
        self.on_dispute_ended(trade)
        return refund

    def close(self, trade: Trade) -> bool:
        """Ends a trade nobody has paid; whether this was the time it was closed. A paid one stays as it is."""
        if trade.closed or trade.is_captured:
            return False
        trade.closed_t = t = self._clock.t()
        self._append(TradeClosed(t=t, o=trade.o, upstream=trade.order.upstream, trade_no=trade.trade_no))
        return True

    def forget(self) -> int:
        """Drops every trade; how many there were."""
        n = len(self._by_no)
        self._by_no, self._by_order, self._by_o, self._totals = {}, {}, {}, {}
        return n

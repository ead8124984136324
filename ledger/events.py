"""Every kind of fact, one frozen type each.

One NDJSON object a line: ``t`` nanoseconds on the run's axis, ``w`` writer, ``k`` kind, ``o`` bare order key or null,
then the kind's own fields. Five voices, never mixed: driver, page, truth, books, struck; beside them health and phase.
"""

from hashlib import blake2b
from typing import TypeAlias

import msgspec

from ledger.states import Code, Operation, Phase, State

DONE = "done"
"""What a notice is about unless it says otherwise: the trade was paid, the goods were delivered."""
REFUSE, ACCEPT = "refuse", "accept"


def goods_hash(text: str) -> str:
    """What stands in events for a goods text (a card key is a secret): 16 hex digits of its BLAKE2b."""
    return blake2b(text.encode(), digest_size=8).hexdigest()


class _Fact(msgspec.Struct, frozen=True, tag_field="k", kw_only=True, gc=False):
    t: int
    o: str | None = None
    w: str | msgspec.UnsetType = msgspec.UNSET  # the journal writes its own name here


# --- the driver's voice ------------------------------------------------------------------------------------------
class Planned(_Fact, tag="planned", frozen=True, kw_only=True, gc=False):
    """Order `o` was due at `due_t`; written when its turn came, whether it could be sent or not."""

    n: int
    due_t: int


class Sent(_Fact, tag="sent", frozen=True, kw_only=True, gc=False):
    """The request that places the order left the driver, `late_ns` after it was due."""

    late_ns: int


class Unsent(_Fact, tag="unsent", frozen=True, kw_only=True, gc=False):
    """The order was never sent."""

    why: str


class Placed(_Fact, tag="placed", frozen=True, kw_only=True, gc=False):
    """The shop took the order."""

    order_no: str
    ms: float


class PaidAtCashier(_Fact, tag="paid_at_cashier", frozen=True, kw_only=True, gc=False):
    """The buyer pressed pay and the cashier said yes; the money is the mock's to confirm."""

    channel: str
    ms: float


class CancelAsked(_Fact, tag="cancel_asked", frozen=True, kw_only=True, gc=False):
    """The buyer asked the shop to cancel; `words` is what the shop said, `done` whether it agreed."""

    status: int
    done: bool
    words: str


class Requests(_Fact, tag="requests", frozen=True, kw_only=True, gc=False):
    """One second of one kind of request: counts, and a latency histogram {upper edge in ms: count}."""

    name: str
    count: int
    errors: int
    late: int
    histogram: dict[str, int]
    why: dict[str, int] = {}


# --- the page's voice --------------------------------------------------------------------------------------------
class Seen(_Fact, tag="seen", frozen=True, kw_only=True, gc=False):
    """What the page showed from a poll at `t` on; `last_old_t` is the last poll that still showed the state before.

    Written at each change and, for orders still open, once more at the last good poll (`final`).
    """

    state: State
    words: str
    goods: tuple[str, ...] = ()
    code: Code | None = None
    last_old_t: int | None = None
    final: bool = False


class PollFailed(_Fact, tag="poll_failed", frozen=True, kw_only=True, gc=False):
    """What the buyer asked for could not be read: the order page (`poll`), the answer to placing (`place`) or to
    paying (`pay`). A row of failed polls is written at its first and, with their count, when it ends."""

    operation: Operation
    status: int
    why: str
    code: Code = Code.UNKNOWN
    count: int = 1


# --- the truth's voice: mocks ------------------------------------------------------------------------------------
class TradeCreated(_Fact, tag="trade_created", frozen=True, kw_only=True, gc=False):
    upstream: str
    trade_no: str
    out_trade_no: str
    amount_fen: int
    way: str
    keyed_by: str


class TradeRefused(_Fact, tag="trade_refused", frozen=True, kw_only=True, gc=False):
    """An operation that the upstream refused, for the reason in `code`; `words` is what it answered."""

    upstream: str
    operation: Operation
    code: Code
    words: str


class Unmatched(_Fact, tag="unmatched", frozen=True, kw_only=True, gc=False):
    """A request that no route took, and the route that looks most like it."""

    method: str
    path: str
    nearest: str


class Captured(_Fact, tag="captured", frozen=True, kw_only=True, gc=False):
    """The money was taken from the buyer. The stall clock starts here."""

    upstream: str
    trade_no: str
    amount_fen: int


class Checked(_Fact, tag="checked", frozen=True, kw_only=True, gc=False):
    """A request was taken whose signature matches not the plain rule but the variant `matched`, which the upstream
    tolerates. A request that matches the plain rule writes nothing."""

    upstream: str
    operation: Operation
    matched: str


class NoticeSent(_Fact, tag="notice_sent", frozen=True, kw_only=True, gc=False):
    """Attempt `n` (from 1) of a notice left; `copy` counts its copies from 0. A trade may have several notices, each
    with attempts of its own: `about` says of what (`mocks.notices.About`), `notice_id` which, where the dialect
    numbers them."""

    upstream: str
    trade_no: str
    n: int
    copy: int = 0
    about: str = DONE
    notice_id: str = ""


class NoticeAnswered(_Fact, tag="notice_answered", frozen=True, kw_only=True, gc=False):
    """How attempt `n` ended: `outcome` accepted, refused, error or unanswered; `words` the answer's first letters."""

    upstream: str
    trade_no: str
    n: int
    status: int
    outcome: str
    words: str
    ms: float
    copy: int = 0
    about: str = DONE


class Disputed(_Fact, tag="disputed", frozen=True, kw_only=True, gc=False):
    """The buyer complained at the channel about a trade that was paid; `words` is the reason he gave."""

    upstream: str
    trade_no: str
    amount_fen: int
    words: str = ""


class DisputeEnded(_Fact, tag="dispute_ended", frozen=True, kw_only=True, gc=False):
    """A complaint ended: `forced` where the channel gave the money back against the shop's wish or silence."""

    upstream: str
    trade_no: str
    forced: bool


class GoodsRequested(_Fact, tag="goods_requested", frozen=True, kw_only=True, gc=False):
    """The shop asked a supplier or a game server for goods: well-formed and properly signed, whatever came of it."""

    upstream: str
    product: str
    request_no: str
    quantity: int = 1


class GoodsAccepted(_Fact, tag="goods_accepted", frozen=True, kw_only=True, gc=False):
    """The upstream took the request on and will deliver later."""

    upstream: str
    request_no: str


class GoodsSold(_Fact, tag="goods_sold", frozen=True, kw_only=True, gc=False):
    """One card was sold; `goods` is the `goods_hash` of its text. Written once a card, never for a replayed answer."""

    upstream: str
    goods: str
    request_no: str = ""


class Credited(_Fact, tag="credited", frozen=True, kw_only=True, gc=False):
    """The game server credited an account: `credit` is unique for every time it was done."""

    upstream: str
    credit: str
    request_no: str = ""


class GoodsRefused(_Fact, tag="goods_refused", frozen=True, kw_only=True, gc=False):
    """The upstream refused, at once or after it had accepted; `words` is what it answered."""

    upstream: str
    code: Code
    request_no: str = ""
    words: str = ""


class RefundRequested(_Fact, tag="refund_requested", frozen=True, kw_only=True, gc=False):
    upstream: str
    trade_no: str
    amount_fen: int


class Refunded(_Fact, tag="refunded", frozen=True, kw_only=True, gc=False):
    upstream: str
    trade_no: str
    amount_fen: int


class TradeClosed(_Fact, tag="trade_closed", frozen=True, kw_only=True, gc=False):
    upstream: str
    trade_no: str


# --- the books' voice: the shop's own table, read at collect -----------------------------------------------------
class Booked(_Fact, tag="booked", frozen=True, kw_only=True, gc=False):
    """One row of the shop's order table. `shop_t` is the shop's own stamp on the run's axis, if it has one."""

    order_no: str
    state: State
    words: str
    amount_fen: int
    goods: tuple[str, ...] = ()
    code: Code | None = None
    shop_t: int | None = None


# --- the injector's voice, in files of its own -------------------------------------------------------------------
class Struck(_Fact, tag="struck", frozen=True, kw_only=True, gc=False):
    """A fault truly changed this exchange. Never written for a strike that changed nothing. `keyed_by`: key, the same
    in every run; order_number, the shop's own; operation or connection, of no order then."""

    fault: str
    hop: str
    operation: Operation
    attempt: int
    changed: str
    keyed_by: str = "key"
    must: str = ""
    """What a good shop does with this answer or notice: REFUSE, ACCEPT, or nothing certain."""


class Exchanged(_Fact, tag="exchanged", frozen=True, kw_only=True, gc=False):
    """The very bytes of an exchange that faults have struck, as the mock saw them: `received` and `sent` are HTTP
    messages as text, secrets masked, long bodies cut, or empty where nothing came or went."""

    faults: tuple[str, ...]
    hop: str
    operation: Operation
    attempt: int
    received: str
    sent: str


# --- beside the voices -------------------------------------------------------------------------------------------
class Health(_Fact, tag="health", frozen=True, kw_only=True, gc=False):
    """A sample of one child: CPU in percent of a core, resident MB, loop lag in ms (null where it has no loop)."""

    child: str
    cpu: float
    rss_mb: float
    lag_ms: float | None


class PhaseBegan(_Fact, tag="phase", frozen=True, kw_only=True, gc=False):
    """The harness began a phase; `l0_t` is the start of load once it is known, `wall_ns` the wall clock's time (ns
    since 1970) at the beginning of the run's axis."""

    phase: Phase
    l0_t: int | None = None
    note: str = ""
    wall_ns: int | None = None


Event: TypeAlias = (
    Planned
    | Sent
    | Unsent
    | Placed
    | PaidAtCashier
    | CancelAsked
    | Requests
    | Seen
    | PollFailed
    | TradeCreated
    | TradeRefused
    | Unmatched
    | Checked
    | Captured
    | NoticeSent
    | NoticeAnswered
    | Disputed
    | DisputeEnded
    | GoodsRequested
    | GoodsAccepted
    | GoodsSold
    | Credited
    | GoodsRefused
    | RefundRequested
    | Refunded
    | TradeClosed
    | Booked
    | Struck
    | Exchanged
    | Health
    | PhaseBegan
)

EVENT_TYPES: tuple[type[_Fact], ...] = Event.__args__

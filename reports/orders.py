"""The orders of a run as columns: one entry per order, and the SQL that reads them from the journals."""

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.states import BEFORE_PAID, Code, State

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]

BARE_KEY = 9
"""Letters of a key before the number of the order within its wish."""
PAID_STATES = (
    State.PAID, State.SUBMITTED, State.RECHARGING, State.COMPLETED, State.REFUNDING, State.REFUNDED, State.DELAYED
)  # fmt: skip
UNPAID_BOOKS = (*sorted(BEFORE_PAID), State.EXPIRED, State.CANCELLED, State.UNKNOWN)


class Orders(msgspec.Struct, frozen=True):
    """One entry per planned order, and per order of ours that money was asked for beside the plan.

    `is_vouched`: whether an upstream can vouch for its goods. `sold` is S of docs/measures.md, `goods` is G. Of the
    goods that the buyer has, `goods_t` is when the page first showed one, `held_t` when the first was there at the
    latest (NaN where nobody can say: it stands in the books alone). `returned_t`: the last refund.
    """

    keys: list[str]
    is_planned: Bools
    product: Texts
    channel: Texts
    region: Texts
    buyer: Texts
    unsent_why: Texts
    order_no: Texts
    trade_no: Texts
    way: Texts
    due_t: Floats
    sent_t: Floats
    late_ns: Floats
    placed_t: Floats
    cashier_t: Floats
    trade_t: Floats
    captured_t: Floats
    accepted_t: Floats
    refunded_t: Floats
    returned_t: Floats
    page_paid_t: Floats
    last_seen_t: Floats
    final_t: Floats
    last_failed_t: Floats
    gone_t: Floats
    written_t: Floats
    requested_t: Floats
    taken_t: Floats
    sold_t: Floats
    goods_t: Floats
    credited_t: Floats
    held_t: Floats
    price_fen: Ints
    captured_fen: Ints
    refunded_fen: Ints
    notices: Ints
    is_vouched: Bools
    sold: Ints
    goods: Ints
    polls_seen: Ints
    books: Ints
    booked_paid: Bools
    booked_holds: Bools
    booked_state: Texts
    supplier: Texts
    code: Texts
    pay_failures: Ints
    cancel_asked: Ints
    cancel_done: Bools

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def paid(self) -> Bools:
        return np.isfinite(self.captured_t)

    @property
    def is_refunded(self) -> Bools:
        """All the money was given back."""
        return (self.captured_fen > 0) & (self.refunded_fen >= self.captured_fen)

    @property
    def wishes(self) -> Ints:
        """For each order the position of the first order of the same wish: b00000042 and b00000042.2 are one."""
        first: dict[str, int] = {}
        of = (first.setdefault(key[:BARE_KEY], i) for i, key in enumerate(self.keys))
        return np.fromiter(of, dtype=np.int64, count=len(self.keys))


_PAGE_PAID = ", ".join(f"'{s}'" for s in (*PAID_STATES, State.FAILED, State.HELD, State.MANUAL))
_BOOKED_PAID = ", ".join(f"'{s}'" for s in PAID_STATES)
_NOT_BOOKED_PAID = ", ".join(f"'{s}'" for s in UNPAID_BOOKS)
HOLDS_SQL = f"state NOT IN ({_NOT_BOOKED_PAID}) AND coalesce(code, '') <> '{Code.PAY_AMOUNT_MISMATCH}'"
"""Whether a row of the books holds its order for paid."""
ORDERS_SQL = f"""
WITH per_writer AS (SELECT w, max(t) AS end_t FROM raw GROUP BY w)
SELECT i,
  min(json_extract_string(why, '$')) FILTER (k = 'unsent') AS unsent_why,
  coalesce(min(order_no) FILTER (k = 'placed'), min(order_no) FILTER (k = 'booked')) AS order_no,
  min(trade_no) FILTER (k = 'trade_created') AS trade_no,
  min(way) FILTER (k = 'trade_created') AS way,
  min(due_t) FILTER (k = 'planned') AS due_t,
  min(t) FILTER (k = 'sent') AS sent_t,
  min(late_ns) FILTER (k = 'sent') AS late_ns,
  min(t) FILTER (k = 'placed') AS placed_t,
  min(t) FILTER (k = 'paid_at_cashier') AS cashier_t,
  min(t) FILTER (k = 'trade_created') AS trade_t,
  min(t) FILTER (k = 'captured') AS captured_t,
  min(t) FILTER (k = 'notice_answered' AND outcome = 'accepted' AND coalesce(about, 'done') = 'done') AS accepted_t,
  min(t) FILTER (k = 'refunded') AS refunded_t,
  max(t) FILTER (k = 'refunded') AS returned_t,
  min(t) FILTER (k = 'goods_requested') AS requested_t,
  min(t) FILTER (k = 'goods_accepted') AS taken_t,
  min(t) FILTER (k IN ('goods_sold', 'credited')) AS sold_t,
  arg_min(upstream, (t, seq)) FILTER (k = 'goods_requested') AS supplier,
  coalesce(arg_max(code, (t, seq)) FILTER (k = 'booked' AND code <> ''),
    arg_max(code, (t, seq)) FILTER (k = 'seen' AND code <> '')) AS code,
  count(*) FILTER (k = 'poll_failed' AND operation = 'pay') AS pay_failures,
  count(*) FILTER (k = 'cancel_asked') AS cancel_asked,
  coalesce(bool_or(done) FILTER (k = 'cancel_asked'), false)::INTEGER AS cancel_done,
  min(t) FILTER (k = 'seen' AND state IN ({_PAGE_PAID})) AS page_paid_t,
  max(t) FILTER (k = 'seen') AS last_seen_t,
  max(t) FILTER (k = 'seen' AND final) AS final_t,
  max(t) FILTER (k = 'poll_failed' AND operation = 'poll') AS last_failed_t,
  max(t) FILTER (k = 'poll_failed' AND operation = 'poll' AND status = 404) AS gone_t,
  max(end_t) FILTER (k IN ('seen', 'placed')) AS written_t,
  count(*) FILTER (k = 'seen') AS polls_seen,
  min(amount_fen) FILTER (k = 'trade_created') AS price_fen,
  min(amount_fen) FILTER (k = 'booked' AND amount_fen > 0) AS booked_fen,
  sum(amount_fen) FILTER (k = 'captured')::BIGINT AS captured_fen,
  sum(amount_fen) FILTER (k = 'refunded')::BIGINT AS refunded_fen,
  max(n) FILTER (k = 'notice_sent' AND coalesce(about, 'done') = 'done') AS notices,
  count(*) FILTER (k = 'booked') AS books,
  coalesce(bool_or(state IN ({_BOOKED_PAID})) FILTER (k = 'booked'), false)::INTEGER AS booked_paid,
  coalesce(bool_or({HOLDS_SQL}) FILTER (k = 'booked'), false)::INTEGER AS booked_holds,
  arg_max(state, (state IN ({_BOOKED_PAID}), state)) FILTER (k = 'booked') AS booked_state
FROM told LEFT JOIN per_writer ON told.w = per_writer.w
GROUP BY i ORDER BY i
"""

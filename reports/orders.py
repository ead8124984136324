"""The orders of a run as columns: one entry per order."""

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]

BARE_KEY = 9
"""Letters of a key before the number of the order within its wish."""


class Orders(msgspec.Struct, frozen=True):
    """One entry per planned order, in their order, then per order of ours beside the plan, by key.

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
        of = np.arange(len(self.keys))
        beside = np.flatnonzero(~self.is_planned).tolist()
        first = {self.keys[i]: i for i in beside if len(self.keys[i]) == BARE_KEY}
        planned = len(self.keys) - len(beside)
        for i in beside:
            bare = self.keys[i][:BARE_KEY]
            n = int(bare[1:])
            of[i] = n if n < planned else first.setdefault(bare, i)
        return of

"""What became of the planned orders, how orders ended after payment, and what was still to come at the end."""

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from ledger.clock import SECOND_NS
from ledger.states import State
from plan.run import Plan
from reports.findings import Disputes, Intents, Invariant, NoticesDue, Outcomes
from reports.measure.invariants import KEYS_MAX, Ends, ended_unserved, listed
from reports.measure.stuck import INDEX, IS_COMPETING
from reports.orders import Orders, Texts

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NEVER_DUE = "its turn never came"
NEVER_TOLD = "nobody said why"
ENDINGS = ("delivered", "refunded", "failed", "manual")
DELIVERED, REFUNDED, FAILED, MANUAL = range(1, len(ENDINGS) + 1)


def outcomes(orders: Orders, ends: Ends, open_: Bools, goods_shared: int) -> Outcomes:
    """Counts over all orders; a paid order is delivered, refunded, kept or open, and can be more than one of them."""
    planned, sent, paid = orders.is_planned, np.isfinite(orders.sent_t), orders.paid
    unsent = planned & ~sent
    got, back = orders.goods > 0, orders.is_refunded
    placed, unpaid = np.isfinite(orders.placed_t), sent & ~paid
    tried = (orders.pay_failures > 0) | np.isfinite(orders.cashier_t)
    competing = (ends.last_state >= 0) & IS_COMPETING[ends.last_state]
    return Outcomes(
        planned=int(planned.sum()),
        sent=int((planned & sent).sum()),
        unsent=int(unsent.sum()),
        unsent_by=_reasons(orders, unsent),
        placed=int(placed.sum()),
        paid=int(paid.sum()),
        delivered=int((paid & got).sum()),
        refunded=int((paid & back).sum()),
        money_kept=int((paid & ~got & ~back & ended_unserved(ends)).sum()),
        open=int(open_.sum()),
        held=int((paid & competing).sum()),
        unpaid=int((sent & ~paid).sum()),
        not_placed=int((unpaid & ~placed).sum()),
        not_submitted=int((unpaid & placed & tried).sum()),
        left_unpaid=int((unpaid & placed & ~tried).sum()),
        cancel_asked=int((orders.cancel_asked > 0).sum()),
        cancel_done=int(orders.cancel_done.sum()),
        extra=int((~planned).sum()),
        goods_shared=goods_shared,
    )


def _reasons(orders: Orders, unsent: Bools) -> dict[str, int]:
    due = np.isfinite(orders.due_t[unsent])
    why = [w or (NEVER_TOLD if d else NEVER_DUE) for w, d in zip(orders.unsent_why[unsent], due, strict=True)]
    return dict(sorted(Counter(why).items()))


def intents(orders: Orders) -> tuple[Intents, Invariant]:
    """Wishes with several orders, and those paid for more than once: counted, with the keys of their first orders."""
    wish, paid = orders.wishes, orders.paid
    n = len(orders)
    several = np.bincount(wish, minlength=n) > 1
    payments = np.bincount(wish[paid], minlength=n)
    kept = np.bincount(wish[paid & ~orders.is_refunded], minlength=n)
    twice = payments > 1
    found = Intents(
        wishes=len(np.unique(wish)),
        several_orders=int(several.sum()),
        paid_twice=int(twice.sum()),
        refunded_since=int((twice & (kept <= 1)).sum()),
    )
    return found, listed(orders.keys, payments > 0, twice)


def disputes(told: dict[str, npt.NDArray[Any]], keys: list[str]) -> Disputes | None:
    """What came of the complaints at the channel; None where nobody complained."""
    opened, ended, forced = told["opened"], told["ended"], told["forced"] > 0
    if not len(opened):
        return None
    is_open = ended < opened
    return Disputes(
        orders=len(opened),
        settled=int((~is_open & ~forced).sum()),
        forced=int(forced.sum()),
        open=int(is_open.sum()),
        forced_fen=int(told["forced_fen"].sum()),
        keys=[keys[int(i)] for i in told["i"][:KEYS_MAX]],
    )


def causes(state: Ints) -> Ints:
    """The Aalen-Johansen cause of the state an order ended in; 0 where it did not."""
    cause = np.zeros(len(state), dtype=np.int64)
    for ended_as, states in (
        (DELIVERED, (State.COMPLETED,)),
        (REFUNDED, (State.REFUNDED,)),
        (FAILED, (State.FAILED, State.EXPIRED, State.CANCELLED)),
        (MANUAL, (State.HELD, State.MANUAL)),
    ):
        cause[np.isin(state, [INDEX[s] for s in states])] = ended_as
    return cause


def notices_due(found: dict[str, npt.NDArray[np.generic] | Texts], plan: Plan, end_t: float) -> list[NoticesDue]:
    """Notices that the ladder still promises, by upstream, counted from the end of the observation."""
    due: dict[str, list[float]] = {}
    under_way: Counter[str] = Counter()
    columns = (found["upstream"], found["sent"], found["answered"], found["answered_t"])
    for upstream, sent, answered, answered_t in zip(*(c.tolist() for c in columns), strict=True):
        ladder = plan.upstreams[upstream].ladder if upstream in plan.upstreams else ()
        if sent > answered or sent == 0:
            under_way[upstream] += 1
        elif sent <= len(ladder):
            next_t = answered_t + plan.wire_s(ladder[int(sent) - 1]) * SECOND_NS
            due.setdefault(upstream, []).append((next_t - end_t) / SECOND_NS * plan.compress)
    return [
        NoticesDue(
            name,
            len(due.get(name, [])),
            under_way[name],
            round(min(due[name]), 3) if name in due else None,
            round(max(due[name]), 3) if name in due else None,
        )
        for name in sorted({*due, *under_way})
    ]

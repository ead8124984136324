"""Safety invariants: what must not happen to a single order, counted at the end of the run."""

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.states import ENDED_UNSERVED
from plan.gates import INVARIANTS
from reports.findings import Invariant
from reports.measure.intervals import clopper_pearson_upper
from reports.measure.stuck import INDEX
from reports.orders import Orders

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

KEYS_MAX = 50
QUANTITY = 1
"""Goods in an order: the plan knows no other number."""
NEEDS_BOOKS = ("orphan_payment", "ghost_order")


class Ends(msgspec.Struct, frozen=True):
    """How the pages of all orders ended: the state last shown (-1 for none), and whether the page is gone (404);
    when completed and refunded were first read (NaN if never), and the end of the observation."""

    last_state: Ints
    is_gone: Bools
    completed_t: Floats
    refunded_t: Floats
    end_t: float


class Heard(msgspec.Struct, frozen=True):
    """Until when (ns) the record is whole of money taken and given back, and of goods sold: inf where the journals of
    those who tell of it were closed. What is absent from a later time may have happened."""

    money_t: float = np.inf
    goods_t: float = np.inf


def gone(orders: Orders) -> Bools:
    """Orders whose page answered 404 and was never good again. Of one whose driver was killed nobody knows."""
    followed = np.isfinite(orders.final_t) | (orders.polls_seen == 0)
    with np.errstate(invalid="ignore"):
        after = ~(orders.gone_t <= orders.last_seen_t)
    return np.asarray(np.isfinite(orders.gone_t) & after & followed)


def ended_unserved(ends: Ends) -> Bools:
    """Orders whose page ended without goods or refund, or is gone."""
    unserved = np.isin(ends.last_state, [INDEX[state] for state in ENDED_UNSERVED])
    return np.asarray(unserved | ends.is_gone)


class Violated(msgspec.Struct, frozen=True):
    """The orders that could break an invariant, and those that did."""

    could: Bools
    did: Bools


def violations(orders: Orders, ends: Ends, heard: Heard, eps: float) -> dict[str, Violated]:
    """Every invariant of the plan's vocabulary, by order. `eps` in ns."""
    paid, got = orders.paid, orders.goods > 0
    refunded = orders.is_refunded
    short = orders.captured_fen < orders.price_fen
    placed = paid | np.isfinite(orders.placed_t) | np.isfinite(orders.trade_t) | (orders.books > 0) | got
    booked = orders.books > 0
    # Goods that stand only in the books have no time of their own: they were there at the end.
    had_t = np.where(np.isfinite(orders.held_t), orders.held_t, ends.end_t)
    found = {
        "lost_order": (paid, paid & ~got & ~refunded & ended_unserved(ends)),
        "double_delivery": (placed, orders.goods > QUANTITY),
        "delivered_unpaid": (placed, got & (~paid | short) & (had_t <= heard.money_t)),
        "refund_and_delivered": (paid, refunded & got),
        "double_refund": (paid, orders.refunded_fen > orders.captured_fen),
        "orphan_payment": (paid, paid & ~refunded & ~(booked & orders.booked_holds)),
        "ghost_order": (booked, orders.booked_paid & ~paid & (ends.end_t <= heard.money_t)),
        "optimistic_page": (orders.polls_seen > 0, _optimistic(orders, ends, heard, eps)),
    }
    assert found.keys() == INVARIANTS.keys()
    return {name: Violated(could | did, did) for name, (could, did) in found.items()}


def _optimistic(orders: Orders, ends: Ends, heard: Heard, eps: float) -> Bools:
    """The page said completed without goods, or refunded without a refund, for longer than eps."""
    with np.errstate(invalid="ignore"):
        goods_t = np.fmin(orders.goods_t, orders.credited_t)
        # Goods that stand only in the books have no time of their own: they were there in time.
        goods_t = np.where((orders.goods > 0) & ~np.isfinite(goods_t), -np.inf, goods_t)
        goods_t = np.where(orders.goods > 0, goods_t, np.inf)
        no_goods = np.fmin(goods_t, min(ends.end_t, heard.goods_t)) - ends.completed_t > eps
        returned_t = np.where(np.isfinite(orders.refunded_t), orders.refunded_t, np.inf)
        no_refund = np.fmin(returned_t, min(ends.end_t, heard.money_t)) - ends.refunded_t > eps
    return np.asarray(no_goods | no_refund)


def counted(orders: Orders, violated: dict[str, Violated], *, has_books: bool, vouched: bool) -> dict[str, Invariant]:
    """Violations with their bound; those that need books are not evaluated without them."""
    result = {}
    for name, found in violated.items():
        if name in NEEDS_BOOKS and not has_books:
            result[name] = Invariant(0, 0, None, [], evaluated=False, method="the shop's books were not read")
            continue
        made = listed(orders.keys, found.could, found.did)
        if name == "lost_order" and not has_books and not vouched:
            by_page = f"{made.method}; by the page alone, for the shop's books were not read"
            made = msgspec.structs.replace(made, method=by_page)
        result[name] = made
    return result


def listed(keys: list[str], could: Bools, did: Bools) -> Invariant:
    """What happened to some of those it could happen to, with their keys."""
    k, n = int(did.sum()), int(could.sum())
    first = [keys[i] for i in np.flatnonzero(did)[:KEYS_MAX]]
    return Invariant(k, n, clopper_pearson_upper(k, n), first, method="Clopper-Pearson, one-sided 95 %")


def goods_counted(orders: Orders, looked: Bools) -> dict[str, Invariant]:
    """Goods that upstreams sold beyond what was ordered, and those they sold that never came to the buyer; over the
    orders that upstreams vouch for and sold to. `looked`: orders whose page was read for long enough to say so."""
    sold_to = orders.is_vouched & (orders.sold > 0)
    if not orders.is_vouched.any():
        none = Invariant(0, 0, None, [], evaluated=False, method="no upstream vouches for goods")
        return {"goods.bought_twice": none, "goods.charged_undelivered": none}
    return {
        "goods.bought_twice": listed(orders.keys, sold_to, orders.sold > QUANTITY),
        "goods.charged_undelivered": listed(orders.keys, sold_to & looked, sold_to & looked & (orders.goods == 0)),
    }

"""Money, to the fen, in three ledgers: what channels took and gave back, what the shop booked, what buyers have."""

import msgspec
import numpy as np
import numpy.typing as npt

from reports.findings import Invariant, Money
from reports.measure.invariants import KEYS_MAX, listed
from reports.orders import Orders

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Booked(msgspec.Struct, frozen=True):
    """By order, fen of its rows in the shop's books: of those that hold it for paid (refunded since or not), of those
    refunded, and of those completed."""

    held: Ints
    back: Ints
    done: Ints


def missing(orders: Orders, booked: Booked) -> Ints:
    """By order the most fen that one ledger has and another has not; 0 where all agree.

    Two things are compared: the money that the shop keeps, by the channel and by its books; and the goods handed over,
    at their price, by what the buyer has and by what is booked as completed.
    """
    kept = orders.captured_fen - orders.refunded_fen
    had = np.where(orders.goods > 0, orders.price_fen, 0)
    return np.maximum(np.abs(kept - (booked.held - booked.back)), np.abs(had - booked.done))


def disagreeing(orders: Orders, missing_fen: Ints, why_not: str) -> Invariant:
    """The orders whose ledgers disagree, of those that any of them knows. `why_not`: why that cannot be said, or
    empty."""
    if why_not:
        return Invariant(0, 0, None, [], evaluated=False, method=why_not)
    known = orders.paid | (orders.books > 0) | (missing_fen > 0)
    return listed(orders.keys, known, missing_fen > 0)


def findings(orders: Orders, booked: Booked, missing_fen: Ints, disagree: Invariant, *, has_books: bool) -> Money:
    """The sums of each ledger, and the first orders that disagree."""
    paid, got = orders.paid, orders.goods > 0
    price = np.where(paid, orders.price_fen, 0)
    # What was given back can serve no more than the price; goods and money both are told by the invariants.
    served = np.where(got, price, np.minimum(orders.refunded_fen, price))
    rows = np.flatnonzero((missing_fen > 0) & disagree.evaluated)[:KEYS_MAX]
    return Money(
        taken_fen=int(orders.captured_fen.sum()),
        given_back_fen=int(orders.refunded_fen.sum()),
        booked_fen=int(booked.held.sum()) if has_books else None,
        booked_back_fen=int(booked.back.sum()) if has_books else None,
        priced_fen=int(price.sum()),
        served_fen=int(served.sum()),
        unserved_fen=int((price - served).sum()),
        disagree=disagree.k if disagree.evaluated else None,
        orders={orders.keys[i]: int(missing_fen[i]) for i in rows},
    )

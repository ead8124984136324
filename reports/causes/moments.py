"""Which orders need a cause, and at which moments they are looked at."""

import msgspec
import numpy as np

from ledger.clock import SECOND_NS
from ledger.states import State
from reports.basis import Basis
from reports.measure.stuck import INDEX
from reports.orders import Bools, Floats, Ints


class Moments(msgspec.Struct, frozen=True):
    """Orders, each at a moment (ns): when it first became stuck, else when its page ended, else the end of the run."""

    i: Ints
    at_t: Floats

    def __len__(self) -> int:
        return len(self.i)


def unserved(b: Basis) -> Bools:
    """Paid orders whose page has ended as completed or refunded, and whose buyer has neither goods nor money."""
    ended = np.isin(b.pages.ended_state, [INDEX[State.COMPLETED], INDEX[State.REFUNDED]])
    return np.asarray(b.orders.paid & ended & (b.orders.goods == 0) & ~b.orders.is_refunded & b.is_looked_at)


def never_ended(b: Basis) -> Bools:
    """Paid orders that were open at the end; of a run that was cut, those alone that had been stuck."""
    return np.asarray(b.is_open & (b.times.is_complete | (b.stuck_s > 0)))


def first(b: Basis) -> Moments:
    """All that need a cause, when they first stood still."""
    stuck = b.stuck_s > 0
    i = np.flatnonzero(stuck | b.is_lost | unserved(b) | never_ended(b))
    at = _ended_t(b)
    onset = np.full(len(b.orders), np.inf)
    np.minimum.at(onset, b.pages.episodes.i, b.pages.episodes.onset)
    at[stuck] = onset[stuck]
    return Moments(i, at[i])


def later(b: Basis) -> Moments:
    """Those that stood still once more: stuck in another state later, or ended without goods after all."""
    found = b.pages.episodes
    onset = np.full(len(b.orders), -np.inf)
    np.maximum.at(onset, found.i, found.onset)
    badly = b.is_lost | unserved(b)
    at = np.where(badly, _ended_t(b), onset)
    several = np.bincount(found.i, minlength=len(b.orders)) > 1
    i = np.flatnonzero((b.stuck_s > 0) & (several | badly))
    return Moments(i, at[i])


def _ended_t(b: Basis) -> Floats:
    """When the page of each order had surely shown its end: it changed between two polls."""
    poll = float(b.plan.poll_every) * SECOND_NS
    return np.fmin(b.pages.ended_t + poll, b.times.end_t)

"""The numbers beside the measures: each from what all findings stand on, in the frame of the run."""

import numpy as np
import numpy.typing as npt

from ledger.clock import SECOND_NS
from plan.faults import labels
from reports.basis import Basis
from reports.findings import Capacity, Group, Heat, Invariant, Lag, Money, Recovery, Words
from reports.measure import bottleneck, breakdown, capacity, heat, honesty, lag, money, recovery, steps
from reports.stories import Stories

Floats = npt.NDArray[np.float64]


def _load_t(b: Basis) -> float:
    """When the load ended: at heal, or with the observation where the run never came so far."""
    return b.times.heal_t if np.isfinite(b.times.heal_t) else b.times.end_t


def _spans(b: Basis) -> list[recovery.Span]:
    """The faults with a window that began while there was load, as long as they were in force."""
    load_t, l0_t = _load_t(b), b.times.l0_t
    called, found = labels(b.plan.faults), []
    for fault in b.plan.faults:
        if fault.window is None or (from_t := l0_t + float(fault.window.low) * SECOND_NS) >= load_t:
            continue
        to_t = min(l0_t + float(fault.window.high) * SECOND_NS, load_t)
        found.append(recovery.Span(fault.id, called[fault.id].en, called[fault.id].zh, from_t, to_t))
    return found


def recoveries(b: Basis) -> list[Recovery]:
    """Every fault given by a window, in the order of the plan."""
    return recovery.findings(
        _spans(b), b.pages.episodes, l0_t=b.times.l0_t, end_t=b.times.end_t, to_business=b.to_business
    )


def capacities(b: Basis) -> Capacity | None:
    """Backlog against offered load. An order that went to a person, or was held, is off the shop's hands."""
    paid = b.orders.paid
    return capacity.findings(
        b.orders.due_t,
        b.orders.captured_t[paid],
        b.pages.ended_t[paid],
        steps=steps.edges(b.times.l0_t, _load_t(b)),
        windows=[(span.from_t, span.to_t) for span in _spans(b)],
        full=b.followed.is_full(b.followed.deadline_s),
    )


def heats(b: Basis) -> Heat | None:
    """How long orders took, by when they were paid."""
    paid_t = b.orders.captured_t[b.orders.paid]
    return heat.findings(paid_t, b.followed.duration_s, b.followed.ended, steps.edges(b.times.l0_t, _load_t(b)))


def known_until(b: Basis) -> Floats:
    """Until when it is known what each order's page shows (ns). Of one that went on after its end nobody knows it
    later."""
    last_t = np.full(len(b.orders), np.nan)
    last_t[b.pages.dwells.i] = b.pages.dwells.entry
    return np.where(b.went_on, last_t, np.fmin(b.pages.read_t, b.times.end_t))


def lags(b: Basis) -> Lag | None:
    """How far pages were behind."""
    return lag.findings(lag.waits(b.orders, b.pages.dwells, known_until(b), b.to_business))


def ledgers(b: Basis, stories: Stories) -> tuple[Money, Invariant]:
    """The three ledgers, and the orders about which they disagree."""
    booked = stories.booked()
    gaps = money.missing(b.orders, booked)
    why_not = "" if b.is_whole else "the record of this run is not whole"
    disagree = money.disagreeing(b.orders, gaps, why_not if b.has_books else "the shop's books were not read")
    return money.findings(b.orders, booked, gaps, disagree, has_books=b.has_books), disagree


def groups(b: Basis) -> dict[str, list[Group]]:
    """All of it by channel, supplier, product, region, buyer and error code."""
    became = breakdown.Became(
        is_stuck=b.stuck_s > 0,
        is_open=b.is_open,
        is_lost=b.is_lost,
        waited_s=b.waited_s,
        ended=np.isfinite(b.pages.ended_t),
        excess_s=b.excess_s,
        judged=b.spent[:, : honesty.UNREAD].sum(axis=1),
        honest=b.spent[:, honesty.HONEST],
        deadline_s=b.followed.deadline_s,
        is_complete=b.followed.is_complete,
    )
    return breakdown.breakdown(b.orders, became)


def strained(b: Basis, stories: Stories) -> Words | None:
    """Why a process of ours was the bottleneck; None if none was."""
    mocks = {upstream.role for upstream in b.plan.upstreams.values()} | {bottleneck.WIRE}
    found = bottleneck.strains(stories.samples(), l0_t=b.times.l0_t, load_t=_load_t(b), mocks=mocks)
    return bottleneck.flaw(found)

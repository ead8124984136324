"""The stuck.* measures: who is counted, how long each order was followed, and the numbers over all of them."""

from collections.abc import Sequence
from functools import cached_property
from math import sqrt

import msgspec
import numpy as np
import numpy.typing as npt

from plan.gates import Unit
from plan.run import DEADLINES_S
from reports.findings import AtRisk, Deadline, Finding, Horizon, Slice, Stuck, Survival
from reports.measure.intervals import Z95, Z95_ONE, around, at_least, share, skewness, wilson
from reports.measure.outcomes import ENDINGS
from reports.measure.stuck import STATES, Episodes
from reports.measure.survival import Phases, Share, quantile_finding
from reports.orders import Orders

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

CURVE_POINTS_MAX = 400


class Followed(msgspec.Struct, frozen=True, dict=True):
    """The paid orders: how long each took to its end, or was followed without one (business seconds), and how it
    ended; `could_s`, how long it was or would have been followed without an end; `strata` by fault windows at payment;
    `deadline_s` the one the plan gives. Of a run that was cut (`is_complete` false) nobody knows who else had paid, so
    nothing counts as followed in full."""

    duration_s: Floats
    could_s: Floats
    ended: Bools
    cause: Ints
    strata: Ints
    deadline_s: float
    is_complete: bool = True

    @property
    def n(self) -> int:
        return len(self.duration_s)

    @cached_property
    def phases(self) -> Phases:
        return Phases.of(self.duration_s, self.cause, self.strata, self.could_s)

    def is_full(self, s: float) -> bool:
        """Whether every order ended or was followed so long: then a share of them needs no assumption."""
        return self.is_complete and bool(np.all(self.ended | (self.duration_s >= s)))

    def open_at(self, s: float) -> Finding:
        """Share of orders that had not ended so long after payment."""
        if self.n == 0:
            return Finding(None, Unit.SHARE, "nobody paid", n=0)
        if self.is_full(s):
            late = int(np.sum(~self.ended | (self.duration_s > s)))
            return share(late, self.n, Unit.SHARE, "Wilson; every order was followed so long")
        if s > self.phases.reach:
            least, most = self.phases.open_between(s)
            method = "not estimable: not followed so long; the interval leaves open what was not seen"
            return _of_curves(None, least, most, method, self.n)
        found = self.phases.open_at(s)
        method = "Kaplan-Meier by phase of payment, log-log; some orders were not followed so long"
        return _of_curves(found.value, found, found, method, self.n)

    def ended_by(self, s: float) -> Horizon | None:
        """Shares of orders by how they had ended so long after payment; None where a phase was not followed so far."""
        if self.n == 0 or (not self.is_full(s) and s > self.phases.reach):
            return None
        found: Sequence[Finding | Share]
        if self.is_full(s):
            counts = np.bincount(self.cause[self.ended & (self.duration_s <= s)], minlength=len(ENDINGS) + 1)
            found, method = [share(int(k), self.n, Unit.SHARE) for k in counts[1:]], "Wilson"
        else:
            found, method = self.phases.ended_by(s, len(ENDINGS)), "Aalen-Johansen by phase of payment, log-log"
        by = dict(zip((*ENDINGS, "open"), (*found, self.open_at(s)), strict=True))
        return Horizon(
            s,
            **{name: part.value or 0.0 for name, part in by.items()},
            intervals={name: [part.lo or 0.0, 1.0 if part.hi is None else part.hi] for name, part in by.items()},
            method=method,
        )


def mean_time(followed: Followed) -> Finding:
    """Restricted mean time from payment to the end, up to the deadline."""
    tau, n, unit = followed.deadline_s, followed.n, Unit.BUSINESS_S
    if n == 0:
        return Finding(None, unit, "nobody paid", n=0)
    if tau > followed.phases.reach and not followed.is_full(tau):
        return _mean_between(followed)
    value, se = followed.phases.mean_to(tau)
    by = "" if followed.is_full(tau) else ", by phase of payment"
    made = around(value, se, unit=unit, method=f"RMST up to {tau:g} s{by}, normal", n=n, least=0.0, most=tau)
    if se > 0:
        return made
    (lo, hi), (bound_lo, bound_hi) = [
        (value * (1 - unseen), value + (tau - value) * unseen)
        for unseen in (wilson(0, n, z)[1] for z in (Z95, Z95_ONE))
    ]
    method = f"RMST up to {tau:g} s{by}; all alike: Wilson's share of others, each as far off as can be"
    return msgspec.structs.replace(made, method=method, lo=lo, hi=hi, bound_lo=bound_lo, bound_hi=bound_hi)


def _of_curves(value: float | None, low: Share, high: Share, method: str, n: int) -> Finding:
    found = Finding(value, Unit.SHARE, method, n=n, lo=low.lo, hi=high.hi)
    return msgspec.structs.replace(found, bound_lo=low.bound_lo, bound_hi=high.bound_hi)


def _mean_between(followed: Followed) -> Finding:
    """No value, but what it lies between."""
    tau, n, unit = followed.deadline_s, followed.n, Unit.BUSINESS_S
    method = "not estimable: not followed to the deadline; the interval leaves open what was not seen"
    low, high = (around(*found, unit=unit, method=method, n=n, most=tau) for found in followed.phases.mean_between(tau))
    return msgspec.structs.replace(high, value=None, lo=low.lo, bound_lo=low.bound_lo)


def excess_per_1000(excess_s: Floats, followed: Followed) -> Finding:
    """Order-seconds past the thresholds per 1000 paid orders; `excess_s` has one entry per paid order."""
    n, unit = followed.n, Unit.BUSINESS_S
    if n == 0:
        return Finding(None, unit, "nobody paid", n=0)
    value = float(excess_s.mean()) * 1000
    se = float(excess_s.std(ddof=1)) / sqrt(n) * 1000 if n > 1 else np.inf
    skew = skewness(excess_s)  # few orders hold it all
    found = around(value, se, unit=unit, method="mean per order, normal corrected for skewness", n=n, skew=skew)
    if not followed.is_full(followed.deadline_s):
        method = "some orders were not followed to their deadline: at least so much"
        return msgspec.structs.replace(found, method=method, hi=None, bound_hi=None)
    if value == 0 and n > 1:  # no spread to reckon with: as if the unseen share were each stuck up to the deadline
        worst = [wilson(0, n, z)[1] * followed.deadline_s * 1000 for z in (Z95, Z95_ONE)]
        method = "none seen; upper bound: Wilson's share, each up to the deadline"
        return msgspec.structs.replace(found, method=method, hi=worst[0], bound_hi=worst[1])
    return found


def stuck_rate(k: int, followed: Followed) -> Finding:
    """Paid orders that were stuck at least once."""
    if followed.is_full(followed.deadline_s):
        return share(k, followed.n, Unit.SHARE)
    return at_least(k, followed.n, Unit.SHARE)


def deadlines(followed: Followed, seen_s: float) -> list[Deadline]:
    """The share still open at the standard deadlines that the run saw, and at the plan's own."""
    if followed.n == 0:
        return []
    own = followed.deadline_s
    legal = sorted({own, *(s for s in DEADLINES_S if s <= max(seen_s, own))})
    return [Deadline(s, followed.open_at(s)) for s in legal]


def survival(followed: Followed, horizons: list[float], marks: tuple[float, ...]) -> Survival:
    """The curve for the report, thinned, with how orders had ended by some horizons, and the numbers still at risk
    there and at some marks."""
    times, open_, lo, hi = followed.phases.drawn(CURVE_POINTS_MAX)
    ended = {s: followed.ended_by(s) for s in horizons} if followed.n else {}

    def rounded(values: Floats) -> list[float]:
        return [round(float(v), 6) for v in values]

    return Survival(
        followed.n,
        rounded(times),
        rounded(open_),
        rounded(lo),
        rounded(hi),
        [AtRisk(s, int(np.sum(followed.duration_s >= s))) for s in sorted({*marks, *horizons})],
        [found for found in ended.values() if found is not None],
        [s for s, found in ended.items() if found is None],
    )


def stuck(orders: Orders, episodes: Episodes, excess_s: Floats, recovered: Bools) -> Stuck:
    """Episodes, and the stuck orders split by state; `excess_s` by episode, business."""
    who = np.unique(episodes.i)
    is_stuck = np.zeros(len(orders), dtype=bool)
    is_stuck[who] = True
    median = quantile_finding(excess_s, ~episodes.censored, 0.5, Unit.BUSINESS_S)
    return Stuck(
        orders=len(who),
        episodes=len(episodes),
        open_episodes=int(episodes.censored.sum()),
        reconciled=int((is_stuck & recovered).sum()),
        excess_s=float(excess_s.sum()),
        excess_median_s=_rounded(median.value),
        by={"state": _by_state(episodes, excess_s, int(orders.paid.sum()))},
        excess_median_lo_s=_rounded(median.lo if len(episodes) else None),
        excess_median_hi_s=_rounded(median.hi),
    )


def _by_state(episodes: Episodes, excess_s: Floats, n: int) -> list[Slice]:
    made = []
    for index in np.unique(episodes.state):
        mine = episodes.state == index
        made.append(_slice(str(STATES[index]), len(np.unique(episodes.i[mine])), n, float(excess_s[mine].sum())))
    return made


def _slice(name: str, k: int, n: int, excess_s: float) -> Slice:
    found = share(k, n, Unit.SHARE)
    return Slice(name, k, n, found.value, found.lo, found.hi, round(excess_s, 3))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)

"""The stuck.* measures: who is counted, how long each order was followed, and the numbers over all of them."""

from math import sqrt

import msgspec
import numpy as np
import numpy.typing as npt

from plan.gates import Unit
from plan.run import DEADLINES_S
from reports.findings import AtRisk, Deadline, Finding, Slice, Stuck, Survival
from reports.measure.intervals import around, at_least, share, wilson
from reports.measure.outcomes import by_horizon
from reports.measure.stuck import STATES, Episodes
from reports.measure.survival import Curve, kaplan_meier, quantile, rmst, stratified_at
from reports.orders import Orders

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

CURVE_POINTS_MAX = 400


class Followed(msgspec.Struct, frozen=True):
    """The paid orders: how long each took to its end, or was followed without one (business seconds), and how it
    ended; `strata` by fault windows at payment; `deadline_s` the one the plan gives. Of a run that was cut
    (`is_complete` false) nobody knows who else had paid, so nothing counts as followed in full."""

    duration_s: Floats
    ended: Bools
    cause: Ints
    strata: Ints
    deadline_s: float
    is_complete: bool = True

    @property
    def n(self) -> int:
        return len(self.duration_s)

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
        found = stratified_at(self.duration_s, self.ended, self.strata, s)
        if found is None:
            return Finding(None, Unit.SHARE, "not estimable: not followed so long", n=self.n)
        return Finding(
            found.value,
            Unit.SHARE,
            "Kaplan-Meier by phase of payment, log-log; some orders were not followed so long",
            n=self.n,
            lo=found.lo,
            hi=found.hi,
            bound_lo=found.bound_lo,
            bound_hi=found.bound_hi,
        )

    @property
    def curve(self) -> Curve:
        return kaplan_meier(self.duration_s, self.ended)


def mean_time(followed: Followed) -> Finding:
    """Restricted mean time from payment to the end, up to the deadline."""
    tau, curve = followed.deadline_s, followed.curve
    if followed.n == 0:
        return Finding(None, Unit.BUSINESS_S, "nobody paid", n=0)
    if curve.at(tau)[0] > 0 and curve.followed < tau:
        return Finding(None, Unit.BUSINESS_S, "not estimable: nobody was followed to the deadline", n=followed.n)
    value, se = rmst(curve, tau)
    return around(
        value, se, unit=Unit.BUSINESS_S, method=f"RMST up to {tau:g} s, normal", n=followed.n, least=0.0, most=tau
    )


def excess_per_1000(excess_s: Floats, followed: Followed) -> Finding:
    """Order-seconds past the thresholds per 1000 paid orders; `excess_s` has one entry per paid order."""
    n, unit = followed.n, Unit.BUSINESS_S
    if n == 0:
        return Finding(None, unit, "nobody paid", n=0)
    value = float(excess_s.mean()) * 1000
    se = float(excess_s.std(ddof=1)) / sqrt(n) * 1000 if n > 1 else np.inf
    found = around(value, se, unit=unit, method="mean per order, normal", n=n)
    if not followed.is_full(followed.deadline_s):
        method = "some orders were not followed to their deadline: at least so much"
        return msgspec.structs.replace(found, method=method, hi=None, bound_hi=None)
    if value == 0 and n > 1:  # no spread to reckon with: as if the unseen share were each stuck up to the deadline
        worst = [wilson(0, n, z)[1] * followed.deadline_s * 1000 for z in (1.959964, 1.644854)]
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
    curve = followed.curve
    lo, hi = curve.loglog()
    n = len(curve.t)
    rows = np.unique(np.linspace(0, n - 1, min(n, CURVE_POINTS_MAX)).astype(int)) if n else np.zeros(0, dtype=int)

    def rounded(values: Floats) -> list[float]:
        return [round(float(v), 6) for v in values[rows]]

    return Survival(
        followed.n,
        rounded(curve.t),
        rounded(curve.open),
        rounded(lo),
        rounded(hi),
        [AtRisk(s, int(np.sum(followed.duration_s >= s))) for s in sorted({*marks, *horizons})],
        by_horizon(followed.duration_s, followed.cause, horizons),
    )


def stuck(orders: Orders, episodes: Episodes, excess_s: Floats, recovered: Bools) -> Stuck:
    """Episodes, and the stuck orders split by state; `excess_s` by episode, business."""
    who = np.unique(episodes.i)
    is_stuck = np.zeros(len(orders), dtype=bool)
    is_stuck[who] = True
    return Stuck(
        orders=len(who),
        episodes=len(episodes),
        open_episodes=int(episodes.censored.sum()),
        reconciled=int((is_stuck & recovered).sum()),
        excess_s=float(excess_s.sum()),
        excess_median_s=_median(excess_s, ~episodes.censored),
        by={"state": _by_state(episodes, excess_s, int(orders.paid.sum()))},
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


def _median(durations: Floats, ended: Bools) -> float | None:
    """Kaplan-Meier median; None where half of them had not ended."""
    found = quantile(kaplan_meier(durations, ended), 0.5)
    return None if found is None else round(found, 3)

"""Time from payment to the end of an order, with orders that had not ended: Kaplan-Meier, RMST, Aalen-Johansen, all of
them by phase of payment, and the log-rank test."""

from collections.abc import Sequence
from math import exp, inf, log, sqrt
from typing import Self

import msgspec
import numpy as np
import numpy.typing as npt

from reports.findings import Finding
from reports.measure.intervals import Z95, Z95_ONE, wilson

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Curve(msgspec.Struct, frozen=True):
    """A Kaplan-Meier curve: after each event time `t` the share still open, at risk before it, events at it, and the
    running sum of Greenwood's formula (infinite once nobody is left)."""

    n: int
    t: Floats
    open: Floats
    at_risk: Ints
    events: Ints
    greenwood: Floats

    @property
    def se(self) -> Floats:
        with np.errstate(invalid="ignore"):
            return np.where(self.open > 0, self.open * np.sqrt(self.greenwood), 0.0)

    def at(self, t: float) -> tuple[float, float]:
        """Share still open after t, and its standard error."""
        i = int(np.searchsorted(self.t, t, side="right")) - 1
        return (1.0, 0.0) if i < 0 else (float(self.open[i]), float(self.se[i]))

    def at_all(self, times: Floats) -> tuple[Floats, Floats]:
        """As `at`, for many times."""
        i = np.searchsorted(self.t, times, side="right")
        return np.concatenate([[1.0], self.open])[i], np.concatenate([[0.0], self.se])[i]

    def until(self, t: float) -> "Curve":
        """As if nothing had been seen after t."""
        k = int(np.searchsorted(self.t, t, side="right"))
        return Curve(self.n, self.t[:k], self.open[:k], self.at_risk[:k], self.events[:k], self.greenwood[:k])

    def loglog(self, z: float = Z95) -> tuple[Floats, Floats]:
        """The log-log interval at every event time; where the share is 0 or 1, that value itself."""
        return loglog(self.open, self.se, z)


def kaplan_meier(durations: Floats, ended: Bools) -> Curve:
    """The curve of durations of which some were cut short (`ended` false); censored at an event time is at risk."""
    durations = np.asarray(durations, dtype=np.float64)
    times, events = np.unique(durations[ended], return_counts=True)
    in_order = np.sort(durations)
    at_risk = (len(durations) - np.searchsorted(in_order, times, side="left")).astype(np.int64)
    open_ = np.cumprod(1.0 - events / at_risk).astype(np.float64)
    with np.errstate(divide="ignore"):
        greenwood = np.cumsum(events / (at_risk * (at_risk - events).astype(np.float64)))
    return Curve(len(durations), times, open_, at_risk, events.astype(np.int64), greenwood)


def loglog(open_: Floats, se: Floats, z: float = Z95) -> tuple[Floats, Floats]:
    """Interval of a share on the scale of log(-log), which keeps it between 0 and 1."""
    lo, hi = open_.copy(), open_.copy()
    inside = (open_ > 0) & (open_ < 1) & np.isfinite(se)
    s = open_[inside]
    power = z * se[inside] / (s * np.abs(np.log(s)))
    lo[inside], hi[inside] = s ** np.exp(power), s ** np.exp(-power)
    return lo, hi


def quantile(curve: Curve, p: float) -> float | None:
    """The time by which a share p had ended; None where so many were not seen to end."""
    return _first_below(curve, curve.open, 1.0 - p)


def _first_below(curve: Curve, open_: Floats, share: float) -> float | None:
    below = np.flatnonzero(open_ <= share + 1e-12)
    return float(curve.t[below[0]]) if len(below) else None


def quantile_finding(durations: Floats, ended: Bools, p: float, unit: str) -> Finding:
    """A Kaplan-Meier quantile; its interval is where the log-log band of the curve crosses it. An end that the curve
    does not reach is open above; below it is the time up to which everybody was followed."""
    curve, n = kaplan_meier(durations, ended), len(durations)
    all_followed = float(np.min(durations[~ended])) if not ended.all() else float(np.max(durations, initial=0.0))
    ends = []
    for z in (Z95, Z95_ONE):
        lo, hi = curve.loglog(z)
        hi = np.where(curve.open <= 0, wilson(0, n, z)[1], hi)  # nobody left is no proof for those not drawn
        low = _first_below(curve, lo, 1.0 - p)
        ends.append((all_followed if low is None else low, _first_below(curve, hi, 1.0 - p)))
    (low, high), (bound_lo, bound_hi) = ends
    value = quantile(curve, p)
    method = "Kaplan-Meier quantile, log-log"
    if value is None:
        method = f"not estimable: fewer than {p:.0%} came to it while they were followed"
    return Finding(value, unit, method, n=n, lo=low, hi=high, bound_lo=bound_lo, bound_hi=bound_hi)


def rmst(curve: Curve, tau: float) -> tuple[float, float]:
    """Mean time to the end, counted no farther than tau, and its standard error."""
    before = curve.t < tau
    times = np.concatenate([[0.0], curve.t[before], [tau]])
    levels = np.concatenate([[1.0], curve.open[before]])
    areas = np.diff(times) * levels
    value = float(areas.sum())
    left = value - np.cumsum(areas)[:-1]  # the area right of each event time
    n, d = curve.at_risk[before].astype(np.float64), curve.events[before].astype(np.float64)
    still = n > d
    variance = float(np.sum(left[still] ** 2 * d[still] / (n[still] * (n[still] - d[still]))))
    return value, sqrt(max(variance, 0.0))


class Incidence(msgspec.Struct, frozen=True):
    """Shares that had ended by each cause (columns) by each horizon (rows), and their standard errors."""

    shares: Floats
    se: Floats


def aalen_johansen(durations: Floats, causes: Ints, n_causes: int, horizons: Floats) -> Incidence:
    """How orders had ended: cause 0 is not ended, ties keep their counts. The errors are those of the delta method
    (as in Marubini and Valsecchi 1995), by running sums, so in one pass."""
    curve = kaplan_meier(durations, causes > 0)
    before = np.concatenate([[1.0], curve.open[:-1]])[: len(curve.t)]
    n, all_ended = curve.at_risk.astype(np.float64), curve.events.astype(np.float64)
    stay = n * (n - all_ended)
    any_end = np.divide(all_ended, stay, out=np.zeros(len(n)), where=stay > 0)  # the last of all adds nothing
    at = np.searchsorted(curve.t, horizons, side="right")
    shares, se = np.zeros((len(horizons), n_causes)), np.zeros((len(horizons), n_causes))

    def summed(steps: Floats) -> Floats:
        return np.concatenate([[0.0], np.cumsum(steps)])[at]

    for cause in range(1, n_causes + 1):
        d = np.bincount(np.searchsorted(curve.t, durations[causes == cause]), minlength=len(curve.t))
        f = np.cumsum(before * d / n)
        own = summed(before * d / n)
        variance = own**2 * summed(any_end) - 2 * own * summed(f * any_end) + summed(f**2 * any_end)
        variance += summed(before**2 * d * (n - d) / n**3)
        variance -= 2 * (own * summed(before * d / n**2) - summed(f * before * d / n**2))
        shares[:, cause - 1], se[:, cause - 1] = own, np.sqrt(np.maximum(variance, 0.0))
    return Incidence(shares, se)


PHASE_MIN, PHASE_SHARE = 30, 50
"""A phase of fewer orders, or of less than one in so many of all, has no curve of its own."""


class Share(msgspec.Struct, frozen=True):
    """A share from survival curves: value, two-sided interval, one-sided bounds."""

    value: float
    lo: float
    hi: float
    bound_lo: float
    bound_hi: float


class Phases(msgspec.Struct, frozen=True):
    """Orders by phase of payment, each with a curve of its own; what is told of all weighs the phases by their orders.
    A fault that comes late cuts the follow-up of its own victims short: one curve for all would forget them.

    Errors of means hold the spread within phases and between them, as those of a plain mean where all was seen.
    `reaches`: how far each phase was followed; beyond that nothing is told of it.
    """

    durations: Floats
    causes: Ints
    could: Floats
    rows: list[Bools]
    curves: list[Curve]
    reaches: list[float]

    @classmethod
    def of(cls, durations: Floats, causes: Ints, strata: Ints, could: Floats) -> Self:
        """`causes` says how each order ended, 0 where it had not; `strata` in which phase it was paid, numbered as they
        came; `could`: how long each was or would have been followed if it had not ended."""
        phase = _joined(strata)
        rows = [np.asarray(phase == number) for number in np.unique(phase)]
        curves = [kaplan_meier(durations[mine], causes[mine] > 0) for mine in rows]
        reaches = [_reach(durations[mine], causes[mine] > 0, could[mine]) for mine in rows]
        return cls(durations, causes, could, rows, curves, reaches)

    @property
    def n(self) -> int:
        return len(self.durations)

    @property
    def reach(self) -> float:
        """How far something can be told of all."""
        return min(self.reaches, default=inf)

    def open_at(self, t: float) -> Share:
        """Share still open after t, which is within `reach`."""
        return self._shared([curve.at(t) for curve in self.curves], t)

    def open_between(self, t: float) -> tuple[Share, Share]:
        """The least and the most that can be open after t: of a phase that was not followed so far nobody, or all who
        were open when it was."""
        seen = list(zip(self.curves, self.reaches, strict=True))
        least = [(0.0, 0.0) if t > reach else curve.at(t) for curve, reach in seen]
        return self._shared(least, t), self._shared([curve.until(reach).at(t) for curve, reach in seen], t)

    def mean_to(self, tau: float) -> tuple[float, float]:
        """Mean time to the end, counted no farther than tau, which is within `reach`; and its standard error."""
        return self._averaged([rmst(curve, tau) for curve in self.curves])

    def mean_between(self, tau: float) -> tuple[tuple[float, float], tuple[float, float]]:
        """The least and the most that it can be, with their standard errors, as above."""
        seen = list(zip(self.curves, self.reaches, strict=True))
        least = [rmst(curve, min(tau, reach)) for curve, reach in seen]
        return self._averaged(least), self._averaged([rmst(curve.until(reach), tau) for curve, reach in seen])

    def ended_by(self, t: float, n_causes: int) -> list[Share]:
        """Shares that had ended so long after payment, by cause; t within `reach`."""
        at = np.array([t])
        parts = [aalen_johansen(self.durations[r], self.causes[r], n_causes, at) for r in self.rows]
        return [self._shared([(float(p.shares[0, k]), float(p.se[0, k])) for p in parts], t) for k in range(n_causes)]

    def drawn(self, points: int) -> tuple[Floats, Floats, Floats, Floats]:
        """The curve as far as it reaches, thinned to so many times: times, shares still open, log-log interval."""
        if self.n == 0:
            return np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0)
        times = np.unique(np.concatenate([c.t for c in self.curves]))
        times = times[times <= self.reach]
        times = times[np.unique(np.linspace(0, len(times) - 1, min(len(times), points)).astype(np.int64))]
        value, se = self._weighed([c.at_all(times) for c in self.curves])
        return times, value, *loglog(value, se)

    def _shared(self, parts: Sequence[tuple[float, float]], t: float) -> Share:
        """The share of all and its interval, from those of each phase (MOVER: Zou and Donner 2008): one in which all or
        nobody had ended keeps an uncertainty of its own, by the orders that could be followed so far."""
        shares = []
        for (value, se), rows, reach in zip(parts, self.rows, self.reaches, strict=True):
            could = self.could[rows] >= min(t, reach) if reach < inf else rows[rows]
            shares.append(_share(value, se, int(np.sum(could))))
        weights = [curve.n / self.n for curve in self.curves]
        whole = sum(weight * share.value for weight, share in zip(weights, shares, strict=True))

        def away(end: str) -> float:
            off = [(w * (getattr(s, end) - s.value)) ** 2 for w, s in zip(weights, shares, strict=True)]
            return sqrt(sum(off))

        lo, bound_lo = max(whole - away("lo"), 0.0), max(whole - away("bound_lo"), 0.0)
        return Share(whole, lo, min(whole + away("hi"), 1.0), bound_lo, min(whole + away("bound_hi"), 1.0))

    def _averaged(self, parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
        value, se = self._weighed(parts)
        return float(value), float(se)

    def _weighed(self, parts: Sequence[tuple[Floats | float, Floats | float]]) -> tuple[Floats, Floats]:
        """Value and standard error over all, of those of each phase."""
        weights = [curve.n / self.n for curve in self.curves]
        value, variance = np.zeros(()), np.zeros(())
        for weight, (v, _) in zip(weights, parts, strict=True):
            value = value + weight * np.asarray(v)
        for weight, (v, e) in zip(weights, parts, strict=True):
            variance = variance + (weight * np.asarray(e)) ** 2 + weight * (np.asarray(v) - value) ** 2 / self.n
        return value, np.sqrt(variance)


def _joined(strata: Ints) -> Ints:
    """Phases by number; one of very few orders counts with the one before it, or the first with the second: a handful
    paid just after a fault was healed shall not make everything unknown."""
    names, phase, counts = np.unique(strata, return_inverse=True, return_counts=True)
    least = max(PHASE_MIN, len(strata) // PHASE_SHARE)
    number = np.zeros(len(names), dtype=np.int64)
    for k in range(1, len(names)):
        is_new = counts[k] >= least and int(counts[:k][number[:k] == number[k - 1]].sum()) >= least
        number[k] = number[k - 1] + is_new
    return number[phase]


def _reach(durations: Floats, ended: Bools, could: Floats) -> float:
    """How far a phase was followed: as far as one in ten of its orders could be, or without end if all ended. Where
    fewer were, the curve hangs on a single order and falls to nothing if that one ends."""
    if ended.all():
        return inf
    tenth = -(-len(could) // 10)
    return min(float(np.sort(could)[-tenth]), float(durations.max()))


def _share(value: float, se: float, n: int) -> Share:
    """Log-log; where that has no width (all or nobody ended), Wilson over those who were followed so far."""
    if 0.0 < value < 1.0 and 0.0 < se < inf:
        ends = []
        for z in (Z95, Z95_ONE):
            power = z * se / (value * abs(log(value)))
            ends += [value ** exp(power), value ** exp(-power)]
        return Share(value, *ends)
    return Share(value, *wilson(value * n, n), *wilson(value * n, n, Z95_ONE))


class LogRank(msgspec.Struct, frozen=True):
    """The log-rank test. `z` has the sign of the first group's surplus of ends, None for more than two groups."""

    chi2: float
    df: int
    p: float
    z: float | None


def logrank(durations: Floats, ended: Bools, groups: Ints, strata: Ints | None = None) -> LogRank | None:
    """Whether groups (runs, say) end at the same pace, within each stratum; None where there is nothing to compare.

    Orders of one run share its luck, so of runs this describes and does not judge.
    """
    names = np.unique(groups)
    surplus, spread = np.zeros(len(names)), np.zeros((len(names), len(names)))
    strata = np.zeros(len(durations), dtype=np.int64) if strata is None else strata
    for stratum in np.unique(strata):
        mine = strata == stratum
        more, variance = _surplus(durations[mine], ended[mine], np.searchsorted(names, groups[mine]), len(names))
        surplus, spread = surplus + more, spread + variance
    df = int(np.linalg.matrix_rank(spread)) if len(names) else 0
    if df == 0:
        return None
    chi2 = float(surplus @ np.linalg.pinv(spread) @ surplus)
    from scipy.special import chdtrc  # only where two runs are compared

    z = float(np.sign(surplus[0])) * sqrt(chi2) if len(names) == 2 else None
    return LogRank(chi2, df, float(chdtrc(df, chi2)), z)


def _surplus(durations: Floats, ended: Bools, group: Ints, groups: int) -> tuple[Floats, Floats]:
    """Ends of each group beyond those expected if all had the same pace, and their covariance."""
    times, events = np.unique(durations[ended], return_counts=True)
    at_risk, own = np.zeros((groups, len(times))), np.zeros(groups)
    for g in range(groups):
        mine = np.sort(durations[group == g])
        at_risk[g] = len(mine) - np.searchsorted(mine, times, side="left")
        own[g] = np.sum(ended[group == g])
    n = at_risk.sum(axis=0)
    share = at_risk / n
    weight = events * (n - events) / np.maximum(n - 1, 1)
    return own - share @ events, np.diag(share @ weight) - (share * weight) @ share.T

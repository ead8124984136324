"""Time from payment to the end of an order, with orders that had not ended: Kaplan-Meier, RMST, Aalen-Johansen."""

from math import exp, inf, log, sqrt

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
    followed: float

    @property
    def se(self) -> Floats:
        with np.errstate(invalid="ignore"):
            return np.where(self.open > 0, self.open * np.sqrt(self.greenwood), 0.0)

    def at(self, t: float) -> tuple[float, float]:
        """Share still open after t, and its standard error."""
        i = int(np.searchsorted(self.t, t, side="right")) - 1
        return (1.0, 0.0) if i < 0 else (float(self.open[i]), float(self.se[i]))

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
    followed = float(in_order[-1]) if len(in_order) else 0.0
    return Curve(len(durations), times, open_, at_risk, events.astype(np.int64), greenwood, followed)


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
    all_followed = float(durations[~ended].min()) if not ended.all() else curve.followed
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


def aalen_johansen(durations: Floats, causes: Ints, n_causes: int, horizons: Floats) -> Floats:
    """Shares ended by each cause (columns; cause 0 is not ended) by each horizon (rows). Ties keep their counts."""
    curve = kaplan_meier(durations, causes > 0)
    before = np.concatenate([[1.0], curve.open[:-1]])
    at = np.searchsorted(curve.t, horizons, side="right")
    result = np.zeros((len(horizons), n_causes))
    for cause in range(1, n_causes + 1):
        of_cause = np.searchsorted(curve.t, durations[causes == cause])
        d = np.bincount(of_cause, minlength=len(curve.t))[: len(curve.t)]
        shares = np.concatenate([[0.0], np.cumsum(before * d / curve.at_risk)])
        result[:, cause - 1] = shares[at]
    return result


class Share(msgspec.Struct, frozen=True):
    """A share from survival curves: value, two-sided interval, one-sided bounds."""

    value: float
    lo: float
    hi: float
    bound_lo: float
    bound_hi: float


def stratified_at(durations: Floats, ended: Bools, strata: Ints, t: float) -> Share | None:
    """Share still open after t, each stratum by its own curve and weighted by its orders; None where one of them was
    not followed so far, for nothing is extrapolated."""
    total, value, variance, at_risk = len(durations), 0.0, 0.0, 0
    if total == 0:
        return None
    for stratum in np.unique(strata):
        mine = strata == stratum
        curve = kaplan_meier(durations[mine], ended[mine])
        share, se = curve.at(t)
        if share > 0 and curve.followed < t:
            return None
        weight = curve.n / total
        value += weight * share
        variance += (weight * se) ** 2
        at_risk += int(np.sum((durations[mine] >= t) | ended[mine]))
    return _share(value, sqrt(variance), at_risk)


def _share(value: float, se: float, n: int) -> Share:
    """Log-log; where that has no width (all or nobody ended), Wilson over those who were followed so far."""
    if 0.0 < value < 1.0 and 0.0 < se < inf:
        ends = []
        for z in (Z95, Z95_ONE):
            power = z * se / (value * abs(log(value)))
            ends += [value ** exp(power), value ** exp(-power)]
        return Share(value, *ends)
    return Share(value, *wilson(value * n, n), *wilson(value * n, n, Z95_ONE))

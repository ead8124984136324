"""When order n is due: pure arithmetic, no clock.

Every shape is a curve of the planned rate over time, made of straight pieces; order n is due where the area under the
curve reaches n (for poisson: the n-th sum of keyed exponential gaps).
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import inf, log1p, sqrt
from typing import TypeAlias

import msgspec

from plan.chance import draw
from plan.units import Rate, WireTime

Points: TypeAlias = tuple[tuple[WireTime, Rate], ...]


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="shape"):
    """What all shapes share: `orders`, where given, keeps the rates and stretches the time to fit that many."""

    orders: int | None = None

    def points(self) -> Points:
        """The curve of the planned rate."""
        raise NotImplementedError


class Constant(Shape, frozen=True, tag="constant", forbid_unknown_fields=True, kw_only=True):
    rate: Rate
    duration: WireTime | None = None

    def points(self) -> Points:
        return ((WireTime(0), self.rate), (self.duration or _time_for(self.orders, self.rate), self.rate))


class Poisson(Constant, frozen=True, tag="poisson", forbid_unknown_fields=True, kw_only=True):
    """Like constant, with exponential gaps."""


class Ramp(
    Shape, frozen=True, tag="ramp", forbid_unknown_fields=True, kw_only=True, rename={"low": "from", "high": "to"}
):
    low: Rate
    high: Rate
    duration: WireTime

    def points(self) -> Points:
        return ((WireTime(0), self.low), (self.duration, self.high))


class Spike(Shape, frozen=True, tag="spike", forbid_unknown_fields=True, kw_only=True):
    """A base rate with one peak that begins at `at` and lasts `lasts`."""

    rate: Rate
    peak: Rate
    at: WireTime
    lasts: WireTime
    duration: WireTime

    def points(self) -> Points:
        end = WireTime(self.at + self.lasts)
        if end > self.duration:
            raise ValueError(f"the peak ends at {end.text()}, after the load ({self.duration.text()})")
        zero = (WireTime(0), self.rate)
        return (
            zero,
            (self.at, self.rate),
            (self.at, self.peak),
            (end, self.peak),
            (end, self.rate),
            (self.duration, self.rate),
        )


class Stairs(
    Shape, frozen=True, tag="stairs", forbid_unknown_fields=True, kw_only=True, rename={"low": "from", "high": "to"}
):
    """`steps` equal stairs from a rate to a rate, `each` long."""

    low: Rate
    high: Rate
    steps: int
    each: WireTime

    def points(self) -> Points:
        if self.steps < 2:
            raise ValueError("stairs need at least 2 steps")
        rise = (self.high - self.low) / (self.steps - 1)
        rates = [Rate(self.low + rise * i) for i in range(self.steps)]
        return tuple((WireTime(self.each * (i + end)), rate) for i, rate in enumerate(rates) for end in (0, 1))


class Curve(Shape, frozen=True, tag="curve", forbid_unknown_fields=True, kw_only=True, rename={"at": "points"}):
    """Straight lines between points [time, rate]."""

    at: list[tuple[WireTime, Rate]]

    def points(self) -> Points:
        if len(self.at) < 2 or float(self.at[0][0]) != 0.0:
            raise ValueError("a curve needs at least 2 points, the first at 0 s")
        if any(before[0] > after[0] for before, after in pairwise(self.at)):
            raise ValueError("the points of a curve must not go back in time")
        return tuple(self.at)


AnyShape: TypeAlias = Constant | Poisson | Ramp | Spike | Stairs | Curve


class Arrivals(msgspec.Struct, frozen=True):
    """The resolved load of a plan: the curve, how many orders, and whether the gaps are drawn."""

    shape: str
    points: Points
    orders: int
    poisson: bool = False

    @property
    def peak(self) -> float:
        """The highest planned rate, per second."""
        return max(rate for _, rate in self.points)


def arrivals(shape: AnyShape, *, rate: Rate | None = None, duration: WireTime | None = None) -> Arrivals:
    """The shape resolved; ValueError where it plans no order.

    `rate` (the peak rate) or `duration` alone stretches the time axis and never changes the number of orders;
    both together do.
    """
    if isinstance(shape, Constant) and not isinstance(shape, Curve) and shape.duration is None and shape.orders is None:
        raise ValueError("this shape needs orders or duration")
    points = shape.points()
    area = _area(points)
    if area <= 0 or points[-1][0] <= 0:
        raise ValueError("this load plans no order: its rate or its duration is 0")
    peak, end = max(r for _, r in points), points[-1][0]
    if rate is not None and duration is not None:
        points = _stretched(points, time=duration / end, rate=rate / peak)
        orders = round(_area(points))
    else:
        orders = shape.orders if shape.orders is not None else round(area)
        time, rise = orders / area, 1.0
        if rate is not None:
            time, rise = time * peak / rate if rate else inf, rate / peak
        elif duration is not None:
            time, rise = duration / end, time * end / duration if duration else inf
        points = _stretched(points, time=time, rate=rise)
    if orders < 1 or points[-1][0] in (0, inf):
        raise ValueError("this load plans no order: raise rate, duration or orders")
    return Arrivals(str(shape.__struct_config__.tag), points, orders, isinstance(shape, Poisson))


class Schedule:
    """When each order of a load is due, in seconds after the start of load."""

    def __init__(self, load: Arrivals, seed: int) -> None:
        self._points = load.points
        self._areas = [0.0, *accumulate((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(load.points))]
        self.orders = load.orders
        self._times = [t for t, _ in load.points]
        self._sums = _exponential_sums(seed, load.orders) if load.poisson else None

    def due_s(self, n: int) -> float:
        """When order n is due. Never decreases with n."""
        return self._time_of(float(n) if self._sums is None else self._sums[n])

    def rate_at(self, t_s: float) -> float:
        """The planned arrival rate at a moment of the load, per second; that of the nearest end outside of it."""
        i = bisect_right(self._times, t_s) - 1
        if i < 0:
            return float(self._points[0][1])
        if i >= len(self._points) - 1:
            return float(self._points[-1][1])
        (t0, r0), (t1, r1) = self._points[i], self._points[i + 1]
        return r0 + (r1 - r0) * (t_s - t0) / (t1 - t0)

    @property
    def last_due_s(self) -> float:
        return self.due_s(self.orders - 1)

    def _time_of(self, area: float) -> float:
        i = min(bisect_right(self._areas, area), len(self._areas) - 1) - 1
        (t0, r0), (t1, r1) = self._points[i], self._points[i + 1]
        left = area - self._areas[i]
        slope = (r1 - r0) / (t1 - t0) if t1 > t0 else 0.0
        if (
            left > self._areas[i + 1] - self._areas[i]
        ):  # past the end of the curve: its last or else its peak rate holds
            beyond = left - (self._areas[i + 1] - self._areas[i])
            return t1 + beyond / (r1 or max(r for _, r in self._points))
        if left <= 0:
            return float(t0)
        # Solves r0 x + slope x² / 2 = left in the form that stays exact for a slope near zero.
        return t0 + 2 * left / (r0 + sqrt(max(r0 * r0 + 2 * slope * left, 0.0)))


def _exponential_sums(seed: int, orders: int) -> Sequence[float]:
    return list(accumulate(-log1p(-draw(seed, "arrival", n)) for n in range(orders)))


def _area(points: Points) -> float:
    return float(sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points)))


def _stretched(points: Points, *, time: float, rate: float) -> Points:
    return tuple((WireTime(t * time), Rate(r * rate)) for t, r in points)


def _time_for(orders: int | None, rate: Rate) -> WireTime:
    return WireTime(orders / rate) if orders and rate else WireTime(0)

"""Shares that grow with a rate: points with straight lines between; outside, the nearest end holds."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise


def check(points: Sequence[tuple[float, float]]) -> None:
    """ValueError unless there is a point, and the rates rise."""
    if not points:
        raise ValueError("curve needs at least one point [rate, share]")
    if any(a[0] >= b[0] for a, b in pairwise(points)):
        raise ValueError("the rates of the curve must rise")


def share_at(points: Sequence[tuple[float, float]], rate: float) -> float:
    """The share at this rate."""
    i = bisect_right([at for at, _ in points], rate)
    if i == 0 or i == len(points):
        return float(points[min(i, len(points) - 1)][1])
    (r0, s0), (r1, s1) = points[i - 1], points[i]
    return s0 + (s1 - s0) * (rate - r0) / (r1 - r0)

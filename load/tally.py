"""Counts of times: the latency histogram of one second, and a running quantile. Pure."""

from bisect import bisect_left
from math import ceil, exp, log

EDGES_MS = (
    *(0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 70.0, 100.0, 150.0, 200.0, 300.0, 500.0, 700.0),
    *(1000.0, 1500.0, 2000.0, 3000.0, 5000.0, 7000.0, 10000.0, 15000.0, 20000.0, 30000.0),
)
_NAMES = (*(f"{edge:g}" for edge in EDGES_MS), "inf")


class Second:
    """What happened to one kind of request in one second."""

    __slots__ = ("_buckets", "count", "errors", "late", "why")

    def __init__(self) -> None:
        self.count = 0
        self.errors = 0
        self.late = 0
        self.why: dict[str, int] = {}
        self._buckets = [0] * len(_NAMES)

    def add(self, ms: float, why: str) -> None:
        """One request that took so long; `why` is empty for a good answer."""
        self.count += 1
        self._buckets[bisect_left(EDGES_MS, ms)] += 1
        if why:
            self.errors += 1
            self.why[why] = self.why.get(why, 0) + 1

    @property
    def histogram(self) -> dict[str, int]:
        """Upper edge in ms: count; only edges that were met."""
        return {name: n for name, n in zip(_NAMES, self._buckets, strict=True) if n}


_STEP = log(1.02)
_FLOOR = 1e-3


class Quantiles:
    """Quantiles of a stream of positive numbers to within 2 %, in the room of a few hundred counters."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._n = 0

    def add(self, value: float) -> None:
        bucket = ceil(log(value / _FLOOR) / _STEP) if value > _FLOOR else 0
        self._counts[bucket] = self._counts.get(bucket, 0) + 1
        self._n += 1

    def at(self, share: float) -> float:
        """The value that a share of all numbers does not exceed; 0 where there are none."""
        left = share * self._n
        for bucket in sorted(self._counts):
            left -= self._counts[bucket]
            if left <= 0:
                return _FLOOR * exp(bucket * _STEP)
        return 0.0

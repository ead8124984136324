"""Whether the generator kept its promise, and how the shop answered: lateness, latency, throughput, errors."""

from collections import Counter
from functools import lru_cache
from math import ceil, isfinite
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from reports.findings import Finding, HealthRow, LatencySeries, RequestRow
from reports.measure.intervals import share

Floats = npt.NDArray[np.float64]
Columns = dict[str, npt.NDArray[Any]]

LATE_POLLS_MAX = 0.01
"""More than this share of polls late by an interval means that the poller was the bottleneck."""
POINTS_MAX = 120


class Histogram(msgspec.Struct):
    """Counts by upper edge in ms; `edges` are all edges that the run met, so that a bucket has a lower edge too."""

    edges: list[float]
    counts: list[int]

    @property
    def total(self) -> int:
        return sum(self.counts)

    def at(self, q: float) -> float | None:
        """The q-quantile, evenly spread within its bucket; None where there is nothing, or where it lies beyond the
        last edge."""
        left = q * self.total
        if left <= 0:
            return None
        lower = 0.0
        for edge, count in zip(self.edges, self.counts, strict=True):
            if count and left <= count:
                return lower + (edge - lower) * left / count if isfinite(edge) else None
            left -= count
            lower = edge
        return None

    @property
    def highest(self) -> float | None:
        """The upper edge of the last bucket that holds anything."""
        met = [edge for edge, count in zip(self.edges, self.counts, strict=True) if count and isfinite(edge)]
        return met[-1] if met else None


class Requests(msgspec.Struct, frozen=True):
    """All seconds of requests, parsed: by row its name, time and counts."""

    name: list[str]
    t: Floats
    count: npt.NDArray[np.int64]
    errors: npt.NDArray[np.int64]
    late: npt.NDArray[np.int64]
    buckets: list[dict[float, int]]
    why: list[dict[str, int]]
    edges: list[float]

    @property
    def names(self) -> list[str]:
        return sorted(set(self.name))

    def rows(self, name: str) -> list[int]:
        return [row for row, other in enumerate(self.name) if other == name]

    def histogram(self, rows: list[int]) -> Histogram:
        counts: Counter[float] = Counter()
        for row in rows:
            counts.update(self.buckets[row])
        return Histogram(self.edges, [counts[edge] for edge in self.edges])


def parse(columns: Columns) -> Requests:
    """Requests as the journals hold them; counts that are no counts are left out."""
    counted = [_counts(text) for text in columns["histogram"].tolist()]
    buckets = [{edge: n for k, n in found.items() if (edge := _edge(k)) > 0} for found in counted]
    numbers = {
        name: np.maximum(np.nan_to_num(columns[name]), 0).astype(np.int64) for name in ("count", "errors", "late")
    }
    return Requests(
        name=columns["name"].tolist(),
        t=columns["t"],
        buckets=buckets,
        why=[_counts(text) if text != "{}" else {} for text in columns["why"].tolist()],
        edges=sorted(set().union(*buckets)),
        **numbers,
    )


_decode = msgspec.json.Decoder(dict[str, int | None]).decode


def _counts(text: Any) -> dict[str, int]:
    try:
        found = _decode(text or "{}")
    except (msgspec.DecodeError, TypeError):
        return {}
    return {key: n for key, n in found.items() if n is not None and n > 0}


@lru_cache(maxsize=4096)
def _edge(text: str) -> float:
    try:
        edge = float(text)
    except ValueError:
        return 0.0
    return edge if edge > 0 else 0.0


def table(requests: Requests, seconds: float) -> list[RequestRow]:
    """One row per name; `seconds` is how long the load lasted (wire)."""
    made = []
    for name in requests.names:
        rows = requests.rows(name)
        histogram, why = requests.histogram(rows), Counter[str]()
        for row in rows:
            why.update(requests.why[row])
        count = int(requests.count[rows].sum())
        made.append(
            RequestRow(
                name,
                count,
                int(requests.errors[rows].sum()),
                int(requests.late[rows].sum()),
                count / seconds if seconds > 0 else 0.0,
                p50_ms=histogram.at(0.5),
                p90_ms=histogram.at(0.9),
                p95_ms=histogram.at(0.95),
                p99_ms=histogram.at(0.99),
                max_ms=histogram.highest,
                why=dict(sorted(why.items(), key=lambda item: (-item[1], item[0]))),
            )
        )
    return made


def over_time(requests: Requests, l0_t: float, end_t: float) -> list[LatencySeries]:
    """Latency of every kind of request in equal steps of at least a second (wire)."""
    width = max(ceil((end_t - l0_t) / 1e9 / POINTS_MAX), 1)
    made = []
    for name in requests.names:
        steps: dict[int, list[int]] = {}
        for row in requests.rows(name):
            # A row is written when its second has passed.
            steps.setdefault(int((requests.t[row] - l0_t) / 1e9 - 0.5) // width, []).append(row)
        points = []
        for step, rows in sorted(steps.items()):
            histogram = requests.histogram(rows)
            p50, p95 = histogram.at(0.5), histogram.at(0.95)
            if p50 is not None and p95 is not None and step >= 0:
                points.append((step * width + width / 2, p50, p95))
        made.append(LatencySeries(name, *([point[part] for point in points] for part in range(3))))
    return made


def quantile(values: Floats, q: float) -> float | None:
    """The smallest value that a share q does not exceed; None where there is none."""
    finite = np.sort(values[np.isfinite(values)])
    return float(finite[max(ceil(q * len(finite)) - 1, 0)]) if len(finite) else None


def lateness(late_ns: Floats, unit: str) -> Finding:
    """How late orders were sent, 99th percentile, wire seconds."""
    sends = int(np.isfinite(late_ns).sum())
    value = quantile(late_ns, 0.99)
    method = "99th percentile of all sends; no interval, compared as it is"
    return Finding(value / 1e9 if value is not None else None, unit, method if sends else "nothing was sent", n=sends)


def latency_p95(requests: Requests, name: str, unit: str) -> Finding:
    """The 95th percentile of one kind of request, wire seconds."""
    histogram = requests.histogram(requests.rows(name))
    ms = histogram.at(0.95)
    method = "interpolated in the histogram's buckets; no interval, compared as it is"
    if ms is None:
        method = "beyond the histogram's last edge" if histogram.total else "no such requests"
    return Finding(ms / 1000 if ms is not None else None, unit, method, n=histogram.total)


def error_rate(requests: Requests, unit: str) -> Finding:
    """Failed requests of all kinds."""
    return share(int(requests.errors.sum()), int(requests.count.sum()), unit, "Wilson over requests")


def late_polls(requests: Requests) -> tuple[int, int]:
    """Polls late by an interval, and all polls."""
    rows = requests.rows("poll")
    return int(requests.late[rows].sum()), int(requests.count[rows].sum())


def health(columns: Columns) -> list[HealthRow]:
    """What every child cost."""

    def number(value: float, digits: int) -> float | None:
        return round(value, digits) if isfinite(value) else None

    names = ("child", "samples", "cpu_mean", "cpu_max", "rss_max", "lag_max")
    return [
        HealthRow(child, int(samples), number(mean, 1), number(most, 1), number(rss, 1), number(lag, 2))
        for child, samples, mean, most, rss, lag in zip(*(columns[name].tolist() for name in names), strict=True)
    ]

"""How well causes were found: what truly struck orders against what they were put down to.

The attribution is blind; only here is it held against the injectors' voice.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import nan

import msgspec
import numpy as np

from plan.causes import MULTIPLE, NOT_STUCK, UNKNOWN
from reports.findings import Confused
from reports.measure.intervals import wilson

ABSTAINS = (UNKNOWN,)


class Case(msgspec.Struct, frozen=True):
    """One order: the run it is of, the cause of what struck it (NOT_STUCK where nothing did, MULTIPLE for several), and
    what it was put down to (NOT_STUCK where it needed no cause)."""

    run: str
    injected: str
    found: str


class Rate(msgspec.Struct, frozen=True):
    """k of n, with a 95 % interval that allows for orders of one run being alike; value null where n is 0."""

    k: int
    n: int
    value: float | None
    lo: float
    hi: float


class CauseScore(msgspec.Struct, frozen=True):
    """Of the orders with this cause how many were put down to it (recall), and of those put down to it how many have it
    (precision); `f1` is null where neither can be said."""

    cause: str
    runs: int
    recall: Rate
    precision: Rate
    f1: float | None
    instead: dict[str, int]


class Scores(msgspec.Struct, frozen=True):
    """By cause; over all: the mean of the F1, how many cases were put down to nothing, and the agreement beyond chance
    (Cohen's kappa). `confused` is the whole matrix."""

    causes: list[CauseScore]
    macro_f1: float | None
    abstained: Rate
    kappa: float
    confused: list[Confused]


def label(causes: Iterable[str]) -> str:
    """What stands for the causes of everything that struck one order."""
    different = set(causes)
    if not different:
        return NOT_STUCK
    return different.pop() if len(different) == 1 else MULTIPLE


def confused(pairs: Iterable[tuple[str, str]]) -> list[Confused]:
    """Pairs of injected and found, counted; rows and columns by frequency, then by name."""
    counts = Counter(pairs)
    rows, columns = Counter[str](), Counter[str]()
    for (injected, found), n in counts.items():
        rows[injected] += n
        columns[found] += n
    return [
        Confused(injected, {found: counts[injected, found] for found in _order(columns) if counts[injected, found]})
        for injected in _order(rows)
    ]


def _order(counts: Mapping[str, int]) -> list[str]:
    return sorted(counts, key=lambda name: (-counts[name], name))


def score(cases: Sequence[Case]) -> Scores:
    """Scores of every cause that was injected or found."""
    names = sorted({c.injected for c in cases} | {c.found for c in cases} - set(ABSTAINS))
    scored = [_cause(name, cases) for name in names if name not in (NOT_STUCK, MULTIPLE)]
    f1 = [one.f1 for one in scored if one.f1 is not None and one.recall.n]
    judged = [c for c in cases if c.injected != NOT_STUCK]
    return Scores(
        scored,
        macro_f1=sum(f1) / len(f1) if f1 else None,
        abstained=clustered(judged, [c.found in ABSTAINS for c in judged]),
        kappa=kappa(cases),
        confused=confused((c.injected, c.found) for c in cases),
    )


def _cause(name: str, cases: Sequence[Case]) -> CauseScore:
    have = [c for c in cases if c.injected == name]
    put = [c for c in cases if c.found == name]
    recall = clustered(have, [c.found == name for c in have])
    precision = clustered(put, [c.injected == name for c in put])
    f1 = None
    if recall.value is not None:
        hits, misses, wrong = recall.k, recall.n - recall.k, precision.n - precision.k
        f1 = 2 * hits / (2 * hits + misses + wrong)
    instead = Counter(c.found for c in have if c.found != name)
    return CauseScore(name, len({c.run for c in have}), recall, precision, f1, dict(instead.most_common()))


def clustered(cases: Sequence[Case], hits: Sequence[bool]) -> Rate:
    """The share of hits. Its interval is Wilson's for as many independent orders as these are worth: the variance
    between runs over that of independent draws (Rao and Scott's design effect, never below 1)."""
    n, k = len(cases), sum(hits)
    if n == 0:
        return Rate(0, 0, None, 0.0, 1.0)
    worth = n / _design_effect([c.run for c in cases], np.array(hits, dtype=float))
    lo, hi = wilson(k / n * worth, worth)
    return Rate(k, n, k / n, lo, hi)


def _design_effect(runs: Sequence[str], hits: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    n, p = len(hits), float(hits.mean())
    of = np.unique(np.array(runs), return_inverse=True)[1]
    m = int(of.max()) + 1
    if m < 2 or p in (0.0, 1.0):
        return 1.0
    off = np.bincount(of, hits - p, m)
    between = m / (m - 1) * float(np.sum(off**2)) / n**2
    return max(between / (p * (1 - p) / n), 1.0)


def kappa(cases: Sequence[Case]) -> float:
    """Agreement of injected and found beyond what chance gives: 1 is full, 0 is none; nan where nothing differs."""
    n = len(cases)
    if n == 0:
        return nan
    injected, found = Counter(c.injected for c in cases), Counter(c.found for c in cases)
    agree = sum(c.injected == c.found for c in cases) / n
    chance = sum(injected[name] * found[name] for name in injected) / n**2
    return (agree - chance) / (1 - chance) if chance < 1 else nan

"""What a fault given by a time window did to the backlog: how soon it showed, how long until it was gone.

The backlog is the count of overdue orders: those in a stuck episode. It is a step function, and looked at as one.
"""

from math import ceil

import msgspec
import numpy as np
import numpy.typing as npt

from reports.findings import Recovery
from reports.measure.stuck import Episodes

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

HOLD_S = 30.0
"""For so long (business s) the count must stay within what it was before. An order's life is business time, and so is
this: wire seconds would ask 15 times as much of a run whose days are compressed by 15."""
BAND = 0.95
"""The count before the faults is the one that this share of the time did not exceed."""


class Span(msgspec.Struct, frozen=True):
    """When a fault was really in force (ns), and its words."""

    id: str
    en: str
    zh: str
    from_t: float
    to_t: float


class Overdue(msgspec.Struct, frozen=True):
    """How many orders were overdue: `level[k]` from `t[k]` on, none before the first."""

    t: Floats
    level: Ints

    def at(self, t: Floats) -> Ints:
        """The count at each moment, what happened at that very moment included."""
        return np.concatenate([[0], self.level])[np.searchsorted(self.t, t, side="right")]

    def between(self, low: float, high: float) -> tuple[Floats, Floats, Ints]:
        """The stretches of [low, high): beginnings, ends and counts."""
        t = np.concatenate([[low], self.t[(self.t > low) & (self.t < high)]])
        return t, np.append(t[1:], high), self.at(t)


def overdue(episodes: Episodes) -> Overdue:
    """An order is overdue from an onset to the end of that episode; one that had not ended stays so."""
    ends = episodes.end[~episodes.censored]
    t, of = np.unique(np.concatenate([episodes.onset, ends]), return_inverse=True)
    change = np.bincount(of, np.repeat([1.0, -1.0], [len(episodes), len(ends)]), minlength=len(t)).astype(np.int64)
    return Overdue(t, np.cumsum(change))


def findings(spans: list[Span], episodes: Episodes, *, l0_t: float, end_t: float, to_business: float) -> list[Recovery]:
    """One row per span, in their order. `end_t`: the end of the observation, ns."""
    if not spans:
        return []
    counts = overdue(episodes)
    before = _before(spans, counts, l0_t)
    return [_row(span, spans, counts, episodes, before, l0_t, end_t, to_business) for span in spans]


def _row(
    span: Span,
    spans: list[Span],
    counts: Overdue,
    episodes: Episodes,
    before: float | None,
    l0_t: float,
    end_t: float,
    to_business: float,
) -> Recovery:
    others = [other for other in spans if other is not span]
    back_t, surely_t = _recovered(counts, before or 0.0, span.to_t, _late(episodes, span.to_t), end_t, to_business)
    until_t = end_t if back_t is None else back_t
    _, _, levels = counts.between(span.from_t, max(until_t, span.to_t))
    began = episodes.onset[(episodes.start >= span.from_t) & (episodes.start <= span.to_t)]
    half_t = _half(episodes, span.to_t)

    def since(t: float | None, from_t: float) -> float | None:
        return None if t is None else round((t - from_t) * to_business, 3)

    return Recovery(
        id=span.id,
        en=span.en,
        zh=span.zh,
        from_s=round((span.from_t - l0_t) / 1e9, 3),
        to_s=round((span.to_t - l0_t) / 1e9, 3),
        detect_s=since(float(began.min()), span.from_t) if len(began) else None,
        recover_s=since(back_t, span.to_t),
        recover_at_least_s=since(surely_t, span.to_t),
        half_life_s=since(half_t, span.to_t),
        before=before or 0.0,
        peak=int(levels.max()),
        has_before=before is not None,
        beside=[other.id for other in others if other.from_t < max(until_t, span.to_t) and other.to_t > span.from_t],
    )


def _before(spans: list[Span], counts: Overdue, l0_t: float) -> float | None:
    """The 95th percentile over time of the count before the first of the spans; None where there was no such time. What
    one fault left behind is not what was usual before the next."""
    first_t = min(span.from_t for span in spans)
    if first_t <= l0_t:
        return None
    begins, ends, level = counts.between(l0_t, first_t)
    by = np.argsort(level, kind="stable")
    spent = np.cumsum((ends - begins)[by])
    return float(level[by][np.searchsorted(spent, BAND * spent[-1])])


def _late(episodes: Episodes, to_t: float) -> float:
    """When the last order got overdue that had entered its state before the end of the fault: until then the fault may
    still show."""
    mine = episodes.onset[episodes.start < to_t]
    return float(mine.max()) if len(mine) else -np.inf


def _recovered(
    counts: Overdue, before: float, to_t: float, late_t: float, end_t: float, to_business: float
) -> tuple[float | None, float | None]:
    """When the count was back for good, or else until when it surely was not (ns)."""
    if to_t >= end_t:
        return None, to_t
    begins, ends, level = counts.between(to_t, end_t)
    within = level <= before
    first = within & ~np.concatenate([[False], within[:-1]])
    last = within & ~np.concatenate([within[1:], [False]])
    begins, ends = begins[first], ends[last]
    good = np.flatnonzero((ends >= begins + round(HOLD_S / to_business)) & (ends > late_t))
    if len(good):
        return float(begins[good[0]]), None
    return None, float(begins[-1]) if within[-1] else end_t


def _half(episodes: Episodes, to_t: float) -> float | None:
    """When half of the orders that were overdue at the end of the fault no longer were."""
    mine = (episodes.onset <= to_t) & (episodes.censored | (episodes.end > to_t))
    ends = np.sort(episodes.end[mine & ~episodes.censored])
    half = ceil(int(mine.sum()) / 2)
    return float(ends[half - 1]) if 0 < half <= len(ends) else None

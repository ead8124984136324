"""How long a buyer saw nothing move: the longest time after payment in which the page showed no change."""

import msgspec
import numpy as np
import numpy.typing as npt

from plan.gates import Unit
from reports.findings import Finding, Unchanged
from reports.measure.sorting import by_order_and_time
from reports.measure.stuck import IS_TERMINAL, Seen, entries
from reports.measure.survival import kaplan_meier, quantile, quantile_finding

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Still(msgspec.Struct, frozen=True):
    """By order the longest stand-still in business seconds (NaN for unpaid ones), and whether the page had not ended,
    so that it may have become longer."""

    longest_s: Floats
    is_open: Bools


def longest(seen: Seen, captured_t: Floats, followed_t: Floats, to_business: float) -> Still:
    """Looks at state, words and code, from the capture to the page's end, else until it was followed no more."""
    n, entry = len(captured_t), entries(seen)
    stop = np.fmax(followed_t, captured_t)
    is_open = np.isfinite(captured_t)
    last = np.full(n, -1)
    last[seen.i] = np.arange(len(entry))
    ended = (last >= 0) & IS_TERMINAL[seen.state[last]] if len(entry) else np.zeros(n, dtype=bool)
    stop = np.where(ended, np.fmax(entry[last], captured_t) if len(entry) else stop, stop)
    is_open &= ~ended
    moved = np.ones(len(entry), dtype=bool)
    same = (seen.i[1:] == seen.i[:-1]) & (seen.state[1:] == seen.state[:-1]) & (seen.says[1:] == seen.says[:-1])
    moved[1:] = ~same
    with np.errstate(invalid="ignore"):
        moved &= (entry > captured_t[seen.i]) & (entry < stop[seen.i])
    every = np.flatnonzero(np.isfinite(captured_t))
    i = np.concatenate([every, seen.i[moved], every])
    t = np.concatenate([captured_t[every], entry[moved], stop[every]])
    by = by_order_and_time(i, t)
    i, t = i[by], t[by]
    gaps = np.where(i[1:] == i[:-1], t[1:] - t[:-1], 0.0)
    found = np.where(np.isfinite(captured_t), 0.0, np.nan)
    np.maximum.at(found, i[1:], gaps)
    return Still(found * to_business, is_open)


def measures(still: Still) -> dict[str, Finding]:
    """The 95th percentile and the most over paid orders. An order that had not ended counts as at least so much."""
    paid = np.isfinite(still.longest_s)
    durations, ended = still.longest_s[paid], ~still.is_open[paid]
    n, unit = len(durations), Unit.BUSINESS_S
    if n == 0:
        none = Finding(None, unit, "nobody paid", n=0)
        return {"page.unchanged.p95": none, "page.unchanged.max": none}
    most, surely = float(durations.max()), bool(ended.all())
    high = most if surely else None
    method = "the longest of all" if surely else "the longest so far: some orders had not ended"
    return {
        "page.unchanged.p95": quantile_finding(durations, ended, 0.95, unit),
        "page.unchanged.max": Finding(most, unit, method, n=n, lo=most, hi=high, bound_lo=most, bound_hi=high),
    }


def findings(still: Still, keys: list[str]) -> Unchanged:
    """The distribution and the worst order."""
    paid = np.flatnonzero(np.isfinite(still.longest_s))
    if not len(paid):
        return Unchanged(0, 0, None, None, None, "", worst_is_open=False)
    durations, ended = still.longest_s[paid], ~still.is_open[paid]
    curve, worst = kaplan_meier(durations, ended), int(paid[int(np.argmax(durations))])
    return Unchanged(
        n=len(paid),
        open=int((~ended).sum()),
        median_s=quantile(curve, 0.5),
        p95_s=quantile(curve, 0.95),
        max_s=float(durations.max()),
        worst=keys[worst],
        worst_is_open=bool(still.is_open[worst]),
    )

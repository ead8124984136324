"""When orders were paid, and how long they then took: counts by step of the load and on a log scale of duration."""

import numpy as np
import numpy.typing as npt

from reports.findings import Heat
from reports.measure.steps import ends_s

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

ROWS_MAX = 14
_SCALE = np.array([lead * 10.0**power for power in range(7) for lead in (1, 2, 5)])
"""Business seconds, from one to 58 days."""


def findings(captured_t: Floats, waited_s: Floats, ended: Bools, steps: Floats) -> Heat | None:
    """Of the paid orders: when they were paid (ns), business seconds to their end or as far as they were followed, and
    whether they had ended. What was paid after the last step stands in it. None where nobody paid."""
    if not len(captured_t):
        return None
    n = len(steps) - 1
    column = np.clip(np.searchsorted(steps, captured_t, side="right") - 1, 0, n - 1)
    edges = _edges(waited_s[ended])
    row = np.minimum(np.searchsorted(edges, waited_s[ended], side="left"), len(edges) - 1)
    counts = np.bincount(row * n + column[ended], minlength=len(edges) * n).reshape(len(edges), n)
    return Heat(
        t_s=ends_s(steps),
        edges_s=edges.tolist(),
        counts=counts.tolist(),
        open=np.bincount(column[~ended], minlength=n).tolist(),
    )


def _edges(durations: Floats) -> Floats:
    """Upper edges of the rows: those of the scale that hold anything, and all between them. Where these are too many
    the shortest rows are one."""
    if not len(durations):
        return _SCALE[:1]
    met = np.minimum(np.searchsorted(_SCALE, durations, side="left"), len(_SCALE) - 1)
    low, high = int(met.min()), int(met.max())
    return _SCALE[max(low, high - ROWS_MAX + 1) : high + 1]

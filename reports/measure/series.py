"""Paid open orders over time, by what their page showed."""

from math import nan

import numpy as np
import numpy.typing as npt

from reports.findings import Series
from reports.measure.stuck import IS_TERMINAL, STATES, UNKNOWN, Dwells, Episodes

Floats = npt.NDArray[np.float64]

POINTS = 241


def open_orders(
    found: Dwells,
    episodes: Episodes,
    captured_t: Floats,
    *,
    l0_t: float,
    end_t: float,
    load_end_t: float = nan,
    heal_t: float = nan,
) -> Series:
    """Counts on an even grid from the start of load to the end."""
    grid = np.linspace(l0_t, max(end_t, l0_t), POINTS)
    states: dict[str, list[int]] = {}
    unread = np.isfinite(captured_t)
    if len(found.i):
        unread[found.i] = False
        live = ~IS_TERMINAL[found.state] & np.isfinite(captured_t[found.i])
        start = np.fmax(found.entry, captured_t[found.i])
        end = np.where(found.is_last, np.inf, found.end)
        live &= end > start
        for index in np.unique(found.state[live]):
            mine = live & (found.state == index)
            states[str(STATES[index])] = _count(start[mine], end[mine], grid)
    if unread.any():
        forever = np.full(int(unread.sum()), np.inf)
        states[str(STATES[UNKNOWN])] = _count(captured_t[unread], forever, grid)
    stuck = _count(episodes.onset, np.where(episodes.censored, np.inf, episodes.end), grid)

    def second(t: float) -> float | None:
        return round((t - l0_t) / 1e9, 3) if np.isfinite(t) else None

    t_s = [round(float(t - l0_t) / 1e9, 3) for t in grid]
    return Series(t_s, states, stuck, second(load_end_t), second(heal_t))


def _count(start: Floats, end: Floats, grid: Floats) -> list[int]:
    begun = np.searchsorted(np.sort(start), grid, side="right")
    ended = np.searchsorted(np.sort(end), grid, side="right")
    return [int(n) for n in begun - ended]

"""Backlog against offered load: above which load it no longer drains, and how fast it drains afterwards.

In a step of the load a shop could end what was open at its beginning and what came, less what is always under way. It
ends that much, until there is more than it can do: then it ends what it can, however much more there is. So the orders
ended lie on a broken line over those that could have ended, and the height of its flat part is the capacity.
"""

from math import sqrt

import msgspec
import numpy as np
import numpy.typing as npt

from reports.findings import Capacity
from reports.measure.intervals import student_t
from reports.measure.steps import counts, ends_s

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

STEPS_MIN = 8
ABOVE_MIN = 3
"""Steps in which more came than could be done, of those that the fit stands on."""
VARIED = 1.3
"""The 90th percentile of the offered load over the 10th; less than that and orders that merely wait look like a
queue."""
BROKEN = 0.1
"""The broken line must leave at most this share of what a straight one leaves unexplained. Queues leave less than 0.1,
orders that wait for a retry more than 0.14 (docs/measures.md)."""
FLAT = 0.25
"""How much of a rise of the load the flat part may follow."""
COLLAPSED = 0.7
"""Where the fuller half of the full steps surely ended less than this share of what the other half did, there is no
rate that the shop keeps up: more orders waiting made it slower."""
FULL = 1.1
"""A step is full where so many times the capacity could have ended; one that was so for a part of its time is none."""
UNDER_WAY = np.linspace(0.05, 0.95, 19)
"""Where, in the distribution of the time to the end, to look for what is always under way."""


class Flow(msgspec.Struct, frozen=True):
    """Orders by step, a second (wire): those that came (paid), those that ended, those that were open at its beginning
    (a count)."""

    width_s: float
    came: Floats
    ended: Floats
    waiting: Floats

    def could_end(self, under_way_s: float) -> Floats:
        return np.maximum(self.came + (self.waiting - under_way_s * self.came) / self.width_s, 0.0)


class Line(msgspec.Struct, frozen=True):
    """A broken line that fits best: its height, what could have ended by step, and the share of the spread around a
    straight line that it leaves."""

    height: float
    could: Floats
    left: float


def findings(
    due_t: Floats, captured_t: Floats, ended_t: Floats, *, steps: Floats, windows: list[tuple[float, float]], full: bool
) -> Capacity | None:
    """`captured_t`, `ended_t` (NaN: not at all) of the paid orders, `due_t` of all planned ones (ns); `windows` of
    faults, whose steps are left out; `full`: open orders were followed to their deadline, so that one which had not
    ended was not waiting for its turn. None where nobody paid."""
    if not len(captured_t):
        return None
    width_s = float(steps[1] - steps[0]) / 1e9
    offered = counts(due_t, steps) / width_s
    ended = np.isfinite(ended_t)
    queued = ended | (not full)
    # An order that none of the faults let end was in nobody's queue: it would make the backlog grow at any load.
    flow = _flow(captured_t[queued], ended_t[queued], steps, width_s)
    free = np.ones(len(offered), dtype=bool)
    for low, high in windows:
        free &= (steps[1:] <= low) | (steps[:-1] >= high)
    waits_s = (ended_t - captured_t)[ended] / 1e9
    limit, lo, hi, method = _limit(flow, free, offered, waits_s, float(flow.came.sum() / max(offered.sum(), 1e-9)))
    return Capacity(
        t_s=ends_s(steps),
        offered_per_s=offered.tolist(),
        ended_per_s=(counts(ended_t, steps) / width_s).tolist(),
        open=_open(captured_t, ended_t, steps[1:]).astype(np.int64).tolist(),
        limit_per_s=limit,
        lo=lo,
        hi=hi,
        drain_per_s=_drain(captured_t, ended_t),
        method=method,
    )


def _flow(captured_t: Floats, ended_t: Floats, steps: Floats, width_s: float) -> Flow:
    came, ended = counts(captured_t, steps) / width_s, counts(ended_t, steps) / width_s
    return Flow(width_s, came, ended, _open(captured_t, ended_t, steps[:-1]))


def _open(captured_t: Floats, ended_t: Floats, t: Floats) -> Floats:
    """How many were paid and had not ended; NaN sorts last, and so never ends."""
    begun = np.searchsorted(np.sort(captured_t), t, side="right")
    return (begun - np.searchsorted(np.sort(ended_t), t, side="right")).astype(np.float64)


def _limit(
    flow: Flow, free: Bools, offered: Floats, waits_s: Floats, came_of_offered: float
) -> tuple[float | None, float | None, float | None, str]:
    """The limit with its interval, in offered orders a second, and how it was found or why not."""
    during = free & (np.cumsum(offered[::-1])[::-1] > 0)  # up to the last order that was due
    if int(during.sum()) < STEPS_MIN:
        return _none(f"fewer than {STEPS_MIN} steps of the load without a fault window")
    low, high = np.quantile(offered[during], (0.1, 0.9))
    if high < VARIED * low:
        return _none(f"the load hardly varied ({low:.3g} to {high:.3g} orders a second)")
    if not len(waits_s):
        return _none("no order ended")
    most = f"{offered[during].max():.3g} orders a second"
    line = _broken_line(_where(flow, free), waits_s)
    full = line.could > FULL * line.height
    came, ended = flow.came[free], flow.ended[free]
    above = full & (came > line.height)
    if fewer := _collapse(line.could[full], ended[full]):
        return _none(f"the more orders waited the fewer ended ({fewer}): overloaded, the shop broke down")
    if line.left > BROKEN or int(above.sum()) < ABOVE_MIN:
        return _none(f"the backlog did not clearly grow at any load up to {most}")
    if _slope(came[full], ended[full]) > FLAT:
        return _none("orders ended faster where more came: they waited, but not for their turn")
    n, rate = int(full.sum()), float(ended[full].mean())
    half = student_t(n - 1) * float(ended[full].std(ddof=1)) / sqrt(n) + 1 / (n * flow.width_s)
    limit, lo, hi = (rate_ / came_of_offered for rate_ in (rate, max(rate - half, 0.0), rate + half))
    left_out = f"; {int((~free).sum())} steps within fault windows left out" if not free.all() else ""
    return limit, lo, hi, f"broken line, {n} of {int(free.sum())} steps full, t over them{left_out}"


def _none(why: str) -> tuple[None, None, None, str]:
    return None, None, None, f"not estimable: {why}"


def _where(flow: Flow, keep: Bools) -> Flow:
    return Flow(flow.width_s, flow.came[keep], flow.ended[keep], flow.waiting[keep])


def _broken_line(flow: Flow, waits_s: Floats) -> Line:
    """The best line over all guesses of what is always under way."""
    fits = [_fit(flow.could_end(s), flow.ended) for s in np.quantile(waits_s, UNDER_WAY)]
    straight = min(found[2] for found in fits)
    height, broken, _, could = min(fits, key=lambda found: found[1])
    return Line(height, could, broken / straight if straight > 0 else 1.0)


def _fit(could: Floats, ended: Floats) -> tuple[float, float, float, Floats]:
    """Height of min(could, height) by least squares, squares left by it and by the straight line, and `could`."""
    by = np.argsort(could, kind="stable")
    x, y = could[by], ended[by]
    straight = (y - x) ** 2
    n, sum_, squares = (np.cumsum(part[::-1])[::-1] for part in (np.ones(len(y)), y, y**2))
    height = np.clip(sum_ / n, np.concatenate([[0.0], x[:-1]]), x)  # flat from each step on, in turn
    left = np.concatenate([[0.0], np.cumsum(straight)[:-1]]) + squares - 2 * height * sum_ + n * height**2
    best = int(np.argmin(left))
    return float(height[best]), max(float(left[best]), 0.0), float(straight.sum()), could


def _slope(x: Floats, y: Floats) -> float:
    spread = float(((x - x.mean()) ** 2).sum())
    return float(((x - x.mean()) * (y - y.mean())).sum()) / spread if spread > 0 else 0.0


def _collapse(could: Floats, ended: Floats) -> str:
    """Orders ended a second in the less and in the more crowded half of the full steps, where these were surely fewer;
    else empty."""
    half = len(could) // 2
    by = np.argsort(could, kind="stable")
    less, more = ended[by[:half]], ended[by[half:]]
    if half < STEPS_MIN // 2:
        return ""
    se = sqrt(float(less.var(ddof=1)) / len(less) + float(more.var(ddof=1)) / len(more))
    surely = float(more.mean()) + 2 * se < COLLAPSED * float(less.mean())
    return f"{less.mean():.3g}, then {more.mean():.3g} a second" if surely else ""


def _drain(captured_t: Floats, ended_t: Floats) -> float | None:
    """Orders that ended a second (wire) between the last payment and the last end; None where none did."""
    after = ended_t[ended_t > captured_t.max()]
    return len(after) / (float(after.max() - captured_t.max()) / 1e9) if len(after) else None

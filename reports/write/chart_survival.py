"""Which share of paid orders was still open after a time: Kaplan-Meier with its band, deadlines, numbers at risk; and
which share of those that need an upstream it had not been asked for."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.findings import Findings
from reports.write.chart import GREY, INK, WIDTH_IN, pick, short_s

Y_TICKS = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
LINEAR_BELOW = 0.01
X_MIN, X_START_MAX = 0.7, 10.0
CLOSE = 0.12
"""Marks nearer to the deadline than this share of the axis have no words of their own."""
CURVE = "#3391CE"
ASKED = "#CC79A7"
"""Both read on white and on black."""


def draw(findings: Findings, language: str) -> Figure | None:
    """None where nobody paid."""
    found = findings.survival
    if found.n == 0:
        return None
    figure = Figure(figsize=(WIDTH_IN, 4.1))
    figure.patch.set_alpha(0)
    ax = figure.add_axes((0.09, 0.225, 0.87, 0.71))
    ax.patch.set_alpha(0)
    end = max([mark.s for mark in found.at_risk] + [t for t in found.t_s] + [1.0]) * 1.25
    start = _start(found.t_s)
    x = [start, *(max(t, start) for t in found.t_s), end]
    last = [found.open[-1], found.lo[-1], found.hi[-1]] if found.t_s else [1.0, 1.0, 1.0]
    open_, lo, hi = ([1.0, *row, tail] for row, tail in zip((found.open, found.lo, found.hi), last, strict=True))
    ax.fill_between(x, lo, hi, step="post", color=CURVE, alpha=0.22, lw=0)
    ax.step(x, open_, where="post", color=CURVE, lw=1.8, label=pick(language, "still open", "仍未完结"))
    if findings.asked.n:
        _asked(ax, findings, start, end, language)
    for mark in findings.deadlines:
        own = mark.s == findings.deadline_s
        ax.axvline(mark.s, color=INK if own else GREY, lw=1.1 if own else 0.8, ls=(0, (4, 3)))
        if not own and abs(math.log(mark.s / findings.deadline_s)) < CLOSE * math.log(end / start):
            continue  # its words would stand on those of the deadline
        words = pick(language, "deadline ", "期限 ") if own else ""
        ax.text(mark.s, 1.02, words + short_s(mark.s), transform=ax.get_xaxis_transform(), ha="center", fontsize=8.5)
    ax.set_xscale("log")
    ax.set_yscale("symlog", linthresh=LINEAR_BELOW, linscale=0.6)
    ax.set(xlim=(start, end), ylim=(0, 1.0))
    marks = [risk for risk in found.at_risk if start <= risk.s <= end]
    ax.set_xticks([m.s for m in marks], [short_s(m.s) for m in marks])
    ax.set_xticks([], minor=True)
    ax.set_yticks(Y_TICKS, [f"{y * 100:g} %" for y in Y_TICKS])
    ax.set_yticks([], minor=True)
    ax.set_xlabel(
        pick(
            language,
            f"business time since the money was taken (log; compress {findings.compress:g})",
            f"扣款后的业务时间（对数；compress {findings.compress:g}）",
        ),
        labelpad=24,
    )
    ax.set_ylabel(pick(language, "still open", "仍未完结"))
    below = ax.get_xaxis_transform()
    ax.text(-0.025, -0.135, pick(language, "at risk", "跟踪中"), transform=ax.transAxes, ha="right", fontsize=8.5)
    for risk in marks:
        ax.text(risk.s, -0.135, f"{risk.n}", transform=below, ha="center", fontsize=8.5)
    return figure


def _asked(ax: Axes, findings: Findings, start: float, end: float, language: str) -> None:
    found = findings.asked
    x = [start, *(max(t, start) for t in found.t_s), end]
    y = [1.0, *found.waiting, found.waiting[-1] if found.waiting else 1.0]
    words = pick(language, "no upstream asked yet", "尚未向上游要货")
    ax.step(x, y, where="post", color=ASKED, lw=1.6, ls=(0, (5, 2)), label=words)
    ax.legend(loc="upper right", fontsize=8.5, handlelength=2.4)


def _start(times: list[float]) -> float:
    """Where the axis begins: somewhat before the first end."""
    first = next((t for t in times if t > X_MIN), 1.0)
    return max(X_MIN, min(first * 0.6, X_START_MAX))

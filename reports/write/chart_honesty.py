"""Judged order-time by how honest the page was: one bar for all of it, one for each state the page showed."""

from math import ceil

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from reports.findings import Findings
from reports.measure.honesty import JUDGED
from reports.write.chart import INK, WIDTH_IN, pick, quiet, state_words
from reports.write.words import HONESTY_WORDS, seconds

COLOUR = {
    "honest": "#009E73",
    "late": "#56B4E9",
    "optimistic": "#F0E442",
    "pessimistic": "#CC79A7",
    "regressive": "#0072B2",
    "false_progress": "#D55E00",
}
ON_COLOUR = "#111111"
"""Dark on every colour above, in both themes."""
ROW_IN = 0.3
LEGEND_COLUMNS, LEGEND_IN = 4, 0.2
LABEL_FROM = 0.08
"""The narrowest part of a bar that its share is written in."""


def draw(findings: Findings, language: str) -> Figure | None:
    """None where no order-time was judged."""
    rows = _rows(findings, language)
    if not rows:
        return None
    shown = [name for name in JUDGED if any(by[name] > 0 for _, _, by in rows)]
    height = ROW_IN * len(rows) + 0.45 + LEGEND_IN * ceil(len(shown) / LEGEND_COLUMNS)
    figure = Figure(figsize=(WIDTH_IN, height))
    figure.patch.set_alpha(0)
    ax = figure.add_axes((0.13, 0.3 / height, 0.70, ROW_IN * len(rows) / height))
    ax.patch.set_alpha(0)
    for row, (_, total, by) in enumerate(rows):
        left = 0.0
        for name in shown:
            width = by[name] / total
            ax.barh(row, width, left=left, height=0.68, color=COLOUR[name], edgecolor=INK, lw=0.5)
            if width >= LABEL_FROM:
                middle, share = left + width / 2, f"{width * 100:.0f} %"
                ax.text(middle, row, share, ha="center", va="center", fontsize=8.5, color=ON_COLOUR)
            left += width
        ax.text(1.015, row, seconds(total), ha="left", va="center", fontsize=8.5)
    marks = [Patch(fc=COLOUR[name], ec=INK, lw=0.5, label=pick(language, *HONESTY_WORDS[name])) for name in shown]
    ax.set(xlim=(0, 1), ylim=(len(rows) - 0.45, -0.55))
    ax.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    ticks = (0.0, 0.25, 0.5, 0.75, 1.0)
    ax.set_xticks(ticks, [f"{tick * 100:g} %" for tick in ticks], fontsize=8.5)
    ax.grid(axis="y", visible=False)
    quiet(ax)
    ax.legend(
        handles=marks,
        loc="lower left",
        bbox_to_anchor=(-0.15, 1.0),
        ncols=LEGEND_COLUMNS,
        fontsize=8.5,
        handlelength=1.2,
        columnspacing=1.4,
    )
    ax.text(1.015, -0.75, pick(language, "order-time", "订单时间"), ha="left", va="bottom", fontsize=8.5)
    return figure


def _rows(findings: Findings, language: str) -> list[tuple[str, float, dict[str, float]]]:
    """Name, order-time and its classes; all of it first, then the states in their order."""
    found = findings.honesty
    total = {one.name: one.s for one in found.classes}
    all_ = (pick(language, "all", "全部"), total)
    states = [(state_words(row.state, language), row.by) for row in found.states]
    rows = [(name, sum(by[one] for one in JUDGED), by) for name, by in (all_, *states)]
    return [row for row in rows if row[1] > 0]

"""Judged order-time by how honest the page was: one bar for all of it, one for each state the page showed."""

from math import ceil

from matplotlib.patches import Patch

from reports.findings import Findings, Words
from reports.measure.honesty import JUDGED
from reports.write.chart import INK, ON_COLOUR, SMALL, Cell, Chart, Table, quiet, state_words, tint
from reports.write.words import HONESTY_WORDS, percent, seconds

TITLE = Words("Status honesty", "状态是否属实")
CAPTION = Words(
    "For how long pages agreed with the truth, from payment until the page had ended and said what is true. False "
    "progress: the page says submitted or recharging while no upstream is at work for the goods.",
    "从付款到页面给出真实结局为止，页面与事实一致的时长。虚假进度：页面显示已提交或充值中，而没有任何上游在处理。",
)
COLOUR = {
    "honest": "#009E73",
    "late": "#56B4E9",
    "optimistic": "#F0E442",
    "pessimistic": "#CC79A7",
    "regressive": "#0072B2",
    "false_progress": "#D55E00",
}
ROW_IN = 0.3
LEFT_IN, BOTTOM_IN, WIDE_IN = 1.2, 0.3, 6.5
LEGEND_COLUMNS, LEGEND_IN = 4, 0.2
LABEL_FROM = 0.08
"""The narrowest part of a bar that its share is written in."""


def draw(findings: Findings) -> Chart | None:
    """None where no order-time was judged."""
    rows = _rows(findings)
    if not rows:
        return None
    shown = [name for name in JUDGED if any(by[name] > 0 for _, _, by in rows)]
    height = ROW_IN * len(rows)
    chart = Chart(height + 0.45 + LEGEND_IN * ceil(len(shown) / LEGEND_COLUMNS))
    ax = chart.panel(LEFT_IN, BOTTOM_IN, WIDE_IN, height)
    for row, (words, total, by) in enumerate(rows):
        left = 0.0
        for name in shown:
            width = by[name] / total
            if width <= 0:
                continue
            ax.barh(row, width, left=left, height=0.68, color=tint(COLOUR[name]), edgecolor=INK, lw=0.5)
            share, klass = percent(width), Words(*HONESTY_WORDS[name])
            if width >= LABEL_FROM:
                middle = left + width / 2
                ax.text(middle, row, share, ha="center", va="center", fontsize=SMALL, color=ON_COLOUR)
            en, zh = f"{words.en} – {klass.en}: {share}", f"{words.zh} – {klass.zh}：{share}"
            time = seconds(by[name])
            chart.box(ax, (left, left + width), (row - 0.34, row + 0.34), f"{en}, {time}", f"{zh}，{time}")
            left += width
        ax.text(1.015, row, seconds(total), ha="left", va="center", fontsize=SMALL)
    marks = [
        Patch(fc=tint(COLOUR[name]), ec=INK, lw=0.5, label=chart.words(Words(*HONESTY_WORDS[name]))) for name in shown
    ]
    ax.set(xlim=(0, 1), ylim=(len(rows) - 0.45, -0.55))
    ax.set_yticks(range(len(rows)), [chart.words(words) for words, _, _ in rows])
    ticks = (0.0, 0.25, 0.5, 0.75, 1.0)
    ax.set_xticks(ticks, [f"{tick * 100:g} %" for tick in ticks], fontsize=SMALL)
    ax.grid(axis="y", visible=False)
    quiet(ax)
    ax.legend(
        handles=marks,
        loc="lower left",
        bbox_to_anchor=(-0.15, 1.0),
        ncols=LEGEND_COLUMNS,
        handlelength=1.2,
        columnspacing=1.4,
    )
    ax.text(1.015, -0.75, chart.say("order-time", "订单时间"), ha="left", va="bottom", fontsize=SMALL)
    return chart


def table(findings: Findings) -> Table | None:
    """Order-time of each class, in all and by what the page showed."""
    rows: list[tuple[Cell, ...]] = [
        (words.en, *(by[name] for name in JUDGED), total) for words, total, by in _rows(findings)
    ]
    return (
        Table(("page showed", *(f"{name} (business s)" for name in JUDGED), "all (business s)"), rows) if rows else None
    )


def describe(findings: Findings) -> Words:
    """The share of each class."""
    rows = _rows(findings)
    if not rows:
        return Words("No order-time was judged.", "没有可判断的订单时间。")
    _, total, by = rows[0]
    shares = [(Words(*HONESTY_WORDS[name]), percent(by[name] / total)) for name in JUDGED if by[name] > 0]
    en = ", ".join(f"{words.en} {share}" for words, share in shares)
    zh = "，".join(f"{words.zh} {share}" for words, share in shares)
    return Words(f"Of {seconds(total)} of order-time: {en}.", f"{seconds(total)} 的订单时间中：{zh}。")


def _rows(findings: Findings) -> list[tuple[Words, float, dict[str, float]]]:
    """Name, order-time and its classes; all of it first, then the states in their order."""
    found = findings.honesty
    total = {one.name: one.s for one in found.classes}
    all_ = (Words("all", "全部"), total)
    states = [(state_words(row.state), row.by) for row in found.states]
    rows = [(words, sum(by[one] for one in JUDGED), by) for words, by in (all_, *states)]
    return [row for row in rows if row[1] > 0]

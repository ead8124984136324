"""What truly struck orders (rows) against what they were put down to (columns): shares of each row, with counts."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from plan.causes import MULTIPLE, NOT_STUCK, UNKNOWN
from reports.findings import Confused, Findings, Words
from reports.measure.causes import words as cause_words
from reports.write.chart import INK, LABEL_MAX, LINES, SMALL, Cell, Chart, Table, cut
from reports.write.words import percent

TITLE = Words("Was the cause found right?", "原因判定是否正确？")
CAPTION = Words(
    "Rows: what truly struck the orders that needed a cause. Columns, with the numbers of the rows: what they were put "
    "down to, without knowing that: + several causes, ? unknown, – none. Numbers are orders; the stronger the colour, "
    "the larger the share of the row. Framed cells are right; right of them the share of the row that was found right.",
    "行：需要判定的订单实际被什么触及。列（编号同行）：在不知晓的情况下判定的原因；+ 多个原因，? 未知，– 无。"
    "数字为订单数，颜色越深占该行比例越大。带框者为判定正确；最右为该行判定正确的比例。",
)
CELL_IN, WIDEST_IN = 0.3, 0.56
LEFT_IN, BOTTOM_IN, ROOM_IN, TOP_IN = 3.0, 0.1, 4.6, 0.62
FAINTEST, STRONGEST = 0.08, 0.85
LAST = {MULTIPLE: "+", UNKNOWN: "?", NOT_STUCK: "–"}
"""Rows and columns without a number."""


def draw(findings: Findings) -> Chart | None:
    """None where what struck is not known."""
    rows = _rows(findings)
    if not rows:
        return None
    causes, columns = _causes(rows), _columns(rows)
    high = CELL_IN * len(causes)
    wide = min(ROOM_IN / len(columns), WIDEST_IN)
    chart = Chart(high + BOTTOM_IN + TOP_IN)
    ax = chart.panel(LEFT_IN, BOTTOM_IN, wide * len(columns), high)
    by_cause = {row.injected: row for row in rows}
    for y, cause in enumerate(causes):
        _label(chart, ax, y, cause)
        _row(chart, ax, y, by_cause.get(cause), cause, columns)
    ax.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(causes) - 0.5, -0.5))
    ax.axis("off")
    for x, column in enumerate(columns):
        _head(ax, x, column, causes)
    above = ax.get_xaxis_transform()
    bold: dict[str, Any] = {"transform": above, "fontweight": "bold", "fontsize": SMALL}
    ax.text(-0.62, 1 + 0.28 / high, chart.say("truly struck", "实际触及"), ha="right", **bold)
    ax.text(-0.5, 1 + 0.42 / high, chart.say("put down to", "判定为"), ha="left", **bold)
    right = chart.say("found right", "判定正确")
    ax.text(len(columns) - 0.35, 1 + 0.08 / high, right, transform=above, ha="left", fontsize=SMALL)
    return chart


def table(findings: Findings) -> Table | None:
    """The counts; a column for each cause that was found."""
    rows = _rows(findings)
    columns = _columns(rows)
    lines: list[tuple[Cell, ...]] = [(row.injected, *(row.found.get(column, 0) for column in columns)) for row in rows]
    return Table(("truly struck", *(f"put down to {column} (orders)" for column in columns)), lines) if rows else None


def describe(findings: Findings) -> Words:
    """How many were found right."""
    rows = _rows(findings)
    if not rows:
        return Words("What struck is not known.", "实际故障未知。")
    total = sum(sum(row.found.values()) for row in rows)
    right = sum(row.found.get(row.injected, 0) for row in rows)
    unknown = sum(row.found.get(UNKNOWN, 0) for row in rows)
    share = percent(right / total)
    return Words(
        f"Of {total} orders {right} were put down to what truly struck them ({share}), {unknown} to nothing known.",
        f"{total} 单中 {right} 单的判定与实际相符（{share}），{unknown} 单判为未知。",
    )


def _rows(findings: Findings) -> list[Confused]:
    return [row for row in findings.struck.confused if sum(row.found.values()) > 0]


def _causes(rows: list[Confused]) -> list[str]:
    """The rows: what was injected, then what was found although it was not."""
    injected = [row.injected for row in rows]
    plain = [cause for cause in injected if cause not in LAST]
    others = sorted({cause for row in rows for cause, n in row.found.items() if n} - {*injected, *LAST})
    return [*plain, *others, *(cause for cause in LAST if cause in injected)]


def _columns(rows: list[Confused]) -> list[str]:
    """As many columns as numbered rows, and then those that are no cause."""
    causes = [cause for cause in _causes(rows) if cause not in LAST]
    found = {cause for row in rows for cause, n in row.found.items() if n} | {row.injected for row in rows}
    return [*causes, *(cause for cause in LAST if cause in found)]


def _label(chart: Chart, ax: Axes, y: int, cause: str) -> None:
    words = cause_words(cause)
    en, zh = cut(words.en, LABEL_MAX), cut(words.zh, LABEL_MAX // 2 + 2)
    sign = LAST.get(cause, y + 1)
    ax.text(-0.62, y, chart.say(f"{en}  {sign}", f"{zh}  {sign}"), ha="right", va="center", fontsize=SMALL)


def _head(ax: Axes, x: int, column: str, causes: list[str]) -> None:
    sign = LAST.get(column) or f"{causes.index(column) + 1}"
    ax.annotate(sign, (x, -0.5), (0, 4), textcoords="offset points", ha="center", va="bottom", fontsize=SMALL)


def _row(chart: Chart, ax: Axes, y: int, row: Confused | None, cause: str, columns: list[str]) -> None:
    total = sum(row.found.values()) if row else 0
    for x, column in enumerate(columns):
        n = row.found.get(column, 0) if row else 0
        right = column == cause
        if n:
            shade = FAINTEST + (STRONGEST - FAINTEST) * n / total
            ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fc=LINES[0], alpha=shade, lw=0))
            ax.text(x, y, f"{n}", ha="center", va="center", fontsize=SMALL)
            truth, found = cause_words(cause), cause_words(column)
            en = f"struck by {truth.en}, put down to {found.en}: {n} of {total} orders ({percent(n / total)})"
            zh = f"实际 {truth.zh}，判为 {found.zh}：{total} 单中 {n} 单（{percent(n / total)}）"
            chart.box(ax, (x - 0.5, x + 0.5), (y - 0.5, y + 0.5), en, zh)
        edge = Rectangle(
            (x - 0.5, y - 0.5), 1, 1, fc="none", ec=INK, lw=1.3 if right else 0.25, zorder=4 if right else 2
        )
        ax.add_patch(edge)
    if row:
        share = percent(row.found.get(cause, 0) / total, 0)
        ax.text(len(columns) - 0.35, y, f"{share} / {total}", ha="left", va="center", fontsize=SMALL)
    else:
        ax.text(len(columns) - 0.35, y, chart.say("not struck", "未注入"), ha="left", va="center", fontsize=SMALL)

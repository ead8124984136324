"""How paid orders had ended by each horizon: Aalen-Johansen shares that sum to 1, and the undelivered ones enlarged."""

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from reports.findings import Findings, Horizon, Words
from reports.write.chart import BAD, GOOD, INK, ON_COLOUR, SMALL, UNSURE, Cell, Chart, Table, quiet, short_s, tint
from reports.write.words import interval, percent

TITLE = Words("How orders had ended", "订单如何完结")
CAPTION = Words(
    "Shares of paid orders by how they had ended so long after payment (counted where all were followed so long, else "
    "Aalen–Johansen; each bar sums to 100 %). "
    "Left: all of them, from 0 to 100 %. Right, where few were not delivered: the same bars without the "
    "delivered ones, on the larger scale that is written below them.",
    "付款后各时长时已付订单的结局比例（全部跟踪到时直接计数，否则用 Aalen–Johansen；每条合计 100%）。左：全部，0–100%。"
    "右（未交付较少时）：同样的条形去掉已交付部分，按其下方标注的放大刻度显示。",
)
OUTCOMES = {
    "delivered": (Words("delivered", "已交付"), tint(GOOD)),
    "refunded": (Words("refunded", "已退款"), tint("#CC79A7", 0.55)),
    "failed": (Words("failed", "失败"), BAD),
    "manual": (Words("held or with a person", "审核或人工"), "#CCCCCC"),
    "open": (Words("still open", "仍未完结"), UNSURE),
}
"""Neighbours differ in lightness too, for a print without colours."""
SEEN = 5e-5
"""Smaller shares are what adding up leaves."""
LABEL_FROM = 0.1
ROW_IN = 0.32
LEFT_IN, BOTTOM_IN, WIDE_IN, ALL_IN, GAP_IN, TOP_IN = 0.75, 0.5, 3.1, 7.85, 0.55, 0.32
APART_TO = 0.4
"""Where more than this was not delivered, it is seen without being enlarged."""
ENDS = (0.001, 0.002, 0.004, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.16, 0.2, 0.28, 0.4)
"""Where the enlarged axis may end: a quarter of it reads well."""


def draw(findings: Findings) -> Chart | None:
    """None where nobody paid or nothing could be estimated."""
    horizons = findings.survival.outcomes
    if not horizons:
        return None
    beyond = findings.survival.beyond_s
    height = ROW_IN * (len(horizons) + len(beyond))
    chart = Chart(height + BOTTOM_IN + TOP_IN)
    most = max(1 - one.delivered for one in horizons)
    is_apart = most <= APART_TO
    whole = chart.panel(LEFT_IN, BOTTOM_IN, WIDE_IN if is_apart else ALL_IN, height)
    _panel(whole, horizons, beyond, 1.0)
    whole.set_yticks(range(len(horizons) + len(beyond)), [short_s(s) for s in (*(one.s for one in horizons), *beyond)])
    whole.set_xlabel(chart.say("all paid orders", "全部已付订单"), fontsize=9)
    for row, one in enumerate(horizons):
        _bar(chart, whole, row, one, list(OUTCOMES), 1.0)
    for row in range(len(horizons), len(horizons) + len(beyond)):
        words = chart.say("not followed so long", "未跟踪到此")
        whole.text(0.01, row, words, ha="left", va="center", fontsize=SMALL, fontstyle="italic")
    if is_apart:
        _enlarged(chart, horizons, beyond, next(end for end in ENDS if end >= most - SEEN), height)
    seen = [name for name in OUTCOMES if any(_share(one, name) > SEEN for one in horizons)]
    marks = [Patch(fc=OUTCOMES[name][1], ec=INK, lw=0.5, label=chart.words(OUTCOMES[name][0])) for name in seen]
    whole.legend(
        handles=marks,
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=len(marks),
        handlelength=1.2,
        columnspacing=1.4,
    )
    return chart


def table(findings: Findings) -> Table | None:
    """The shares at each horizon, and their intervals."""
    parts = [(f"{name} (share)", f"{name}, lower 95 %", f"{name}, upper 95 %") for name in OUTCOMES]
    header = ("business s since payment", *(word for part in parts for word in part), "method")
    rows: list[tuple[Cell, ...]] = []
    for one in findings.survival.outcomes:
        numbers = [(_share(one, name), *one.intervals.get(name, (None, None))) for name in OUTCOMES]
        rows.append((one.s, *(number for part in numbers for number in part), one.method))
    return Table(header, rows) if rows else None


def describe(findings: Findings) -> Words:
    """The shares at the last horizon."""
    horizons = findings.survival.outcomes
    if not horizons:
        return Words("No outcome could be estimated.", "结局无法估计。")
    last = horizons[-1]
    said = [(OUTCOMES[name][0], percent(_share(last, name))) for name in OUTCOMES if _share(last, name) > SEEN]
    en = ", ".join(f"{words.en} {share}" for words, share in said)
    zh = "，".join(f"{words.zh} {share}" for words, share in said)
    return Words(f"{short_s(last.s)} after payment: {en}.", f"付款后 {short_s(last.s)}：{zh}。")


def _panel(ax: Axes, horizons: list[Horizon], beyond: list[float], end: float) -> None:
    ax.set(xlim=(0, end), ylim=(len(horizons) + len(beyond) - 0.5, -0.5))
    ax.set_xticks([end * i / 4 for i in range(5)], [f"{end * i * 25:g} %" for i in range(5)], fontsize=SMALL)
    ax.grid(axis="y", visible=False)
    quiet(ax)


def _enlarged(chart: Chart, horizons: list[Horizon], beyond: list[float], scale: float, height: float) -> None:
    """The bars without what was delivered."""
    left = LEFT_IN + WIDE_IN + GAP_IN
    part = chart.panel(left, BOTTOM_IN, LEFT_IN + ALL_IN - left, height)
    _panel(part, horizons, beyond, scale)
    part.set_yticks([])
    upto = f"{scale * 100:g} %"
    part.set_xlabel(chart.say(f"not delivered, scale to {upto}", f"未交付部分，刻度至 {upto}"), fontsize=9)
    for row, one in enumerate(horizons):
        _bar(chart, part, row, one, list(OUTCOMES)[1:], scale)


def _share(horizon: Horizon, name: str) -> float:
    share = float(getattr(horizon, name))
    return share if share > SEEN else 0.0


def _bar(chart: Chart, ax: Axes, row: int, horizon: Horizon, names: list[str], scale: float) -> None:
    left = 0.0
    for name in names:
        share, (words, colour) = _share(horizon, name), OUTCOMES[name]
        if not share:
            continue
        ax.barh(row, share, left=left, height=0.7, color=colour, edgecolor=INK, lw=0.5)
        if share >= LABEL_FROM * scale:
            x = left + share / 2
            ax.text(x, row, percent(share), ha="center", va="center", fontsize=SMALL, color=ON_COLOUR)
        at, said = short_s(horizon.s), percent(share)
        if name in horizon.intervals:
            lo, hi = horizon.intervals[name]
            said = f"{said} ({interval(lo, hi, 'share')})"
        en, zh = f"{at} after payment: {said} {words.en}", f"付款后 {at}：{said} {words.zh}"
        chart.box(ax, (left, left + share), (row - 0.35, row + 0.35), en, zh)
        left += share
    if left == 0.0:
        nothing = chart.say("none", "无")
        ax.text(0.01 * scale, row, nothing, ha="left", va="center", fontsize=SMALL)

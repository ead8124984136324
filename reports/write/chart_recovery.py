"""After each fault given by a window: when orders became overdue, when half of them were gone, when all was well."""

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from reports.findings import Findings, Recovery, Words
from reports.write.chart import GREY, INK, LABEL_MAX, SMALL, Chart, Table, cut, quiet
from reports.write.words import NOTHING, seconds

TITLE = Words("Recovery after each fault window", "各故障窗口之后的恢复")
CAPTION = Words(
    "A row for each fault given by a time window, in business time from its end (0). Grey bar: the fault in "
    "force, cut where it lasted longer than there is room. "
    "Triangle: first overdue order; diamond: half of the orders overdue at its end were gone; dot: from here on no "
    "more orders were overdue than before the fault; arrow: that was not seen until the end of the run.",
    "每个按时间窗设定的故障一行，横轴为距其结束（0）的业务时间。灰条：故障生效（过长则截去左端）。三角：首个逾期订单；"
    "菱形：其结束时逾期的订单已去半；圆点：此后逾期数不再高于故障之前；箭头：到运行结束仍未恢复。",
)
DETECT, HALF, WELL = "#D55E00", "#E69F00", "#009E73"
MARKS = {
    "detect": ("^", DETECT, Words("first overdue", "首个逾期")),
    "half": ("D", HALF, Words("half gone", "去半")),
    "well": ("o", WELL, Words("recovered", "恢复")),
    "not": (">", INK, Words("not recovered yet", "尚未恢复")),
}
ROW_IN = 0.36
LEFT_IN, BOTTOM_IN, WIDE_IN, TOP_IN = 2.5, 0.5, 4.9, 0.32


def draw(findings: Findings) -> Chart | None:
    """None where no fault was given by a window."""
    rows = findings.recovery
    if not rows:
        return None
    high = ROW_IN * len(rows)
    chart = Chart(high + BOTTOM_IN + TOP_IN)
    ax = chart.panel(LEFT_IN, BOTTOM_IN, WIDE_IN, high)
    ax.axvline(0, color=INK, lw=0.8)
    marked = [t for row in rows for t in _times(row, findings).values()]
    top = max(*marked, 1.0, 0.0)
    # A fault that lasted much longer than its recovery would leave no room for that.
    low = max(min(-_lasted(row, findings) for row in rows), min(*marked, -top, -1.0))
    room = 0.04 * (top - low)
    for i, row in enumerate(rows):
        _row(chart, ax, i, row, findings)
        chart.box(ax, (low - room, top + room), (i - 0.5, i + 0.5), *_told(row))
    ax.set(xlim=(low - room, top + room), ylim=(len(rows) - 0.5, -0.5))
    labels = [chart.say(cut(row.en, LABEL_MAX), cut(row.zh, LABEL_MAX // 2)) for row in rows]
    ax.set_yticks(range(len(rows)), labels, fontsize=SMALL)
    ax.grid(axis="y", visible=False)
    quiet(ax, ("left",))
    ax.set_xlabel(chart.say("business seconds since the end of the fault", "故障结束后的业务秒数"))
    head = chart.say("overdue orders", "逾期订单")
    ax.text(1.03, 1, head, transform=ax.transAxes, ha="left", va="bottom", fontsize=SMALL)
    handles = [
        Line2D([], [], marker=shape, ls="", color=colour, mec=INK, mew=0.5, ms=6, label=chart.words(words))
        for shape, colour, words in MARKS.values()
    ]
    ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=4, columnspacing=1.4)
    return chart


def table(findings: Findings) -> Table | None:
    """The times of each fault."""
    header = (
        "fault",
        "from (wire s)",
        "to (wire s)",
        "first overdue after its start (business s)",
        "half gone after its end (business s)",
        "recovered after its end (business s)",
        "not recovered within (business s)",
        "overdue before (orders, p95)",
        "overdue at most (orders)",
    )
    rows = [
        (r.id, r.from_s, r.to_s, r.detect_s, r.half_life_s, r.recover_s, r.recover_at_least_s, r.before, r.peak)
        for r in findings.recovery
    ]
    return Table(header, list(rows)) if rows else None


def describe(findings: Findings) -> Words:
    """Each fault's times in words."""
    told = [_told(row) for row in findings.recovery]
    if not told:
        return Words("No fault was given by a time window.", "没有按时间窗设定的故障。")
    return Words(". ".join(en for en, _ in told) + ".", "。".join(zh for _, zh in told) + "。")


def _lasted(row: Recovery, findings: Findings) -> float:
    return (row.to_s - row.from_s) * findings.compress


def _times(row: Recovery, findings: Findings) -> dict[str, float]:
    """Where each mark stands, counted from the end of the fault."""
    times = {"half": row.half_life_s, "well": row.recover_s, "not": row.recover_at_least_s}
    found = {name: t for name, t in times.items() if t is not None}
    if row.detect_s is not None:
        found["detect"] = row.detect_s - _lasted(row, findings)
    return found


def _row(chart: Chart, ax: Axes, i: int, row: Recovery, findings: Findings) -> None:
    lasted = _lasted(row, findings)
    ax.barh(i, lasted, left=-lasted, height=0.5, color=GREY, alpha=0.35, lw=0)
    times = _times(row, findings)
    if times:
        far = max(times.values())
        ax.plot((min(times.get("detect", 0.0), 0.0, far), far), (i, i), color=INK, lw=1.2, zorder=2)
    for name, t in times.items():
        shape, colour, _ = MARKS[name]
        ax.plot([t], [i], shape, color=colour, mec=INK, mew=0.5, ms=7, clip_on=False, zorder=3)
    most, most_zh = f"at most {row.peak}", f"最多 {row.peak}"
    if row.has_before:
        most, most_zh = f"{most} (before {row.before:g})", f"{most_zh}（之前 {row.before:g}）"
    words = chart.say(most, most_zh) if row.peak else chart.say("none", "无")
    ax.text(1.03, i, words, transform=ax.get_yaxis_transform(), ha="left", va="center", fontsize=SMALL)


def _told(row: Recovery) -> tuple[str, str]:
    detect, half = seconds(row.detect_s), seconds(row.half_life_s)
    if row.recover_s is not None:
        en, zh = f"recovered after {seconds(row.recover_s)}", f"{seconds(row.recover_s)} 后恢复"
    elif row.recover_at_least_s is not None:
        en, zh = (
            f"not recovered within {seconds(row.recover_at_least_s)}",
            f"{seconds(row.recover_at_least_s)} 内未恢复",
        )
    else:
        en, zh = f"recovery {NOTHING}", f"恢复 {NOTHING}"
    en = f"{row.en}: first overdue order after {detect}, half gone after {half}, {en}; at most {row.peak} overdue"
    zh = f"{row.zh}：{detect} 后首个逾期，{half} 后去半，{zh}；逾期最多 {row.peak} 单"
    if row.beside:
        others = ", ".join(row.beside)
        en, zh = f"{en}, together with {others}", f"{zh}，与 {others} 合计"
    return en, zh

"""What stuck orders are put down to, with Wilson's intervals, beside what had truly struck them."""

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from plan.causes import NOT_STUCK
from reports.findings import CauseRow, Findings, Words
from reports.measure.causes import words as cause_words
from reports.write.chart import INK, LABEL_MAX, LINES, SMALL, Chart, Table, cut, quiet, tint
from reports.write.words import interval, percent

TITLE = Words("Causes found, beside what was broken", "判定的原因与实际注入的故障")
CAPTION = Words(
    "Bars: stuck, lost or open orders by the cause found from the evidence alone, with Wilson's 95 % interval of its "
    "share. Diamonds, where that was judged: how many of these orders a fault of that "
    "cause had truly struck; the finding was made without knowing that.",
    "条形：仅凭证据判定的原因所对应的卡住、丢失或未完结订单，附其比例的 Wilson 95% 区间。"
    "菱形（如有）：这些订单中实际被该原因的故障触及的数量；判定时并不知晓。",
)
ROW_IN = 0.31
LEFT_IN, BOTTOM_IN, WIDE_IN, TOP_IN = 2.45, 0.5, 4.6, 0.32
FOUND = LINES[0]


def draw(findings: Findings) -> Chart | None:
    """None where no order had to be put down to anything."""
    rows = _rows(findings)
    if not rows:
        return None
    high, judged = ROW_IN * len(rows), findings.causes.judged
    chart = Chart(high + BOTTOM_IN + TOP_IN)
    ax = chart.panel(LEFT_IN, BOTTOM_IN, WIDE_IN, high)
    most = 1.0
    for i, (cause, row, injected) in enumerate(rows):
        most = max(most, _row(ax, i, row, injected, judged))
        en, zh = _told(cause, row, injected)
        chart.box(ax, (0, 1e9), (i - 0.5, i + 0.5), en, zh)
        text = f"{row.orders} ({_share(row)})" if row else "0"
        ax.text(1.03, i, text, transform=ax.get_yaxis_transform(), ha="left", va="center", fontsize=SMALL)
    chart.marks[:] = [
        mark._replace(outline=[(min(x, most * 1.06), y) for x, y in mark.outline]) for mark in chart.marks
    ]
    ax.set(xlim=(0, most * 1.06), ylim=(len(rows) - 0.5, -0.5))
    ax.set_yticks(range(len(rows)), [_label(chart, cause) for cause, _, _ in rows], fontsize=SMALL)
    ax.grid(axis="y", visible=False)
    quiet(ax, ("left",))
    ax.set_xlabel(chart.say(f"orders, of {judged} that needed a cause", f"订单（共 {judged} 单需要判定）"))
    _legend(chart, ax, with_truth=any(injected is not None for _, _, injected in rows))
    return chart


def table(findings: Findings) -> Table | None:
    """Orders found and orders struck, by cause."""
    header = (
        "cause",
        "found (orders)",
        "share of judged",
        "lower 95 %",
        "upper 95 %",
        "stuck",
        "lost",
        "open",
        "excess (business s)",
        "truly struck (orders)",
    )
    rows = [
        (cause, r.orders, r.share, r.lo, r.hi, r.stuck, r.lost, r.open, r.excess_s, injected)
        if r
        else (cause, 0, 0.0, None, None, 0, 0, 0, 0.0, injected)
        for cause, r, injected in _rows(findings)
    ]
    return Table(header, list(rows)) if rows else None


def describe(findings: Findings) -> Words:
    """The three commonest causes."""
    rows = findings.causes.rows[:3]
    if not rows:
        return Words("No order needed a cause.", "没有订单需要判定原因。")
    en = ", ".join(f"{cause_words(row.cause).en} {row.orders} ({percent(row.share)})" for row in rows)
    zh = "，".join(f"{cause_words(row.cause).zh} {row.orders} 单（{percent(row.share)}）" for row in rows)
    judged = findings.causes.judged
    return Words(f"Of {judged} stuck, lost or open orders: {en}.", f"{judged} 个卡住、丢失或未完结的订单中：{zh}。")


def _rows(findings: Findings) -> list[tuple[str, CauseRow | None, int | None]]:
    """Cause, what was found, and how many orders it had truly struck (None: nobody knows)."""
    confused = findings.struck.confused
    injected = {row.injected: sum(n for found, n in row.found.items() if found != NOT_STUCK) for row in confused}
    found = {row.cause: row for row in findings.causes.rows if row.orders > 0}
    missed = sorted(
        (cause for cause, n in injected.items() if n and cause not in found), key=lambda c: (-injected[c], c)
    )
    truth = [injected.get(cause, 0) if confused else None for cause in found]
    rows: list[tuple[str, CauseRow | None, int | None]] = list(zip(found, found.values(), truth, strict=True))
    return rows + [(cause, None, injected[cause]) for cause in missed]


def _row(ax: Axes, i: int, row: CauseRow | None, injected: int | None, judged: int) -> float:
    """Draws one; how far it reaches."""
    reach = float(injected or 0)
    if row:
        ax.barh(i, row.orders, height=0.58, color=tint(FOUND), edgecolor=INK, lw=0.5)
        reach = max(reach, row.orders)
    if row and row.lo is not None and row.hi is not None:
        ax.plot((row.lo * judged, row.hi * judged), (i, i), color=INK, lw=1.6, solid_capstyle="butt")
        for end in (row.lo * judged, row.hi * judged):
            ax.plot((end, end), (i - 0.13, i + 0.13), color=INK, lw=1.2)
        reach = max(reach, row.hi * judged)
    if injected is not None:
        ax.plot([injected], [i - 0.31], "D", color=LINES[1], mec=INK, mew=0.6, ms=5.5, clip_on=False, zorder=4)
    return reach


def _label(chart: Chart, cause: str) -> str:
    words = Words("none: nothing had struck", "无：未被触及") if cause == NOT_STUCK else cause_words(cause)
    return chart.say(cut(words.en, LABEL_MAX), cut(words.zh, LABEL_MAX // 2 + 2))


def _legend(chart: Chart, ax: Axes, *, with_truth: bool) -> None:
    handles = [
        Line2D([], [], color=tint(FOUND), lw=7, label=chart.say("found, by the evidence alone", "仅凭证据判定")),
        Line2D([], [], color=INK, lw=1.6, label=chart.say("95 % interval", "95% 区间")),
    ]
    if with_truth:
        words = chart.say("truly struck by a fault of it", "实际被该类故障触及")
        handles.append(Line2D([], [], ls="", marker="D", color=LINES[1], mec=INK, mew=0.6, ms=5.5, label=words))
    ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(-0.5, 1.0), ncols=3, columnspacing=1.6)


def _share(row: CauseRow) -> str:
    band = interval(row.lo, row.hi, "share")
    return f"{percent(row.share)}; {band}" if band else percent(row.share)


def _told(cause: str, row: CauseRow | None, injected: int | None) -> tuple[str, str]:
    words = cause_words(cause)
    found, share = (row.orders, f" ({_share(row)})") if row else (0, "")
    en, zh = f"{words.en}: found for {found} orders{share}", f"{words.zh}：判定 {found} 单{share}"
    if row:
        en += f", {row.stuck} stuck, {row.lost} lost, {row.open} open"
        zh += f"，卡住 {row.stuck}，丢失 {row.lost}，未完结 {row.open}"
    if injected is not None:
        en, zh = f"{en}; truly struck: {injected}", f"{zh}；实际触及：{injected}"
    return en, zh

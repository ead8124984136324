"""Which share of paid orders was still open after a time: Kaplan-Meier with its band, deadlines, numbers at risk; and
which share of those that need an upstream it had not been asked for."""

import math

from matplotlib.axes import Axes

from reports.findings import Deadline, Findings, Words
from reports.write.chart import GREY, INK, SMALL, Chart, Table, held, short_s, spread, strips
from reports.write.words import NOTHING, interval, percent

TITLE = Words("Time from payment to the end", "从付款到完结的时间")
CAPTION = Words(
    "Share of paid orders still open so long after the money was taken (Kaplan–Meier, log-log 95 % band). Orders open "
    "at the end count as open for as long as they were followed, never as ended. Dashed: not yet asked for at an "
    "upstream. Both axes are stretched: time is logarithmic, shares are linear below 1 % and logarithmic above.",
    "扣款之后仍未完结的已付订单比例（Kaplan–Meier，log-log 95% 置信带）。结束时仍未完结的订单按已跟踪的时长计，"
    "绝不当作已完结。虚线：尚未向上游要货。两轴均经拉伸：时间为对数刻度；比例在 1% 以下为线性、以上为对数。",
)
Y_TICKS = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
LINEAR_BELOW = 0.01
X_MIN, X_START_MAX = 0.7, 10.0
CLOSE = 0.095
"""Marks nearer to the deadline than this share of the axis have no words of their own."""
CURVE = "#3391CE"
ASKED = "#CC79A7"
"""Both read on white and on black."""
READS = 28
LEFT_IN, BOTTOM_IN, WIDE_IN, HIGH_IN = 0.85, 0.95, 7.85, 2.95


def draw(findings: Findings) -> Chart | None:
    """None where nobody paid."""
    found = findings.survival
    if found.n == 0:
        return None
    chart = Chart(HIGH_IN + BOTTOM_IN + 0.3)
    ax = chart.panel(LEFT_IN, BOTTOM_IN, WIDE_IN, HIGH_IN)
    end = max([mark.s for mark in found.at_risk] + found.t_s + [1.0]) * 1.25
    start = first_s(found.t_s)
    seen = max(_seen_to_s(findings, end), start)
    x = [start, *(max(t, start) for t in found.t_s), seen]
    last = [found.open[-1], found.lo[-1], found.hi[-1]] if found.t_s else [1.0, 1.0, 1.0]
    open_, lo, hi = ([1.0, *row, tail] for row, tail in zip((found.open, found.lo, found.hi), last, strict=True))
    ax.fill_between(x, lo, hi, step="post", color=CURVE, alpha=0.22, lw=0)
    ax.step(x, open_, where="post", color=CURVE, lw=1.8, label=chart.say("still open", "仍未完结"))
    if findings.asked.n:
        _asked(chart, ax, findings, start, seen)
    _deadlines(chart, ax, findings, math.log(end / start))
    ax.set_xscale("log")
    ax.set_yscale("symlog", linthresh=LINEAR_BELOW, linscale=0.6)
    ax.set(xlim=(start, end), ylim=(0, 1.0))
    ax.set_yticks(Y_TICKS, [f"{y * 100:g} %" for y in Y_TICKS])
    ax.set_yticks([], minor=True)
    ax.set_ylabel(chart.say("paid orders still open", "仍未完结的已付订单"))
    _at_risk(chart, ax, findings, start, end)
    _reads(chart, ax, findings, start, seen)
    if found.beyond_s:
        words = chart.say("not followed so far", "未跟踪到此")
        ax.text(1, 0.03, words, transform=ax.transAxes, ha="right", fontsize=SMALL, fontstyle="italic")
    return chart


def table(findings: Findings) -> Table | None:
    """The curve with its band."""
    found = findings.survival
    header = ("business s since payment", "share still open", "lower 95 %", "upper 95 %")
    return Table(header, list(zip(found.t_s, found.open, found.lo, found.hi, strict=True))) if found.n else None


def describe(findings: Findings) -> Words:
    """How many were still open at each deadline."""
    told = [f"{short_s(d.s)}: {_of(d)}" for d in findings.deadlines]
    n = findings.survival.n
    en, zh = ("; ".join(told), "；".join(told)) if told else (NOTHING, NOTHING)
    return Words(
        f"Share of {n} paid orders still open against time since payment. After {en}.",
        f"{n} 个已付订单付款后仍未完结的比例。{zh}。",
    )


def first_s(times: list[float]) -> float:
    """Where the axis begins: somewhat before the first end."""
    first = next((t for t in times if t > X_MIN), 1.0)
    return max(X_MIN, min(first * 0.6, X_START_MAX))


def _seen_to_s(findings: Findings, end: float) -> float:
    """As far as the curve may be drawn: to the last moment that something can be told of."""
    found = findings.survival
    if found.open and found.open[-1] == 0:
        return end
    return max([*found.t_s, *(one.s for one in found.outcomes)], default=0.0)


def _of(deadline: Deadline) -> str:
    found = deadline.finding
    band = interval(found.lo, found.hi, found.unit)
    return f"{percent(found.value)} ({band})" if band else percent(found.value)


def _asked(chart: Chart, ax: Axes, findings: Findings, start: float, end: float) -> None:
    found = findings.asked
    times = [t for t in found.t_s if t <= end]
    waiting = [1.0, *found.waiting[: len(times)]]
    x = [start, *(max(t, start) for t in times), end]
    words = chart.say("no upstream asked yet", "尚未向上游要货")
    ax.step(x, [*waiting, waiting[-1]], where="post", color=ASKED, lw=1.6, ls=(0, (5, 2)), label=words)
    ax.legend(loc="lower left", handlelength=2.4)


def _deadlines(chart: Chart, ax: Axes, findings: Findings, width: float) -> None:
    """Lines at the deadlines; the words of one too near to the plan's own would stand on its words."""
    for mark in findings.deadlines:
        own = mark.s == findings.deadline_s
        ax.axvline(mark.s, color=INK if own else GREY, lw=1.1 if own else 0.8, ls=(0, (4, 3)))
        if _is_hidden(mark.s, findings, width):
            continue
        at = short_s(mark.s)
        words = chart.say(f"deadline {at}", f"期限 {at}") if own else at
        ax.text(mark.s, 1.02, words, transform=ax.get_xaxis_transform(), ha="center", fontsize=SMALL)


def _is_hidden(s: float, findings: Findings, width: float) -> bool:
    """Whether words there would stand on those of the deadline; `width` of the axis, as a logarithm."""
    return s != findings.deadline_s and abs(math.log(s / findings.deadline_s)) < CLOSE * width


def _at_risk(chart: Chart, ax: Axes, findings: Findings, start: float, end: float) -> None:
    """Ticks with, below each, how many orders were still followed."""
    width = math.log(end / start)
    marks = [
        risk for risk in findings.survival.at_risk if start <= risk.s <= end and not _is_hidden(risk.s, findings, width)
    ]
    ax.set_xticks([m.s for m in marks], [short_s(m.s) for m in marks])
    ax.set_xticks([], minor=True)
    words = chart.say(
        f"business time since the money was taken (log; compress {findings.compress:g})",
        f"扣款后的业务时间（对数；compress {findings.compress:g}）",
    )
    ax.set_xlabel(words, labelpad=24)
    below = ax.get_xaxis_transform()
    ax.text(-0.02, -0.135, chart.say("at risk", "跟踪中"), transform=ax.transAxes, ha="right", fontsize=SMALL)
    for risk in marks:
        ax.text(risk.s, -0.135, f"{risk.n}", transform=below, ha="center", fontsize=SMALL)


def _reads(chart: Chart, ax: Axes, findings: Findings, start: float, end: float) -> None:
    found, asked = findings.survival, findings.asked
    at = spread(start, end, READS, [mark.s for mark in findings.deadlines])
    for t, span in zip(at, strips(at, start, end, log=True), strict=True):
        open_, lo, hi = (held(found.t_s, row, t, 1.0) for row in (found.open, found.lo, found.hi))
        numbers = f"{percent(open_)} ({interval(lo, hi, 'share')})"
        en, zh = f"after {short_s(_even(t))}: {numbers} still open", f"{short_s(_even(t))} 后：{numbers} 仍未完结"
        if asked.n:
            waiting = percent(held(asked.t_s, asked.waiting, t, 1.0))
            en, zh = f"{en}; {waiting} no upstream asked", f"{zh}；{waiting} 尚未向上游要货"
        chart.box(ax, span, (0, 1.0), en, zh)


def _even(t: float) -> float:
    return round(t, 1) if t < 100 else round(t)

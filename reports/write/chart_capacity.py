"""Backlog against offered load: over time, and how fast it grew at each load, with the limit above which it grew."""

from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from reports.findings import Capacity, Findings, Words
from reports.write.chart import GREY, INK, LINES, SMALL, Chart, Table, tint
from reports.write.words import NOTHING, number

TITLE = Words("Backlog against offered load", "积压与负载")
CAPTION = Words(
    "Left, over the load: orders due and orders that ended a second, and below them the paid orders still open. Right: "
    "each dot is one step of the load; where the offered load is above what the shop drains, the backlog grows. "
    "The line with its band is the limit that the run shows, where it shows one.",
    "左：负载期间每秒到期与完结的订单，下方为未完结的已付订单。右：每点为负载的一段；"
    "负载超过店铺的消化能力时积压增长。竖线及其色带为本次运行所显示的上限（若有）。",
)
OFFERED, ENDED = LINES[1], LINES[0]
BOTTOM_IN, LEFT_IN, WIDE_IN = 0.5, 0.75, 4.35
OPEN_IN, RATES_IN, GAP_IN = 0.95, 1.45, 0.14
RIGHT_IN = 6.1


def draw(findings: Findings) -> Chart | None:
    """None where no load was seen."""
    found = findings.capacity
    if found is None or len(found.t_s) == 0:
        return None
    high = OPEN_IN + RATES_IN + GAP_IN
    chart = Chart(BOTTOM_IN + high + 0.32)
    backlog = chart.panel(LEFT_IN, BOTTOM_IN, WIDE_IN, OPEN_IN)
    rates = chart.panel(LEFT_IN, BOTTOM_IN + OPEN_IN + GAP_IN, WIDE_IN, RATES_IN, share=backlog)
    _over_time(chart, rates, backlog, found)
    _against(chart, chart.panel(RIGHT_IN, BOTTOM_IN, 8.75 - RIGHT_IN, high), found)
    return chart


def table(findings: Findings) -> Table | None:
    """Each step of the load."""
    found = findings.capacity
    if found is None or len(found.t_s) == 0:
        return None
    header = (
        "up to (wire s since the start of load)",
        "due (orders per s)",
        "ended (orders per s)",
        "open at the end (orders)",
    )
    return Table(header, list(zip(found.t_s, found.offered_per_s, found.ended_per_s, found.open, strict=True)))


def describe(findings: Findings) -> Words:
    """The limit, or why there is none, and how fast the backlog drained."""
    found = findings.capacity
    if found is None or len(found.t_s) == 0:
        return Words("No load was seen.", "没有负载。")
    en, zh = f"At most {max(found.open)} paid orders were open", f"未完结的已付订单最多 {max(found.open)} 个"
    en += f", at up to {number(max(found.offered_per_s))} orders due a second"
    zh += f"，负载最高每秒 {number(max(found.offered_per_s))} 单"
    if found.limit_per_s is None:
        en, zh = f"{en}; the run shows no limit", f"{zh}；本次运行未显示上限"
    else:
        said = f"{number(found.limit_per_s)}"
        en, zh = f"{en}; the backlog grew above {said} a second", f"{zh}；每秒超过 {said} 单时积压增长"
        if found.lo is not None or found.hi is not None:
            en, zh = f"{en} (95 %: {_band(found)})", f"{zh}（95%：{_band(found)}）"
    if found.drain_per_s is not None:
        drain = number(found.drain_per_s)
        en, zh = f"{en}; after the load {drain} orders ended a second", f"{zh}；负载结束后每秒完结 {drain} 单"
    return Words(f"{en}.", f"{zh}。")


def _band(found: Capacity) -> str:
    low = NOTHING if found.lo is None else number(found.lo)
    return f"{low}–{'∞' if found.hi is None else number(found.hi)}"


def _over_time(chart: Chart, rates: Axes, backlog: Axes, found: Capacity) -> None:
    edges = [0.0, *found.t_s]
    end = max(edges[-1], 0.001)
    for values, colour, style, words in (
        (found.offered_per_s, OFFERED, "-", chart.say("due", "到期")),
        (found.ended_per_s, ENDED, (0, (4, 1.5)), chart.say("ended", "完结")),
    ):
        rates.step(edges, [*values, values[-1]], where="post", color=colour, lw=1.7, ls=style, label=words)
    if found.limit_per_s is not None:
        rates.axhline(found.limit_per_s, color=INK, lw=0.9, ls=(0, (1, 2)), label=chart.say("limit", "上限"))
    rates.set_ylim(0, max(*found.offered_per_s, *found.ended_per_s, found.limit_per_s or 0, 0.1) * 1.15)
    rates.set_ylabel(chart.say("orders a second", "每秒订单"))
    rates.tick_params(labelbottom=False)
    rates.legend(loc="lower left", bbox_to_anchor=(-0.02, 0.98), ncols=3, handlelength=2.2, columnspacing=1.4)
    backlog.fill_between(edges, [0, *found.open], color=tint(LINES[4]), edgecolor=INK, lw=0.5)
    backlog.set(xlim=(0, end), ylim=(0, max(*found.open, 1) * 1.15))
    backlog.yaxis.set_major_locator(MaxNLocator(3, integer=True, steps=[1, 2, 5, 10]))
    backlog.set_xlabel(chart.say("seconds of the load (wire)", "负载时间（线上秒）"))
    backlog.set_ylabel(chart.say("open", "未完结"))
    for i, span in enumerate(pairwise(edges)):
        offered, ended = number(found.offered_per_s[i]), number(found.ended_per_s[i])
        when = f"{span[0]:.1f}–{span[1]:.1f}"
        en = f"{when} s: {offered} due and {ended} ended a second, {found.open[i]} open"
        zh = f"{when} 秒：每秒到期 {offered}、完结 {ended}，未完结 {found.open[i]}"
        chart.box(rates, span, rates.get_ylim(), en, zh)
        chart.box(backlog, span, backlog.get_ylim(), en, zh)


def _against(chart: Chart, ax: Axes, found: Capacity) -> None:
    """How fast the backlog grew in each step, by its load."""
    step = max(found.t_s[-1] / len(found.t_s), 0.001)
    growth = [(after - was) / step for was, after in pairwise([0, *found.open])]
    load = found.offered_per_s
    ax.axhline(0, color=INK, lw=0.8)
    if found.limit_per_s is not None:
        low = found.lo if found.lo is not None else 0.0
        high = found.hi if found.hi is not None else max(*load, found.limit_per_s) * 1.15
        ax.axvspan(low, high, color=GREY, alpha=0.18, lw=0)
        ax.axvline(found.limit_per_s, color=INK, lw=1.2, ls=(0, (4, 3)))
        en, zh = (f"limit {number(found.limit_per_s)}", f"上限 {number(found.limit_per_s)}")
    else:
        en, zh = "no limit seen", "未见上限"
    ax.text(1, 1.02, chart.say(en, zh), transform=ax.transAxes, ha="right", va="bottom", fontsize=SMALL)
    ax.plot(load, growth, "o", color=tint(LINES[4]), mec=INK, mew=0.6, ms=5.5)
    wide = max(*load, found.limit_per_s or 0, 0.1) * 1.15
    most = max(*map(abs, growth), 0.1)
    ax.set(xlim=(0, wide), ylim=(min(*growth, 0.0) - 0.15 * most, max(*growth, 0.0) + 0.15 * most))
    ax.set_xlabel(chart.say("orders due a second", "每秒到期订单"))
    ax.set_ylabel(chart.say("backlog growth a second", "积压每秒增长"))
    for t, x, y in zip(found.t_s, load, growth, strict=True):
        en, zh = f"{number(x)} due a second: backlog {y:+.1f} a second", f"每秒到期 {number(x)}：积压每秒 {y:+.1f}"
        half_x, half_y = wide * 0.02, most * 0.04
        chart.box(ax, (x - half_x, x + half_x), (y - half_y, y + half_y), f"{en} ({t:.1f} s)", f"{zh}（{t:.1f} 秒）")

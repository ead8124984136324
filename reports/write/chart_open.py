"""Paid open orders over time by what the page showed, the stuck ones among them, and above it when faults were on."""

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ledger.states import State
from reports.findings import FaultRow, Findings, Words
from reports.write.chart import (
    GREY,
    INK,
    LINES,
    ON_COLOUR,
    SMALL,
    STATE_COLOUR,
    WIRE_AXIS,
    Chart,
    Table,
    fault_label,
    quiet,
    state_words,
    strips,
    tint,
    turns,
)

Floats = npt.NDArray[np.float64]

TITLE = Words("Open orders over time", "未完结订单随时间变化")
CAPTION = Words(
    "Paid orders that had not ended, by what the page showed, piled up; the dashed line counts the stuck ones among "
    "them. Bars above: when each fault was in force (orange: given by a time window; grey: given by orders or rate).",
    "尚未完结的已付订单，按页面显示的状态堆叠；虚线为其中卡住的订单。"
    "上方条带：各故障生效的时段（橙色按时间窗，灰色按订单或比例）。",
)
LANE_IN = 0.2
LEFT_IN, BOTTOM_IN, WIDE_IN, MAIN_IN = 2.5, 0.5, 6.25, 3.0
READS = 40
ALWAYS_MAX = 3
"""More faults that are given by orders or rate share one lane."""
NAMED_FROM, NAME_SHARE = 0.07, 0.13
"""An area is named where it is at least so high, as a share of the height, over the width of a name."""


def draw(findings: Findings) -> Chart | None:
    """None where no paid order was ever open."""
    series = findings.series
    if not series.states:
        return None
    lanes = lanes_in(findings)
    chart = Chart(BOTTOM_IN + MAIN_IN + lanes + 0.22)
    strip = chart.panel(LEFT_IN, BOTTOM_IN + MAIN_IN + 0.12, WIDE_IN, lanes)
    ax = chart.panel(LEFT_IN, BOTTOM_IN, WIDE_IN, MAIN_IN, share=strip)
    end = max(series.t_s[-1], 0.001)
    draw_faults(chart, strip, findings, end)
    names = _names(findings)
    keep = turns([*(series.states[name] for name in names), series.stuck])
    t = [series.t_s[i] for i in keep]
    layers = ax.stackplot(
        t,
        *([series.states[name][i] for i in keep] for name in names),
        colors=[tint(STATE_COLOUR[name]) for name in names],
        labels=[chart.words(state_words(name)) for name in names],
        lw=0.4,
        edgecolor=INK,
    )
    stuck = [series.stuck[i] for i in keep]
    # White dashes on a dark line are seen on every colour and in both themes.
    under = ax.plot(t, stuck, color=ON_COLOUR, lw=2.6, solid_joinstyle="round")
    over = ax.plot(t, stuck, color="#ffffff", lw=1.3, ls=(0, (3, 2)))
    totals = list(map(sum, zip(*series.states.values(), strict=True)))
    top = max(*totals, 1) * 1.12
    ax.set(xlim=(0, end), ylim=(0, top))
    ax.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.set_xlabel(chart.words(WIRE_AXIS))
    ax.set_ylabel(chart.say("paid, open orders", "已付未完结订单"))
    _moments(chart, ax, findings, end)
    _name_areas(chart, ax, findings, names, top)
    _reads(chart, ax, findings, names, top)
    # Top to bottom as the layers lie.
    handles: list[Any] = [(*under, *over), *reversed(layers)]
    labels = [chart.say("stuck", "卡住"), *(str(layer.get_label()) for layer in reversed(layers))]
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (-0.4, 1.0)}
    ax.legend(handles, labels, handlelength=1.6, labelspacing=0.6, **place)
    return chart


def table(findings: Findings) -> Table | None:
    """Orders by state at each sample."""
    series = findings.series
    names = _names(findings)
    header = ("wire s since the start of load", *(f"{name} (orders)" for name in names), "stuck (orders)")
    rows = zip(series.t_s, *(series.states[name] for name in names), series.stuck, strict=True)
    return Table(header, list(rows)) if series.states else None


def describe(findings: Findings) -> Words:
    """The highest pile, the most stuck at once, and what was left."""
    series = findings.series
    totals = list(map(sum, zip(*series.states.values(), strict=True)))
    if not totals:
        return Words("No paid order was open.", "没有未完结的已付订单。")
    most = max(totals)
    at, stuck = series.t_s[totals.index(most)], max(series.stuck)
    return Words(
        f"At most {most} paid orders were open at once, at {at:.1f} s (wire); at most {stuck} were stuck at once; "
        f"{totals[-1]} were open at the end.",
        f"同时未完结的已付订单最多 {most} 个（线上 {at:.1f} 秒时）；同时卡住最多 {stuck} 个；"
        f"结束时未完结 {totals[-1]} 个。",
    )


def lanes_in(findings: Findings) -> float:
    """The height of the lanes of faults, inches."""
    apart, together = _lanes(findings)
    return LANE_IN * max(len(apart) + bool(together), 1)


def _lanes(findings: Findings) -> tuple[list[FaultRow], list[FaultRow]]:
    """Faults with a lane each, and those that share one: when many were in force all the time, that tells little."""
    faults = findings.struck.faults
    always = [fault for fault in faults if not fault.exposure]
    if len(always) <= ALWAYS_MAX:
        return faults, []
    return [fault for fault in faults if fault.exposure], always


def draw_faults(chart: Chart, strip: Axes, findings: Findings, end: float) -> None:
    """A lane for each fault with a bar while it was in force; wire s, up to the end."""
    apart, together = _lanes(findings)
    for lane, fault in enumerate(apart):
        to_s = end if fault.to_s is None else min(fault.to_s, end)
        colour = LINES[1] if fault.exposure else GREY
        strip.barh(lane, max(to_s - fault.from_s, 0), left=fault.from_s, height=0.62, color=colour, alpha=0.75, lw=0)
        en = f"{fault.en}: {fault.from_s:g}–{to_s:.1f} s, struck {fault.orders} orders, {fault.stuck} of them stuck"
        zh = f"{fault.zh}：{fault.from_s:g}–{to_s:.1f} 秒，触及 {fault.orders} 单，其中卡住 {fault.stuck} 单"
        chart.box(strip, (0, end), (lane - 0.5, lane + 0.5), en, zh)
    labels = [chart.words(fault_label(fault)) for fault in apart]
    if together:
        labels.append(chart.say(f"{len(together)} faults by orders or rate", f"按订单或比例的故障 {len(together)} 个"))
        _together(chart, strip, together, len(apart), end)
    labels = labels or [chart.say("no faults", "无故障")]
    strip.set(ylim=(len(labels) - 0.5, -0.5))
    strip.set_yticks(range(len(labels)), labels, fontsize=SMALL)
    strip.grid(visible=False)
    strip.tick_params(labelbottom=False)
    quiet(strip)


def _together(chart: Chart, strip: Axes, faults: list[FaultRow], lane: int, end: float) -> None:
    start = min(fault.from_s for fault in faults)
    to_s = max(end if fault.to_s is None else min(fault.to_s, end) for fault in faults)
    strip.barh(lane, max(to_s - start, 0), left=start, height=0.62, color=GREY, alpha=0.75, lw=0)
    en, zh = ", ".join(fault.en for fault in faults), "，".join(fault.zh for fault in faults)
    chart.box(
        strip, (0, end), (lane - 0.5, lane + 0.5), f"{start:g}–{to_s:.1f} s: {en}", f"{start:g}–{to_s:.1f} 秒：{zh}"
    )


def _names(findings: Findings) -> list[State]:
    return [state for state in STATE_COLOUR if state in findings.series.states]


def _moments(chart: Chart, ax: Axes, findings: Findings, end: float) -> None:
    """When the last order was due, and when faults were healed."""
    series = findings.series
    moments = (
        (series.load_end_s, chart.say("last order", "最后一单"), "right"),
        (series.heal_s, chart.say("healed", "故障解除"), "left"),
    )
    for t, words, side in moments:
        if t is None or not 0 < t < end:
            continue
        ax.axvline(t, color=GREY, lw=0.9, ls=(0, (1, 2)))
        x = t + (-0.006 if side == "right" else 0.006) * end
        ax.text(x, 0.97, words, transform=ax.get_xaxis_transform(), ha=side, va="top", fontsize=SMALL)


def _name_areas(chart: Chart, ax: Axes, findings: Findings, names: list[State], top: float) -> None:
    """The name of a state where its area is thickest, for whoever cannot tell the colours apart."""
    series = findings.series
    below = np.zeros(len(series.t_s))
    half = max(round(len(below) * NAME_SHARE / 2), 1)
    for name in names:
        above = below + series.states[name]
        places = range(half, len(below) - half, max(half // 4, 1))
        rooms = [_room(slice(i - half, i + half + 1), below, above, series.stuck) for i in places]
        best = max(range(len(places)), key=lambda k: rooms[k][1] - rooms[k][0], default=-1)
        if best >= 0 and rooms[best][1] - rooms[best][0] >= NAMED_FROM * top:
            words = chart.words(state_words(name))
            x, y = series.t_s[places[best]], sum(rooms[best]) / 2
            ax.text(x, y, words, ha="center", va="center", fontsize=SMALL, color=ON_COLOUR)
        below = above


def _room(around: slice, below: Floats, above: Floats, stuck: list[int]) -> tuple[float, float]:
    """Between which heights a name fits into an area around a sample: clear of the line of the stuck ones."""
    low, high = float(below[around].max()), float(above[around].min())
    line = stuck[around]
    under, over = (low, min(high, min(line))), (max(low, max(line)), high)
    return max(under, over, key=lambda room: room[1] - room[0])


def _reads(chart: Chart, ax: Axes, findings: Findings, names: list[State], top: float) -> None:
    series = findings.series
    step = max(len(series.t_s) // READS, 1)
    rows = range(0, len(series.t_s), step)
    at = [series.t_s[i] for i in rows]
    for i, span in zip(rows, strips(at, 0, max(series.t_s[-1], 0.001), log=False), strict=True):
        parts = [(state_words(name), series.states[name][i]) for name in names if series.states[name][i]]
        total, stuck = sum(n for _, n in parts), series.stuck[i]
        en = f"{series.t_s[i]:.1f} s: {total} open, {stuck} stuck"
        zh = f"{series.t_s[i]:.1f} 秒：未完结 {total}，卡住 {stuck}"
        if parts:
            en += " – " + ", ".join(f"{words.en} {n}" for words, n in parts)
            zh += " – " + "，".join(f"{words.zh} {n}" for words, n in parts)
        chart.box(ax, span, (0, top), en, zh)

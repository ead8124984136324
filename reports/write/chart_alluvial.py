"""Stuck orders alone: the state they got stuck in, the cause found for it, what became of them."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from ledger.states import State
from reports.findings import Findings, Flow, Words
from reports.measure.causes import words as cause_words
from reports.write.chart import (
    BAD,
    GOOD,
    GREY,
    INK,
    SMALL,
    STATE_COLOUR,
    UNSURE,
    Chart,
    Points,
    Table,
    cut,
    state_words,
    tint,
)

TITLE = Words("Stuck orders: where, why, and what became of them", "卡住的订单：卡在哪、为什么、结果如何")
CAPTION = Words(
    "Only orders that got stuck, were lost or never ended; thickness is their number. Left: what the page showed when "
    "they got stuck. Middle: the cause, found from the evidence alone. Right: what became of them.",
    "仅含卡住、丢失或始终未完结的订单，粗细为订单数。左：卡住时页面显示的状态；中：仅凭证据判定的原因；右：最终结果。",
)
OUTCOME_WORDS = {
    "delivered": Words("delivered", "已交付"),
    "refunded": Words("refunded", "已退款"),
    "lost": Words("lost", "丢失"),
    "nothing": Words("ended with nothing", "一无所获"),
    "open": Words("still open", "仍未完结"),
    "held": Words("held or with a person", "审核或人工"),
}
OUTCOME_COLOUR = {
    "delivered": GOOD,
    "refunded": "#CC79A7",
    "lost": BAD,
    "nothing": BAD,
    "open": UNSURE,
}
OTHER = "other causes"
CAUSES_MAX = 12
NAME_MAX = 36
"""Letters of a cause; twice the width for Chinese."""
LOWEST_IN, BY_NODE_IN, HIGHEST_IN = 0.4, 0.55, 2.4
"""All orders on top of each other are so high: the more there is to tell apart, the higher."""
LINE_IN, GAP_IN = 0.2, 0.07
LEFT_IN, WIDE_IN, BOTTOM_IN, TOP_IN = 1.45, 5.9, 0.1, 0.32
BAR_IN = 0.11
COLUMNS_IN = ((0.0, BAR_IN), (1.55, 4.35), (WIDE_IN - BAR_IN, WIDE_IN))
STEPS = 14


class Node(NamedTuple):
    """A word of one column; `bottom` is where its bar begins, inches from below."""

    name: str
    words: Words
    colour: str
    orders: int
    bottom: float
    high: float


def draw(findings: Findings) -> Chart | None:
    """None where no order got stuck."""
    flows = _flows(findings)
    if not flows:
        return None
    columns = _columns(findings, flows)
    most = max(len(column) for column, _, _ in columns)
    scale = min(LOWEST_IN + BY_NODE_IN * most, HIGHEST_IN) / sum(flow.orders for flow in flows)
    high = max(sum(max(n * scale, LINE_IN) + GAP_IN for _, n in column) for column, _, _ in columns)
    chart = Chart(high + BOTTOM_IN + TOP_IN)
    ax = chart.panel(LEFT_IN, BOTTOM_IN, WIDE_IN, high)
    ax.set(xlim=(0, WIDE_IN), ylim=(0, high))
    ax.axis("off")
    nodes = [_stacked(names, words, colour, high, scale) for names, words, colour in columns]
    for side, key in enumerate((lambda f: (f.state, f.cause), lambda f: (f.cause, f.outcome))):
        _bands(chart, ax, flows, key, nodes[side], nodes[side + 1], side)
    for side, column in enumerate(nodes):
        for node in column:
            _node(chart, ax, node, side)
    heads = (
        (BAR_IN, "right", chart.say("the page showed", "页面显示")),
        (sum(COLUMNS_IN[1]) / 2, "center", chart.say("cause found", "判定的原因")),
        (WIDE_IN - BAR_IN, "left", chart.say("what became of them", "结果")),
    )
    for x, side_word, words in heads:
        ax.text(x, high + 0.08, words, ha=side_word, va="bottom", fontsize=SMALL, fontweight="bold")
    return chart


def table(findings: Findings) -> Table | None:
    """Every way, with its orders."""
    rows = [(flow.state, flow.cause, flow.outcome, flow.orders) for flow in findings.causes.flows if flow.orders > 0]
    return Table(("state", "cause", "outcome", "orders"), list(rows)) if rows else None


def describe(findings: Findings) -> Words:
    """The three ways that most of them went."""
    flows = sorted(_flows(findings), key=lambda f: -f.orders)
    if not flows:
        return Words("No order got stuck.", "没有卡住的订单。")
    total = sum(flow.orders for flow in flows)
    ways = [(flow.orders, state_words(flow.state), _cause(flow.cause), _outcome(flow.outcome)) for flow in flows[:3]]
    en = "; ".join(f"{n}: {state.en} → {cause.en} → {end.en}" for n, state, cause, end in ways)
    zh = "；".join(f"{n} 单：{state.zh} → {cause.zh} → {end.zh}" for n, state, cause, end in ways)
    return Words(f"{total} stuck or lost orders. Most of them: {en}.", f"卡住或丢失的订单 {total} 个。最多的：{zh}。")


def _flows(findings: Findings) -> list[Flow]:
    """The ways; causes beyond what can be read are put together."""
    flows = [flow for flow in findings.causes.flows if flow.orders > 0]
    most = Counter[str]()
    for flow in flows:
        most[flow.cause] += flow.orders
    if len(most) <= CAUSES_MAX:
        return flows
    kept = {cause for cause, _ in sorted(most.items(), key=lambda item: (-item[1], item[0]))[: CAUSES_MAX - 1]}
    joined = Counter[tuple[str, str, str]]()
    for flow in flows:
        joined[flow.state, flow.cause if flow.cause in kept else OTHER, flow.outcome] += flow.orders
    return [Flow(*way, orders) for way, orders in joined.items()]


Column = tuple[list[tuple[str, int]], Callable[[str], Words], Callable[[str], str]]


def _columns(findings: Findings, flows: list[Flow]) -> tuple[Column, Column, Column]:
    """Names with their orders from top to bottom, their words and their colours."""
    states, causes, ends = Counter[str](), Counter[str](), Counter[str]()
    for flow in flows:
        states[flow.state] += flow.orders
        causes[flow.cause] += flow.orders
        ends[flow.outcome] += flow.orders
    known, order = list(map(str, STATE_COLOUR)), list(OUTCOME_COLOUR)
    by_state = sorted(states.items(), key=lambda item: (known.index(item[0]) if item[0] in known else 99, item[0]))
    by_orders = sorted(causes.items(), key=lambda item: (item[0] == OTHER, -item[1], item[0]))
    by_end = sorted(ends.items(), key=lambda item: (order.index(item[0]) if item[0] in order else 99, item[0]))
    return (
        (by_state, state_words, lambda name: STATE_COLOUR[State(name)] if name in known else GREY),
        (by_orders, _cause, lambda _: GREY),
        (by_end, _outcome, lambda name: OUTCOME_COLOUR.get(name, GREY)),
    )


def _cause(name: str) -> Words:
    words = Words(OTHER, "其他原因") if name == OTHER else cause_words(name)
    return Words(cut(words.en, NAME_MAX), cut(words.zh, NAME_MAX // 2))


def _outcome(name: str) -> Words:
    return OUTCOME_WORDS.get(name) or state_words(name)


def _stacked(
    names: list[tuple[str, int]],
    words: Callable[[str], Words],
    colour: Callable[[str], str],
    high: float,
    scale: float,
) -> list[Node]:
    """One below the other, each with room for its label, spread over the whole height."""
    room = sum(max(n * scale, LINE_IN) for _, n in names)
    gap = (high - room) / len(names)
    nodes, top = [], high - gap / 2
    for name, n in names:
        slot = max(n * scale, LINE_IN)
        bar = n * scale
        nodes.append(Node(name, words(name), colour(name), n, top - slot / 2 - bar / 2, bar))
        top -= slot + gap
    return nodes


def _bands(
    chart: Chart,
    ax: Axes,
    flows: Sequence[Flow],
    key: Callable[[Flow], tuple[str, str]],
    left: list[Node],
    right: list[Node],
    side: int,
) -> None:
    """From the nodes of one column to those of the next, ordered on both ends so that few cross."""
    thick: Counter[tuple[str, str]] = Counter()
    for flow in flows:
        thick[key(flow)] += flow.orders
    tops = [{node.name: node.bottom + node.high for node in column} for column in (left, right)]
    x = (COLUMNS_IN[side][1], COLUMNS_IN[side + 1][0])
    ends: dict[tuple[str, str], list[float]] = {}
    for of, to in ((0, 1), (1, 0)):
        order = [node.name for node in (right, left)[of]]
        for pair in sorted(thick, key=lambda pair: order.index(pair[to])):
            column = (left, right)[of]
            node = next(one for one in column if one.name == pair[of])
            ends.setdefault(pair, []).append(tops[of][pair[of]])
            tops[of][pair[of]] -= thick[pair] * node.high / node.orders
    for pair, (a, b) in sorted(ends.items()):
        n = thick[pair]
        source, target = (
            next(one for one in col if one.name == name) for col, name in zip((left, right), pair, strict=True)
        )
        high = n * source.high / source.orders
        colour = source.colour if side == 0 else target.colour
        upper = _curve((x[0], a), (x[1], b))
        lower = _curve((x[1], b - high), (x[0], a - high))
        ax.add_patch(PathPatch(_path(x, a, b, high), fc=tint(colour), ec=INK, lw=0.3, alpha=0.75))
        en = f"{source.words.en} → {target.words.en}: {n} orders"
        chart.outline(ax, [*upper, *lower], en, f"{source.words.zh} → {target.words.zh}：{n} 单")


def _path(x: tuple[float, float], a: float, b: float, high: float) -> Path:
    middle = sum(x) / 2
    points = [
        (x[0], a), (middle, a), (middle, b), (x[1], b),
        (x[1], b - high), (middle, b - high), (middle, a - high), (x[0], a - high), (x[0], a),
    ]  # fmt: skip
    codes = [Path.MOVETO, *(Path.CURVE4,) * 3, Path.LINETO, *(Path.CURVE4,) * 3, Path.CLOSEPOLY]
    return Path(points, codes)


def _curve(start: tuple[float, float], end: tuple[float, float]) -> Points:
    """The same curve as points."""
    s = np.linspace(0, 1, STEPS)
    middle = (start[0] + end[0]) / 2
    x = (1 - s) ** 3 * start[0] + 3 * s * (1 - s) * middle + s**3 * end[0]
    y = start[1] + (end[1] - start[1]) * (3 * s**2 - 2 * s**3)
    return [(float(a), float(b)) for a, b in zip(x, y, strict=True)]


def _node(chart: Chart, ax: Axes, node: Node, side: int) -> None:
    """Bars where bands begin and end; between the bars of the middle column stands its word."""
    x = COLUMNS_IN[side]
    starts = (x[0],) if side != 1 else (x[0], x[1] - BAR_IN / 2)
    width = BAR_IN if side != 1 else BAR_IN / 2
    for start in starts:
        ax.add_patch(Rectangle((start, node.bottom), width, node.high, fc=tint(node.colour), ec=INK, lw=0.5))
    if side == 1:
        ax.add_patch(Rectangle((x[0], node.bottom), x[1] - x[0], node.high, fc=GREY, alpha=0.12, lw=0))
    words = chart.say(f"{node.words.en}  {node.orders}", f"{node.words.zh}  {node.orders}")
    middle = node.bottom + node.high / 2
    place = ((x[0] - 0.08, "right"), (sum(x) / 2, "center"), (x[1] + 0.08, "left"))[side]
    ax.text(place[0], middle, words, ha=place[1], va="center", fontsize=SMALL)

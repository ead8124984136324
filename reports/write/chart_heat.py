"""How long orders took by when they were paid, as a map of cells; those that had not ended are the row on top."""

import itertools
from math import log1p

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from reports.findings import Findings, Heat, Words
from reports.write.chart import BAD, INK, SMALL, WIRE_AXIS, Chart, Table, quiet, short_s
from reports.write.chart_open import draw_faults, lanes_in

TITLE = Words("Time to the end, by when the order was paid", "完结用时（按付款时刻）")
CAPTION = Words(
    "Each column holds the orders paid in that time, each row how long they took to their end (business time, uneven "
    "steps); the stronger the colour, the more orders (log). Top row, orange: orders that had not ended, with their "
    "number. Bars above: when each fault was in force.",
    "每列为该时段付款的订单，每行为完结所用的业务时间（不等间隔）；颜色越深订单越多（对数）。"
    "最上一行橙色：尚未完结的订单及其数量。上方条带：各故障生效的时段。",
)
ENDED, OPEN = "#3391CE", BAD
FAINTEST = 0.14
ROW_IN, ROWS_MAX_IN = 0.2, 3.4
LEFT_IN, BOTTOM_IN, WIDE_IN, OPEN_IN = 2.5, 0.5, 5.85, 0.26
NUMBERS_MAX = 36
"""More columns are too narrow for a number each."""


def draw(findings: Findings) -> Chart | None:
    """None where nobody paid."""
    heat = findings.heat
    if heat is None or not _total(heat):
        return None
    rows = len(heat.edges_s)
    high, lanes = min(ROW_IN * rows, ROWS_MAX_IN), lanes_in(findings)
    chart = Chart(BOTTOM_IN + high + OPEN_IN + lanes + 0.34)
    strip = chart.panel(LEFT_IN, BOTTOM_IN + high + OPEN_IN + 0.24, WIDE_IN, lanes)
    ax = chart.panel(LEFT_IN, BOTTOM_IN, WIDE_IN, high, share=strip)
    top = chart.panel(LEFT_IN, BOTTOM_IN + high + 0.06, WIDE_IN, OPEN_IN, share=strip)
    edges = _columns(heat)
    draw_faults(chart, strip, findings, edges[-1])
    counts = np.array(heat.counts, dtype=float).reshape(rows, len(heat.t_s))
    most = max(int(counts.max()), 1)
    _cells(ax, counts, ENDED, most, edges)
    _cells(top, np.array([heat.open], dtype=float), OPEN, max(heat.open), edges)
    ax.set(xlim=(edges[0], edges[-1]), ylim=(0, rows))
    ax.set_yticks(range(rows + 1), ["0", *(short_s(edge) for edge in heat.edges_s)], fontsize=SMALL)
    _every_other(ax, rows, high)
    ax.set_xlabel(chart.words(WIRE_AXIS))
    ax.set_ylabel(chart.say("payment to the end", "付款到完结"))
    top.set(ylim=(0, 1))
    top.set_yticks([0.5], [chart.say("still open", "仍未完结")], fontsize=SMALL)
    top.tick_params(labelbottom=False)
    for one in (ax, top):
        one.grid(visible=False)
        quiet(one)
    _numbers(top, heat, edges)
    _scale(chart, BOTTOM_IN, high, most)
    _reads(chart, ax, top, heat, edges)
    return chart


def table(findings: Findings) -> Table | None:
    """Orders of each cell, and those still open."""
    heat = findings.heat
    if heat is None or not _total(heat):
        return None
    edges = _columns(heat)
    header = (
        "paid from (wire s)",
        "to (wire s)",
        *(f"ended within {edge:g} business s (orders)" for edge in heat.edges_s),
    )
    rows = [
        (start, end, *(row[i] for row in heat.counts), heat.open[i])
        for i, (start, end) in enumerate(itertools.pairwise(edges))
    ]
    return Table((*header, "still open (orders)"), list(rows))


def describe(findings: Findings) -> Words:
    """How many, and when the slow and the open ones had been paid."""
    heat = findings.heat
    if heat is None or not _total(heat):
        return Words("No paid orders.", "没有已付订单。")
    open_, total, edges = sum(heat.open), _total(heat), _columns(heat)
    worst = max(range(len(heat.t_s)), key=lambda i: heat.open[i])
    en, zh = f"{total} paid orders by time of payment and time to the end; {open_} had not ended", ""
    zh = f"{total} 个已付订单，按付款时刻与完结用时；{open_} 个尚未完结"
    if open_:
        span = f"{edges[worst]:.1f}–{edges[worst + 1]:.1f}"
        en += f", most of them ({heat.open[worst]}) among those paid at {span} s (wire)"
        zh += f"，其中最多的 {heat.open[worst]} 个付款于线上 {span} 秒"
    return Words(f"{en}.", f"{zh}。")


def _total(heat: Heat) -> int:
    return sum(map(sum, heat.counts)) + sum(heat.open)


def _columns(heat: Heat) -> list[float]:
    """The edges of the columns."""
    return [0.0, *heat.t_s]


def _cells(ax: Axes, counts: npt.NDArray[np.float64], colour: str, most: int, edges: list[float]) -> None:
    """One pixel a cell: a picture of few bytes, which the reader's browser enlarges without blur."""
    shades = np.zeros((*counts.shape, 4))
    shades[..., :3] = to_rgb(colour)
    with np.errstate(divide="ignore"):
        depth = np.log1p(counts) / log1p(max(most, 1))
    shades[..., 3] = np.where(counts > 0, np.minimum(FAINTEST + (1 - FAINTEST) * depth, 1), 0)
    extent = (edges[0], edges[-1], 0, counts.shape[0])
    ax.imshow(shades, origin="lower", aspect="auto", interpolation="none", extent=extent)
    for spine in ("top", "right"):
        ax.spines[spine].set_visible(False)


def _every_other(ax: Axes, rows: int, high: float) -> None:
    """Leaves out labels of rows too thin for one each."""
    step = int(np.ceil(0.15 * rows / high))
    for i, label in enumerate(ax.get_yticklabels()):
        label.set_visible(i % step == 0)


def _numbers(top: Axes, heat: Heat, edges: list[float]) -> None:
    if len(heat.open) > NUMBERS_MAX:
        return
    for n, start, end in zip(heat.open, edges, edges[1:], strict=False):
        if n:
            top.text((start + end) / 2, 0.46, f"{n}", ha="center", va="center", fontsize=7.5)


def _scale(chart: Chart, bottom: float, high: float, most: int) -> None:
    """What the shades mean: 1 order to the most of any cell."""
    ax = chart.panel(LEFT_IN + WIDE_IN + 0.12, bottom, 0.13, min(high, 1.2))
    shades = np.zeros((32, 1, 4))
    shades[..., :3] = to_rgb(ENDED)
    shades[..., 3] = np.linspace(FAINTEST, 1, 32)[:, None]
    ax.imshow(shades, origin="lower", aspect="auto", interpolation="none", extent=(0, 1, 0, 1))
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set(visible=True, color=INK, linewidth=0.4)
    ax.text(1.3, 0, "1", va="bottom", fontsize=7.5)
    ax.text(1.3, 1, f"{most}", va="top", fontsize=7.5)
    ax.text(0, 1.06, chart.say("orders", "订单"), va="bottom", fontsize=7.5)


def _reads(chart: Chart, ax: Axes, top: Axes, heat: Heat, edges: list[float]) -> None:
    """A column tells all its rows."""
    for i, span in enumerate(itertools.pairwise(edges)):
        paid = sum(row[i] for row in heat.counts) + heat.open[i]
        if not paid:
            continue
        rows = [(row[i], edge) for row, edge in zip(heat.counts, heat.edges_s, strict=True) if row[i]]
        when = f"{span[0]:.1f}–{span[1]:.1f}"
        en = "; ".join(f"{n} within {short_s(edge)}" for n, edge in rows)
        zh = "；".join(f"{short_s(edge)} 内 {n}" for n, edge in rows)
        en = f"paid at {when} s: {paid} orders, {heat.open[i]} still open" + (f"; ended: {en}" if en else "")
        zh = f"{when} 秒付款：{paid} 单，未完结 {heat.open[i]}" + (f"；完结：{zh}" if zh else "")
        chart.box(ax, span, (0, len(heat.edges_s)), en, zh)
        if heat.open[i]:
            chart.box(top, span, (0, 1), en, zh)

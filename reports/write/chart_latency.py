"""How fast the shop and the channel answered, by kind of request: p95 solid, p50 dotted, log scale."""

from typing import Any

from matplotlib.axes import Axes

from reports.findings import Findings, LatencySeries, Words
from reports.write.chart import GREY, INK, LINES, WIRE_AXIS, Chart, Table, strips
from reports.write.words import NOTHING, ms

TITLE = Words("Answer times", "响应时间")
CAPTION = Words(
    "Answer times as the driver saw them, by kind of request; grey: faults given by a time window.",
    "压测端看到的响应时间，按请求种类；灰色区域为按时间窗设定的故障。",
)
NAMES_ZH = {"place": "下单", "poll": "订单页", "cashier": "收银台", "pay": "付款"}
SHAPES = ("o", "s", "^", "D", "v", "P")
TICKS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 30000)
READS = 40


def draw(findings: Findings) -> Chart | None:
    """None where no request was answered."""
    shown = _shown(findings)
    if not shown:
        return None
    chart = Chart(3.1)
    ax = chart.panel(0.8, 0.53, 6.65, 2.39)
    for i, series in enumerate(shown):
        colour = LINES[i % len(LINES)]
        look: dict[str, Any] = {"marker": SHAPES[i % len(SHAPES)], "ms": 4, "markevery": max(len(series.t_s) // 8, 1)}
        ax.plot(series.t_s, series.p95_ms, color=colour, lw=1.7, label=chart.words(_name(series)), **look)
        ax.plot(series.t_s, series.p50_ms, color=colour, lw=1.0, ls=(0, (1, 1.6)))
    ax.plot([], [], color=INK, lw=1.7, label="p95")
    ax.plot([], [], color=INK, lw=1.0, ls=(0, (1, 1.6)), label="p50")
    values = [v for series in shown for v in (*series.p50_ms, *series.p95_ms) if v > 0]
    ax.set_yscale("log")
    if values:
        ax.set_ylim(min(values) / 1.5, max(values) * 1.5)
    low, high = ax.get_ylim()
    ticks = [tick for tick in TICKS_MS if low <= tick <= high]
    ax.set_yticks(ticks, [f"{tick} ms" if tick < 1000 else f"{tick / 1000:g} s" for tick in ticks])
    ax.set_yticks([], minor=True)
    end = max(findings.duration_s, 0.001)
    for start, stop in _windows(findings, end):
        ax.axvspan(start, stop, color=GREY, alpha=0.16, lw=0)
    ax.set_xlim(0, end)
    ax.set_xlabel(chart.words(WIRE_AXIS))
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), handlelength=1.8)
    _reads(chart, ax, shown, end)
    return chart


def table(findings: Findings) -> Table | None:
    """p50 and p95 of each kind of request at each sample."""
    rows = [
        (series.name, t, p50, p95)
        for series in _shown(findings)
        for t, p50, p95 in zip(series.t_s, series.p50_ms, series.p95_ms, strict=True)
    ]
    return Table(("request", "wire s since the start of load", "p50 (ms)", "p95 (ms)"), list(rows)) if rows else None


def describe(findings: Findings) -> Words:
    """p95 of each kind of request over the whole run."""
    rows = [(row.name, NAMES_ZH.get(row.name, row.name), row.p95_ms) for row in findings.requests]
    en = ", ".join(f"{name} {ms(p95)} ms" for name, _, p95 in rows if p95 is not None) or NOTHING
    zh = "，".join(f"{name} {ms(p95)} ms" for _, name, p95 in rows if p95 is not None) or NOTHING
    return Words(f"95th percentile of answer times: {en}.", f"响应时间 95 分位：{zh}。")


def _shown(findings: Findings) -> list[LatencySeries]:
    return [series for series in findings.latency if series.t_s]


def _windows(findings: Findings, end: float) -> list[tuple[float, float]]:
    """When any fault given by a window was on; wire s."""
    joined: list[tuple[float, float]] = []
    for fault in sorted(findings.struck.faults, key=lambda fault: fault.from_s):
        stop = end if fault.to_s is None else min(fault.to_s, end)
        if not fault.exposure or stop <= fault.from_s:
            continue
        if joined and fault.from_s <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((fault.from_s, stop))
    return joined


def _name(series: LatencySeries) -> Words:
    return Words(series.name, NAMES_ZH.get(series.name, series.name))


def _reads(chart: Chart, ax: Axes, shown: list[LatencySeries], end: float) -> None:
    at = sorted({t for series in shown for t in series.t_s if 0 <= t <= end})
    at = at[:: max(len(at) // READS, 1)]
    for t, span in zip(at, strips(at, 0, end, log=False), strict=True):
        parts = []
        for series in shown:
            i = min(range(len(series.t_s)), key=lambda k: abs(series.t_s[k] - t))
            parts.append((_name(series), f"{ms(series.p50_ms[i])} / {ms(series.p95_ms[i])} ms"))
        en = ", ".join(f"{name.en} {numbers}" for name, numbers in parts)
        zh = "，".join(f"{name.zh} {numbers}" for name, numbers in parts)
        chart.box(ax, span, ax.get_ylim(), f"{t:.0f} s, p50 / p95: {en}", f"{t:.0f} 秒，p50 / p95：{zh}")

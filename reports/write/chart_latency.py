"""How fast the shop and the channel answered, by kind of request: p95 solid, p50 dotted, log scale."""

from matplotlib.figure import Figure

from reports.findings import Findings
from reports.write.chart import GREY, INK, LINES, WIDTH_IN, pick

NAMES_ZH = {"place": "下单", "poll": "订单页", "cashier": "收银台", "pay": "付款"}
TICKS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 30000)


def draw(findings: Findings, language: str) -> Figure | None:
    """None where no request was answered."""
    shown = [series for series in findings.latency if series.t_s]
    if not shown:
        return None
    figure = Figure(figsize=(WIDTH_IN, 3.1))
    figure.patch.set_alpha(0)
    ax = figure.add_axes((0.09, 0.17, 0.74, 0.77))
    ax.patch.set_alpha(0)
    for i, series in enumerate(shown):
        colour = LINES[i % len(LINES)]
        name = NAMES_ZH.get(series.name, series.name) if language == "zh" else series.name
        ax.plot(series.t_s, series.p95_ms, color=colour, lw=1.7, label=name)
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
    for fault in findings.struck.faults:
        if fault.exposure and fault.to_s is not None:
            ax.axvspan(fault.from_s, fault.to_s, color=GREY, alpha=0.16, lw=0)
    ax.set_xlim(0, max(findings.duration_s, 0.001))
    ax.set_xlabel(pick(language, "seconds on the wire since the start of load", "负载开始后的线上秒数"))
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), fontsize=8.5, handlelength=1.6)
    return figure

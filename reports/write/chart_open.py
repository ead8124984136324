"""Paid open orders over time by what the page showed, the stuck ones among them, and above it when faults were on."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.findings import Findings
from reports.write.chart import GREY, INK, LINES, STATE_COLOUR, WIDTH_IN, pick, quiet, state_words

LANE_IN = 0.2
MAIN_IN = 3.0
LABEL_MAX = 34


def draw(findings: Findings, language: str) -> Figure | None:
    """None where no paid order was ever open."""
    series = findings.series
    if not series.states:
        return None
    lanes = LANE_IN * max(len(findings.struck.faults), 1)
    height = MAIN_IN + lanes + 0.72
    figure = Figure(figsize=(WIDTH_IN, height))
    figure.patch.set_alpha(0)
    strip = figure.add_axes((0.25, (0.5 + MAIN_IN + 0.12) / height, 0.72, lanes / height))
    ax = figure.add_axes((0.25, 0.5 / height, 0.72, MAIN_IN / height), sharex=strip)
    for one in (strip, ax):
        one.patch.set_alpha(0)
    _faults(strip, findings, language)
    names = [state for state in STATE_COLOUR if state in series.states]
    ax.stackplot(
        series.t_s,
        *(series.states[name] for name in names),
        colors=[STATE_COLOUR[name] for name in names],
        labels=[state_words(name, language) for name in names],
        lw=0.4,
        edgecolor=INK,
    )
    ax.plot(series.t_s, series.stuck, color=INK, lw=1.8, ls=(0, (4, 1.5)), label=pick(language, "stuck", "卡住"))
    top = max(map(sum, zip(*series.states.values(), strict=True)))
    ax.set(xlim=(0, max(series.t_s[-1], 0.001)), ylim=(0, max(top, 1) * 1.12))
    ax.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.set_xlabel(pick(language, "seconds on the wire since the start of load", "负载开始后的线上秒数"))
    ax.set_ylabel(pick(language, "paid, open orders", "已付未完结订单"))
    _moments(ax, findings, language)
    ax.legend(loc="upper left", bbox_to_anchor=(-0.36, 1.0), fontsize=8.5, handlelength=1.4, labelspacing=0.6)
    return figure


def _faults(strip: Axes, findings: Findings, language: str) -> None:
    faults = findings.struck.faults
    end = findings.series.t_s[-1]
    for lane, fault in enumerate(faults):
        to_s = end if fault.to_s is None else fault.to_s
        colour = LINES[1] if fault.exposure else GREY
        strip.barh(lane, max(to_s - fault.from_s, 0), left=fault.from_s, height=0.62, color=colour, alpha=0.75, lw=0)
    labels = [_short(pick(language, fault.en, fault.zh)) for fault in faults]
    strip.set(ylim=(max(len(faults), 1) - 0.5, -0.5))
    strip.set_yticks(range(len(faults)), labels, fontsize=8.5)
    if not faults:
        strip.set_yticks([0], [pick(language, "no faults", "无故障")], fontsize=8.5)
    strip.grid(visible=False)
    strip.tick_params(labelbottom=False)
    quiet(strip)


def _short(label: str) -> str:
    return label if len(label) <= LABEL_MAX else f"{label[: LABEL_MAX - 1]}…"


def _moments(ax: Axes, findings: Findings, language: str) -> None:
    """When the last order was due, and when faults were healed."""
    series = findings.series
    moments = (
        (series.load_end_s, pick(language, "last order", "最后一单"), "right"),
        (series.heal_s, pick(language, "healed", "故障解除"), "left"),
    )
    for t, words, side in moments:
        if t is None or not 0 < t < series.t_s[-1]:
            continue
        ax.axvline(t, color=GREY, lw=0.9, ls=(0, (1, 2)))
        gap = -0.006 if side == "right" else 0.006
        ax.text(
            t + gap * series.t_s[-1], 0.97, words, transform=ax.get_xaxis_transform(), ha=side, va="top", fontsize=8.5
        )

"""Gates as a forest plot: how much of what each allows was used, with its bounds; the limit is one common line."""

from math import log2

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plan.gates import MEASURES, Unit
from reports.findings import Findings, GateResult
from reports.gate import COMPARED_AS_IS, PREFIX
from reports.write.chart import BAD, GOOD, INK, UNSURE, VERDICT_COLOUR, WIDTH_IN, pick, quiet
from reports.write.words import SHAPES, VERDICT_EN, VERDICT_ZH, found, in_unit, interval

ROW_IN = 0.34
MARKERS = {"pass": "o", "fail": "s", "inconclusive": "D"}
MOST = 16.0
END = 2.0


def position(ratio: float) -> float:
    """Where so much of the allowed stands: evenly up to the limit at 1, then by doublings up to 16 at 2."""
    if ratio <= 1:
        return max(ratio, 0.0)
    return min(1 + log2(ratio) / log2(MOST), END)


def used(value: float, gate: GateResult) -> float:
    """Value as a multiple of what the gate allows; of a limit of 0, none or far too much."""
    if MEASURES[gate.measure].bad == "low" and gate.unit == Unit.SHARE:
        value, limit = 1 - value, 1 - gate.limit
    elif MEASURES[gate.measure].bad == "low":
        value, limit = gate.limit, max(value, 1e-12)
    else:
        limit = gate.limit
    if limit <= 0:
        return 0.0 if value <= 0 else MOST * 4
    return value / limit


def draw(findings: Findings, language: str) -> Figure | None:
    """None where the plan has no gates."""
    gates = findings.gates
    if not gates:
        return None
    height = ROW_IN * len(gates) + 0.6
    figure = Figure(figsize=(WIDTH_IN, height))
    ax = figure.add_axes((0.31, 0.52 / height, 0.31, ROW_IN * len(gates) / height))
    ax.patch.set_alpha(0)
    figure.patch.set_alpha(0)
    n = len(gates)
    ax.axvspan(0, 1, color=GOOD, alpha=0.10, lw=0)
    ax.axvspan(1, END + 0.08, color=BAD, alpha=0.10, lw=0)
    ax.axvline(1, color=INK, lw=1.2)
    for row, gate in enumerate(gates):
        _row(ax, row, gate, language)
    ax.set(xlim=(-0.06, END + 0.08), ylim=(n - 0.5, -0.5), yticks=[])
    ticks = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, MOST)
    words = ("0", "½", pick(language, "limit", "限值"), "2×", "4×", "8×", "≥16×")
    ax.set_xticks([position(t) for t in ticks], words)
    ax.grid(axis="y", visible=False)
    quiet(ax, ("left", "bottom"))
    ax.set_xlabel(pick(language, "used of what the gate allows", "占门限允许量的比例"), fontsize=9)
    return figure


def _row(ax: Axes, row: int, gate: GateResult, language: str) -> None:
    colour = VERDICT_COLOUR[gate.verdict]
    side = ax.get_yaxis_transform()
    ax.text(-0.02, row, gate.text, transform=side, ha="right", va="center")
    ax.text(1.03, row, _found(gate), transform=side, ha="left", va="center", fontsize=9)
    word = pick(language, VERDICT_EN[gate.verdict], VERDICT_ZH[gate.verdict])
    ax.text(1.80, row, SHAPES[gate.verdict], transform=side, ha="left", va="center", color=colour, fontsize=11)
    ax.text(1.86, row, word, transform=side, ha="left", va="center", fontweight="bold")
    if gate.value is None:
        ax.text(
            position(1) / 2, row, pick(language, "not estimable", "无法估计"), ha="center", va="center", fontsize=8.5
        )
        return
    x = position(used(gate.value, gate))
    ends = _ends(gate)
    if ends:
        ax.plot(ends, (row, row), color=INK, lw=2.2, solid_capstyle="butt")
    edge = INK if colour == UNSURE else colour
    ax.plot([x], [row], MARKERS[gate.verdict], color=colour, mec=edge, ms=7, clip_on=False)


def _ends(gate: GateResult) -> tuple[float, float] | None:
    if gate.measure.startswith(PREFIX) or gate.measure in COMPARED_AS_IS:
        return None
    if gate.bound_lo is None and gate.bound_hi is None:
        return None
    low = position(used(gate.bound_lo, gate)) if gate.bound_lo is not None else 0.0
    high = position(used(gate.bound_hi, gate)) if gate.bound_hi is not None else END
    return min(low, high), max(low, high)


def _found(gate: GateResult) -> str:
    if gate.value is None:
        return found(None, gate.bound_lo, gate.unit) if gate.bound_lo is not None else ""
    text = in_unit(gate.value, gate.unit)
    if gate.measure.startswith(PREFIX) or gate.measure in COMPARED_AS_IS:
        return text
    if gate.bound_lo is None or gate.bound_hi is None:
        return text
    return f"{text}  ({interval(gate.bound_lo, gate.bound_hi, gate.unit)})"

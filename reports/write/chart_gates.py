"""Gates as a forest plot: how much of what each allows was used, with its bounds; the limit is one common line."""

from math import log2

from matplotlib.axes import Axes

from plan.gates import MEASURES, Unit
from reports.findings import Findings, GateResult, Words
from reports.gate import COMPARED_AS_IS, PREFIX
from reports.write.chart import BAD, GOOD, INK, SMALL, UNSURE, VERDICT_COLOUR, Chart, Table, quiet
from reports.write.words import SHAPES, VERDICT_EN, VERDICT_ZH, found, in_unit, interval

TITLE = Words("Gates", "门限")
CAPTION = Words(
    "What each gate allows, and how much of it was used. A gate passes when the 95 % bound (one-sided, the line's end) "
    "on its bad side keeps the limit, fails when the other bound breaks it, and is inconclusive between.",
    "每个门限允许多少、用掉多少。坏的一侧 95% 单侧界限（线段端点）仍在限内则通过；另一侧也越过限值则未通过；"
    "介于其间为结论不足。",
)
ROW_IN = 0.34
LEFT_IN, WIDE_IN, TOP_IN = 2.8, 2.8, 0.08
MARKERS = {"pass": "o", "fail": "s", "inconclusive": "D"}
MOST = 16.0
END = 2.0
TEXT_MAX = 30
"""Longer gates are written smaller."""


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


def draw(findings: Findings) -> Chart | None:
    """None where the plan has no gates."""
    gates = findings.gates
    if not gates:
        return None
    n = len(gates)
    chart = Chart(ROW_IN * n + 0.52 + TOP_IN)
    ax = chart.panel(LEFT_IN, 0.52, WIDE_IN, ROW_IN * n)
    ax.axvspan(0, 1, color=GOOD, alpha=0.10, lw=0)
    ax.axvspan(1, END + 0.08, color=BAD, alpha=0.10, lw=0)
    ax.axvline(1, color=INK, lw=1.2)
    for row, gate in enumerate(gates):
        _row(chart, ax, row, gate)
    ax.set(xlim=(-0.06, END + 0.08), ylim=(n - 0.5, -0.5), yticks=[])
    ticks = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, MOST)
    words = ("0", "½", chart.say("limit", "限值"), "2×", "4×", "8×", "≥16×")
    ax.set_xticks([position(t) for t in ticks], words)
    ax.grid(axis="y", visible=False)
    quiet(ax)
    ax.set_xlabel(chart.say("used of what the gate allows", "占门限允许量的比例"), fontsize=9)
    return chart


def table(findings: Findings) -> Table | None:
    """Values in the unit of each gate."""
    header = ("gate", "measure", "unit", "limit", "value", "lower 95 % bound", "upper 95 % bound", "k", "n", "verdict")
    rows = [
        (g.text, g.measure, g.unit, g.limit, g.value, g.bound_lo, g.bound_hi, g.k, g.n, g.verdict)
        for g in findings.gates
    ]
    return Table(header, list(rows)) if rows else None


def describe(findings: Findings) -> Words:
    """How many gates came to which verdict, and the ones that failed."""
    gates = findings.gates
    counts = [(word, sum(g.verdict == word for g in gates)) for word in VERDICT_EN]
    failed = ", ".join(f"{g.text} ({_found(g)})" for g in gates if g.verdict == "fail")
    en = ", ".join(f"{n} {VERDICT_EN[word]}" for word, n in counts if n)
    zh = "，".join(f"{n} 个{VERDICT_ZH[word]}" for word, n in counts if n)
    tail, tail_zh = (f" Failed: {failed}.", f"未通过：{failed}。") if failed else ("", "")
    return Words(f"Of {len(gates)} gates: {en}.{tail}", f"{len(gates)} 个门限：{zh}。{tail_zh}")


def _row(chart: Chart, ax: Axes, row: int, gate: GateResult) -> None:
    colour = VERDICT_COLOUR[gate.verdict]
    side = ax.get_yaxis_transform()
    size = 9.5 if len(gate.text) <= TEXT_MAX else SMALL
    ax.text(-0.02, row, gate.text, transform=side, ha="right", va="center", fontsize=size)
    ax.text(1.03, row, _found(gate), transform=side, ha="left", va="center", fontsize=9)
    word = Words(VERDICT_EN[gate.verdict], VERDICT_ZH[gate.verdict])
    ax.text(1.80, row, SHAPES[gate.verdict], transform=side, ha="left", va="center", color=colour, fontsize=11)
    ax.text(1.86, row, chart.words(word), transform=side, ha="left", va="center", fontweight="bold")
    en, zh = f"{gate.text}: {word.en}, {_found(gate)}", f"{gate.text}：{word.zh}，{_found(gate)}"
    chart.box(ax, (-0.06, END + 0.08), (row - 0.5, row + 0.5), f"{en} – {gate.why.en}", f"{zh} – {gate.why.zh}")
    if gate.value is None:
        words = chart.say("not estimable", "无法估计")
        ax.text(position(1) / 2, row, words, ha="center", va="center", fontsize=SMALL)
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
        return found(None, gate.bound_lo, gate.unit) if gate.bound_lo is not None else "–"
    text = in_unit(gate.value, gate.unit)
    if gate.measure.startswith(PREFIX) or gate.measure in COMPARED_AS_IS:
        return text
    if gate.bound_lo is None or gate.bound_hi is None:
        return text
    return f"{text}  ({interval(gate.bound_lo, gate.bound_hi, gate.unit)})"

"""summary.md: what a pull request should show."""

from pathlib import Path

from ledger.rundir import write_atomically
from reports.findings import Findings, GateResult
from reports.write.words import SHAPES, VERDICT_EN, found, interval, percent, seconds

WORST = 5


def write(findings: Findings, path: Path) -> None:
    """Verdict, gates, the worst five orders, and where the rest stands."""
    lines = [f"## {SHAPES[findings.verdict.word]} {_plain(findings.verdict.en)}", "", _plain(findings.verdict.zh), ""]
    lines += [
        f"`{findings.scenario}` · {findings.target}, profile {findings.profile} · seed {findings.seed}"
        f" · compress {findings.compress:g} (durations are business time)",
        "",
    ]
    if findings.stopped:
        lines += [f"**The load was stopped early:** {_plain(findings.stopped)}", ""]
    if not findings.claims.ok:
        lines += ["**Claims less than usual:**", "", *(f"- {_plain(r)}" for r in findings.claims.reasons), ""]
    if findings.gates:
        lines += ["| gate | verdict | found | 95 % bounds | why |", "|---|---|---|---|---|"]
        lines += [_gate_row(gate) for gate in findings.gates]
        lines.append("")
    if told := _beside(findings):
        lines += [told, ""]
    if findings.worst:
        lines += ["| worst orders | state | stuck | since payment | struck by |", "|---|---|---|---|---|"]
        lines += [
            f"| {w.key}{' (lost)' if w.lost else ''} | {w.state} | {seconds(w.stuck_s)} | {seconds(w.waited_s)}"
            f" | {_plain(', '.join(w.struck)) or 'nothing'} |"
            for w in findings.worst[:WORST]
        ]
        lines.append("")
    lines.append("More: `report.html`, `findings.json`, `orders.parquet`, `figures/`.")
    if findings.replay:
        lines += ["", f"Replay: `{_plain(findings.replay)}`"]
    write_atomically(path, ("\n".join(lines) + "\n").encode())


def _beside(findings: Findings) -> str:
    """What is counted beside the gates, where it is worth a word."""
    names = {
        "goods.bought_twice": "bought twice upstream",
        "goods.charged_undelivered": "charged upstream and not delivered",
        "intents.paid_twice": "paid twice for one wish",
        "money.disagree": "with money that channel, books and buyer do not agree about",
    }
    parts = [f"{one.k} {names[name]}" for name, one in findings.counted.items() if one.k]
    if told := findings.disputes:
        parts.append(f"{told.orders} disputed at the channel, {told.forced} of them refunded by force")
    share = findings.measures["honesty.false_progress"].value
    if share:
        parts.append(f"{percent(share)} of order-time false progress")
    return f"Also: {' · '.join(parts)}." if parts else ""


def _gate_row(gate: GateResult) -> str:
    bounds = interval(gate.bound_lo, gate.bound_hi, gate.unit)
    if gate.measure.startswith("invariants."):
        bounds = ""
    return (
        f"| `{_plain(gate.text)}` | {SHAPES[gate.verdict]} {VERDICT_EN[gate.verdict]}"
        f" | {found(gate.value, gate.bound_lo, gate.unit)} | {bounds} | {_plain(gate.why.en)} |"
    )


def _plain(text: str) -> str:
    """Text that breaks neither a table nor a line."""
    return " ".join(text.replace("|", "\\|").replace("`", "'").split())

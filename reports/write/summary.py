"""summary.md: what a pull request, or the page of a job, should show; small, whatever the run was."""

import re
from collections.abc import Iterator
from pathlib import Path

from ledger.rundir import write_atomically
from reports.findings import CauseRow, Findings, GateResult, Worst
from reports.write import readouts
from reports.write.words import SHAPES, VERDICT_EN, found, interval, percent, seconds

_HTML = re.compile(r"&(?=[#a-zA-Z])|<(?=[a-zA-Z/!?])")
"""Where Markdown would take what follows for a tag or an entity; `<=` is neither."""
WORST, GATES, CAUSES, REASONS = 5, 60, 8, 10
"""How many of each are shown; gates and reasons beyond that are counted."""
LINE_MAX = 400
"""Characters of what a scenario, a shop or a command line may put into one cell."""
BYTES_MAX = 60_000
"""CI services refuse to show much more."""


def write(findings: Findings, path: Path) -> None:
    """Verdict, gates, causes, the worst five orders, and where the rest stands; never over 60 KB."""
    parts = ["\n".join(part) for part in _parts(findings) if part]
    size = 0
    kept = []
    for part in parts:
        size += len(part.encode(errors="replace")) + 2
        if size > BYTES_MAX - LINE_MAX:
            kept.append("Shortened: the rest is in `report.html`.")
            break
        kept.append(part)
    write_atomically(path, ("\n\n".join(kept) + "\n").encode(errors="replace"))


def _parts(findings: Findings) -> Iterator[list[str]]:
    """Paragraphs and tables, the most important first."""
    yield [f"## {SHAPES[findings.verdict.word]} {_plain(findings.verdict.en, 4)}"]
    yield [_plain(findings.verdict.zh, 4)]
    yield [
        f"`{_code(findings.scenario)}` · {_plain(findings.target)}, profile {_plain(findings.profile)}"
        f" · seed {findings.seed} · compress {findings.compress:g} (durations are business time)"
    ]
    if findings.stopped:
        yield [f"**The load was stopped early:** {_plain(findings.stopped)}"]
    if not findings.claims.ok:
        yield ["**Claims less than usual:**"]
        yield [f"- {_plain(reason)}" for reason in findings.claims.reasons[:REASONS]]
    if findings.gates:
        yield ["| gate | verdict | found | 95 % bounds | why |", "|---|---|---|---|---|", *_gates(findings.gates)]
    if findings.causes.rows:
        yield [
            f"| why {findings.causes.judged} orders got stuck, lost or stayed open | orders | share (95 %) | lost |",
            "|---|---|---|---|",
            *map(_cause, findings.causes.rows[:CAUSES]),
        ]
    if told := _beside(findings):
        yield [told]
    if findings.worst:
        yield [
            "| worst orders | state | stuck | since payment | struck by |",
            "|---|---|---|---|---|",
            *map(_worst, findings.worst[:WORST]),
        ]
        yield [f"One of them, explained: `orderjam order runs/{_code(findings.run)} {_code(findings.worst[0].key)}`"]
    yield [
        f"More, in `runs/{_code(findings.run)}`: `report.html` (open it in a browser), `findings.json`, "
        "`orders.parquet`, `figures/`."
    ]
    if findings.replay:
        yield [f"Replay: `{_code(findings.replay)}`"]


def _gates(gates: list[GateResult]) -> list[str]:
    """A row for each; those that did not pass first, where there are too many."""
    ranked = (
        gates
        if len(gates) <= GATES
        else sorted(gates, key=lambda one: ("fail", "inconclusive", "pass").index(one.verdict))
    )
    rows = [_gate(one) for one in ranked[:GATES]]
    return rows + ([f"| and {len(gates) - GATES} more | | | | |"] if len(gates) > GATES else [])


def _gate(one: GateResult) -> str:
    bounds = "" if one.measure.startswith("invariants.") else interval(one.bound_lo, one.bound_hi, one.unit)
    lacking = readouts.lacking(one)
    why = f"{one.why.en}; {lacking.en}" if lacking else one.why.en
    return (
        f"| `{_code(one.text)}` | {SHAPES[one.verdict]} {VERDICT_EN[one.verdict]}"
        f" | {found(one.value, one.bound_lo, one.unit)} | {bounds} | {_plain(why)} |"
    )


def _cause(row: CauseRow) -> str:
    share = f"{percent(row.share)} ({interval(row.lo, row.hi, 'share')})" if row.share is not None else ""
    return f"| {_plain(row.en)} · {_plain(row.zh)} | {row.orders} | {share} | {row.lost} |"


def _worst(one: Worst) -> str:
    waited = f"{'> ' if one.is_open else ''}{seconds(one.waited_s)}"
    struck = _plain(", ".join(one.struck)) or "nothing"
    key = f"{_plain(one.key)}{' (lost)' if one.lost else ''}"
    return f"| {key} | {one.state} | {seconds(one.stuck_s)} | {waited} | {struck} |"


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


def _plain(text: str, lines: int = 1) -> str:
    """Text that breaks neither a table nor a line, and that a Markdown renderer takes for text."""
    text = _HTML.sub(lambda found: {"&": "&amp;", "<": "&lt;"}[found[0]], _short(text, lines))
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("|", "\\|").replace("`", "'")


def _code(text: str) -> str:
    """Text for between two backticks."""
    return _short(text, 1).replace("|", "\\|").replace("`", "'")


def _short(text: str, lines: int) -> str:
    whole = " ".join(text.split())
    return whole if len(whole) <= LINE_MAX * lines else whole[: LINE_MAX * lines - 1] + "…"

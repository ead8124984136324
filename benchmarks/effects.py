"""What each scenario does to the naive shop, and what cures it: plays the table below and writes docs/effects.md.

Whole runs with real processes, about a minute each: `python benchmarks/effects.py` (or `make effects`).
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TABLE = (
    ("calm_day", "naive"),
    ("notice_lost", "naive"),
    ("notice_lost", "naive+requery_unpaid"),
    ("signature_failure", "naive"),
    ("signature_failure", "naive+requery_unpaid"),
    ("evening_peak", "naive"),
    ("evening_peak", "naive+requery_unpaid"),
    ("evening_peak", "naive+settle_once"),
    ("evening_peak", "hardened"),
)
DOC = Path(__file__).parents[1] / "docs" / "effects.md"
HEAD = """# What the scenarios show

Made by `python benchmarks/effects.py` (whole runs, seed 7, on {cores} cores); do not edit by hand. *Stuck* orders
showed the same unfinished state for longer than it may last after the money was taken; *lost* ones ended with the money
kept and no goods; *double* ones got more goods than were bought. Intervals are 95 %. The exit code is that of
`orderjam run`.

| scenario | profile | paid | stuck | 95 % | open at 5 min | lost | double | late p99 | exit |
|---|---|---|---|---|---|---|---|---|---|
"""

TAIL = """
Read it by switches. `requery_unpaid` takes away what lost, forged and unreadable notices did; `settle_once` takes away
the double deliveries and nothing else. A double delivery that appears with `requery_unpaid` alone is real: the question
and a notice met at the same unpaid order, and a shop that does not settle once delivers twice. The 5 % of
`signature_failure` that were never paid are requests to create a trade that were refused: not submitted, not stuck.
"""


def play(scenario: str, profile: str, out: Path) -> tuple[int, dict[str, Any]]:
    """Exit code and findings of a run."""
    words = [sys.executable, "-P", "-m", "harness.cli", "run", scenario, "--profile", profile, "--out", str(out)]
    code = subprocess.run(words, stderr=subprocess.DEVNULL, check=False).returncode
    return code, json.loads((out / "latest" / "findings.json").read_bytes())


def row(scenario: str, profile: str, code: int, findings: dict[str, Any]) -> str:
    """One line of the table."""
    measures, invariants = findings["measures"], findings["invariants"]
    stuck, late = measures["stuck.rate"], measures["stuck.at_deadline"]
    cells = (
        scenario,
        f"`{profile}`",
        str(stuck["n"]),
        f"{stuck['value']:.1%}",
        f"{stuck['lo']:.1%} … {stuck['hi']:.1%}",
        f"{late['value']:.1%}",
        str(invariants["lost_order"]["k"]),
        str(invariants["double_delivery"]["k"]),
        f"{measures['lateness.p99']['value'] * 1000:.1f} ms",
        str(code),
    )
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    import os

    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for i, (scenario, profile) in enumerate(TABLE):
            line = row(scenario, profile, *play(scenario, profile, Path(folder) / str(i)))
            print(line, flush=True)
            lines.append(line)
    DOC.write_text(HEAD.format(cores=len(os.sched_getaffinity(0))) + "\n".join(lines) + "\n" + TAIL, encoding="utf-8")


if __name__ == "__main__":
    main()

"""What each scenario does to the naive shop, and what cures it: plays the table below and writes docs/effects.md.

Whole runs with real processes, one after another: `make effects` plays the short cuts (`--ci`, half a minute each),
`python benchmarks/effects.py --whole` the scenarios as they stand. Names after it play only those scenarios, and leave
the other rows as they are.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CURES: dict[str, tuple[str, ...]] = {
    "calm_day": (),
    "rolling_upgrade": ("requery_unpaid", "tolerant_reader"),
    "slow_supplier": ("upstream_timeouts+query_supplier", "queue_delivery"),
    "signature_failure": ("requery_unpaid",),
    "cheap_channel": ("requery_unpaid",),
    "notice_lost": ("requery_unpaid",),
    "notices_at_once": ("settle_once", "queue_delivery"),
    "flash_sale": ("queue_delivery+retry_supplier",),
    "says_recharging": ("honest_page", "retry_supplier"),
    "identifiers_missing": ("match_by_order",),
    "no_progress": ("query_supplier", "compensate_late"),
    "clumsy_buyers": ("compensate_late",),
    "double_delivery": ("settle_once",),
    "supplier_reply_lost": ("query_supplier",),
    "compensation": ("compensate_late",),
    "shop_crash": ("recover_after_crash+query_supplier",),
    "locked_database": ("ack_after_commit", "requery_unpaid"),
    "evening_peak": ("requery_unpaid", "settle_once"),
}
"""The scenarios, and the switch or switches that each is there to show."""

DOC = Path(__file__).parents[1] / "docs" / "effects.md"
HEAD = """# What the scenarios show

Made by `{command}` (whole runs with seed 7 on {cores} cores); do not edit by hand. *Stuck* orders showed the same
unfinished state for longer than it may last after the money was taken, *open* ones had not ended at the deadline, *lost*
ones ended with the money kept and no goods, *refunded* ones got their money back. *False progress* is the share of
order-time in which the page said submitted or recharging while no upstream was at work. Intervals are 95 %. The exit code is
that of `orderjam run`: 0 passed, 1 a gate failed, 3 inconclusive.

| scenario | profile | paid | stuck | 95 % | open | delivered | refunded | lost | double | bought twice | charged, undelivered | false progress | broken invariants | exit |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
"""  # noqa: E501


def profiles(scenario: str) -> list[str]:
    return ["naive", *(f"naive+{switches}" for switches in CURES[scenario]), "hardened"]


def play(scenario: str, profile: str, out: Path, *, whole: bool) -> tuple[int, dict[str, Any] | None]:
    """Exit code and findings of a run; no findings where it left none."""
    words = [sys.executable, "-P", "-m", "harness.cli", "run", scenario, "--profile", profile, "--out", str(out)]
    words += [] if whole else ["--ci"]
    ended = subprocess.run(words, stderr=subprocess.PIPE, text=True, check=False)
    try:
        return ended.returncode, json.loads((out / "latest" / "findings.json").read_bytes())
    except OSError:
        print(ended.stderr, file=sys.stderr)
        return ended.returncode, None


def row(scenario: str, profile: str, code: int, findings: dict[str, Any] | None) -> str:
    """One line of the table."""
    if findings is None:
        return f"| {scenario} | `{profile}` |" + " |" * 12 + f" {code} |"
    measures, invariants, became = findings["measures"], findings["invariants"], findings["outcomes"]

    def share(name: str) -> str:
        value = measures[name]["value"]
        return "–" if value is None else f"{value:.1%}"

    stuck = measures["stuck.rate"]
    broken = [name for name, found in invariants.items() if found["evaluated"] and found["k"]]
    cells = (
        scenario,
        f"`{profile}`",
        str(stuck["n"]),
        share("stuck.rate"),
        f"{stuck['lo']:.1%} … {stuck['hi']:.1%}",
        share("stuck.at_deadline"),
        share("delivered.rate"),
        str(became["refunded"]),
        str(invariants["lost_order"]["k"]),
        str(invariants["double_delivery"]["k"]),
        str(int(measures["goods.bought_twice"]["value"] or 0)),
        str(int(measures["goods.charged_undelivered"]["value"] or 0)),
        share("honesty.false_progress"),
        ", ".join(f"{name} {invariants[name]['k']}" for name in broken) or "none",
        str(code),
    )
    return "| " + " | ".join(cells) + " |"


def play_all(names: Iterable[str], folder: Path, *, whole: bool) -> list[str]:
    """The lines of the table, printed as they come."""
    lines = []
    for scenario in names:
        for profile in profiles(scenario):
            out = folder / f"{scenario}-{profile}"
            lines.append(row(scenario, profile, *play(scenario, profile, out, whole=whole)))
            print(lines[-1], flush=True)
    return lines


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="only these; the other rows of the table stay")
    words.add_argument("--whole", action="store_true", help="the scenarios as they stand, not their short cuts")
    words.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the runs there")
    asked = words.parse_args()
    if unknown := [name for name in asked.scenarios if name not in CURES]:
        words.error(f"no scenario {unknown[0]!r}; legal: {', '.join(CURES)}")
    with tempfile.TemporaryDirectory() as folder:
        lines = play_all(asked.scenarios or CURES, asked.keep or Path(folder), whole=asked.whole)
    kept = [line for line in _rows_of(DOC) if _scenario(line) not in {_scenario(new) for new in lines}]
    order = list(CURES)
    lines = sorted(kept + lines, key=lambda line: order.index(_scenario(line)))
    command = "python benchmarks/effects.py --whole" if asked.whole else "make effects"
    head = HEAD.format(command=command, cores=len(os.sched_getaffinity(0)))
    DOC.write_text(head + "\n".join(lines) + "\n" + TAIL, encoding="utf-8")


def _rows_of(doc: Path) -> list[str]:
    """The rows that stand in the table now."""
    text = doc.read_text(encoding="utf-8") if doc.exists() else ""
    return [line for line in text.splitlines() if _scenario(line) in CURES]


def _scenario(line: str) -> str:
    return line.split("|")[1].strip() if line.count("|") > 2 else ""


TAIL = ""

if __name__ == "__main__":
    main()

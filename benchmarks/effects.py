"""What each scenario does to the naive shop, and what cures it: plays the table below and writes docs/effects.md.

Whole runs with real processes, one after another: `make effects` plays the short cuts (`--ci`, half a minute each),
`--whole` the scenarios as they stand. Runs are kept, and what is there is not played again unless it is named; where
scenarios are named, the lines of the others are kept as they stand in docs/effects.md.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from ledger import journal
from ledger.events import Struck
from ledger.rundir import RunDir

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
    "disputes": ("compensate_late",),
    "refund_notice": ("match_by_order", "verify_amount", "requery_unpaid"),
    "sdk_threads": ("upstream_timeouts",),
    "shop_crash": ("recover_after_crash+query_supplier",),
    "locked_database": ("ack_after_commit", "requery_unpaid"),
    "packet_loss_at_peak": ("queue_delivery",),
    "upstream_timeout": ("upstream_timeouts+query_supplier", "queue_delivery"),
    "half_open_supplier": ("upstream_timeouts+query_supplier",),
    "slow_link_at_peak": ("queue_delivery",),
    "db_link_cut": ("ack_after_commit", "requery_unpaid"),
    "true_packet_loss": ("queue_delivery",),
    "evening_peak": ("requery_unpaid", "settle_once"),
}
"""The scenarios, and the switch or switches that each is there to show."""

ROW_BARS = 16
"""Of a line in the table of effects; those of what remains have fewer."""
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


def play(scenario: str, profile: str, out: Path, *, whole: bool) -> None:
    """Plays one run into a folder of its own."""
    shutil.rmtree(out, ignore_errors=True)
    words = [sys.executable, "-P", "-m", "harness.cli", "run", scenario, "--profile", profile, "--out", str(out)]
    ended = subprocess.run(words + ([] if whole else ["--ci"]), stderr=subprocess.PIPE, text=True, check=False)
    if ended.returncode in (2, 5):
        sys.exit(ended.stderr)


def row(scenario: str, profile: str, findings: dict[str, Any]) -> str:
    """One line of the table."""
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
        str(findings["exit_code"]),
    )
    return "| " + " | ".join(cells) + " |"


class Left(NamedTuple):
    """What orders of one kind were left with: struck by the same faults, ended in the same way."""

    struck: str
    state: str
    code: str
    goods: bool
    refunded: bool


def remained(scenario: str, run: RunDir) -> list[str]:
    """A line for each kind of paid order that got stuck, or got no goods, in a run: the orders and their keys."""
    struck = defaultdict[str, list[str]](list)
    for path in run.journals():
        for event in journal.read(path) if path.name.startswith(journal.STRUCK_PREFIX) else ():
            if isinstance(event, Struck) and event.o and event.fault not in struck[event.o]:
                struck[event.o].append(event.fault)
    asked = f"""SELECT key, last_state, code, goods > 0, refunded_fen >= captured_fen, stuck_business_s
        FROM '{run.path / "orders.parquet"}'
        WHERE captured_fen > 0 AND (stuck_business_s > 0 OR goods = 0) ORDER BY key"""
    kinds = defaultdict[Left, list[tuple[str, float]]](list)
    for key, state, code, goods, refunded, stuck_s in duckdb.sql(asked).fetchall():
        by = ", ".join(sorted(struck[key])) or "nothing of its own"
        kinds[Left(by, state, code, goods, refunded)].append((key, stuck_s))
    return [_line(scenario, left, orders) for left, orders in sorted(kinds.items())]


def _line(scenario: str, left: Left, orders: list[tuple[str, float]]) -> str:
    keys = [key for key, _ in orders]
    times = sorted(round(s) for _, s in orders)
    stuck = "not stuck" if not times[-1] else f"{times[0]} … {times[-1]} s" if len(times) > 1 else f"{times[0]} s"
    money = "refunded" if left.refunded else "kept"
    cells = (scenario, f"{len(keys)}: {' '.join(keys)}", left.struck, left.state, left.code or "–")
    return "| " + " | ".join((*cells, "yes" if left.goods else "no", money, stuck)) + " |"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="play these again, and what is missing")
    words.add_argument("--fresh", action="store_true", help="play all again")
    words.add_argument("--whole", action="store_true", help="the scenarios as they stand, not their short cuts")
    words.add_argument("--runs", type=Path, default=Path("runs/effects"), help="where the runs are kept (%(default)s)")
    asked = words.parse_args()
    if unknown := [name for name in asked.scenarios if name not in CURES]:
        words.error(f"no scenario {unknown[0]!r}; legal: {', '.join(CURES)}")
    table, left = [], []
    before = DOC.read_text(encoding="utf-8").splitlines() if asked.scenarios and not asked.fresh else []
    for scenario in CURES:
        if kept := [line for line in before if scenario not in asked.scenarios and line.startswith(f"| {scenario} |")]:
            table += [line for line in kept if line.count("|") == ROW_BARS]
            left += [line for line in kept if line.count("|") != ROW_BARS]
            continue
        for profile in profiles(scenario):
            out = asked.runs / f"{scenario}-{profile}"
            found = out / "latest" / "findings.json"
            if asked.fresh or scenario in asked.scenarios or not found.exists():
                play(scenario, profile, out, whole=asked.whole)
            table.append(row(scenario, profile, json.loads(found.read_bytes())))
            print(table[-1], flush=True)
        left += remained(scenario, RunDir((out / "latest").resolve()))
    command = "python benchmarks/effects.py --fresh --whole" if asked.whole else "make effects"
    head = HEAD.format(command=command, cores=len(os.sched_getaffinity(0)))
    DOC.write_text("\n".join((head + "\n".join(table), REMAINED + "\n".join(left), TAIL)), encoding="utf-8")


REMAINED = """
## What remains with the hardened shop

Every paid order of the hardened runs that got stuck or got no goods, by what had struck it and how it ended. *Stuck
for* is business time in all its stuck episodes.

| scenario | orders | struck by | page at the end | code | goods | money | stuck for |
|---|---|---|---|---|---|---|---|
"""
TAIL = """

**Why these remain.** `for_ever`: the game server had accepted the top-up and never said how it ended. At the limit the shop asks
once more, and gives the order to a person, for the account may have been credited: *manual* is told apart from stuck, and nothing is
claimed of it. `for_ever_cards`, `never_ends`: the supplier keeps the purchase open. A card that the shop never got was shown to
nobody, so the money goes back at the limit of three minutes (fifteen in the whole `compensation`), which is later than the two
minutes that a page may stand still: stuck, and honestly compensated. `sold_out`, `fails_later`, `wrong_account`, `wrong_region`:
nothing can be delivered, the money is back at once. `locked_database`: no fault is keyed to an order there; these were
paid at the beginning of a lock that lasts 30 s of business time, which is as long as 支付中 may last.
`disputes`: no goods will ever come, and the money is back before anybody complains. `sdk_threads`: one buyer had to wait for a
thread that a slow call still held.

## What the single switches do, and do not

- `requery_unpaid` finds lost notices, badly signed ones and renamed ones; what the *supplier* or the game server did wrong
  (`rolling_upgrade`, `signature_failure`, `cheap_channel`, `evening_peak`) it leaves as it is.
- `tolerant_reader` reads the renamed, retyped and re-coded answers; an answer that stayed away it cannot read.
- `upstream_timeouts` with `query_supplier` ends every wait, but the product stays locked while the supplier is asked inside the
  notice; `queue_delivery` takes that lock away, and without a timeout what hangs goes on hanging.
- The same timeout gives an SDK's threads back (`sdk_threads`): fewer hang at once than there are threads.
- `verify_amount` reads what a notice is about (`refund_notice`): nothing is delivered on money that went back. It finds no notice
  that was lost, so the buyer still waits until the channel pays back by force.
- `settle_once` ends double delivery and nothing else. `ack_after_commit` loses nothing to a locked database, and waits for
  the channel's next notice; `requery_unpaid` does not wait.
- `retry_supplier` alone delivers where requests never arrived; `honest_page` alone delivers nothing more, and says so.
- `query_supplier` finds what was sold or credited and not heard of; what was never done it cannot finish (`no_progress`).
- `compensate_late` gives back what a careless reader knows to have failed; a success without cards it takes for a delivery,
  as the naive shop does (`no_progress`, `compensation`: the page says completed, invariant `optimistic_page`).
- `recover_after_crash` with `query_supplier` finishes everything that a crash cut; the wait for the channel's next notice
  is the outage itself.
"""  # noqa: E501

if __name__ == "__main__":
    main()

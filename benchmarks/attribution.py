"""Runs in which it is known why orders got stuck: each cause alone, none, causes in pairs, and the hardened shop.

Plays what is named and is not there yet, one run after another (half a minute each), keeps it in
runs/attribution/GROUP/NAME-sSEED, and says what the report of each put its orders down to:

    python -m benchmarks.attribution                          # all groups, seeds 1, 2 and 3
    python -m benchmarks.attribution alone calm --seeds 1
    python -m benchmarks.attribution lost_notice overload     # single causes, or pairs such as lost_notice+refused
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ledger import journal
from ledger.events import Struck
from ledger.rundir import RunDir
from plan import run as plans
from plan.causes import MULTIPLE, STRANDS_NOBODY, Cause, judged_as
from reports.analysis import analysed
from reports.measure import scores

RUNS = Path("runs/attribution")
HEAD = """about: Orders that one cause strands, and no other.
extends: calm_day
profile: {profile}
compress: 20
load: {{rate: 15/s, orders: 180}}
deadline: 3 min
evidence: {{orders: 100}}
"""
CARDS = "mix: {product: {card_10: 50%, card_50: 50%, topup_30: 0%}}\n"
SLOW_PAYERS = "mix: {pay_delay: {lognormal: {median: 40 s, p95: 70 s, max: 90 s}}}\n"
TOPUPS = "mix: {product: {card_10: 20%, card_50: 10%, topup_30: 70%}}\n"


class Case(NamedTuple):
    """How causes are made to strand orders: faults as a scenario writes them, and what else it sets."""

    causes: tuple[Cause, ...]
    faults: tuple[str, ...]
    more: str = ""
    profile: str = "naive"

    def text(self) -> str:
        """The scenario."""
        lines = "".join(f"  - {{{fault}}}\n" for fault in self.faults)
        return HEAD.format(profile=self.profile) + self.more + ("faults:\n" + lines if lines else "")


ALONE: dict[str, Case] = {
    "version": Case(
        (Cause.VERSION,),
        (
            "id: v_notice, fault: ver.renamed, at: payment>shop, orders: 0%..20%",
            "id: v_code, fault: ver.code_polarity, at: shop>supplier, orders: 20%..40%",
            "id: v_moved, fault: ver.path_moved, at: shop>supplier, orders: 50%..65%",
            "id: v_words, fault: ver.enum_changed, at: game>shop, orders: 65%..100%",
        ),
    ),
    "timeout": Case(
        (Cause.TIMEOUT,),
        (
            "id: t_hang, fault: hang, at: shop>supplier, rate: 6%, first: 1, lasts: 20 s",
            "id: t_dead, fault: wire.silence, at: shop>game, rate: 6%, first: 1",
        ),
    ),
    "signature": Case(
        (Cause.SIGNATURE,),
        (
            "id: s_notice, fault: sig.wrong_peer_key, at: payment>shop, orders: 10%..35%",
            "id: s_store, fault: sig.wrong_key, at: shop>supplier, orders: 50%..70%",
            "id: s_game, fault: sig.wrong_peer_key, at: game>shop, orders: 70%..100%",
        ),
    ),
    "lost_request": Case(
        (Cause.LOST_REQUEST,),
        (
            "id: lr_store, fault: lose_request, at: shop>supplier, rate: 25%, first: 2",
            "id: lr_game, fault: lose_request, at: shop>game, rate: 25%, first: 2",
        ),
    ),
    "lost_answer": Case(
        (Cause.LOST_ANSWER,),
        ("id: la_store, fault: lose_answer, at: shop>supplier, rate: 35%, first: 1",),
    ),
    "reset": Case(
        (Cause.RESET,),
        (
            "id: re_store, fault: reset, at: shop>supplier, rate: 25%, when: before",
            "id: re_game, fault: reset, at: shop>game, rate: 25%, when: before",
        ),
    ),
    "lost_notice": Case(
        (Cause.LOST_NOTICE,),
        (
            "id: ln_pay, fault: notice_lost, at: payment>shop, rate: 20%, first: 2",
            "id: ln_game, fault: notice_lost, at: game>shop, rate: 40%",
        ),
    ),
    "refused": Case(
        (Cause.REFUSED,),
        (
            "id: rf_502, fault: refuse, at: shop>supplier, rate: 15%, status: 502",
            "id: rf_503, fault: refuse, at: shop>supplier, rate: 12%, status: 503",
            "id: rf_page, fault: html_page, at: shop>game, rate: 25%, status: 502",
        ),
    ),
    "overload": Case(
        (Cause.OVERLOAD,),
        (
            "id: o_store, fault: capacity, at: shop>supplier, at_once: 1, queue: 0, takes: 100 ms, status: 503",
            "id: o_game, fault: capacity, at: shop>game, at_once: 1, queue: 100, takes: 600 ms",
        ),
    ),
    "identifiers": Case(
        (Cause.IDENTIFIERS,),
        ("id: i_removed, fault: notice_stripped, at: payment>shop, orders: 10%..40%, how: removed",),
    ),
    "amount": Case(
        (Cause.AMOUNT,),
        ("id: a_fen, fault: amount_off, at: payment>shop, orders: 10%..40%",),
        profile="naive+verify_amount",
    ),
    "sold_out": Case((Cause.SOLD_OUT,), ("id: so_store, fault: sold_out, at: shop>supplier, orders: 20%..60%",)),
    "game_refused": Case(
        (Cause.GAME_REFUSED,),
        (
            "id: g_closed, fault: maintenance, at: shop>game, rate: 30%",
            "id: g_region, fault: wrong_region_refused, at: shop>game, rate: 30%",
        ),
        TOPUPS,
    ),
    "supplier_refused": Case(
        (Cause.SUPPLIER_REFUSED,),
        (
            "id: su_dry, fault: business_error, at: shop>supplier, rate: 20%",
            "id: su_later, fault: accept_then_fail, at: shop>game, rate: 25%",
            "id: su_never, fault: stays_processing, at: shop>game, rate: 25%",
        ),
    ),
    "empty_goods": Case(
        (Cause.EMPTY_GOODS,),
        (
            "id: e_none, fault: empty_goods, at: shop>supplier, rate: 25%",
            "id: e_part, fault: partial_goods, at: shop>supplier, rate: 15%",
        ),
    ),
    "crash": Case(
        (Cause.CRASH,),
        (
            "id: c_kill, fault: shop_kill, at: shop, window: 3 s..4 s, restart_after: 1500 ms",
            "id: c_pause, fault: shop_pause, at: shop, window: 8 s..11 s",
        ),
        SLOW_PAYERS,
    ),
    "database": Case(
        (Cause.DATABASE,),
        (
            "id: d_backup, fault: db_lock, at: shop>db, window: 2 s..4500 ms",
            "id: d_report, fault: db_lock, at: shop>db, window: 7 s..9500 ms",
        ),
        SLOW_PAYERS + "business_time: {CARDSHOP_LOCK_WAIT_S: 8 s}\n",
    ),
    "database_link": Case(
        (Cause.DATABASE_LINK,),
        (
            "id: dl_gone, fault: wire.down, at: shop>db, window: 3 s..5 s",
            "id: dl_again, fault: wire.down, at: shop>db, window: 8 s..10 s",
        ),
        SLOW_PAYERS + "database: postgresql\n",
    ),
    "buyer": Case((Cause.BUYER,), ("id: b_account, fault: wrong_account, at: buyer>shop, rate: 50%",), TOPUPS),
    "late_payment": Case(
        (Cause.LATE_PAYMENT,),
        ("id: p_late, fault: pays_late, at: buyer>payment, rate: 30%, by: 150 s",),
        "business_time: {CARDSHOP_ORDER_LIFE_S: 2 min}\n",
    ),
    "packet_loss": Case(
        (Cause.PACKET_LOSS,), ("id: pl_store, fault: wire.loss, at: shop>supplier, share: 30%, burst: 2",), CARDS
    ),
    "link": Case(
        (Cause.LINK,),
        (
            "id: l_store, fault: wire.down, at: shop>supplier, window: 2 s..5 s",
            "id: l_game, fault: wire.down, at: shop>game, window: 7 s..10 s",
        ),
    ),
}
MISSING = set(Cause) - {cause for case in ALONE.values() for cause in case.causes} - set(STRANDS_NOBODY)
assert not MISSING, f"no run for {MISSING}"

PAIRED = (
    ("lost_notice", "lost_answer"), ("lost_notice", "refused"), ("lost_notice", "sold_out"),
    ("lost_notice", "game_refused"), ("lost_notice", "crash"), ("lost_notice", "database"),
    ("lost_notice", "identifiers"), ("lost_notice", "buyer"), ("lost_notice", "supplier_refused"),
    ("signature", "lost_request"), ("signature", "overload"), ("signature", "link"), ("signature", "empty_goods"),
    ("version", "lost_notice"), ("version", "timeout"), ("version", "refused"), ("identifiers", "lost_request"),
    ("late_payment", "lost_answer"), ("crash", "lost_request"), ("database_link", "lost_answer"),
)  # fmt: skip
PAIRS = {
    f"{one}+{other}": Case(
        (*ALONE[one].causes, *ALONE[other].causes),
        (*ALONE[one].faults, *ALONE[other].faults),
        ALONE[one].more + ALONE[other].more,
    )
    for one, other in PAIRED
}
CALM = {"calm": Case((), ())}
NEEDS_RIGHTS = ("true_packet_loss",)
LIBRARY = sorted(path.stem for path in Path("scenarios").glob("*.yaml") if path.stem not in NEEDS_RIGHTS)
"""What is played with the hardened shop, as a short cut: who is stuck there still."""
GROUPS = ("alone", "calm", "pairs", "hardened")


class Played(NamedTuple):
    """One run: its group, what it is called, and where it is kept. `case` is what was done to it, if we did it."""

    group: str
    name: str
    seed: int
    case: Case | None

    @property
    def folder(self) -> Path:
        return RUNS / self.group / f"{self.name}-s{self.seed}"

    @property
    def run(self) -> RunDir:
        return RunDir((self.folder / "latest").resolve())

    @property
    def is_there(self) -> bool:
        return (self.folder / "latest" / "findings.json").exists()


def chosen(names: list[str], seeds: list[int]) -> Iterator[Played]:
    """The runs of these groups, causes or pairs; a pair and the hardened shop are played with the first seed alone."""
    for group, cases in (("alone", ALONE), ("calm", CALM), ("pairs", PAIRS)):
        for seed in seeds[:1] if group == "pairs" else seeds:
            yield from (Played(group, n, seed, c) for n, c in cases.items() if group in names or n in names)
    yield from (Played("hardened", name, seeds[0], None) for name in LIBRARY if "hardened" in names)


def play(wanted: Played) -> None:
    """Plays one run into its folder, and ends where it cannot be played."""
    shutil.rmtree(wanted.folder, ignore_errors=True)
    wanted.folder.mkdir(parents=True)
    words = ["--seed", str(wanted.seed), "--out", str(wanted.folder)]
    if wanted.case is None:
        words = [wanted.name, "--ci", "--profile", "hardened", *words]
    else:
        file = wanted.folder / f"{wanted.name}.yaml"
        file.write_text(wanted.case.text(), encoding="utf-8")
        words = [str(file), *words]
    asked = [sys.executable, "-P", "-m", "harness.cli", "run", *words]
    ended = subprocess.run(asked, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if ended.returncode in (2, 5) or not wanted.is_there:
        sys.exit(f"{wanted.folder}: no report was made\n{ended.stderr}")


def struck(run: RunDir) -> dict[str, set[str]]:
    """By order the causes of everything that truly struck it, as they are judged."""
    cause_of = {fault.id: judged_as(fault.cause) for fault in plans.load(run.plan).faults}
    found: dict[str, set[str]] = {}
    for path in run.journals():
        for event in journal.read(path) if path.name.startswith(journal.STRUCK_PREFIX) else ():
            if isinstance(event, Struck) and event.o:
                found.setdefault(event.o, set()).add(cause_of[event.fault])
    return found


class Judged(NamedTuple):
    """An order that needed a cause: the case that it is for the scores, and the causes of all that truly struck it."""

    case: scores.Case
    struck: frozenset[str]

    @property
    def is_of_it(self) -> bool:
        """Whether it was put down to something that struck it, or to all of it at once."""
        return self.case.found in self.struck or (self.case.found == MULTIPLE and len(self.struck) > 1)


def judged(played: Played) -> list[Judged]:
    """Every order of a run that needed a cause. Where one cause alone was at work it had it, struck itself or waiting
    behind one that was: without faults nobody waits. Elsewhere it is what struck it."""
    plan, by = plans.load(played.run.plan), struck(played.run)
    done = analysed(played.run, plan)
    keys, found = done.basis.orders.keys, done.attributed
    alone = {judged_as(cause) for cause in played.case.causes} if played.case else set[str]()
    of, made = f"{played.name}-s{played.seed}", []
    for i, cause in zip(found.i.tolist(), found.cause.tolist(), strict=True):
        own = frozenset(by.get(keys[i], ()))
        made.append(Judged(scores.Case(of, scores.label(alone if len(alone) == 1 else own), str(cause)), own))
    return made


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(GROUPS)}, or of single runs (all)")
    words.add_argument("--seeds", default="1,2,3", help="with which seeds (%(default)s)")
    words.add_argument("--fresh", action="store_true", help="play again what is there already")
    asked = words.parse_args()
    if unknown := [n for n in asked.names if n not in {*GROUPS, *ALONE, *PAIRS, *CALM}]:
        words.error(f"no run {unknown[0]!r}; legal: {', '.join((*GROUPS, *ALONE, *PAIRS))}")
    seeds = [int(seed) for seed in asked.seeds.split(",")]
    by_group: dict[str, list[Judged]] = {}
    for wanted in chosen(asked.names or list(GROUPS), seeds):
        if asked.fresh or not wanted.is_there:
            play(wanted)
        found = judged(wanted)
        counts = Counter(f"{one.case.injected} → {one.case.found}" for one in found)
        print(wanted.group, f"{wanted.name}-s{wanted.seed}", json.dumps(dict(counts.most_common())), file=sys.stderr)
        by_group.setdefault(wanted.group, []).extend(found)
    for group, found in by_group.items():
        print("\n".join(table(group, found)))


def table(group: str, found: list[Judged]) -> list[str]:
    """The scores of a group, as Markdown."""
    told = scores.score([one.case for one in found])
    f1 = "–" if told.macro_f1 is None else f"{told.macro_f1:.3f}"
    lines = [
        "",
        f"**{group}**: {len(found)} orders; macro-F1 {f1}, kappa {told.kappa:.3f}, {told.abstained.k} unknown of"
        f" {told.abstained.n}. Put down to what had struck them: {_hits(found)} struck themselves.",
        "",
        "| cause | runs | orders | recall | precision | found instead |",
        "|---|---|---|---|---|---|",
    ]
    for one in told.causes:
        instead = ", ".join(f"{name} {n}" for name, n in one.instead.items()) or "–"
        row = (one.cause, one.runs, one.recall.n, _rate(one.recall), _rate(one.precision), instead)
        lines.append(f"| {' | '.join(map(str, row))} |")
    return lines


def _hits(found: list[Judged]) -> str:
    own = [one for one in found if one.struck]
    return f"{sum(one.is_of_it for one in own)} of the {len(own)} that were"


def _rate(rate: scores.Rate) -> str:
    return "–" if rate.value is None else f"{rate.k}/{rate.n} ({rate.lo:.3f}–{rate.hi:.3f})"


if __name__ == "__main__":
    main()

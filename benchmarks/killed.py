"""Ten short runs, in each of which one process is killed with -9 at a random moment; what is left must still be true.

After each kill: the harness ends by itself with its exit code and names who died, no process of the run is left 10 s
later, the journals are unclosed (closed where the dead one wrote none) and never broken, the report made again is the
same, and it claims no more than was seen: the paid orders are those captured in the journals, the delivered ones have
goods there, a reason is given for what was cut, no gate passed, and nobody is accused of what the record does not show.
Victims take turns, and every one has its turn; whose it is, in which phase and when, is drawn by a keyed hash. Last
comes a run whose kills were planned: it is whole, and no exit 5. Exit 1 if a check fails.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import psutil

from ledger import journal
from ledger.events import Booked, Captured, Credited, GoodsSold, Seen
from ledger.rundir import RunDir
from plan.chance import draw

HARNESS, GUARD, SHOP = "harness.cli", "harness.guard", "targets.cardshop"
NAMES = {
    "mocks.payment": "payment",
    "mocks.supplier": "supplier",
    "mocks.game": "game",
    SHOP: "shop",
    "load": "driver-0",
}
VICTIMS = (*NAMES, GUARD, HARNESS)
RUN = [sys.executable, "-P", "-m", "harness.cli"]
SHORT = ("--ci", "--set", "load.orders=150", "--set", "load.rate=25/s", "--set", "deadline=2 min")
SCENARIOS, PROFILES = ("calm_day", "notice_lost"), ("naive", "hardened")
PHASES = {"prepare": (0.0, 1.5, 1), "load": (1.2, 8.0, 5), "settle": (0.0, 1.2, 2)}
"""Wire seconds after each began between which the victim dies, none so late that the phase may be over; its weight."""
GONE_WITHIN_S, RUN_WITHIN_S = 10.0, 120.0
PASSED, INCONCLUSIVE, BROKEN = 0, 3, 5
CODES_OF_WHOLE = (0, 1, 3)


class Cut(msgspec.Struct, frozen=True):
    """Who is to die, and when: so many wire seconds after a phase began."""

    scenario: str
    profile: str
    victim: str
    phase: str
    after_s: float


def drawn(seed: int, n: int) -> Cut:
    """The n-th run; a turn of all victims is one permutation of them."""
    turn = n // len(VICTIMS)
    order = sorted(VICTIMS, key=lambda name: draw(seed, "victim", turn, name))
    phases = [name for name, (_, _, weight) in PHASES.items() for _ in range(weight)]
    phase = phases[int(draw(seed, "phase", n) * len(phases))]
    low, high, _ = PHASES[phase]
    after_s = low + draw(seed, "moment", n) * (high - low)
    return Cut(SCENARIOS[n // 2 % 2], PROFILES[n % 2], order[n % len(VICTIMS)], phase, after_s)


class Play:
    """One run: started, cut, and what it left behind."""

    def __init__(self, out: Path, scenario: str, *words: str) -> None:
        self._out = out
        self._log = out.with_suffix(".said")
        with self._log.open("w") as said:
            command = [*RUN, "run", scenario, *words, "--out", str(out)]
            self._harness = psutil.Popen(command, stderr=said, start_new_session=True)
        self._sessions = {self._harness.pid}
        self.code = 0

    @property
    def run(self) -> RunDir:
        (path,) = [p for p in self._out.iterdir() if p.is_dir() and not p.is_symlink()]
        return RunDir(path)

    @property
    def said(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def kill(self, cut: Cut) -> None:
        """Kills the victim in its moment; RuntimeError if the run is over before."""
        self._until(lambda: self._has_begun(cut.phase), f"{cut.phase} to begin")
        at = time.monotonic() + cut.after_s
        self._until(lambda: time.monotonic() >= at, "its moment")
        self._until(lambda: self._running(cut.victim), cut.victim)
        self._running(cut.victim)[0].kill()

    def end(self) -> None:
        """Returns when the harness has ended."""
        until = time.monotonic() + RUN_WITHIN_S
        while self._harness.poll() is None:
            if time.monotonic() > until:
                raise RuntimeError(f"the run did not end within {RUN_WITHIN_S:g} s; it said: {self.said}")
            self._look()
            time.sleep(0.02)
        self.code = self._harness.returncode

    def left(self) -> list[str]:
        """What of the run still lives so long after it."""
        until = time.monotonic() + GONE_WITHIN_S
        while (alive := self._alive()) and time.monotonic() < until:
            time.sleep(0.05)
        return alive

    def _until(self, is_so: Any, what: str) -> None:
        while not is_so():
            if self._harness.poll() is not None:
                raise RuntimeError(f"waited for {what}, but the run was over; it said: {self.said}")
            self._look()
            time.sleep(0.01)

    def _has_begun(self, phase: str) -> bool:
        text = f'"phase":"{phase}"'.encode()
        return any(text in file.read_bytes() for file in self._out.glob("*/events/harness.ndjson"))

    def _look(self) -> list[psutil.Process]:
        """The processes of the run now; their sessions are remembered."""
        try:
            found = self._harness.children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        for process in found:
            try:
                self._sessions.add(os.getsid(process.pid))
            except ProcessLookupError:
                continue
        return found

    def _running(self, module: str) -> list[psutil.Process]:
        if module == HARNESS:
            return [self._harness]
        return [process for process in self._look() if _module(process) == module]

    def _alive(self) -> list[str]:
        found = []
        for process in psutil.process_iter(["status"]):
            try:
                if process.info["status"] != psutil.STATUS_ZOMBIE and os.getsid(process.pid) in self._sessions:
                    found.append(_module(process) or str(process.pid))
            except ProcessLookupError:
                continue
        return found


def _module(process: psutil.Process) -> str:
    try:
        words = process.cmdline()
    except psutil.Error:
        return ""
    return words[words.index("-m") + 1] if "-m" in words else ""


class Truth(msgspec.Struct, frozen=True):
    """What the journals hold, read without the report's own reader: orders captured, and orders whose goods an upstream
    sold and page or books show, or a game credited."""

    captured: set[str]
    got: set[str]

    @classmethod
    def of(cls, run: RunDir) -> "Truth":
        captured, credited = set[str](), set[str]()
        sold, shown = set[tuple[str, str]](), set[tuple[str, str]]()
        for path in run.journals(struck=False):
            for event in journal.read(path):
                match event:
                    case Captured(o=key):
                        captured.add(key or "")
                    case Credited(o=key):
                        credited.add(key or "")
                    case GoodsSold(o=key, goods=card):
                        sold.add((key or "", card))
                    case Seen(o=key, goods=cards) | Booked(o=key, goods=cards):
                        shown |= {(key or "", card) for card in cards}
        got = credited | {o for o, _ in sold & shown}
        return cls(*({key for key in keys if key.startswith("b")} for keys in (captured, got)))


def reported(run: RunDir) -> tuple[set[str], set[str]]:
    """The orders that orders.parquet calls paid, and those of them that it calls delivered."""
    sql = "SELECT key, goods > 0 FROM read_parquet(?) WHERE NOT isnan(captured_s)"
    rows = duckdb.execute(sql, [str(run.orders)]).fetchall()
    return {key for key, _ in rows}, {key for key, got in rows if got}


def accused(findings: dict[str, Any]) -> list[str]:
    """What no order did in these scenarios, and some are said to have done."""
    counted = {**findings["invariants"], **findings["counted"]}
    return [f"{name} {found['k']}" for name, found in counted.items() if found["evaluated"] and found["k"]]


def flaws(play: Play, cut: Cut, findings: dict[str, Any]) -> list[str]:
    """What is wrong with what is left of a cut run."""
    paid, delivered = reported(play.run)
    truth, became, claims = Truth.of(play.run), findings["outcomes"], findings["claims"]
    code, verify = (-9 if cut.victim == HARNESS else BROKEN), _told("verify", play.run)
    wanted = PASSED if cut.victim in (SHOP, GUARD) else INCONCLUSIVE
    passed = [gate["text"] for gate in findings["gates"] if gate["verdict"] == "pass"]
    name = {**NAMES, GUARD: "guard"}.get(cut.victim, "")
    checks = {
        f"exit {play.code}, not {code}": play.code == code,
        f"nobody said that {name} was killed": cut.victim == HARNESS or f"{name} was killed by SIGKILL" in play.said,
        "a traceback": "Traceback" not in play.said,
        f"verify: exit {verify}, not {wanted}": verify == wanted,
        "claims to be whole": not claims["ok"] and findings["verdict"]["word"] != "pass",
        "no reason given": bool(claims["reasons"]) and len(claims["reasons"]) == len(claims["reasons_zh"]),
        f"passed on cut evidence: {passed}": not passed,
        "counts of outcomes and orders differ": (became["paid"], became["delivered"]) == (len(paid), len(delivered)),
        f"{len(paid)} paid, {len(truth.captured)} captured": paid == truth.captured,
        f"delivered without goods: {sorted(delivered - truth.got)[:3]}": delivered <= truth.got,
        f"stuck.rate over {findings['measures']['stuck.rate']['n']}": findings["measures"]["stuck.rate"]["n"]
        <= len(paid),
        f"accused: {accused(findings)}": not accused(findings),
    }
    return [words for words, is_right in checks.items() if not is_right]


def flaws_of_planned(play: Play, findings: dict[str, Any]) -> list[str]:
    """What is wrong with a run whose kills belong to its scenario."""
    verify, struck = _told("verify", play.run), sum(fault["strikes"] for fault in findings["struck"]["faults"])
    checks = {
        f"exit {play.code}, not one of {CODES_OF_WHOLE}": play.code in CODES_OF_WHOLE,
        f"verify: exit {verify}": verify == PASSED,
        f"claims less: {findings['claims']['reasons']}": findings["claims"]["ok"],
        "the shop was never killed": struck > 0,
        "delivered without goods": reported(play.run)[1] <= Truth.of(play.run).got,
    }
    return [words for words, is_right in checks.items() if not is_right]


def _told(command: str, run: RunDir) -> int:
    return subprocess.run([*RUN, command, str(run.path)], capture_output=True, check=False).returncode


def report_again(play: Play) -> tuple[dict[str, Any], list[str]]:
    """The findings of a report made again, and what is wrong with it."""
    run = play.run
    before = run.findings.read_bytes() if run.findings.exists() else None
    code = _told("report", run)
    if code != PASSED:
        raise RuntimeError(f"orderjam report {run.path}: exit {code}")
    after = run.findings.read_bytes()
    return json.loads(after), [] if before in (None, after) else ["the report made again is another"]


def row(play: Play, cells: tuple[str, ...], findings: dict[str, Any], wrong: list[str]) -> str:
    became, truth = findings["outcomes"], Truth.of(play.run)
    claims = "whole" if findings["claims"]["ok"] else "less"
    seen = (f"{became['paid']} / {len(truth.captured)}", f"{became['delivered']} / {len(truth.got)}")
    rest = (str(play.code), play.run.verify().wholeness, *seen, claims, "; ".join(wrong) or "none")
    return f"| {' | '.join((*cells, *rest))} |"


def play_cut(folder: Path, n: int, cut: Cut) -> bool:
    """Whether nothing is wrong; prints its row."""
    play = Play(folder / str(n), cut.scenario, *SHORT, "--profile", cut.profile)
    play.kill(cut)
    play.end()
    wrong = [f"still runs: {name}" for name in play.left()]
    findings, unlike = report_again(play)
    wrong += unlike + flaws(play, cut, findings)
    cells = (cut.victim, f"{cut.phase} + {cut.after_s:.2f} s", f"{cut.scenario} {cut.profile}")
    print(row(play, cells, findings, wrong), flush=True)
    return not wrong


def play_planned(folder: Path) -> bool:
    """Whether nothing is wrong with a run whose kills were planned; prints its row."""
    play = Play(folder / "planned", "shop_crash", "--ci", "--profile", "hardened")
    play.end()
    wrong = [f"still runs: {name}" for name in play.left()]
    findings, unlike = report_again(play)
    wrong += unlike + flaws_of_planned(play, findings)
    print(row(play, ("shop, as planned", "shop_kill", "shop_crash hardened"), findings, wrong), flush=True)
    return not wrong


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("seed", type=int, nargs="?", default=1, help="other victims, other moments")
    words.add_argument("--runs", type=int, default=10)
    words.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the runs there")
    asked = words.parse_args()
    print("| killed | when | run | exit | journals | paid: report / truth | delivered | claims | flaws |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        good = [play_cut(folder, n, drawn(asked.seed, n)) for n in range(asked.runs)]
        good.append(play_planned(folder))
    print(f"\nseed {asked.seed}: {sum(good)} of {len(good)} runs without a flaw")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())

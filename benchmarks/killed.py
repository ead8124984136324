"""Ten short runs, in each of which one process is killed with -9 at a random moment; what is left must still be true.

After each kill: the harness ends by itself with its exit code, no process of the run is left 10 s later, the journals
are closed or unclosed and never broken, the report is made again, and it claims no more than it saw: no more paid or
delivered orders than the mocks' journals hold, a reason wherever something was cut, and no gate that passed on cut
evidence. Moments and victims are drawn by a keyed hash; --seed plays others. Exit 1 if a check fails.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from ledger import journal
from ledger.journal import Wholeness
from ledger.rundir import RunDir
from plan.chance import draw

VICTIMS = ("mocks.payment", "mocks.supplier", "mocks.game", "targets.cardshop", "load", "harness.guard", "harness.cli")
RUN = [sys.executable, "-P", "-m", "harness.cli"]
SHORT = ("--ci", "--set", "load.orders=150", "--set", "load.rate=25/s", "--set", "deadline=2 min")
SPAN_S = 14.0
"""From the start of the victim: some fall in the warm-up, most in the load, some while the run settles."""
GONE_WITHIN_S = 10.0
HARNESS = "harness.cli"


class Play:
    """One run and the process of it that is to die."""

    def __init__(self, out: Path, victim: str, profile: str, delay_s: float) -> None:
        self.victim, self.delay_s = victim, delay_s
        words = ["run", "notice_lost", *SHORT, "--profile", profile, "--out", str(out)]
        self._harness = psutil.Popen([*RUN, *words], stderr=subprocess.PIPE, text=True, start_new_session=True)
        self._out = out
        self._seen: dict[int, psutil.Process] = {}

    def kill(self) -> None:
        """Waits for the victim and its moment, and kills it; a run that is over by then is left alone."""
        victim = self._harness if self.victim == HARNESS else self._find()
        until = time.monotonic() + self.delay_s
        while time.monotonic() < until and self._harness.is_running():
            self._look()
            time.sleep(0.05)
        victim.kill()

    def _find(self) -> psutil.Process:
        while True:
            self._look()
            for process in self._seen.values():
                if self._module(process) == self.victim:
                    return process
            time.sleep(0.02)

    @staticmethod
    def _module(process: psutil.Process) -> str:
        try:
            words = process.cmdline()
        except psutil.Error:
            return ""
        return words[words.index("-m") + 1] if "-m" in words else ""

    def _look(self) -> None:
        self._seen |= {child.pid: child for child in self._harness.children(recursive=True)}

    def end(self) -> tuple[int, str]:
        """Exit code and what was said."""
        _, said = self._harness.communicate(timeout=120)
        return self._harness.returncode, said

    def left(self) -> list[str]:
        """What of the run still lives so long after it."""
        _, alive = psutil.wait_procs(list(self._seen.values()), timeout=GONE_WITHIN_S)
        return [self._module(process) for process in alive]

    @property
    def run(self) -> RunDir:
        (path,) = [p for p in self._out.iterdir() if p.is_dir() and not p.is_symlink()]
        return RunDir(path)


def truth(run: RunDir) -> tuple[int, int]:
    """Orders that were paid, and orders for which goods were sold or credited, as the journals hold it."""
    paid: set[str] = set()
    sold: set[str] = set()
    for path in run.journals(struck=False):
        for event in journal.read(path):
            kind = event.__struct_config__.tag
            if event.o and event.o.startswith("b"):
                (paid if kind == "captured" else sold if kind in ("goods_sold", "credited") else set()).add(event.o)
    return len(paid), len(sold)


def flaws(play: Play, code: int, findings: dict[str, Any], wholeness: Wholeness) -> list[str]:
    """What is wrong with what is left of a run."""
    found = [f"still runs: {name}" for name in play.left()]
    wanted = {HARNESS: (-9,), "harness.guard": (0, 1, 3, 5)}.get(play.victim, (5,))
    paid, sold = truth(play.run)
    is_cut = code in (5, -9)
    passed = [gate["text"] for gate in findings["gates"] if gate["verdict"] == "pass"]
    checks = {
        f"exit {code}, not one of {wanted}": code in wanted,
        f"journals {wholeness}": wholeness is not Wholeness.BROKEN,
        "a cut run that claims to be whole": not (is_cut and findings["claims"]["ok"]),
        "no reason given": not is_cut or bool(findings["claims"]["reasons"]),
        f"passed on cut evidence: {passed}": not is_cut or not [p for p in passed if not p.startswith("lateness")],
        f"{findings['outcomes']['paid']} paid, {paid} in the journals": findings["outcomes"]["paid"] <= paid,
        f"{findings['outcomes']['delivered']} delivered, {sold} sold": findings["outcomes"]["delivered"] <= sold,
    }
    return found + [words for words, is_right in checks.items() if not is_right]


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--runs", type=int, default=10)
    asked, failed = words.parse_args(), 0
    print("| killed | at, s | profile | exit | journals | paid: report, truth | delivered | claims | flaws |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for n in range(asked.runs):
            victim = VICTIMS[int(draw(asked.seed, "victim", n) * len(VICTIMS))]
            profile = ("naive", "hardened")[n % 2]
            play = Play(Path(folder) / str(n), victim, profile, draw(asked.seed, "moment", n) * SPAN_S)
            play.kill()
            code, _ = play.end()
            subprocess.run([*RUN, "report", str(play.run.path)], check=True, capture_output=True)
            findings = json.loads(play.run.findings.read_bytes())
            wholeness = play.run.verify().wholeness
            wrong = flaws(play, code, findings, wholeness)
            failed += bool(wrong)
            became, claims = findings["outcomes"], "whole" if findings["claims"]["ok"] else "less"
            cells = (victim, f"{play.delay_s:.1f}", profile, code, wholeness, f"{became['paid']}, {truth(play.run)[0]}")
            rest = (became["delivered"], claims, "; ".join(wrong) or "none")
            print("| " + " | ".join(map(str, (*cells, *rest))) + " |", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

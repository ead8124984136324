"""Whole runs for the tests: real processes, real sockets, short."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from ledger import journal
from ledger.rundir import RunDir

ORDERJAM = [sys.executable, "-P", "-m", "harness.cli"]
SHORT = (
    "--ci",
    "--set", "load.orders=60",
    "--set", "mix.pay_delay={constant: 3 s}",
    "--set", "deadline=5 min",
    "--set", "evidence.orders=50",
)  # fmt: skip


class Played:
    """A finished run: what it said, how it ended, what it left."""

    def __init__(self, code: int, said: str, folder: RunDir) -> None:
        self.code = code
        self.said = said
        self.folder = folder

    @property
    def findings(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(self.folder.findings.read_bytes())
        return found

    def events(self, kind: str) -> list[Any]:
        """The events of one kind, over all journals."""
        return [
            event
            for path in self.folder.journals()
            for event in journal.read(path)
            if event.__struct_config__.tag == kind
        ]


def only_run(out: Path) -> RunDir:
    """The one run below a folder."""
    (path,) = [p for p in out.iterdir() if p.is_dir() and not p.is_symlink()]
    return RunDir(path)


def start(out: Path, *words: str) -> "subprocess.Popen[str]":
    """Starts a run in a session of its own."""
    return subprocess.Popen(
        [*ORDERJAM, "run", *words, "--out", str(out)], stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def play(out: Path, *words: str) -> Played:
    """Plays a run to its end."""
    process = start(out, *words)
    _, said = process.communicate(timeout=120)
    return Played(process.returncode, said, only_run(out))


def children_of(pid: int) -> dict[str, int]:
    """The running children of a harness by the module that each runs."""
    found: dict[str, int] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            stat, words = (path / "stat").read_text(), (path / "cmdline").read_text().split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(stat.rpartition(")")[2].split()[1]) == pid and "-m" in words:
            found[words[words.index("-m") + 1]] = int(path.name)
    return found

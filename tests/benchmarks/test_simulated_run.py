"""The run directories that benchmarks make by hand are what the real writers would have made."""

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from benchmarks import simulated_run
from ledger.events import Planned, Seen
from ledger.journal import STRUCK_PREFIX, Journal, Wholeness, read
from ledger.rundir import RunDir
from reports import report

N = 300


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return simulated_run.write(tmp_path_factory.mktemp("simulated") / "run", N)


def test_its_journals_are_whole_and_its_manifest_agrees(run: RunDir) -> None:
    assert run.verify().wholeness is Wholeness.CLOSED


def test_every_line_is_written_as_the_journal_writes_it(run: RunDir, tmp_path: Path) -> None:
    for path in run.journals():
        with Journal(tmp_path / path.name, path.stem.removeprefix(STRUCK_PREFIX)) as journal:
            for event in read(path):
                journal.append(msgspec.structs.replace(event, w=msgspec.UNSET))
        ours, theirs = (
            [line for line in file.read_bytes().splitlines() if b'"k":"seal"' not in line]
            for file in (path, tmp_path / path.name)
        )
        assert ours == theirs


def test_an_order_has_about_twelve_events(run: RunDir) -> None:
    told = [event for path in run.journals(struck=False) for event in read(path) if event.o is not None]
    assert 11.5 <= len(told) / N <= 13.5
    assert sorted(event.n for event in told if isinstance(event, Planned)) == list(range(N))
    assert max(Counter(event.o for event in told if isinstance(event, Seen)).values()) == 3


def test_its_report_is_made(run: RunDir) -> None:
    findings = report.build(run)
    assert findings.claims.ok
    assert findings.outcomes.planned == N
    assert 0 < findings.stuck.orders < findings.outcomes.paid < N


def test_a_chunk_border_changes_no_order(run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated_run, "CHUNK", 128)
    chunked = simulated_run.write(tmp_path / "run", N)
    assert chunked.verify().wholeness is Wholeness.CLOSED
    kinds = [Counter(type(e) for path in r.journals() for e in read(path)) for r in (run, chunked)]
    assert kinds[0][Planned] == kinds[1][Planned] == N

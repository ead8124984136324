"""One recorded run, cut at fifty moments: a report is always made, and never claims more than was seen."""

import tarfile
from dataclasses import dataclass
from pathlib import Path
from random import Random

import msgspec
import pytest

from ledger.rundir import RunDir
from plan import run as plans
from reports import analysis, report
from reports.analysis import Analysis
from reports.findings import Findings

RECORDED = Path(__file__).parent / "recorded" / "small_peak.tar.xz"
"""`orderjam run` of an evening peak of 90 orders on the naive shop, without raw exchanges."""
MOMENTS = 50
LOWER_BOUNDS = ("stuck.rate", "delivered.rate", "stuck.excess_per_1000")


@dataclass(frozen=True)
class Recorded:
    """The whole run, its findings, and when its harness wrote its last event."""

    path: Path
    analysis: Analysis
    first_ns: int
    last_ns: int


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    path = tmp_path_factory.mktemp("recorded")
    with tarfile.open(RECORDED) as archive:
        archive.extractall(path, filter="data")
    times = [t for line in (path / "events" / "harness.ndjson").read_bytes().splitlines() if (t := _time(line))]
    return Recorded(path, analysed(path), min(times), max(times))


def analysed(path: Path) -> Analysis:
    run = RunDir(path)
    return analysis.analysed(run, plans.load(run.plan))


def _time(line: bytes) -> int:
    return int(msgspec.json.decode(line).get("t", 0))


def cut(whole: Recorded, to: Path, at_ns: int, rest: Random) -> Path:
    """A copy in which every writer was killed at a moment: its buffer is gone, its last line half."""
    (to / "events").mkdir(parents=True)
    (to / "plan.yaml").write_bytes((whole.path / "plan.yaml").read_bytes())
    for file in RunDir(whole.path).journals():
        kept: list[bytes] = []
        for line in file.read_bytes().splitlines(keepends=True):
            if _time(line) > at_ns:
                kept.append(line[: rest.randrange(len(line))])
                break
            kept.append(line)
        while kept and rest.random() < 0.3:
            kept.pop()
        (to / "events" / file.name).write_bytes(b"".join(kept))
    return to


def claims_no_more(cut: Findings, whole: Findings) -> None:
    """What the cut run tells of is true of the whole one."""
    assert not cut.claims.ok
    assert cut.verdict.word != "pass"
    assert [gate.text for gate in cut.gates if gate.verdict == "pass"] == []
    assert cut.stuck.orders <= whole.stuck.orders
    assert cut.stuck.excess_s <= whole.stuck.excess_s + 1e-6
    for name, broken in {**cut.invariants, **cut.counted}.items():
        assert set(broken.orders) <= set({**whole.invariants, **whole.counted}[name].orders), name
    for name in LOWER_BOUNDS:
        found = cut.measures[name]
        assert found.hi in (None, 1) or found.n == 0, name
    assert cut.outcomes.delivered <= whole.outcomes.delivered
    assert cut.outcomes.paid <= whole.outcomes.paid


@pytest.mark.slow
def test_of_a_run_killed_at_any_of_fifty_moments_no_more_is_claimed_than_was_seen(
    whole: Recorded, tmp_path: Path
) -> None:
    rest = Random(7)
    stuck: set[int] = set()
    for moment in range(MOMENTS):
        at_ns = rest.randrange(whole.first_ns, whole.last_ns)
        found = analysed(cut(whole, tmp_path / str(moment), at_ns, rest))
        claims_no_more(found.findings, whole.analysis.findings)
        keys = dict(zip(found.basis.orders.keys, found.basis.stuck_s > 0, strict=True))
        full = dict(zip(whole.analysis.basis.orders.keys, whole.analysis.basis.stuck_s > 0, strict=True))
        assert {key for key, is_stuck in keys.items() if is_stuck} <= {
            key for key, is_stuck in full.items() if is_stuck
        }
        stuck.add(found.findings.stuck.orders)
    assert len(stuck) > 3, "the moments should lie on both sides of something"


@pytest.mark.slow
def test_the_whole_report_of_a_killed_run_is_made_and_says_so(whole: Recorded, tmp_path: Path) -> None:
    path = cut(whole, tmp_path / "cut", (whole.first_ns + whole.last_ns) // 2, Random(3))
    report.build(RunDir(path))
    assert "claims less than usual" in (path / "report.html").read_text()
    assert {"findings.json", "orders.parquet", "junit.xml", "summary.md"} <= {file.name for file in path.iterdir()}

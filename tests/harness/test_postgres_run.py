"""A whole run of the reference shop on PostgreSQL: its queue, its link and its lock broken."""

import re
import tempfile
from pathlib import Path

import pytest
import yaml

from harness.postgres import MISSING, Binaries
from harness.run import Exit
from ledger.states import State
from tests.whole_run import Played, play

pytestmark = [
    pytest.mark.slow,
    pytest.mark.run,
    pytest.mark.skipif(Binaries.find() is None, reason=MISSING),
]
PLAN = {
    "about": "the database is a server, and everything about it breaks once",
    "target": "cardshop",
    "profile": "hardened-recover_after_crash-query_supplier-compensate_late",  # nothing that would miss a lost job
    "database": "postgresql",
    "compress": 15,
    "load": {"shape": "constant", "rate": "15/s", "orders": 45},
    "mix": {"product": {"card_10": "100%"}, "channel": {"epay": "100%"}, "pay_delay": {"constant": "3 s"}},
    "upstreams": {"epay": {"dialect": "epay", "ladder": ["10 s", "10 s", "30 s"]}, "store": {"dialect": "sharedstore"}},
    "faults": [
        {"id": "gone", "fault": "job_lost", "at": "shop", "window": "500 ms..1500 ms", "jobs": 2, "within": "1 s"},
        {"id": "cut", "fault": "wire.down", "at": "shop>db", "window": "1600 ms..1900 ms"},
        {"id": "locked", "fault": "db_lock", "at": "shop>db", "window": "2200 ms..2600 ms"},
    ],
    "deadline": "45 s",
    "evidence": {"orders": 30},
}


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    (tmp_path / "server.yaml").write_text(yaml.safe_dump(PLAN, sort_keys=False), encoding="utf-8")
    return str(tmp_path / "server.yaml")


def log_of(run: Played, child: str) -> str:
    return (run.folder.logs / f"{child}.log").read_text(encoding="utf-8")


def test_a_shop_on_postgresql_comes_back_from_a_cut_and_a_lock_and_misses_only_lost_jobs(
    scenario: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(prefix="orderjam-test-") as own:
        Path(own).chmod(0o755)
        monkeypatch.setenv("TMPDIR", own)
        run = play(tmp_path / "runs", scenario)
        assert list(Path(own).iterdir()) == [], "a server leaves nothing"
    assert run.code not in (Exit.BROKEN, Exit.INTERRUPTED, Exit.STOPPED_EARLY), run.said
    assert run.findings["claims"]["ok"], run.findings["claims"]
    lost = {s.o for s in run.events("struck") if s.fault == "gone"}
    assert len(lost) == 2, run.said
    assert [s.changed for s in run.events("struck") if s.fault == "locked"] == ["write lock taken"]
    paid = {c.o for c in run.events("captured") if c.o.startswith("b")}
    done = {s.o for s in run.events("seen") if s.state == State.COMPLETED and s.o.startswith("b")}
    assert paid - done == lost
    assert "database away" in log_of(run, "shop")
    assert "Traceback" not in log_of(run, "shop")
    assert "lock timeout" not in log_of(run, "shop")
    for file in run.folder.path.rglob("*"):
        if file.is_file():
            assert not re.search(rb"postgresql\+psycopg://|@buyers", file.read_bytes()) or "events" in str(file), file

"""Whole runs in which the harness breaks the shop's house, and one that is stopped early."""

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.run import Exit
from ledger.clock import SECOND_NS
from ledger.journal import Wholeness
from ledger.states import State
from targets import webshop
from tests.harness.housed import until
from tests.whole_run import Played, only_run, play, start

pytestmark = [pytest.mark.slow, pytest.mark.run]

ORDERS = 90
NUMBERED = ["sh", "-c", 'echo $$ > {data}/web.pid && exec "$@"', "sh"]
"""Writes the process number that the shop will have, and becomes the shop."""


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ninety orders in six seconds, from a shop whose web process, database and life are in the harness's hands."""
    folder = tmp_path_factory.mktemp("house")
    target: dict[str, Any] = yaml.safe_load(webshop.find("cardshop").read_text(encoding="utf-8"))
    target["start"]["command"] = [*NUMBERED, *target["start"]["command"]]
    target["house"] = {
        "processes": {"web": "{data}/web.pid"},
        "database": "sqlite:///{data}/shop.db",
        "lock": ["BEGIN IMMEDIATE"],
    }
    (folder / "shop.yaml").write_text(yaml.safe_dump(target, allow_unicode=True), encoding="utf-8")
    plan = {
        "about": "the house is broken in every way",
        "target": "./shop.yaml",
        "compress": 15,
        "load": {"shape": "constant", "rate": f"{ORDERS / 6}/s", "orders": ORDERS},
        "mix": {"product": {"card_10": "100%"}, "channel": {"epay": "100%"}, "pay_delay": {"constant": "3 s"}},
        "upstreams": {"epay": {"dialect": "epay", "ladder": ["30 s", "1 min", "1 min"]}},
        "faults": [
            {"id": "crash", "fault": "shop_kill", "at": "shop", "window": "1 s..4 s", "restart_after": "300 ms"},
            {"id": "frozen", "fault": "shop_pause", "at": "shop", "window": "3 s..3.5 s"},
            {
                "id": "locked",
                "fault": "db_slow",
                "at": "shop>db",
                "window": "4 s..6 s",
                "held": "200 ms",
                "every": "1 s",
            },
        ],
        "evidence": {"orders": 30},
    }
    (folder / "broken.yaml").write_text(yaml.safe_dump(plan, sort_keys=False), encoding="utf-8")
    return folder / "broken.yaml"


@pytest.fixture(scope="module")
def broken(scenario: Path, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(tmp_path_factory.mktemp("runs"), str(scenario))


def begun(run: Played, phase: str) -> Any:
    return next(event for event in run.events("phase") if event.phase == phase)


def test_a_killed_frozen_and_locked_shop_is_no_broken_run(broken: Played) -> None:
    assert broken.code not in (Exit.BROKEN, Exit.INTERRUPTED, Exit.STOPPED_EARLY), broken.said
    assert broken.folder.verify().wholeness is Wholeness.CLOSED
    assert broken.findings["claims"]["ok"], broken.findings["claims"]


def test_each_strike_stands_in_the_harnesss_own_struck_journal_at_its_time(broken: Played) -> None:
    l0_t = begun(broken, "load").l0_t
    struck = [(s.fault, s.hop, s.attempt, (s.t - l0_t) // SECOND_NS) for s in broken.events("struck")]
    assert struck == [
        ("crash", "shop", 1, 1),
        ("frozen", "shop", 1, 3),
        ("locked", "shop>db", 1, 4),
        ("locked", "shop>db", 2, 5),
    ]
    assert {s.w for s in broken.events("struck")} == {"harness"}
    names = [path.name for path in broken.folder.journals(struck=False)]
    assert "harness.ndjson" in names
    assert "struck-harness.ndjson" not in names


def test_buyers_meet_a_shop_that_is_down_and_later_the_one_that_came_back(broken: Played) -> None:
    (crash,) = [s for s in broken.events("struck") if s.fault == "crash"]
    placed = [p.t for p in broken.events("placed") if p.o.startswith("b")]
    assert 0 < len(placed) < ORDERS
    assert any(t > crash.t for t in placed)
    kept = {b.o for b in broken.events("booked")}
    before = {p.o for p in broken.events("placed") if p.t < crash.t}
    assert before <= kept, "the data of the first shop is the second one's"


def test_one_interrupt_in_the_middle_of_a_freeze_lets_the_shop_go_on_and_reports(
    scenario: Path, tmp_path: Path, running: list["subprocess.Popen[str]"]
) -> None:
    process = start(
        tmp_path, str(scenario), "--set", "faults.frozen.window=0 s..6 s", "--set", "faults.crash.window=5 s..6 s"
    )
    running.append(process)
    struck = "events/struck-harness.ndjson"
    wait_for_strike(tmp_path, struck)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == Exit.INTERRUPTED, said
    run = Played(process.returncode, said, only_run(tmp_path))
    assert run.folder.verify().wholeness is Wholeness.CLOSED
    assert run.folder.report.is_file()
    assert "rows of the books read" in begun(run, "collect").note, "a shop that stood still could not give its books"


def wait_for_strike(out: Path, name: str) -> None:
    import asyncio

    asyncio.run(until(lambda: any(b"struck" in path.read_bytes() for path in out.glob(f"*/{name}")), within_s=30))


def test_a_condition_to_stop_early_ends_the_load_settles_reports_and_exits_with_4(
    scenario: Path, tmp_path: Path
) -> None:
    run = play(tmp_path, str(scenario), "--set", "abort_when=[lost_orders >= 50, failed_requests >= 2]")
    assert run.code == Exit.STOPPED_EARLY, run.said
    assert "orderjam: stopped early: failed_requests >= 2 (" in run.said
    assert begun(run, "heal").note.startswith("stopped early: failed_requests >= 2 (")
    assert {event.why for event in run.events("unsent")} == {"stopped early"}
    sent = [s for s in run.events("sent") if s.o.startswith("b")]
    assert len(sent) + len(run.events("unsent")) == ORDERS
    assert run.folder.verify().wholeness is Wholeness.CLOSED
    assert run.folder.report.is_file()


def test_orders_whose_jobs_were_lost_are_stuck_and_no_other_order_is(tmp_path: Path) -> None:
    """Of the reference shop itself, with a queue and workers and nothing that would miss a job."""
    plan = {
        "about": "jobs vanish from the queue, and later the workers stand still for a moment",
        "target": "cardshop",
        "profile": "naive+queue_delivery",
        "compress": 15,
        "load": {"shape": "constant", "rate": "12/s", "orders": 48},
        "mix": {"product": {"card_10": "100%"}, "channel": {"epay": "100%"}, "pay_delay": {"constant": "3 s"}},
        "upstreams": {"epay": {"dialect": "epay", "ladder": ["30 s"]}, "store": {"dialect": "sharedstore"}},
        "faults": [
            {"id": "gone", "fault": "job_lost", "at": "shop", "window": "1 s..3 s", "jobs": 3, "within": "2 s"},
            {"id": "still", "fault": "worker_stop", "at": "shop", "window": "3.5 s..4 s"},
        ],
        "deadline": "1 min",
        "evidence": {"orders": 30},
    }
    (tmp_path / "lost.yaml").write_text(yaml.safe_dump(plan, sort_keys=False), encoding="utf-8")
    run = play(tmp_path / "runs", str(tmp_path / "lost.yaml"))
    lost = {s.o for s in run.events("struck") if s.fault == "gone"}
    assert len(lost) == 3, run.said
    assert [s.changed for s in run.events("struck") if s.fault == "still"] == ["worker stopped: 2 of its processes"]
    done = {s.o for s in run.events("seen") if s.state == State.COMPLETED and s.o.startswith("b")}
    paid = {c.o for c in run.events("captured") if c.o.startswith("b")}
    assert paid - done == lost

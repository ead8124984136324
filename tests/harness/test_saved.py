"""A session by hand as a scenario, read back by the loader."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from harness.cli_common import resolve
from harness.hand import Added, Said
from harness.saved import as_scenario
from harness.up import plan_of
from plan.document import write
from plan.faults import FaultPlan
from plan.run import Plan
from plan.units import Window
from scenarios import loader
from targets import webshop

LOST = {"id": "lost", "fault": "notice_lost", "at": "payment>shop", "rate": "30%", "first": 2}
SLOW = {"id": "slow", "fault": "slow", "at": "shop>payment/epay", "ms": 400}


def added(fault: dict[str, Any], from_s: float, until_s: float, left_s: float = 0.0) -> Added:
    return Added(fault, from_s, until_s, left_s, 0)


def session(load_s: float, *faults: Added) -> list[Said]:
    return [Said([], "payment", load_s, list(faults))]


def read_back(plan: Plan, said: list[Said], folder: Path) -> Plan:
    text = as_scenario(plan, said)
    assert text is not None
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return resolve(path, loader.Changes())


def shipped(name: str, *sets: tuple[str, str]) -> Plan:
    return resolve(loader.find(name), loader.Changes(sets=sets))


@pytest.fixture
def plan() -> Plan:
    file = webshop.find("cardshop")
    return plan_of(webshop.load(file), "cardshop", file)


def windows(found: Plan) -> dict[str, Window | None]:
    return {fault.id: fault.window for fault in found.faults}


def test_each_fault_is_there_in_the_window_in_which_it_was_in_force(plan: Plan, tmp_path: Path) -> None:
    found = read_back(plan, session(30, added(LOST, 3.072, 9.5), added(SLOW, 4, 300, left_s=270)), tmp_path)
    assert windows(found) == {"lost": Window(3.072, 9.5), "slow": Window(4, 30)}, "what is in force still ends now"
    lost, slow = found.faults
    assert (lost.rate, lost.first, lost.upstream) == (0.3, 2, None)
    assert (slow.params, slow.upstream) == ({"ms": 400}, "epay")


def test_without_a_fault_by_hand_there_is_nothing_to_save(plan: Plan) -> None:
    assert as_scenario(plan, session(30)) is None


def test_one_that_was_added_twice_stands_twice_under_ids_of_their_own(plan: Plan, tmp_path: Path) -> None:
    said = session(40, added(LOST, 1, 5), added(LOST, 10, 20), added(LOST, 30, 31))
    assert windows(read_back(plan, said, tmp_path)) == {
        "lost": Window(1, 5),
        "lost.2": Window(10, 20),
        "lost.3": Window(30, 31),
    }


def test_one_that_was_removed_at_once_still_has_a_window(plan: Plan, tmp_path: Path) -> None:
    assert windows(read_back(plan, session(2, added(LOST, 2, 2)), tmp_path)) == {"lost": Window(2, 2.1)}


def test_the_load_lasts_as_long_as_the_session_did(plan: Plan, tmp_path: Path) -> None:
    short = read_back(plan, session(30, added(LOST, 1, 5)), tmp_path)
    assert short.load == plan.load
    long = read_back(plan, session(700, added(LOST, 600, 650)), tmp_path)
    assert float(long.load.points[-1][0]) == 650
    assert long.load.peak == plan.load.peak


@pytest.mark.parametrize("shape", ["poisson", "constant"])
@pytest.mark.parametrize("name", sorted(loader.shipped()))
def test_what_a_scenario_plays_stays_beside_what_was_done_by_hand(name: str, shape: str, tmp_path: Path) -> None:
    sets = (("load", f"{{shape: {shape}, rate: 10/s, orders: 400}}"),) if shape == "poisson" else ()
    plan = shipped(name, *sets)
    found = read_back(plan, session(20, added({**LOST, "id": "mine"}, 1, 5)), tmp_path)
    assert _texts(f for f in found.faults if f.id != "mine") == _texts(plan.faults)
    assert (found.mix, found.upstreams, found.gates, found.abort_when) == (
        plan.mix,
        plan.upstreams,
        plan.gates,
        plan.abort_when,
    )
    same = ("seed", "compress", "target", "deadline", "stuck_after", "poll_every", "warm_up_orders", "evidence")
    assert {field: getattr(found, field) for field in same} == {field: getattr(plan, field) for field in same}
    assert (found.load.orders, found.load.poisson) == (plan.load.orders, plan.load.poisson)
    assert found.load.points[-1] == plan.load.points[-1]


def _texts(faults: Iterable[FaultPlan]) -> set[str]:
    return {write(fault) for fault in faults}

"""Twins are found, played and laid together; what plays them here writes synthetic runs."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness import twins
from ledger.rundir import RunDir
from ledger.states import Phase
from plan import run as plans
from plan.document import DocumentError
from plan.faults import FaultPlan
from plan.run import Made, Plan
from reports.recorded import recorded
from tests.reports.conftest import fault, make_plan
from tests.reports.twins import DUSK, N, run_of

LOST = fault("lost")
DAWN = fault("dawn", (3.0, 4.0))
BUILD = Made(orderjam="1", git="abc", replay="orderjam run synthetic --seed 7 --ci --out 'my runs'")


def plan_of(*faults: FaultPlan) -> Plan:
    return make_plan(N, faults=faults or (LOST, DUSK, DAWN), made=BUILD)


class Player:
    """Plays a plan by writing what it would have left; `stops_at` is the run that somebody interrupts."""

    def __init__(self, out: Path, stops_at: int | None = None) -> None:
        self.out, self.stops_at = out, stops_at
        self.played: list[tuple[int, tuple[str, ...]]] = []

    def __call__(self, plan: Plan) -> RunDir | None:
        if len(self.played) == self.stops_at:
            return None
        self.played.append((plan.seed, plan.without))
        name = f"s{plan.seed}{''.join(plan.without)}"
        made = run_of(self.out / name, stuck=[1] if plan.without else [1, 2], **_fields(plan))
        return RunDir(made.path.rename(self.out / f"{name}-run"))


def _fields(plan: Plan) -> dict[str, Any]:
    names = ("seed", "faults", "without", "made", "compress")
    return {name: getattr(plan, name) for name in names}


def test_all_faults_by_exposure_are_asked_of_unless_some_are_named() -> None:
    assert [f.id for f in twins.blamed(plan_of(), [])] == ["dusk", "dawn"]
    assert [f.id for f in twins.blamed(plan_of(), ["lost", "lost"])] == ["lost"]


@pytest.mark.parametrize(
    ("faults", "ids", "says"),
    [
        ((LOST, DUSK), ["dsk"], "--fault: no fault 'dsk' in this run; did you mean 'dusk'?"),
        ((LOST,), [], "no fault that is given by a window; name one with --fault: lost"),
    ],
)
def test_a_fault_that_is_not_there_is_refused_with_the_nearest(
    faults: tuple[FaultPlan, ...], ids: list[str], says: str
) -> None:
    with pytest.raises(DocumentError) as error:
        twins.blamed(plan_of(*faults), ids)
    assert says in str(error.value)


def test_each_pair_differs_by_the_one_fault_and_by_nothing_else() -> None:
    wanted = twins.twins(plan_of(), [DUSK, DAWN], 2)
    assert list(wanted) == [(7, ""), (7, "dusk"), (7, "dawn"), (8, ""), (8, "dusk"), (8, "dawn")]
    twin = wanted[8, "dusk"]
    assert (twin.seed, twin.without, [f.id for f in twin.faults]) == (8, ("dusk",), ["lost", "dawn"])
    back = msgspec.structs.replace(twin, faults=wanted[8, ""].faults, without=())
    assert back == wanted[8, ""] == msgspec.structs.replace(plan_of(), seed=8)


def test_the_replay_command_of_a_twin_names_its_own_seed_and_what_it_lacks() -> None:
    twin = twins.twins(plan_of(), [DUSK], 2)[8, "dusk"]
    assert twins.replay_words(twin) == [
        "synthetic", "--ci", "--out", "my runs", "--seed", "8", "--without", "dusk"
    ]  # fmt: skip
    again = msgspec.structs.replace(twin, made=Made(replay="orderjam run synthetic --without dusk --seed 8"))
    assert twins.replay_words(again) == ["synthetic", "--seed", "8", "--without", "dusk"]


@pytest.mark.slow
def test_what_was_played_is_found_again_and_only_the_rest_is_played(tmp_path: Path) -> None:
    plan, said = plan_of(), list[str]()
    wanted = twins.twins(plan, [DUSK], 2)
    first = Player(tmp_path, stops_at=3)
    have = twins.play_missing(wanted, {}, first, said.append)
    assert first.played == [(7, ()), (7, ("dusk",)), (8, ())]
    assert said[0] == "run 1 of 4: seed 7, with all faults"
    assert [one.seed for one in twins.laid_together(plan, [DUSK], have, 2)] == [7]  # whole pairs alone

    found = twins.played(wanted, BUILD, [tmp_path])
    assert found.keys() == {(7, ""), (7, "dusk"), (8, "")}
    second = Player(tmp_path)
    have = twins.play_missing(wanted, found, second, said.append)
    assert second.played == [(8, ("dusk",))]
    together = list(twins.laid_together(plan, [DUSK], have, 2))
    assert [(one.seed, list(one.without)) for one in together] == [(7, ["dusk"]), (8, ["dusk"])]


@pytest.mark.slow
@pytest.mark.parametrize("spoilt", ["", "another build", "another plan", "interrupted", "unclosed", "not collected"])
def test_a_run_that_is_no_whole_twin_is_not_taken_for_one(tmp_path: Path, spoilt: str) -> None:
    plan = plan_of()
    run = run_of(tmp_path, heal_note="interrupted" if spoilt == "interrupted" else "", **_fields(plan))
    match spoilt:
        case "another build":
            plans.save(msgspec.structs.replace(plan, made=msgspec.structs.replace(BUILD, git="def")), run.plan)
        case "another plan":
            plans.save(
                msgspec.structs.replace(plan, evidence=msgspec.structs.replace(plan.evidence, orders=9)), run.plan
            )
        case "unclosed":
            run.manifest.unlink()
        case "not collected":
            assert recorded(run).findings.phases[-1].phase == Phase.COLLECT
            harness = run.events / "harness.ndjson"
            harness.unlink()
            run.seal()
    found = twins.played({(7, ""): plan}, BUILD, [run.path])
    assert (found == {}) is bool(spoilt)


def test_a_folder_of_other_things_holds_no_twins(tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "plan.yaml").write_text("schema: [", encoding="utf-8")
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert twins.played({(7, ""): plan_of()}, BUILD, [tmp_path, tmp_path / "nowhere"]) == {}

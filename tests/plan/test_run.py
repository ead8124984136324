from pathlib import Path

import msgspec
import pytest

from ledger.states import STUCK_AFTER_S, Hop, State
from plan import document
from plan.arrivals import Arrivals, Poisson, Ramp, arrivals
from plan.document import DocumentError
from plan.faults import FaultPlan, Label
from plan.gates import parse_gate
from plan.orders import Delay, Lognormal, Mix
from plan.run import SCHEMA, Evidence, Made, Plan, TargetPlan, UpstreamPlan, leave_out, load, save, stuck_after
from plan.units import BusinessTime, Rate, Share, ShareRange, Window, WireTime


def plan(the_load: Arrivals) -> Plan:
    return Plan(
        schema=SCHEMA,
        scenario="lost_notices",
        about="十个通知丢三个: three of ten are lost",
        file="scenarios/lost_notices.yaml",
        seed=7,
        compress=15.0,
        target=TargetPlan("cardshop", "targets/cardshop.yaml", "naive"),
        load=the_load,
        mix=Mix(
            product={"card_10": Share(1 / 3), "card_50": Share(2 / 3)},
            channel={"epay": Share(1.0)},
            region={"cn": Share(1.0)},
            pay_delay=Delay(lognormal=Lognormal(BusinessTime(8), BusinessTime(40), BusinessTime(60))),
        ),
        upstreams={"epay": UpstreamPlan("payment", "epay", (BusinessTime(60), BusinessTime(180)))},
        faults=(
            FaultPlan(
                "lost",
                "notice_lost",
                (Hop.PAYMENT_SHOP,),
                Label("notices lost", "通知丢失"),
                "payment notice lost",
                rate=Share(0.3),
                first=2,
                select={"product": ["card_10"]},
            ),
            FaultPlan(
                "dusk",
                "slow",
                (Hop.SHOP_PAYMENT,),
                Label("slow", "慢"),
                "upstream timeout",
                params={"ms": 400, "curve": [["5/s", "10%"]]},
                upstream="epay",
                orders=ShareRange(0.25, 0.75),
                window=Window(10, 25),
            ),
        ),
        deadline=BusinessTime(300),
        stuck_after=stuck_after({State.PAID: BusinessTime(45)}),
        poll_every=WireTime(0.2),
        warm_up_orders=5,
        evidence=Evidence(300),
        gates=(parse_gate("stuck.rate <= 1%"), parse_gate("invariants.lost_order == 0")),
        made=Made(orderjam="0.1.0"),
    )


LOADS = [
    arrivals(Ramp(low=Rate(0), high=Rate(20), duration=WireTime(40))),
    arrivals(Poisson(rate=Rate(7), orders=480)),  # ends at 68.57142857142857 s
    arrivals(Poisson(rate=Rate.parse("20/min"), orders=100), rate=Rate.parse("50/min")),
]


@pytest.mark.parametrize("the_load", LOADS, ids=lambda found: found.shape)
def test_a_saved_plan_is_read_back_as_the_same_plan(tmp_path: Path, the_load: Arrivals) -> None:
    path, made = tmp_path / "plan.yaml", plan(the_load)
    save(made, path)
    assert load(path) == made


@pytest.mark.parametrize("the_load", LOADS, ids=lambda found: found.shape)
def test_a_plan_that_is_loaded_and_saved_is_the_same_file(tmp_path: Path, the_load: Arrivals) -> None:
    path, again = tmp_path / "plan.yaml", tmp_path / "again.yaml"
    save(plan(the_load), path)
    save(load(path), again)
    assert again.read_bytes() == path.read_bytes()


def test_a_plan_reads_as_a_scenario_does(tmp_path: Path) -> None:
    save(plan(LOADS[0]), tmp_path / "plan.yaml")
    text = (tmp_path / "plan.yaml").read_text(encoding="utf-8")
    for line in (
        "median: 8 s",
        "deadline: 5 min",
        "orders: 25%..75%",
        "window: 10 s..25 s",
        "rate: 30%",
        "十个通知丢三个",
    ):
        assert line in text


def test_business_time_is_divided_by_compress_and_written_without_it() -> None:
    made = plan(LOADS[0])
    assert float(made.deadline) == 300
    assert made.wire_s(made.deadline) == 20
    assert made.longest_pay_delay_s == 4
    assert msgspec.structs.replace(made, compress=1.0).longest_pay_delay_s == 60


def test_a_scenarios_thresholds_are_laid_over_the_standard_ones() -> None:
    assert stuck_after({}) == STUCK_AFTER_S
    assert stuck_after({State.PAID: BusinessTime(45)}) == {**STUCK_AFTER_S, State.PAID: 45.0}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schema: 1", "schema: 2", r"plan\.yaml:1 schema: this orderjam reads schema 1 \(given: 2\)"),
        ("schema: 1\n", "", "this orderjam reads schema 1"),
        ("seed: 7", "seed: seven", r"plan\.yaml:5 seed: expected `int`"),
        ("deadline: 5 min", "deadline: 5", "deadline: 5 is not legal here; legal: a duration"),
        ("rate: 30%", "rate: 130%", r"faults\[0\]\.rate: '130%' is not legal here"),
        ("- payment>shop", "- payment>shp", r"faults\[0\]\.hops\[0\]: 'payment>shp' is not legal here; did you mean"),
        ("scenario: lost", "seed: 7\nscenario: lost", "given twice"),
    ],
)
def test_a_plan_that_was_edited_into_something_else_is_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "plan.yaml"
    text = document.write(plan(LOADS[0]))
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DocumentError, match=message):
        load(path)


def test_a_missing_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="no such file"):
        load(tmp_path / "plan.yaml")


def test_a_plan_without_a_fault_lacks_that_one_and_says_so_and_reads_back(tmp_path: Path) -> None:
    whole = plan(arrivals(Poisson(rate=Rate(12), orders=480)))
    less = leave_out(whole, ["dusk"])
    assert ([fault.id for fault in less.faults], less.without) == (["lost"], ("dusk",))
    assert msgspec.structs.replace(less, faults=whole.faults, without=()) == whole
    save(less, tmp_path / "plan.yaml")
    assert load(tmp_path / "plan.yaml") == less
    assert leave_out(less, ["lost"]).without == ("dusk", "lost")
    assert leave_out(whole, []) == whole


@pytest.mark.parametrize(
    ("before", "ids", "says"),
    [
        ([], ["dsk"], "no fault 'dsk' in lost_notices; did you mean 'dusk'?"),
        (["dusk"], ["dusk"], "fault 'dusk' is left out of lost_notices already"),
        (["dusk", "lost"], ["noon"], "no fault 'noon' in lost_notices; it has none"),
    ],
)
def test_a_fault_that_is_not_there_cannot_be_left_out(before: list[str], ids: list[str], says: str) -> None:
    less = leave_out(plan(arrivals(Poisson(rate=Rate(12), orders=480))), before)
    with pytest.raises(DocumentError) as error:
        leave_out(less, ids)
    assert str(error.value) == says

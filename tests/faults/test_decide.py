import tracemalloc
from collections.abc import Callable, Iterable

import msgspec
import pytest

from faults.catalog import Situation
from faults.decide import Decider, Exchange, strikes
from faults.exchange import loss_with_load
from faults.verdict import NOTHING, Delay, Hang, Kill, Lose, LoseRequest, Refuse, Repeat, Strike, Verdict
from ledger.clock import SECOND_NS
from ledger.states import Hop, Operation, Phase
from plan.arrivals import Constant, Ramp, Schedule
from plan.faults import FaultPlan
from plan.orders import order_key, wish
from plan.run import LEASE_S, Plan, UpstreamPlan
from plan.units import Rate, Share, ShareRange, Window, WireTime

MakePlan = Callable[..., Plan]
MakeFault = Callable[..., FaultPlan]
L0_T = 5 * SECOND_NS


def notice(n: int | str, *, attempt: int = 1, upstream: str | None = "epay", **more: object) -> Exchange:
    key = n if isinstance(n, str) else order_key(n)
    return Exchange(Hop.PAYMENT_SHOP, Operation.NOTICE, key, attempt, upstream, **more)  # type: ignore[arg-type]


def create(n: int, *, upstream: str = "epay", operation: Operation = Operation.CREATE) -> Exchange:
    return Exchange(Hop.SHOP_PAYMENT, operation, order_key(n), 1, upstream)


def live(plan: Plan, *, at_s: float = 0.0) -> Decider:
    """A decider in the middle of load, its lease just renewed."""
    decider = Decider(plan)
    decider.begin(Phase.LOAD, L0_T)
    decider.renew(L0_T + int(at_s * SECOND_NS))
    return decider


def struck(decider: Decider, orders: Iterable[int], *, at_s: float = 1.0) -> set[int]:
    return {n for n in orders if decider.verdict(notice(n), L0_T + int(at_s * SECOND_NS))}


# --- phase, lease, warm-up ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.LOAD])
def test_nothing_is_struck_outside_of_load(phase: Phase, make_plan: MakePlan, make_fault: MakeFault) -> None:
    decider = live(make_plan(make_fault()))
    assert struck(decider, range(5)) == set(range(5))
    decider.begin(phase)
    assert struck(decider, range(5)) == set()
    assert decider.in_force(L0_T) == []


def test_nothing_is_struck_before_the_announced_start_of_load(make_plan: MakePlan, make_fault: MakeFault) -> None:
    decider = live(make_plan(make_fault()))
    assert decider.verdict(notice(1), L0_T - 1) is NOTHING
    assert decider.verdict(notice(1), L0_T)


def test_the_start_of_load_is_kept_when_a_phase_names_none(make_plan: MakePlan, make_fault: MakeFault) -> None:
    decider = live(make_plan(make_fault(window=Window(1, 2))))
    decider.begin(Phase.LOAD)
    assert struck(decider, [1], at_s=1.5) == {1}


def test_faults_end_with_the_lease_and_come_back_with_the_heartbeat(make_plan: MakePlan, make_fault: MakeFault) -> None:
    decider = live(make_plan(make_fault()))
    end_t = L0_T + int(LEASE_S * SECOND_NS)
    assert decider.lease_until_t == end_t
    assert decider.verdict(notice(1), end_t - 1)
    assert decider.verdict(notice(1), end_t) is NOTHING
    assert decider.in_force(end_t) == []
    decider.renew(end_t)
    assert decider.verdict(notice(1), end_t)
    assert decider.in_force(end_t) == ["lost"]


def test_a_decider_that_never_heard_the_harness_strikes_nobody(make_plan: MakePlan, make_fault: MakeFault) -> None:
    decider = Decider(make_plan(make_fault()))
    assert decider.verdict(notice(1), L0_T) is NOTHING
    decider.begin(Phase.LOAD, L0_T)
    assert decider.verdict(notice(1), L0_T) is NOTHING


@pytest.mark.parametrize("key", ["w00000001", "w00000001.2"])
def test_a_warm_up_order_is_never_struck(key: str, make_plan: MakePlan, make_fault: MakeFault) -> None:
    assert live(make_plan(make_fault())).verdict(notice(key), L0_T) is NOTHING


# --- whom ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("at_s", "ids"), [(0.0, ["late"]), (2.0, ["early", "late"]), (3.999, ["early", "late"]), (4.0, ["late"])]
)
def test_a_window_is_of_the_load_and_holds_its_start_and_not_its_end(
    at_s: float, ids: list[str], make_plan: MakePlan, make_fault: MakeFault
) -> None:
    decider = live(make_plan(make_fault("early", window=Window(2, 4)), make_fault("late")))
    t = L0_T + int(at_s * SECOND_NS)
    assert decider.in_force(t) == ids
    assert [s.fault_id for s in decider.verdict(notice(1), t).strikes] == ids


def test_a_range_of_orders_is_exact(make_plan: MakePlan, make_fault: MakeFault) -> None:
    decider = live(make_plan(make_fault(orders=ShareRange(0.25, 0.5))))
    assert struck(decider, range(450)) == set(range(100, 200))


def test_a_second_order_of_a_wish_is_meant_as_the_first_but_drawn_for_itself(
    make_plan: MakePlan, make_fault: MakeFault
) -> None:
    decider = live(make_plan(make_fault(orders=ShareRange(0.25, 0.5), rate=Share(0.5))))
    second = {n for n in range(400) if decider.verdict(notice(f"{order_key(n)}.2"), L0_T)}
    assert second < set(range(100, 200))
    assert 25 < len(second) < 75
    assert second != struck(decider, range(400))


def test_select_means_the_orders_that_the_mix_makes_so_also_before_they_come(
    make_plan: MakePlan, make_fault: MakeFault
) -> None:
    plan = make_plan(make_fault(select={"product": ["card_50"], "channel": ["cheap"]}))
    meant = {n for n in range(400) if (w := wish(plan.seed, n, plan.mix)).product == "card_50" and w.channel == "cheap"}
    assert 40 < len(meant) < 120
    assert struck(live(plan), reversed(range(400))) == meant


@pytest.mark.parametrize(("first", "struck_attempts"), [(None, [1, 2, 3, 4]), (1, [1]), (2, [1, 2])])
def test_first_counts_attempts(
    first: int | None, struck_attempts: list[int], make_plan: MakePlan, make_fault: MakeFault
) -> None:
    decider = live(make_plan(make_fault(first=first)))
    assert [a for a in range(1, 5) if decider.verdict(notice(1, attempt=a), L0_T)] == struck_attempts


def test_a_rate_strikes_just_those_that_strikes_names(make_plan: MakePlan, make_fault: MakeFault) -> None:
    decider = live(make_plan(make_fault(rate=Share(0.3))))
    for upstream, hop in (("epay", "payment>shop/epay"), ("cheap", "payment>shop/cheap"), (None, "payment>shop")):
        for attempt in (1, 2):
            for n in range(100):
                wanted = strikes(
                    seed=7,
                    fault_id="lost",
                    order_key=order_key(n),
                    hop=hop,
                    operation="notice",
                    attempt=attempt,
                    rate=0.3,
                )
                found = decider.verdict(notice(n, attempt=attempt, upstream=upstream), L0_T)
                assert bool(found) is wanted


def test_the_seed_of_the_plan_decides(make_plan: MakePlan, make_fault: MakeFault) -> None:
    by_seed = [struck(live(make_plan(make_fault(rate=Share(0.3)), seed=seed)), range(200)) for seed in (7, 7, 8)]
    assert by_seed[0] == by_seed[1] != by_seed[2]


def test_a_higher_rate_of_a_plan_only_adds_orders(make_plan: MakePlan, make_fault: MakeFault) -> None:
    few, more = (struck(live(make_plan(make_fault(rate=Share(r)))), range(400)) for r in (0.1, 0.3))
    assert few < more


def test_only_its_hop_its_upstream_and_its_operations_are_struck(make_plan: MakePlan, make_fault: MakeFault) -> None:
    decider = live(
        make_plan(
            make_fault("cheap slow", "slow", (Hop.SHOP_PAYMENT,), params={"ms": 400}, upstream="cheap"),
            make_fault("bad key", "sig.wrong_key", (Hop.SHOP_PAYMENT,)),
        )
    )

    def ids(exchange: Exchange) -> list[str]:
        return [strike.fault_id for strike in decider.verdict(exchange, L0_T).strikes]

    assert ids(create(1, upstream="cheap")) == ["cheap slow", "bad key"]
    assert ids(create(1, upstream="epay")) == ["bad key"]
    assert ids(create(1, upstream="cheap", operation=Operation.CASHIER)) == [
        "cheap slow"
    ]  # no signature to check there
    assert ids(notice(1)) == []


def test_a_fault_on_several_hops_strikes_each_and_draws_for_each(make_plan: MakePlan, make_fault: MakeFault) -> None:
    plan = make_plan(make_fault("gone", "refuse", (Hop.SHOP_PAYMENT, Hop.BUYER_PAYMENT), rate=Share(0.5)))
    decider = live(plan)
    by_hop = [
        {n for n in range(400) if decider.verdict(Exchange(hop, Operation.CREATE, order_key(n), 1, "epay"), L0_T)}
        for hop in (Hop.SHOP_PAYMENT, Hop.BUYER_PAYMENT)
    ]
    assert by_hop[0] != by_hop[1]
    assert all(150 < len(found) < 250 for found in by_hop)


def test_an_exchange_keyed_by_the_shops_number_is_struck_by_rate_but_never_by_select_or_orders(
    make_plan: MakePlan, make_fault: MakeFault
) -> None:
    faults = (
        make_fault("all"),
        make_fault("some", rate=Share(0.5)),
        make_fault("range", orders=ShareRange(0, 1)),
        make_fault("chosen", select={"channel": ["epay", "cheap"]}),
    )
    decider = live(make_plan(*faults))
    found = [
        {s.fault_id for s in decider.verdict(notice(f"SN2026{n:04d}", keyed_by="order_number"), L0_T).strikes}
        for n in range(200)
    ]
    assert set().union(*found) == {"all", "some"}
    assert all("all" in ids for ids in found)
    assert 60 < sum("some" in ids for ids in found) < 140


def test_keys_that_name_no_order_leave_nothing_behind(make_plan: MakePlan, make_fault: MakeFault) -> None:
    decider = live(make_plan(make_fault("all")))
    tracemalloc.start()
    for n in range(2000):
        decider.verdict(notice(f"c{n}", keyed_by="connection"), L0_T)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 20_000


def test_the_same_orders_are_struck_on_any_number_of_workers_and_in_any_sequence(
    make_plan: MakePlan, make_fault: MakeFault
) -> None:
    plan = make_plan(
        make_fault(rate=Share(0.3), orders=ShareRange(0.1, 0.9)),
        make_fault("peak", "loss_with_load", (Hop.SHOP_PAYMENT,), params={"curve": [["5/s", "0%"], ["20/s", "80%"]]}),
        load=Ramp(low=Rate(1), high=Rate(20), duration=WireTime(40)),
    )
    alone = live(plan)
    want = {n: (alone.verdict(notice(n), L0_T), alone.verdict(create(n), L0_T)) for n in range(plan.load.orders)}
    for workers in (3, 8):
        deciders = [live(plan) for _ in range(workers)]
        for n in reversed(range(plan.load.orders)):
            mine = deciders[n % workers]
            assert (mine.verdict(create(n), L0_T), mine.verdict(notice(n), L0_T)) == want[n][::-1]


# --- loss that grows with load -----------------------------------------------------------------------------------
def test_loss_with_load_follows_the_planned_rate_and_not_the_moment(make_plan: MakePlan, make_fault: MakeFault) -> None:
    params = {"curve": [["2/s", "0%"], ["20/s", "90%"]]}
    plan = make_plan(
        make_fault("peak", "loss_with_load", (Hop.SHOP_PAYMENT,), params=params),
        load=Ramp(low=Rate(0), high=Rate(20), duration=WireTime(200)),
    )
    decider, schedule = live(plan), Schedule(plan.load, plan.seed)
    early = {n for n in range(plan.load.orders) if decider.verdict(create(n), L0_T)}
    decider.renew(L0_T + 150 * SECOND_NS)
    assert {n for n in range(plan.load.orders) if decider.verdict(create(n), L0_T + 150 * SECOND_NS)} == early
    for low, high in ((0, 2), (2, 8), (8, 14), (14, 20)):
        orders = [n for n in range(plan.load.orders) if low <= schedule.rate_at(schedule.due_s(n)) < high]
        wanted = sum(max(schedule.rate_at(schedule.due_s(n)) - 2, 0) / 18 * 0.9 for n in orders) / len(orders)
        found = len(early & set(orders)) / len(orders)
        assert found == pytest.approx(wanted, abs=0.06)
    assert all(
        isinstance(s.effect, LoseRequest)
        for n in early
        for s in decider.verdict(create(n), L0_T + 150 * SECOND_NS).strikes
    )


def test_the_rate_of_the_scenario_scales_the_loss_of_the_curve(make_plan: MakePlan, make_fault: MakeFault) -> None:
    found = []
    for rate in (1.0, 0.5):
        fault = make_fault(
            "peak", "loss_with_load", (Hop.SHOP_PAYMENT,), rate=Share(rate), params={"curve": [["1/s", "80%"]]}
        )
        decider = live(make_plan(fault))
        found.append({n for n in range(400) if decider.verdict(create(n), L0_T)})
    assert found[1] < found[0]
    assert len(found[0]) == pytest.approx(320, abs=30)
    assert len(found[1]) == pytest.approx(160, abs=35)


@pytest.mark.parametrize(
    ("planned_rate", "share"), [(0, 0.1), (5, 0.1), (10, 0.3), (15, 0.5), (20, 0.2), (25, 0.2), (1e6, 0.2)]
)
def test_the_curve_of_loss_is_straight_between_its_points_and_flat_outside(planned_rate: float, share: float) -> None:
    curve = [(Rate(5), Share(0.1)), (Rate(15), Share(0.5)), (Rate(20), Share(0.2))]
    params = loss_with_load.Params(curve)
    assert loss_with_load.share_lost(params, Situation(planned_rate)) == pytest.approx(share)


# --- verdicts ----------------------------------------------------------------------------------------------------
def test_strikes_stand_in_the_order_of_the_scenario(make_plan: MakePlan, make_fault: MakeFault) -> None:
    decider = live(
        make_plan(
            make_fault("b", "notice_repeat", params={"copies": 2, "gap": "1 s"}),
            make_fault("a", "notice_late", params={"by": "500 ms"}),
            make_fault("c", "notice_lost"),
            make_fault("d", "notice_late", params={"by": "2 s"}),
        )
    )
    found = decider.verdict(notice(1), L0_T)
    assert found.strikes == (
        Strike("b", Repeat(2, 1.0)),
        Strike("a", Delay(0.5)),
        Strike("c", Lose()),
        Strike("d", Delay(2.0)),
    )
    assert found.first(Delay) == Strike("a", Delay(0.5))
    assert found.first(Hang, Lose) == Strike("c", Lose())
    assert found.first(Refuse) is None
    assert [s.fault_id for s in found.all(Delay)] == ["a", "d"]


def test_no_strike_is_false_and_one_is_true() -> None:
    assert not NOTHING
    assert not Verdict(())
    assert Verdict((Strike("a", Lose()),))


def test_a_plan_without_faults_and_an_unknown_fault(make_plan: MakePlan, make_fault: MakeFault) -> None:
    assert live(make_plan()).verdict(notice(1), L0_T) is NOTHING
    with pytest.raises(KeyError):
        Decider(make_plan(make_fault(fault="no_such_fault")))
    with pytest.raises(msgspec.ValidationError):
        Decider(make_plan(make_fault(fault="slow", params={"ms": -1})))


def test_a_verdict_is_the_same_whatever_was_asked_before(make_plan: MakePlan, make_fault: MakeFault) -> None:
    plan = make_plan(make_fault(rate=Share(0.5)), load=Constant(rate=Rate(10), orders=50))
    fresh = [live(plan).verdict(notice(n), L0_T) for n in range(50)]
    used = live(plan)
    for n in (49, 3, 3, 17):
        used.verdict(notice(n), L0_T)
    assert [used.verdict(notice(n), L0_T) for n in range(50)] == fresh


def test_forgetting_changes_no_answer(make_plan: MakePlan, make_fault: MakeFault) -> None:
    decider = live(make_plan(make_fault(rate=Share(0.5), select={"product": ["card_10"]}, orders=ShareRange(0, 0.5))))
    before = struck(decider, range(200))
    decider.forget()
    assert struck(decider, range(200)) == before != set()


# --- rolling upgrades --------------------------------------------------------------------------------------------
ROLLED = {
    (hop, operation)
    for hop in (Hop.SHOP_PAYMENT, Hop.PAYMENT_SHOP, Hop.SHOP_GAME)
    for operation in (Operation.CREATE, Operation.QUERY, Operation.REFUND, Operation.NOTICE, Operation.BUY)
}


def upgraded(decider: Decider, n: int) -> set[bool]:
    """Whether each exchange of an order met the new version, over every hop, operation, upstream and attempt."""
    return {
        bool(decider.verdict(Exchange(hop, operation, order_key(n), attempt, upstream), L0_T))
        for hop, operation in ROLLED
        for attempt in (1, 2)
        for upstream in ("epay", "cheap")
    }


def a_rolling_fault(make_fault: MakeFault, **more: object) -> FaultPlan:
    hops = (Hop.SHOP_PAYMENT, Hop.PAYMENT_SHOP, Hop.SHOP_GAME)
    return make_fault("v2", "ver.renamed", hops, rolling=Window(10, 30), **more)


def test_an_order_meets_one_version_in_all_its_exchanges_and_the_share_grows(
    make_plan: MakePlan, make_fault: MakeFault
) -> None:
    plan = make_plan(a_rolling_fault(make_fault))  # 400 orders at 10/s: due from 0 s to 40 s
    found = [upgraded(live(plan), n) for n in range(400)]
    assert all(len(versions) == 1 for versions in found), "no order sees both versions"
    new = [versions == {True} for versions in found]
    assert not any(new[:100]), "before the upgrade nobody meets the new version"
    assert all(new[301:]), "after it everybody does"
    quarters = [sum(new[low : low + 50]) for low in range(100, 300, 50)]
    assert quarters == pytest.approx([6, 19, 31, 44], abs=8)


def test_a_rolling_upgrade_ends_at_the_rate_of_the_scenario_and_is_the_same_for_ever(
    make_plan: MakePlan, make_fault: MakeFault
) -> None:
    plan = make_plan(a_rolling_fault(make_fault, rate=Share(0.5)))
    alone = live(plan)
    new = {n for n in range(400) if upgraded(alone, n) == {True}}
    assert len(new & set(range(300, 400))) == pytest.approx(50, abs=15)
    other = live(plan)
    assert {n for n in reversed(range(400)) if upgraded(other, n) == {True}} == new


def test_two_rolling_upgrades_strike_independently_and_leave_other_faults_as_they_are(
    make_plan: MakePlan, make_fault: MakeFault
) -> None:
    lost = make_fault(rate=Share(0.3))
    without = struck(live(make_plan(lost)), range(400))
    rolling = a_rolling_fault(make_fault)
    second = a_rolling_fault(make_fault, rate=Share(0.5))
    decider = live(make_plan(rolling, msgspec.structs.replace(second, id="v3"), lost))
    by_fault: dict[str, set[int]] = {"v2": set(), "v3": set(), "lost": set()}
    for n in range(400):
        for strike in decider.verdict(notice(n), L0_T).strikes:
            by_fault[strike.fault_id].add(n)
    assert by_fault["lost"] == without
    middle = set(range(150, 250))
    assert by_fault["v2"] & middle != by_fault["v3"] & middle


# --- drawn effects -----------------------------------------------------------------------------------------------
def test_a_drawn_effect_is_the_same_for_ever_and_another_for_each_exchange(
    make_plan: MakePlan, make_fault: MakeFault
) -> None:
    params: dict[str, object] = {"lognormal": {"median": 200, "p95": 900, "max": 5000}}
    plan = make_plan(make_fault("slow", "slow", (Hop.SHOP_PAYMENT,), params=params, rate=Share(0.5)))
    there, back = live(plan), live(plan)
    forward = {n: there.verdict(create(n), L0_T) for n in range(400)}
    assert {n: back.verdict(create(n), L0_T) for n in reversed(range(400))} == forward
    delays = [s.effect.s for v in forward.values() for s in v.strikes if isinstance(s.effect, Delay)]
    assert len(set(delays)) == len(delays) > 150
    assert sorted(delays)[len(delays) // 2] == pytest.approx(0.2, rel=0.25)
    again = there.verdict(msgspec.structs.replace(create(1), attempt=2), L0_T)
    assert again != forward[1]


def test_a_mock_decides_about_acknowledged_kills_and_the_driver_about_buyers_only(
    make_plan: MakePlan, make_fault: MakeFault
) -> None:
    kill = make_fault("kill", "shop_kill", layer="house", params={"after_ack": "0 ms..50 ms"})
    gone = make_fault("gone", "gives_up", (Hop.BUYER_PAYMENT,), layer="buyer")
    plan = make_plan(kill, gone)
    pay = Exchange(Hop.BUYER_PAYMENT, Operation.PAY, order_key(1), 1)
    mock, driver = live(plan), Decider(plan, ("buyer",))
    driver.begin(Phase.LOAD, L0_T)
    driver.renew(L0_T)
    assert [s.fault_id for s in mock.verdict(notice(1), L0_T).strikes] == ["kill"]
    assert mock.verdict(pay, L0_T) is NOTHING
    assert [s.fault_id for s in driver.verdict(pay, L0_T).strikes] == ["gone"]
    assert driver.verdict(notice(1), L0_T) is NOTHING
    waits = {
        s.effect.after_ack_s
        for n in range(50)
        for s in mock.verdict(notice(n), L0_T).strikes
        if isinstance(s.effect, Kill)
    }
    assert len(waits) == 50
    assert all(wait is not None and 0 <= wait < 0.05 for wait in waits)


# --- by hand -----------------------------------------------------------------------------------------------------
def test_a_fault_armed_by_hand_strikes_beside_those_of_the_plan_until_its_own_end(
    make_plan: MakePlan, make_fault: MakeFault
) -> None:
    decider = live(make_plan(make_fault("planned")))
    end_t = L0_T + 3 * SECOND_NS
    decider.arm_by_hand([(make_fault("by_hand"), end_t)])
    assert decider.in_force(end_t - 1) == ["planned", "by_hand"]
    assert [s.fault_id for s in decider.verdict(notice(1), end_t - 1).strikes] == ["planned", "by_hand"]
    assert [s.fault_id for s in decider.verdict(notice(1), end_t).strikes] == ["planned"]
    assert decider.in_force(end_t) == ["planned"]


def test_arming_takes_the_place_of_what_was_armed_before(make_plan: MakePlan, make_fault: MakeFault) -> None:
    decider = live(make_plan())
    end_t = L0_T + 9 * SECOND_NS
    assert struck(decider, [1]) == set()
    decider.arm_by_hand([(make_fault("one"), end_t)])
    assert [s.fault_id for s in decider.verdict(notice(1), L0_T).strikes] == ["one"]
    decider.arm_by_hand([(make_fault("two", rate=Share(0.5)), end_t)])
    some = struck(decider, range(400))
    assert 150 < len(some) < 250
    assert some == struck(live(make_plan(make_fault("two", rate=Share(0.5)))), range(400)), "as a plan would strike"
    decider.arm_by_hand([])
    assert struck(decider, range(9)) == set()


def test_what_was_armed_by_hand_ends_with_the_heartbeat_too(make_plan: MakePlan, make_fault: MakeFault) -> None:
    decider = live(make_plan())
    decider.arm_by_hand([(make_fault(), L0_T + 3600 * SECOND_NS)])
    lease_t = L0_T + int(LEASE_S * SECOND_NS)
    assert decider.verdict(notice(1), lease_t - 1)
    assert decider.verdict(notice(1), lease_t) is NOTHING
    decider.renew(lease_t)
    decider.begin(Phase.HEAL)
    assert decider.verdict(notice(1), lease_t) is NOTHING


# --- dialects, versions and attempts -----------------------------------------------------------------------------
def test_a_fault_strikes_only_the_upstreams_whose_dialect_knows_it(make_plan: MakePlan, make_fault: MakeFault) -> None:
    fault = make_fault("odd", "sig.gcm_bad_tag", (Hop.PAYMENT_SHOP,))
    spoken = {"epay": UpstreamPlan("payment", "epay"), "wx": UpstreamPlan("payment", "wechat")}
    decider = live(msgspec.structs.replace(make_plan(fault), upstreams=spoken))
    assert not decider.verdict(notice(1, upstream="epay"), L0_T)
    assert decider.verdict(notice(1, upstream="wx"), L0_T)


@pytest.mark.parametrize(("version", "is_struck"), [("1.0", True), ("2.0", True), ("3.0", False), ("", False)])
@pytest.mark.parametrize("key", [order_key(1), "C000001"])
def test_a_fault_for_some_versions_strikes_no_other_whatever_the_order(
    version: str, is_struck: bool, key: str, make_plan: MakePlan, make_fault: MakeFault
) -> None:
    fault = make_fault("old", "slow", (Hop.SHOP_PAYMENT,), params={"ms": 1}, select={"api_version": ["1.0", "2.0"]})
    exchange = Exchange(Hop.SHOP_PAYMENT, Operation.CREATE, key, 1, "epay", version=version)
    assert bool(live(make_plan(fault)).verdict(exchange, L0_T)) is is_struck


def test_versions_and_orders_are_chosen_together(make_plan: MakePlan, make_fault: MakeFault) -> None:
    select = {"api_version": ["1.0"], "product": ["card_10"]}
    plan = make_plan(make_fault("old", "slow", (Hop.SHOP_PAYMENT,), params={"ms": 1}, select=select))
    decider = live(plan)

    def chosen(version: str) -> set[int]:
        asked = [msgspec.structs.replace(create(n), version=version) for n in range(50)]
        return {n for n, exchange in enumerate(asked) if decider.verdict(exchange, L0_T)}

    assert chosen("1.0") == {n for n in range(50) if wish(plan.seed, n, plan.mix).product == "card_10"}
    assert chosen("2.0") == set()


def test_a_version_is_no_part_of_the_hash(make_plan: MakePlan, make_fault: MakeFault) -> None:
    fault = make_fault("half", "slow", (Hop.SHOP_PAYMENT,), params={"ms": 1}, rate=Share(0.5))
    decider = live(make_plan(fault))
    for n in range(50):
        told = msgspec.structs.replace(create(n), version="2.0")
        assert bool(decider.verdict(told, L0_T)) is bool(decider.verdict(create(n), L0_T))


def test_a_fault_of_every_second_attempt_strikes_no_other(make_plan: MakePlan, make_fault: MakeFault) -> None:
    decider = live(make_plan(make_fault("flap", "state_flaps", (Hop.SHOP_PAYMENT,))))
    asked = [Exchange(Hop.SHOP_PAYMENT, Operation.QUERY, order_key(1), n, "epay") for n in range(1, 6)]
    assert [bool(decider.verdict(exchange, L0_T)) for exchange in asked] == [False, True, False, True, False]

"""Struck buyers: whole load processes against a fake shop, one whim at a time."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from faults.catalog import catalog
from ledger.clock import SECOND_NS
from ledger.events import CancelAsked, PaidAtCashier, Placed, PollFailed, Requests, Seen, Sent, Struck
from ledger.states import Code, Operation, State
from load.acts import REASON, UNREAD, Order
from load.buyer import Buyers
from load.people import person
from load.whims import enter_wrongly
from plan.faults import FaultPlan, Label
from plan.orders import Delay, Mix, wish
from plan.run import LEASE_S
from plan.units import BusinessTime, Share, ShareRange
from targets.storefront import Ask
from tests.load.world import FakeShop, Load, make_plan

slow = pytest.mark.slow
KEYS = ["b00000000", "b00000001", "b00000002"]
SECOND = [f"{key}.2" for key in KEYS]


def a_fault(name: str, *, rate: float = 1.0, **more: Any) -> FaultPlan:
    """A buyer fault that strikes everybody unless a rate is given; other names are its parameters."""
    fault = catalog()[name]
    orders = more.pop("orders", None)
    return FaultPlan(
        id=name,
        fault=name,
        hops=fault.hops,
        label=Label("", ""),
        cause="",
        params=more,
        rate=Share(rate),
        orders=orders,
        layer="buyer",
    )


def two_of_each() -> Mix:
    half = Share(0.5)
    return Mix(
        product={"card_10": half, "card_50": half},
        channel={"epay": Share(1.0)},
        region={"cn": half, "eu": half},
        pay_delay=Delay(constant=BusinessTime(0.05)),
    )


def of(events: list[Any], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def keys(events: list[Any], kind: type[Any]) -> list[str]:
    return sorted(event.o for event in of(events, kind))


async def play(load: Load, shop: FakeShop, *faults: FaultPlan, ended: int = 3, **changes: Any) -> list[Any]:
    """Three orders from start to collect: their events, once so many have ended and nobody is there any more."""
    await load.ready(make_plan(**{"orders": 3, "faults": faults, **changes}), shop.url)
    load.begin("load")
    await load.until(lambda: load.status()["done"] and load.status()["ended"] >= ended)
    assert await load.collect() == ""
    return load.events()


def struck(load: Load) -> list[tuple[str | None, str, str, str, int]]:
    """Order, fault, hop, operation and attempt of what was journalled as struck, sorted."""
    return sorted((s.o, s.fault, s.hop, str(s.operation), s.attempt) for s in load.struck())


@slow
async def test_a_double_click_is_one_more_order_of_the_same_wish_which_is_followed_and_not_paid(
    load: Load, shop: FakeShop
) -> None:
    shop.page = lambda key: shop.page_of("completed" if key in shop.paid else "expired" if "." in key else "created")
    events = await play(load, shop, a_fault("double_click", more=1, gap="0 s"), ended=6)
    assert Counter(shop.placed) == Counter([*KEYS, *SECOND])
    assert sorted(shop.paid) == keys(events, PaidAtCashier) == KEYS
    assert keys(events, Sent) == KEYS
    assert keys(events, Placed) == sorted([*KEYS, *SECOND])
    assert {event.o for event in of(events, Seen) if event.state is State.EXPIRED} == set(SECOND)
    assert struck(load) == [(key, "double_click", "buyer>shop", "place", 1) for key in KEYS]
    forms = {str(form["contact"]): form for form in shop.forms}
    first, second = forms["b00000001@buyers.example"], forms["b00000001.2@buyers.example"]
    assert second.pop("account") == first.pop("account") + ".2" == "player-00000001.2"
    assert {name for name in first if first[name] != second[name]} == {"contact"}
    status = load.status()
    assert (status["sent"], status["placed"], status["again"], status["paid"]) == (3, 3, 3, 3)


@slow
async def test_clicks_are_so_far_apart_and_one_that_never_left_strikes_nothing(load: Load, shop: FakeShop) -> None:
    events = await play(load, shop, a_fault("double_click", more=2, gap="200 ms"), orders=1, ended=1)
    at = {event.o: event.t - int(event.ms * 1e6) for event in of(events, Placed)}
    gaps = [(at[f"b00000000.{n}"] - at["b00000000"]) / SECOND_NS for n in (2, 3)]
    assert 0.19 < gaps[0] < gaps[1]
    assert gaps[1] > 0.39
    assert len(load.struck()) == 1


@slow
async def test_orders_that_cannot_be_sent_are_not_struck(load: Load, shop: FakeShop) -> None:
    faults = (a_fault("double_click"), a_fault("wrong_account"), a_fault("weak_net"))
    await load.ready(make_plan(orders=3, faults=faults), "http://127.0.0.1:9")
    load.begin("load")
    await load.until(lambda: load.status()["done"])
    await load.collect()
    failed = of(load.events(), PollFailed)
    assert sorted((event.o, event.why) for event in failed) == [(key, "connection refused") for key in KEYS]
    assert load.struck() == []


@slow
async def test_who_gives_up_has_ordered_and_never_opens_the_cashier(load: Load, shop: FakeShop) -> None:
    await play(load, shop, a_fault("gives_up"), ended=0)
    assert sorted(shop.log) == [("place", key) for key in KEYS]
    assert struck(load) == [(key, "gives_up", "buyer>payment/epay", "pay", 1) for key in KEYS]


CANCELS = [
    ("before", ["place", "cancel"]),
    ("during", ["place", "open", "cancel", "pay"]),
    ("after", ["place", "open", "pay", "cancel"]),
]


@slow
@pytest.mark.parametrize(("when", "steps"), CANCELS)
async def test_who_cancels_asks_the_shop_before_during_or_after_paying(
    load: Load, shop: FakeShop, when: str, steps: list[str]
) -> None:
    events = await play(load, shop, a_fault("cancels", when=when, after="200 ms"), orders=1, ended=0)
    assert [step for step, _ in shop.log] == steps
    (asked,) = of(events, CancelAsked)
    assert (asked.o, asked.status, asked.done, asked.words) == ("b00000000", 200, True, "cancelled")
    assert struck(load) == [("b00000000", "cancels", "buyer>shop", "cancel", 1)]
    assert sum(event.count for event in of(events, Requests) if event.name == "cancel") == 1
    if when == "after":
        (paid,) = of(events, PaidAtCashier)
        assert asked.t - paid.t >= 0.2 * SECOND_NS


@slow
async def test_a_shop_that_does_not_agree_to_cancel_is_journalled_so(load: Load, shop: FakeShop) -> None:
    shop.agrees = False
    events = await play(load, shop, a_fault("cancels", when="after", after="50 ms"))
    assert {(e.status, e.done, e.words) for e in of(events, CancelAsked)} == {(409, False, "already paid")}
    assert keys(events, CancelAsked) == keys(load.struck(), Struck) == KEYS


@slow
async def test_where_a_shop_has_no_cancelling_the_buyer_pays_as_any_other(load: Load, shop: FakeShop) -> None:
    target = load.target.read_text()
    load.target.write_text(target[: target.index("cancel: {")])
    events = await play(load, shop, a_fault("cancels", when="before"))
    assert keys(events, PaidAtCashier) == KEYS
    assert load.struck() == []


@slow
async def test_who_waits_too_long_orders_and_pays_the_same_once_more(load: Load, shop: FakeShop) -> None:
    shop.page = lambda key: shop.page_of("completed" if f"{key[:9]}.2" in shop.paid else "paid")
    events = await play(load, shop, a_fault("reorders", after="300 ms"), ended=6)
    assert keys(events, PaidAtCashier) == sorted([*KEYS, *SECOND])
    assert struck(load) == [(key, "reorders", "buyer>shop", "place", 1) for key in KEYS]
    paid = {event.o: event.t for event in of(events, PaidAtCashier)}
    assert all(paid[f"{key}.2"] - paid[key] >= 0.3 * SECOND_NS for key in KEYS)
    assert (load.status()["again"], load.status()["paid"], load.status()["ended"]) == (3, 6, 6)


@slow
async def test_who_has_his_goods_in_time_orders_nothing_more(load: Load, shop: FakeShop) -> None:
    await play(load, shop, a_fault("reorders", after="400 ms"))
    assert sorted(shop.placed) == KEYS
    assert load.struck() == []


@slow
async def test_what_a_buyer_would_do_after_the_load_has_ended_is_not_done(load: Load, shop: FakeShop) -> None:
    shop.page = lambda key: shop.page_of("paid")
    faults = (a_fault("reorders", after="1 h"), a_fault("cancels", when="after", after="1 h"))
    await load.ready(make_plan(orders=3, faults=faults), shop.url)
    load.begin("load")
    await load.until(lambda: load.status()["paid"] == 3)
    load.begin("heal")
    await load.until(lambda: load.status()["done"])
    await load.collect()
    assert [step for step, _ in shop.log if step in ("place", "cancel")] == ["place"] * 3
    assert load.struck() == []


@slow
@pytest.mark.parametrize("page", ["recharging", "expired"])
async def test_a_buyer_who_was_not_served_complains_where_he_paid(load: Load, shop: FakeShop, page: str) -> None:
    shop.page = lambda key: shop.page_of(page if key in shop.paid else "created")
    events = await play(load, shop, a_fault("complains", after="300 ms"), ended=0)
    assert sorted(shop.complaints) == KEYS
    assert {words for words in shop.complaints.values()} == {REASON}
    assert sorted(shop.paid) == keys(events, PaidAtCashier) == KEYS
    assert struck(load) == [(key, "complains", "buyer>payment/epay", "complain", 1) for key in KEYS]
    assert not [event for event in of(events, PollFailed) if event.operation is Operation.COMPLAIN]


@slow
async def test_a_complaint_that_the_channel_refuses_is_told_as_failed(load: Load, shop: FakeShop) -> None:
    shop.page = lambda key: shop.page_of("paid")
    shop.takes_complaints = False
    events = await play(load, shop, a_fault("complains", after="100 ms"), orders=1, ended=0)
    failed = [event for event in of(events, PollFailed) if event.operation is Operation.COMPLAIN]
    assert [(event.o, event.status) for event in failed] == [("b00000000", 425)]


@slow
async def test_a_buyer_who_was_served_does_not_complain(load: Load, shop: FakeShop) -> None:
    await play(load, shop, a_fault("complains", after="400 ms"))
    assert shop.complaints == {}
    assert load.struck() == []


@slow
async def test_a_double_click_and_a_reorder_of_one_buyer_have_keys_of_their_own(load: Load, shop: FakeShop) -> None:
    shop.page = lambda key: shop.page_of("paid")
    faults = (a_fault("double_click", more=1, gap="0 s"), a_fault("reorders", after="100 ms"))
    await play(load, shop, *faults, orders=1, ended=0)
    assert sorted(shop.placed) == ["b00000000", "b00000000.2", "b00000000.3"]
    assert sorted(shop.paid) == ["b00000000", "b00000000.3"]


@slow
async def test_who_pays_late_pays_so_many_business_seconds_later(load: Load, shop: FakeShop) -> None:
    events = await play(load, shop, a_fault("pays_late", by="5 s"), compress=10.0, pay_delay_s=1.0)
    placed = {event.o: event.t for event in of(events, Placed)}
    for paid in of(events, PaidAtCashier):
        assert 0.6 <= (paid.t - placed[paid.o]) / SECOND_NS < 2.0
    assert struck(load) == [(key, "pays_late", "buyer>payment/epay", "pay", 1) for key in KEYS]


@slow
async def test_of_two_faults_that_mean_the_same_entry_the_first_wins(load: Load, shop: FakeShop) -> None:
    twice = msgspec.structs.replace(a_fault("wrong_region"), id="once more")
    plan = make_plan(orders=3, mix=two_of_each())
    await play(load, shop, a_fault("wrong_region"), twice, mix=two_of_each())
    meant = {f"b{n:08d}": wish(plan.seed, n, plan.mix).region for n in range(3)}
    assert all({meant[str(form["contact"])[:9]], form["region"]} == {"cn", "eu"} for form in shop.forms)
    assert {event.fault for event in load.struck()} == {"wrong_region"}


@slow
async def test_wrong_entries_reach_the_shop_in_one_form(load: Load, shop: FakeShop) -> None:
    faults = [a_fault(name) for name in ("wrong_region", "wrong_account", "wrong_denomination")]
    plan = make_plan(orders=3, faults=tuple(faults), mix=two_of_each())
    await play(load, shop, *faults, mix=two_of_each())
    for form in shop.forms:
        key = str(form["contact"])[:9]
        meant = wish(plan.seed, int(key[1:]), plan.mix)
        assert {meant.region, form["region"]} == {"cn", "eu"}
        assert {meant.product, form["product"]} == {"card_10", "card_50"}
        assert form["account"] == f"nobody-{key}"
    assert Counter(event.fault for event in load.struck()) == Counter({fault.id: 3 for fault in faults})
    assert struck(load)[0] == (KEYS[0], "wrong_account", "buyer>shop", "place", 1)


@slow
async def test_where_a_mix_holds_no_other_region_nobody_enters_a_wrong_one(load: Load, shop: FakeShop) -> None:
    await play(load, shop, a_fault("wrong_region"), a_fault("wrong_denomination"))
    assert {(form["region"], form["product"]) for form in shop.forms} == {("cn", "card_10")}
    assert load.struck() == []


@slow
async def test_an_order_whose_answer_was_never_read_is_in_the_shop_and_unknown_to_the_buyer(
    load: Load, shop: FakeShop
) -> None:
    events = await play(load, shop, a_fault("weak_net", operation="place"), ended=0)
    assert sorted(shop.log) == [("place", key) for key in KEYS]
    assert keys(events, Sent) == KEYS
    assert of(events, Placed) == []
    failed = of(events, PollFailed)
    assert sorted((event.o, event.operation, event.why) for event in failed) == [
        (key, Operation.PLACE, UNREAD) for key in KEYS
    ]
    assert struck(load) == [(key, "weak_net", "buyer>shop", "place", 1) for key in KEYS]


@slow
async def test_a_payment_whose_answer_was_never_read_is_made_and_its_order_is_open_until_its_end(
    load: Load, shop: FakeShop
) -> None:
    shown = ["paid"]
    shop.page = lambda key: shop.page_of(shown[0])
    await load.ready(make_plan(orders=3, faults=(a_fault("weak_net", operation="pay"),)), shop.url)
    load.begin("load")
    await load.until(lambda: load.status()["open"] == 3)
    shown[0] = "completed"
    await load.until(lambda: load.status()["ended"] == 3)
    await load.collect()
    events = load.events()
    assert sorted(shop.paid) == KEYS
    assert of(events, PaidAtCashier) == []
    assert {(event.o, event.operation, event.code) for event in of(events, PollFailed)} == {
        (key, Operation.PAY, Code.UNKNOWN) for key in KEYS
    }
    assert keys([event for event in of(events, Seen) if event.state is State.COMPLETED], Seen) == KEYS
    assert struck(load) == [(key, "weak_net", "buyer>payment/epay", "pay", 1) for key in KEYS]
    assert (load.status()["paid"], load.status()["open"]) == (0, 0)


@slow
async def test_a_payment_that_was_not_submitted_is_told_apart_from_one_that_failed(load: Load, shop: FakeShop) -> None:
    events = await play(load, shop, a_fault("not_submitted"), ended=0)
    assert Counter(step for step, _ in shop.log) == {"place": 3, "open": 3}
    assert {(event.o, event.operation, event.code) for event in of(events, PollFailed)} == {
        (key, Operation.PAY, Code.PAY_NOT_SUBMITTED) for key in KEYS
    }
    assert of(events, PaidAtCashier) == []
    assert struck(load) == [(key, "not_submitted", "buyer>payment/epay", "pay", 1) for key in KEYS]
    assert load.status()["open"] == 0


@slow
async def test_who_believes_that_he_has_paid_and_waits_in_vain_orders_again(load: Load, shop: FakeShop) -> None:
    faults = (a_fault("not_submitted"), a_fault("reorders", after="200 ms"))
    await play(load, shop, *faults, ended=3)
    assert sorted(shop.paid) == SECOND
    assert {event.fault for event in load.struck()} == {"not_submitted", "reorders"}


SOME = (
    a_fault("double_click", rate=0.2, gap="20 ms"),
    a_fault("gives_up", rate=0.15),
    a_fault("pays_late", rate=0.2, by="100 ms"),
    a_fault("cancels", rate=0.2, when="during"),
    a_fault("wrong_region", rate=0.3, orders=ShareRange(0.25, 0.75)),
    a_fault("not_submitted", rate=0.1),
    a_fault("weak_net", rate=0.15, operation="place"),
)


@slow
async def test_the_same_buyers_are_struck_on_one_worker_and_on_two_and_at_any_rate(
    tmp_path: Path, shop: FakeShop
) -> None:
    found = []
    for workers, rate in ((1, 40.0), (1, 200.0), (2, 100.0)):
        folder = tmp_path / f"{workers}-{rate:g}"
        folder.mkdir()
        found.append(await _strikes_of(Load(folder), shop, workers, rate))
    assert found[0] == found[1] == found[2]
    assert {strike[1] for strike in found[0]} == {fault.id for fault in SOME}
    assert 30 < len(found[0]) < 120


async def _strikes_of(load: Load, shop: FakeShop, workers: int, rate: float) -> list[tuple[str | None, ...]]:
    """Everything that was struck in a load of 80 orders."""
    plan = make_plan(orders=80, rate=rate, faults=SOME, mix=two_of_each())
    if workers == 1:
        await load.ready(plan, shop.url)
    else:
        await load.start_workers(plan, shop.url, workers)
    load.begin("load")
    await load.until(lambda: all(load.status(index)["done"] for index in range(workers)))
    await load.collect()
    each = [event for index in range(workers) for event in load.struck(index)]
    return sorted((e.o, e.fault, e.hop, str(e.operation), str(e.attempt), e.changed) for e in each)


@slow
async def test_nobody_is_struck_in_the_warm_up_nor_a_lease_after_the_last_heartbeat(load: Load, shop: FakeShop) -> None:
    faults = (a_fault("gives_up"), a_fault("double_click"))
    await load.ready(make_plan(orders=3, warm_up_orders=2, faults=faults), shop.url)
    load.begin("warm_up")
    await load.until(lambda: load.status()["warm"])
    load.begin("load", beat_t=load.t() - int((LEASE_S - 0.05) * SECOND_NS))
    await load.until(lambda: load.status()["ended"] == 3)
    assert load.status()["faults"] == []
    await load.collect()
    assert sorted(shop.paid) == [*KEYS, "w00000000", "w00000001"]
    assert load.struck() == []


@slow
async def test_the_status_names_the_faults_in_force_while_the_load_is_on(load: Load, shop: FakeShop) -> None:
    await load.ready(make_plan(orders=1, faults=(a_fault("gives_up"),)), shop.url)
    assert load.status()["faults"] == []
    load.begin("load")
    await load.until(lambda: load.status()["faults"] == ["gives_up"])
    load.begin("heal")
    await load.until(lambda: load.status()["faults"] == [])
    await load.collect()


@slow
async def test_a_paid_order_that_ends_without_goods_is_lost_until_its_money_is_back(load: Load, shop: FakeShop) -> None:
    shown = {"b00000000": "cancelled", "b00000001": "completed", "b00000002": "created"}
    shop.page = lambda key: shop.page_of(shown[key] if key in shop.paid else "created")
    await load.ready(make_plan(orders=3), shop.url)
    load.begin("load")
    await load.until(lambda: load.status()["lost"] == 1 and load.status()["ended"] == 2)
    assert load.status()["open"] == 1
    shown |= {"b00000000": "refunded", "b00000002": "expired"}
    await load.until(lambda: load.status()["ended"] == 3 and load.status()["open"] == 0)
    await load.until(lambda: {e.o for e in of(load.events(), Seen) if e.state is State.REFUNDED} == {"b00000000"})
    await load.until(lambda: load.status()["lost"] == 1)
    await load.collect()


@slow
async def test_an_order_that_had_expired_when_it_was_paid_is_lost_and_looked_at_again(
    load: Load, shop: FakeShop
) -> None:
    refunding = asyncio.Event()

    def page(key: str) -> web.Response:
        return shop.page_of("refunded" if refunding.is_set() else "expired")

    shop.page = page
    await load.ready(make_plan(orders=3, pay_delay_s=0.5), shop.url)
    load.begin("load")
    await load.until(lambda: load.status()["ended"] == 3)
    assert load.status()["lost"] == 0
    await load.until(lambda: load.status()["lost"] == 3)
    refunding.set()
    await load.until(lambda: load.status()["lost"] == 0)
    await load.collect()
    assert keys([event for event in of(load.events(), Seen) if event.state is State.REFUNDED], Seen) == KEYS


@pytest.mark.parametrize(("what", "field"), [("region", "region"), ("denomination", "product")])
def test_a_wrong_entry_is_another_of_the_mix_and_depends_on_seed_and_order_alone(what: str, field: str) -> None:
    fifth = Share(0.2)
    names = [f"p{n}" for n in range(5)]
    mix = Mix(
        product=dict.fromkeys(names, fifth),
        channel={"epay": Share(1.0)},
        region=dict.fromkeys(names, fifth),
        pay_delay=Delay(constant=BusinessTime(0.0)),
    )
    chosen: dict[int, list[str]] = {}
    for seed in (7, 8):
        for n in range(200):
            meant = wish(seed, n, mix)
            who = person(seed, meant.key)
            entered, same = enter_wrongly(what, seed, mix, meant, who)
            assert getattr(entered, field) != getattr(meant, field)
            assert same == who
            assert enter_wrongly(what, seed, mix, meant, who) == (entered, who)
            chosen.setdefault(seed, []).append(getattr(entered, field))
    assert all(set(found) == set(names) for found in chosen.values())
    assert chosen[7] != chosen[8]


def test_a_wrong_account_is_nobodys_and_still_tells_whose_order_it_is() -> None:
    meant = wish(7, 42, two_of_each())
    entered, who = enter_wrongly("account", 7, two_of_each(), meant, person(7, meant.key))
    assert entered == meant
    assert who.account == "nobody-b00000042"


@pytest.mark.parametrize(
    ("layers", "armed"), [((), False), (("application", "house"), False), (("application", "buyer"), True)]
)
def test_only_a_plan_with_buyer_faults_decides_about_buyers(layers: tuple[str, ...], armed: bool) -> None:
    faults = tuple(msgspec.structs.replace(a_fault("gives_up"), id=layer, layer=layer) for layer in layers)
    nobody: Any = None
    buyers = Buyers(make_plan(faults=faults), nobody, nobody, nobody, nobody, lambda: 0)
    lives: list[str] = []
    buyers.whims.buy = lambda order, due_t: lives.append("struck")  # type: ignore[method-assign]
    buyers._buy = lambda order, due_t: lives.append("plain")  # type: ignore[method-assign]
    for warm_up in (False, True):
        meant = wish(7, 0, two_of_each(), warm_up=warm_up)
        ask = Ask("place", "POST", "http://127.0.0.1:9/")
        buyers.start(Order(meant, person(7, meant.key), ask, warm_up=warm_up), 0).join()
    assert lives == (["struck", "plain"] if armed else ["plain", "plain"])
    assert buyers.here == 0

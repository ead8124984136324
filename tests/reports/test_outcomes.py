"""What became of unpaid orders and of wishes, of groups of orders, and of those open when the faults were healed."""

import msgspec
import pytest

from ledger import events as facts
from ledger.states import Code, Operation, State
from plan import orders as wishes
from plan.run import UpstreamPlan
from plan.units import Share
from tests.reports.conftest import NewRun, OrderMaker, make_plan, ns
from tests.reports.test_stuck import analysed

SUPPLIED = {**make_plan().upstreams, "cheap": UpstreamPlan("supplier", "sharedstore")}


def test_not_submitted_is_told_apart_from_left_unpaid_never_placed_and_stuck(new_run: NewRun) -> None:
    run = new_run(6)
    run.order(0).sleeping()
    run.order(1).placed(11).seen(State.PAYING, 11.2).pay_failed(12)
    run.order(2).placed(11).seen(State.PAYING, 11.2).pay_failed(12, Code.UNKNOWN)
    run.order(3).placed(11).seen(State.PAYING, 11.2)
    never = run.order(4).planned(11)
    never.put("driver-0", facts.PollFailed(t=ns(12), o=never.key, operation=Operation.PLACE, status=503, why="busy"))
    run.order(5).placed(11).seen(State.PAYING, 11.2).pay_failed(12).captured(13).seen(State.PAYING, 59, final=True)
    found = analysed(run.write()).findings
    became = found.outcomes
    assert (became.sent, became.paid, became.unpaid) == (6, 2, 4)
    assert (became.not_submitted, became.left_unpaid, became.not_placed) == (2, 1, 1)
    assert found.measures["stuck.rate"].n == 2


def test_what_buyers_asked_to_cancel_is_counted_with_the_shops_answer(new_run: NewRun) -> None:
    run = new_run(3)
    for n, done in enumerate((True, False)):
        order = run.order(n).placed(11)
        order.put("driver-0", facts.CancelAsked(t=ns(12), o=order.key, status=200, done=done, words="ok"))
    run.order(2).placed(11)
    became = analysed(run.write()).findings.outcomes
    assert (became.cancel_asked, became.cancel_done) == (2, 1)


def paid_again(order: OrderMaker) -> OrderMaker:
    return order.again().placed(11.5).seen(State.PAYING, 11.7).captured(12.5).seen(State.PAYING, 59, final=True)


def test_wishes_paid_twice_are_counted_by_wish_and_those_refunded_since(new_run: NewRun) -> None:
    run = new_run(4, gate_texts=("intents.paid_twice == 0",))
    for n in range(4):
        run.order(n).sleeping()
    paid_again(run.order(0))
    paid_again(run.order(1)).refunded(30)
    run.order(2).again().placed(11.5).seen(State.PAYING, 11.7)
    made = analysed(run.write())
    found = made.findings
    assert found.outcomes.extra == 3
    assert msgspec.structs.asdict(found.intents) == {
        "wishes": 4, "several_orders": 3, "paid_twice": 2, "refunded_since": 1,
    }  # fmt: skip
    assert found.counted["intents.paid_twice"].orders == ["b00000000", "b00000001"]
    assert (found.counted["intents.paid_twice"].k, found.counted["intents.paid_twice"].n) == (2, 4)
    assert found.gates[0].verdict == "fail"


def test_disputes_are_counted_and_one_ended_by_force_is_no_lost_order(new_run: NewRun) -> None:
    run = new_run(5)
    for n in range(5):
        run.order(n).placed(11).seen(State.PAYING, 11.2).captured(12).seen(State.FAILED, 20).booked(State.FAILED)
    run.order(0).disputed(30, 40, forced=True)
    run.order(1).refunded(20, 400).refunded(35, 600).disputed(30, 35)
    run.order(2).disputed(30)
    run.order(3).refunded(25)
    found = analysed(run.write()).findings
    assert found.disputes is not None
    assert msgspec.structs.asdict(found.disputes) == {
        "orders": 3, "settled": 1, "forced": 1, "open": 1, "forced_fen": 1000,
        "keys": ["b00000000", "b00000001", "b00000002"],
    }  # fmt: skip
    assert found.invariants["lost_order"].orders == ["b00000002", "b00000004"]
    assert found.outcomes.money_kept == 2


def test_a_run_without_complaints_says_nothing_of_them(new_run: NewRun) -> None:
    run = new_run(1)
    run.order(0).happy()
    assert analysed(run.write()).findings.disputes is None


def test_every_number_is_given_by_channel_supplier_product_and_region(new_run: NewRun) -> None:
    mix = msgspec.structs.replace(make_plan().mix, channel={"epay": Share(0.5), "cheap_pay": Share(0.5)})
    run = new_run(60, mix=mix, upstreams=SUPPLIED)
    for n in range(60):
        wish, t = wishes.wish(7, n, mix), 11 + n / 100
        order = run.order(n).placed(t).seen(State.PAYING, t + 0.2).captured(t + 1)
        if wish.channel == "cheap_pay":
            order.seen(State.EXPIRED, 40).booked(State.EXPIRED, code=Code.ORDER_EXPIRED)
            continue
        order.requested(t + 1.1, "cheap" if n % 2 else "good").sold(t + 1.2, f"c{n}")
        order.seen(State.COMPLETED, t + 1.5, goods=(f"c{n}",)).booked(State.COMPLETED, (f"c{n}",))
    found = analysed(run.write()).findings.breakdown
    n = sum(wishes.wish(7, n, mix).channel == "epay" for n in range(60))
    by = {group.name: group for group in found["channel"]}
    good, bad = by["epay"], by["cheap_pay"]
    assert (good.paid, good.stuck, good.delivered, good.lost, good.open) == (n, 0, n, 0, 0)
    assert (bad.paid, bad.stuck, bad.delivered, bad.lost, bad.open) == (60 - n, 60 - n, 0, 60 - n, 0)
    assert (good.rate, bad.rate) == (0.0, 1.0)
    assert good.end_median_s == pytest.approx(5)
    assert [good.is_few, bad.is_few] == [n < 30, 60 - n < 30]
    assert {group.name: group.paid for group in found["supplier"]}.keys() == {"cheap", "good", "none asked"}
    assert sum(group.paid for group in found["supplier"]) == sum(group.paid for group in found["product"]) == 60
    assert {group.name for group in found["product"]} == {"card_10", "card_50"}
    assert [(group.name, group.paid, group.rate) for group in found["code"]] == [("order.expired", 60 - n, None)]


def test_without_upstreams_there_is_no_table_of_suppliers(new_run: NewRun) -> None:
    run = new_run(1)
    run.order(0).happy()
    assert "supplier" not in analysed(run.write()).findings.breakdown


def test_the_code_is_the_books_else_the_last_on_the_page(new_run: NewRun) -> None:
    run = new_run(3)
    for n in range(3):
        order = run.order(n).placed(11).seen(State.PAYING, 11.2).captured(12)
        order.seen(State.DELAYED, 13, code=Code.UPSTREAM_TIMEOUT).seen(State.DELAYED, 14, code=Code.GOODS_SOLD_OUT)
        order.seen(State.DELAYED, 59, final=True, code=Code.GOODS_SOLD_OUT)
    run.order(0).booked(State.DELAYED, code=Code.SHOP_DATABASE)
    run.order(1).booked(State.DELAYED)
    found = analysed(run.write()).findings.breakdown["code"]
    assert [(group.name, group.paid, group.stuck) for group in found] == [
        ("goods.sold_out", 2, 2),
        ("shop.database", 1, 1),
    ]


def test_what_healed_by_itself_is_told_apart_from_what_stayed(new_run: NewRun) -> None:
    """Healed at 25; paying is stuck 3 s after payment."""
    run = new_run(8)

    def stuck(n: int, paid: float = 12.0) -> OrderMaker:
        return run.order(n).placed(11).seen(State.PAYING, 11.2).captured(paid)

    stuck(0).seen(State.COMPLETED, 30, goods=("a",)).booked(State.COMPLETED, ("a",))
    stuck(1).seen(State.REFUNDED, 35).refunded(34).booked(State.REFUNDED)
    stuck(2).seen(State.EXPIRED, 28).booked(State.EXPIRED)
    stuck(3).seen(State.MANUAL, 28).seen(State.MANUAL, 59.9, final=True).booked(State.MANUAL)
    stuck(4).seen(State.PAYING, 59.9, final=True).booked(State.PAYING)
    stuck(5).seen(State.COMPLETED, 20, goods=("b",)).booked(State.COMPLETED, ("b",))
    stuck(6, 24.0).seen(State.PAYING, 59.9, final=True).booked(State.PAYING)
    run.order(7).happy(26)
    found = analysed(run.write()).findings.settled
    assert found is not None
    assert (found.open, found.stuck, found.stuck_later) == (6, 5, 1)
    assert (found.healed, found.ended_badly, found.with_person, found.stayed) == (2, 1, 1, 1)
    assert found.last_s == pytest.approx(100)
    assert found.half_s == pytest.approx(50)


def test_a_run_that_never_healed_says_nothing_of_settling(new_run: NewRun) -> None:
    run = new_run(1)
    run.order(0).sleeping()
    assert analysed(run.write(collected=False)).findings.settled is None

"""Goods that upstreams sold (S) and goods that the buyer has (G), by order."""

from collections.abc import Callable

import msgspec
import pytest

from ledger.states import State
from plan.run import UpstreamPlan
from reports.findings import Findings
from tests.reports.conftest import NewRun, OrderMaker, make_plan
from tests.reports.test_stuck import analysed

Story = Callable[[OrderMaker], object]
SUPPLIED = {**make_plan().upstreams, "cheap": UpstreamPlan("supplier", "sharedstore")}
TWICE, CHARGED = "goods.bought_twice", "goods.charged_undelivered"


def paid(order: OrderMaker) -> OrderMaker:
    return order.placed(11).seen(State.PAYING, 11.2).captured(12)


def counts(findings: Findings) -> dict[str, int]:
    """What was counted or violated."""
    told = {**findings.counted, **findings.invariants}
    return {name: one.k for name, one in told.items() if one.k and name != "orphan_payment"}


ROWS: list[tuple[str, Story, tuple[int, int], dict[str, int]]] = [
    (
        "sold once and shown",
        lambda o: o.sold(13, "a").seen(State.COMPLETED, 14, goods=("a",)).booked(State.COMPLETED, ("a",)),
        (1, 1),
        {},
    ),
    (
        "sold once and only in the books",
        lambda o: o.sold(13, "a").seen(State.RECHARGING, 59, final=True).booked(State.COMPLETED, ("a",)),
        (1, 1),
        {},
    ),
    (
        "the answer of the sale was lost",
        lambda o: o.sold(13, "a").seen(State.FAILED, 20).booked(State.FAILED),
        (1, 0),
        {CHARGED: 1, "lost_order": 1},
    ),
    (
        "sold twice, shown once",
        lambda o: o.sold(13, "a").sold(14, "b", "good").seen(State.COMPLETED, 15, goods=("a",)),
        (2, 1),
        {TWICE: 1},
    ),
    (
        "sold twice, shown twice",
        lambda o: o.sold(13, "a").sold(14, "b", "good").seen(State.COMPLETED, 15, goods=("a", "b")),
        (2, 2),
        {TWICE: 1, "double_delivery": 1},
    ),
    (
        "the same card told twice is one sale",
        lambda o: o.sold(13, "a").sold(14, "a").seen(State.COMPLETED, 15, goods=("a",)),
        (1, 1),
        {},
    ),
    (
        "sold, not delivered, the money given back",
        lambda o: o.sold(13, "a").refunded(20).seen(State.REFUNDED, 20).booked(State.REFUNDED),
        (1, 0),
        {CHARGED: 1},
    ),
    (
        "what nobody sold is no goods",
        lambda o: o.requested(13).seen(State.COMPLETED, 14, goods=("a",)).booked(State.COMPLETED, ("a",)),
        (0, 0),
        {"optimistic_page": 1},
    ),
    (
        "a card of another order is no goods",
        lambda o: o.sold(13, "mine").seen(State.COMPLETED, 14, goods=("theirs",)),
        (1, 0),
        {CHARGED: 1, "optimistic_page": 1},
    ),
    (
        "credited twice",
        lambda o: o.credited(13, "x").credited(14, "y").seen(State.COMPLETED, 15).booked(State.COMPLETED),
        (2, 2),
        {TWICE: 1, "double_delivery": 1},
    ),
    (
        "credited and refunded",
        lambda o: o.credited(13, "x").refunded(14).seen(State.REFUNDED, 15).booked(State.REFUNDED),
        (1, 1),
        {"refund_and_delivered": 1},
    ),
]


@pytest.mark.parametrize(("what", "story", "sold_and_had", "broken"), ROWS)
def test_goods_sold_are_kept_apart_from_goods_the_buyer_has(
    new_run: NewRun, what: str, story: Story, sold_and_had: tuple[int, int], broken: dict[str, int]
) -> None:
    run = new_run(1, upstreams=SUPPLIED)
    story(paid(run.order(0)))
    made = analysed(run.write())
    orders = made.basis.orders
    assert (int(orders.sold[0]), int(orders.goods[0])) == sold_and_had, what
    found = counts(made.findings)
    assert {name: k for name, k in found.items() if name in broken or name in (TWICE, CHARGED)} == broken
    assert all(one.orders in ([], ["b00000000"]) for one in made.findings.counted.values())


def test_own_stock_beside_games_counts_by_page_and_books(new_run: NewRun) -> None:
    """A run with a game server alone: top-ups are vouched for, cards are the shop's own."""
    target = msgspec.structs.replace(make_plan().target, needs={"card_50": "game"})
    run = new_run(20, target=target, upstreams={**make_plan().upstreams, "play": UpstreamPlan("game", "topup")})
    for n in range(20):
        run.order(n).happy(11 + n / 10)
    made = analysed(run.write())
    orders = made.basis.orders
    assert orders.is_vouched.tolist() == [product == "card_50" for product in orders.product]
    assert orders.goods.tolist() == [0 if product == "card_50" else 1 for product in orders.product]


def test_a_supplier_that_sold_nothing_still_vouches(new_run: NewRun) -> None:
    run = new_run(1, upstreams=SUPPLIED)
    run.order(0).happy()
    findings = analysed(run.write()).findings
    assert findings.outcomes.delivered == 0
    assert findings.counted[TWICE].evaluated


def test_without_upstreams_what_they_sold_is_not_evaluated_and_no_gate_on_it_passes(new_run: NewRun) -> None:
    run = new_run(1, gate_texts=(f"{TWICE} == 0", f"{CHARGED} == 0"), evidence=1)
    run.order(0).happy()
    findings = analysed(run.write()).findings
    assert findings.outcomes.delivered == 1
    assert [findings.measures[name].value for name in (TWICE, CHARGED)] == [None, None]
    assert [gate.verdict for gate in findings.gates] == ["inconclusive", "inconclusive"]


@pytest.mark.parametrize(("evidence", "sales", "verdict"), [(1, 1, "pass"), (300, 1, "inconclusive"), (300, 2, "fail")])
def test_a_count_passes_on_enough_evidence_alone_and_fails_at_once(
    new_run: NewRun, evidence: int, sales: int, verdict: str
) -> None:
    run = new_run(1, upstreams=SUPPLIED, gate_texts=(f"{TWICE} == 0",), evidence=evidence)
    order = paid(run.order(0))
    for n in range(sales):
        order.sold(13 + n, f"card-{n}")
    order.seen(State.COMPLETED, 16, goods=("card-0",)).booked(State.COMPLETED, ("card-0",))
    assert analysed(run.write()).findings.gates[0].verdict == verdict

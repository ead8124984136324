from collections.abc import Callable

import pytest

from ledger import events as facts
from ledger.rundir import RunDir
from ledger.states import Code, Operation, State
from plan import run as plans
from plan.gates import INVARIANTS
from reports import analysis
from reports.findings import Findings
from tests.reports.conftest import NewRun, OrderMaker, ns

Story = Callable[[OrderMaker], object]


def findings_of(run: RunDir) -> Findings:
    return analysis.analysed(run, plans.load(run.plan)).findings


def violated(new_run: NewRun, story: Story) -> set[str]:
    """The invariants that one order breaks, beside an innocent one that keeps the books open."""
    run = new_run(2)
    story(run.order(0))
    run.order(1).happy()
    found = findings_of(run.write()).invariants
    assert all(one.evaluated for one in found.values())
    assert all(one.orders in ([], ["b00000000"]) for one in found.values())
    return {name for name, one in found.items() if one.k}


def paid(order: OrderMaker, fen: int = 1000) -> OrderMaker:
    return order.placed(11).seen(State.PAYING, 11.2).captured(12, fen)


GUILTY: dict[str, list[Story]] = {
    "lost_order": [
        lambda o: paid(o).seen(State.EXPIRED, 20).booked(State.FAILED),
        lambda o: paid(o).seen(State.FAILED, 20).booked(State.FAILED),
        lambda o: paid(o).seen(State.PAYING, 14, final=True).gone(15).booked(State.FAILED),
        lambda o: paid(o).refunded(19, 400).seen(State.CANCELLED, 20).booked(State.FAILED),
    ],
    "double_delivery": [
        lambda o: paid(o).seen(State.COMPLETED, 13, goods=("a", "b")).booked(State.COMPLETED, ("a", "b")),
        lambda o: paid(o).seen(State.COMPLETED, 13, goods=("a",)).booked(State.COMPLETED, ("c",)),
    ],
    "delivered_unpaid": [
        lambda o: o.placed(11).seen(State.PAID, 12, goods=("a",)).booked(State.UNKNOWN),
        lambda o: paid(o, 999).seen(State.COMPLETED, 13, goods=("a",)).booked(State.COMPLETED, ("a",)),
    ],
    "refund_and_delivered": [
        lambda o: paid(o).seen(State.COMPLETED, 13, goods=("a",)).refunded(20).booked(State.COMPLETED, ("a",)),
    ],
    "double_refund": [
        lambda o: paid(o).refunded(13).refunded(14).seen(State.REFUNDED, 15).booked(State.REFUNDED),
    ],
    "orphan_payment": [
        lambda o: paid(o).seen(State.PAYING, 59, final=True),
        lambda o: paid(o).seen(State.PAYING, 59, final=True).booked(State.PAYING),
        lambda o: paid(o).seen(State.PAYING, 59, final=True).booked(State.EXPIRED),
        lambda o: paid(o).seen(State.PAYING, 59, final=True).booked(State.FAILED, code=Code.PAY_AMOUNT_MISMATCH),
    ],
    "ghost_order": [
        lambda o: o.placed(11).seen(State.PAID, 12).seen(State.PAID, 59, final=True).booked(State.PAID),
        lambda o: o.placed(11).booked(State.REFUNDED),
    ],
    "optimistic_page": [
        lambda o: paid(o).seen(State.COMPLETED, 13).booked(State.COMPLETED),
        lambda o: paid(o).seen(State.COMPLETED, 13).seen(State.COMPLETED, 16, goods=("a",)).booked(State.COMPLETED),
        lambda o: paid(o).seen(State.REFUNDED, 13).booked(State.REFUNDED),
        lambda o: paid(o).seen(State.REFUNDED, 13).refunded(16).booked(State.REFUNDED),
    ],
}
INNOCENT: dict[str, list[Story]] = {
    "lost_order": [
        lambda o: paid(o).refunded(19).seen(State.EXPIRED, 20).booked(State.EXPIRED),
        lambda o: o.placed(11).seen(State.PAYING, 12).seen(State.EXPIRED, 20).booked(State.EXPIRED),
        lambda o: paid(o).seen(State.EXPIRED, 20).booked(State.COMPLETED, ("late",)),
        lambda o: paid(o).seen(State.DELAYED, 20).seen(State.DELAYED, 59, final=True).booked(State.DELAYED),
        lambda o: paid(o).gone(15).seen(State.DELAYED, 59, final=True).booked(State.DELAYED),
        lambda o: paid(o).seen(State.PAID, 14, final=True).gone(15, 500).booked(State.PAID),
    ],
    "double_delivery": [
        lambda o: (
            paid(o).notice(12.1).notice(12.2).seen(State.COMPLETED, 13, goods=("a",)).booked(State.COMPLETED, ("a",))
        ),
    ],
    "delivered_unpaid": [
        lambda o: paid(o, 1001).seen(State.COMPLETED, 13, goods=("a",)).booked(State.COMPLETED, ("a",))
    ],
    "refund_and_delivered": [
        lambda o: paid(o).seen(State.COMPLETED, 13, goods=("a",)).refunded(20, 1).booked(State.COMPLETED, ("a",)),
    ],
    "double_refund": [
        lambda o: paid(o).refunded(13, 500).refunded(14, 500).seen(State.REFUNDED, 15).booked(State.REFUNDED)
    ],
    "orphan_payment": [
        lambda o: paid(o).seen(State.PAYING, 59, final=True).booked(State.PAID),
        lambda o: paid(o).refunded(20).seen(State.EXPIRED, 21).booked(State.EXPIRED),
    ],
    "ghost_order": [lambda o: o.placed(11).seen(State.PAYING, 12).seen(State.EXPIRED, 40).booked(State.EXPIRED)],
    "optimistic_page": [
        lambda o: (
            paid(o).seen(State.COMPLETED, 13).seen(State.COMPLETED, 15, goods=("a",)).booked(State.COMPLETED, ("a",))
        ),
        lambda o: paid(o).seen(State.COMPLETED, 13).booked(State.COMPLETED, ("a",)),
        lambda o: paid(o).seen(State.REFUNDED, 13).refunded(15).booked(State.REFUNDED),
        lambda o: paid(o).seen(State.COMPLETED, 58.5).booked(State.COMPLETED),
    ],
}


def rows(stories: dict[str, list[Story]]) -> list[tuple[str, Story]]:
    return [(name, story) for name, each in stories.items() for story in each]


def test_every_invariant_has_its_guilty_and_its_innocent_stories() -> None:
    assert GUILTY.keys() == INNOCENT.keys() == INVARIANTS.keys()


@pytest.mark.parametrize(("name", "story"), rows(GUILTY))
def test_an_invariant_fires_on_its_guilty_story_and_no_other_does(new_run: NewRun, name: str, story: Story) -> None:
    found = violated(new_run, story)
    assert name in found
    assert found - {name} <= ALSO.get(name, set())


ALSO = {"delivered_unpaid": {"ghost_order"}}


@pytest.mark.parametrize(("name", "story"), rows(INNOCENT))
def test_an_invariant_is_silent_on_the_innocent_twin(new_run: NewRun, name: str, story: Story) -> None:
    assert name not in violated(new_run, story)


def test_without_books_what_needs_them_is_not_evaluated_and_the_claims_say_so(new_run: NewRun) -> None:
    run = new_run(1, gate_texts=("invariants.orphan_payment == 0", "invariants.ghost_order == 0"), evidence=1)
    paid(run.order(0)).seen(State.COMPLETED, 13, goods=("a",))
    findings = findings_of(run.write())
    assert not findings.invariants["orphan_payment"].evaluated
    assert not findings.invariants["ghost_order"].evaluated
    assert [gate.verdict for gate in findings.gates] == ["inconclusive", "inconclusive"]
    assert not findings.claims.ok
    assert any("books were not read" in reason for reason in findings.claims.reasons)


def test_a_target_without_books_is_a_remark_and_no_flaw(new_run: NewRun) -> None:
    run = new_run(1)
    paid(run.order(0)).seen(State.COMPLETED, 13, goods=("a",))
    run.put("harness", facts.PhaseBegan(t=ns(59.5), phase="collect", note="this target gives no books"))  # type: ignore[arg-type]
    findings = findings_of(run.write(collected=False))
    assert findings.claims.ok
    assert any("gives no books" in reason for reason in findings.claims.reasons)


def test_the_shops_own_stock_is_told_and_goods_of_upstreams_are_believed(new_run: NewRun) -> None:
    run = new_run(2)
    run.order(0).happy()
    run.order(1).happy()
    sold = facts.goods_hash("card-0")
    run.put("supplier", facts.GoodsSold(t=ns(12), o="b00000000", upstream="cheap", goods=sold))
    findings = findings_of(run.write())
    assert not any("own stock" in reason for reason in findings.claims.reasons)
    assert findings.outcomes.delivered == 1  # nobody sold what the page of the other one shows


def test_a_sale_whose_answer_was_lost_is_not_delivered(new_run: NewRun) -> None:
    run = new_run(1)
    paid(run.order(0)).seen(State.FAILED, 20).booked(State.FAILED)
    run.put("supplier", facts.GoodsSold(t=ns(13), o="b00000000", upstream="cheap", goods=facts.goods_hash("x")))
    findings = findings_of(run.write())
    assert findings.outcomes.delivered == 0
    assert findings.invariants["lost_order"].k == 1


def test_credits_are_delivered_and_counted_twice_where_they_came_twice(new_run: NewRun) -> None:
    run = new_run(1)
    paid(run.order(0)).seen(State.COMPLETED, 14).booked(State.COMPLETED)
    for credit in ("one", "one", "two"):
        run.put("game", facts.Credited(t=ns(13), o="b00000000", upstream="game", credit=credit))
    findings = findings_of(run.write())
    assert findings.outcomes.delivered == 1
    assert findings.invariants["double_delivery"].k == 1
    assert findings.invariants["optimistic_page"].k == 0


def test_one_card_shown_to_two_buyers_is_told(new_run: NewRun) -> None:
    run = new_run(2)
    for n in range(2):
        paid(run.order(n)).seen(State.COMPLETED, 13, goods=("same",)).booked(State.COMPLETED, ("same",))
    findings = findings_of(run.write())
    assert findings.outcomes.goods_shared == 1
    assert any("more than one order" in reason for reason in findings.claims.reasons)


def test_failing_to_place_is_not_a_lost_page(new_run: NewRun) -> None:
    run = new_run(1)
    order = paid(run.order(0)).seen(State.PAID, 14).seen(State.PAID, 59, final=True).booked(State.PAID)
    order.put("driver-0", facts.PollFailed(t=ns(59.5), o=order.key, operation=Operation.PAY, status=404, why="no page"))
    assert findings_of(run.write()).invariants["lost_order"].k == 0

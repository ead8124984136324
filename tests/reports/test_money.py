"""The three ledgers of synthetic orders; each costs 1000 fen."""

from collections.abc import Callable

import pytest

from ledger.states import Code, State
from plan.orders import order_key
from plan.run import UpstreamPlan
from reports.findings import Findings
from tests.reports.conftest import NewRun, OrderMaker, make_plan
from tests.reports.test_stuck import analysed

Story = Callable[[OrderMaker], object]
SUPPLIED = {**make_plan().upstreams, "cheap": UpstreamPlan("supplier", "sharedstore")}


def told(new_run: NewRun, story: Story) -> Findings:
    run = new_run(1, upstreams=SUPPLIED)
    story(run.order(0).placed(11.0).seen(State.PAYING, 11.2))
    return analysed(run.write()).findings


def delivered(order: OrderMaker) -> OrderMaker:
    card = f"c{order.n}"
    return order.requested(13).sold(14, card).seen(State.COMPLETED, 15, goods=(card,))


STORIES: list[tuple[str, Story, int]] = [
    ("delivered and booked", lambda o: delivered(o.captured(12)).booked(State.COMPLETED, ("c",)), 0),
    ("paid, open, and booked as such", lambda o: o.captured(12).booked(State.RECHARGING), 0),
    ("failed with the money kept is in the books", lambda o: o.captured(12).booked(State.FAILED), 0),
    ("never paid", lambda o: o.booked(State.EXPIRED), 0),
    ("refunded", lambda o: o.captured(12).refunded(14).booked(State.REFUNDED), 0),
    ("refunded, and closed by the shop", lambda o: o.captured(12).refunded(14).booked(State.CANCELLED), 0),
    ("taken, and the books do not know", lambda o: o.captured(12).booked(State.EXPIRED), 1000),
    ("taken, and not in the books at all", lambda o: o.captured(12), 1000),
    ("booked as paid, and never taken", lambda o: o.booked(State.PAID), 1000),
    ("a fen too few, booked as paid", lambda o: o.captured(12, 999).booked(State.PAID), 1),
    ("a fen too few, and refused", lambda o: o.captured(12, 999).booked(State.UNKNOWN, code=Code.PAY_AMOUNT_MISMATCH),
     999),
    ("paid twice", lambda o: delivered(o.captured(12).captured(12.5)).booked(State.COMPLETED, ("c",)), 1000),
    ("partly refunded, and booked as if not", lambda o: o.captured(12).refunded(14, 300).booked(State.RECHARGING), 300),
    ("partly refunded, and booked as refunded", lambda o: o.captured(12).refunded(14, 300).booked(State.REFUNDED), 700),
    ("booked as refunded, and not given back", lambda o: o.captured(12).booked(State.REFUNDED), 1000),
    ("taken back by force, and booked as done",
     lambda o: delivered(o.captured(12)).disputed(20, 30, forced=True).booked(State.COMPLETED, ("c",)), 1000),
    ("booked as done, and the buyer has nothing", lambda o: o.captured(12).booked(State.COMPLETED), 1000),
    ("the buyer has it, and the books do not know", lambda o: o.captured(12).credited(14, "x").booked(State.RECHARGING),
     1000),
]  # fmt: skip


def test_an_order_agrees_or_is_listed_with_what_is_missing(new_run: NewRun) -> None:
    run = new_run(len(STORIES), upstreams=SUPPLIED)
    for n, (_, story, _) in enumerate(STORIES):
        story(run.order(n).placed(11.0).seen(State.PAYING, 11.2))
    found = analysed(run.write()).findings
    assert found.money is not None
    missing = {name: found.money.orders.get(order_key(n), 0) for n, (name, _, _) in enumerate(STORIES)}
    assert missing == {name: fen for name, _, fen in STORIES}
    assert found.money.disagree == sum(fen > 0 for fen in missing.values())
    assert found.counted["money.disagree"].orders == list(found.money.orders)


def test_each_ledger_adds_up_to_the_fen(new_run: NewRun) -> None:
    run = new_run(5, upstreams=SUPPLIED)
    delivered(run.order(0).placed(11).captured(12)).booked(State.COMPLETED, ("c",))
    run.order(1).placed(11).captured(12).refunded(14).booked(State.REFUNDED)
    run.order(2).placed(11).captured(12).refunded(14, 250).booked(State.RECHARGING)
    run.order(3).placed(11).captured(12, 1001).booked(State.PAID)
    run.order(4).placed(11).booked(State.CREATED)
    found = analysed(run.write()).findings.money
    assert found is not None
    assert (found.taken_fen, found.given_back_fen) == (4001, 1250)
    assert (found.booked_fen, found.booked_back_fen) == (4000, 1000)
    assert (found.priced_fen, found.served_fen, found.unserved_fen) == (4000, 2250, 1750)
    assert found.orders == {"b00000002": 250, "b00000003": 1}


def test_without_books_two_ledgers_are_told_and_none_is_compared(new_run: NewRun) -> None:
    found = told(new_run, lambda o: o.captured(12).refunded(14, 250))
    money = found.money
    assert money is not None
    assert (money.taken_fen, money.given_back_fen, money.unserved_fen) == (1000, 250, 750)
    assert (money.booked_fen, money.booked_back_fen, money.disagree, money.orders) == (None, None, None, {})
    assert found.measures["money.disagree"].value is None
    assert not found.counted["money.disagree"].evaluated


def test_a_record_that_is_not_whole_accuses_nobody(new_run: NewRun) -> None:
    run = new_run(1)
    run.order(0).placed(11).captured(12).booked(State.EXPIRED)
    found = analysed(run.write(killed=("payment",))).findings
    assert found.money is not None
    assert (found.money.disagree, found.money.orders) == (None, {})
    assert found.counted["money.disagree"].method == "the record of this run is not whole"


@pytest.mark.parametrize(("state", "verdict", "exit_code"), [(State.PAID, "pass", 0), (State.EXPIRED, "fail", 1)])
def test_a_gate_on_it_fails_at_one_order_and_passes_on_the_evidence(
    new_run: NewRun, state: State, verdict: str, exit_code: int
) -> None:
    run = new_run(3, gate_texts=("money.disagree == 0",))
    for n in range(3):
        run.order(n).placed(11).captured(12).seen(State.PAID, 12.1).seen(State.PAID, 59, final=True)
        run.order(n).booked(state if n == 0 else State.PAID)
    found = analysed(run.write()).findings
    assert [gate.verdict for gate in found.gates] == [verdict]
    assert found.exit_code == exit_code

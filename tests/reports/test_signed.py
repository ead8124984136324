"""What a shop made of oddly signed messages: accepted though invalid, refused though valid, and what came of it."""

from typing import Any

import pytest

from ledger import events as facts
from ledger.events import ACCEPT, REFUSE
from ledger.states import Hop, Operation, State
from reports import report
from reports.findings import SignedRow
from tests.reports.conftest import NewRun, OrderMaker, ns


def forged(order: OrderMaker, fault: str, must: str, at: float, **more: Any) -> OrderMaker:
    what: dict[str, Any] = {"hop": f"{Hop.PAYMENT_SHOP}/epay", "operation": Operation.NOTICE, "attempt": 1} | more
    return order.put("struck-payment", facts.Struck(t=ns(at), o=order.key, fault=fault, changed="x", must=must, **what))


def paid(order: OrderMaker, *outcomes: str) -> OrderMaker:
    """Paid at 12 s; every attempt of its notice a second after the other."""
    order.placed(11.0).seen(State.PAYING, 11.2).captured(12.0)
    for n, outcome in enumerate(outcomes, 1):
        order.notice(11.1 + n, n, outcome)
    return order


def delivered(order: OrderMaker, at: float) -> OrderMaker:
    return order.seen(State.COMPLETED, at, goods=("card",)).booked(State.COMPLETED, ("card",))


def rows(new_run: NewRun, *orders: Any) -> list[SignedRow]:
    run = new_run(len(orders))
    for n, fill in enumerate(orders):
        fill(run.order(n))
    return report.build(run.write()).struck.signed


def test_an_acknowledged_forgery_is_told_from_one_that_was_refused_and_recovered_and_one_that_stranded(
    new_run: NewRun,
) -> None:
    def believed(order: OrderMaker) -> None:
        delivered(forged(paid(order, "accepted"), "forged", REFUSE, 12.1), 12.5)

    def recovered(order: OrderMaker) -> None:
        delivered(forged(paid(order, "refused", "accepted"), "forged", REFUSE, 12.1), 13.5)

    def stranded(order: OrderMaker) -> None:
        forged(paid(order, "refused"), "forged", REFUSE, 12.1).seen(State.PAYING, 59.0, final=True).booked(State.PAYING)

    (row,) = rows(new_run, believed, recovered, stranded)
    assert row == SignedRow("forged", REFUSE, judged=3, wrong=1, unjudged=0, refused=2, recovered=1, stranded=1)


def test_a_valid_oddity_that_is_refused_is_the_shops_fault(new_run: NewRun) -> None:
    def accepted(order: OrderMaker) -> None:
        delivered(forged(paid(order, "accepted"), "odd", ACCEPT, 12.1), 12.5)

    def refused(order: OrderMaker) -> None:
        delivered(forged(paid(order, "refused", "accepted"), "odd", ACCEPT, 12.1), 13.5)

    assert rows(new_run, accepted, refused) == [SignedRow("odd", ACCEPT, 2, 1, 0, 1, 1, 0)]


@pytest.mark.parametrize(("pays", "wrong"), [(True, 1), (False, 0)])
def test_the_answer_to_a_create_call_is_judged_by_whether_its_trade_was_paid(
    new_run: NewRun, pays: bool, wrong: int
) -> None:
    def fill(order: OrderMaker) -> None:
        forged(order.placed(11.0), "forged", REFUSE, 11.005, operation=Operation.CREATE, hop=f"{Hop.SHOP_PAYMENT}/epay")
        if pays:
            delivered(order.captured(12.0).notice(12.1), 12.5)

    (row,) = rows(new_run, fill)
    assert (row.judged, row.wrong, row.refused) == (1, wrong, 0)


@pytest.mark.parametrize("outcome", ["unanswered", "error"])
def test_what_nobody_heard_an_answer_to_is_not_judged(new_run: NewRun, outcome: str) -> None:
    def unheard(order: OrderMaker) -> None:
        delivered(forged(paid(order, outcome, "accepted"), "forged", REFUSE, 12.1), 13.5)

    def asked(order: OrderMaker) -> None:
        struck = forged(paid(order, "accepted"), "forged", REFUSE, 12.1, operation=Operation.QUERY)
        delivered(struck, 12.5)

    assert rows(new_run, unheard, asked) == [SignedRow("forged", REFUSE, 0, 0, 2, 0, 0, 0)]


def test_strikes_without_a_duty_make_no_row(new_run: NewRun) -> None:
    assert rows(new_run, lambda order: order.happy().struck("lost", 12.0)) == []

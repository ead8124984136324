"""A run that was cut accuses nobody of what its record cannot show: absence counts only where it was still heard."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest

from ledger.states import State
from plan.run import UpstreamPlan
from reports import report
from reports.findings import Findings
from reports.stories import Stories
from tests.reports.conftest import NewRun, OrderMaker, RunMaker

Story: TypeAlias = Callable[[OrderMaker], OrderMaker]

LATE_S, END_S = 30.0, 40.0
UPSTREAMS = {"epay": UpstreamPlan("payment", "epay"), "cheap": UpstreamPlan("supplier", "sharedstore")}


def unpaid(order: OrderMaker) -> OrderMaker:
    """Goods on the page, and nobody heard of money."""
    return order.planned(11).sold(12, "a").seen(State.COMPLETED, 12.2, goods=("a",))


def undelivered(order: OrderMaker) -> OrderMaker:
    """Sold at 39, and the page did not show it at 39.5, when it was last read."""
    order.placed(11).captured(12).seen(State.PAID, 13).sold(39, "a")
    return order.seen(State.PAID, 39.5, final=True)


def early(order: OrderMaker) -> OrderMaker:
    """The page says completed, and nobody heard of a sale."""
    return order.placed(11).captured(12).seen(State.COMPLETED, 13, goods=("a",))


def returned(order: OrderMaker) -> OrderMaker:
    """The page says refunded, and nobody heard of money given back."""
    return order.placed(11).captured(12).seen(State.REFUNDED, 13)


def idle(order: OrderMaker) -> OrderMaker:
    """The page says recharging, and nobody heard of a request."""
    order.placed(11).captured(12).seen(State.RECHARGING, 13)
    return order.seen(State.RECHARGING, 39.5, final=True)


def count(findings: Findings, name: str) -> int:
    return {**findings.invariants, **findings.counted}[name].k


STORIES: list[tuple[str, Story, str]] = [
    ("delivered_unpaid", unpaid, "payment"),
    ("optimistic_page", returned, "payment"),
    ("optimistic_page", early, "supplier"),
    ("goods.charged_undelivered", undelivered, "driver-0"),
]


def a_run(new_run: NewRun, story: Story, *, heard_later: bool = False) -> RunMaker:
    """The story, an order that all told of before it, and where they were `heard_later` another one after it."""
    run = new_run(4, end_s=END_S, upstreams=UPSTREAMS)
    run.order(3).planned(END_S - 1)  # the driver goes on to the end
    run.order(1).placed(10.5).captured(10.8).sold(10.9, "b").seen(State.COMPLETED, 10.95, goods=("b",))
    story(run.order(0))
    if heard_later:
        later = run.order(2).placed(LATE_S).captured(LATE_S + 0.2).sold(LATE_S + 0.4, "c")
        later.seen(State.COMPLETED, LATE_S + 0.6, goods=("c",))
    return run


@pytest.mark.parametrize(("name", "story", "witness"), STORIES)
def test_whoever_was_killed_before_it_could_tell_is_no_proof(
    new_run: NewRun, name: str, story: Story, witness: str
) -> None:
    findings = report.build(a_run(new_run, story).write(collected=False, killed=(witness,)))
    assert count(findings, name) == 0
    assert not findings.claims.ok


@pytest.mark.parametrize(("name", "story", "witness"), STORIES[:3])
def test_what_was_absent_while_the_killed_one_still_told_of_others_counts(
    new_run: NewRun, name: str, story: Story, witness: str
) -> None:
    findings = report.build(a_run(new_run, story, heard_later=True).write(collected=False, killed=(witness,)))
    assert count(findings, name) == 1


@pytest.mark.parametrize(("name", "story", "witness"), STORIES)
def test_the_same_counts_in_a_run_that_came_to_its_end(new_run: NewRun, name: str, story: Story, witness: str) -> None:
    findings = report.build(a_run(new_run, story).write())
    assert count(findings, name) == 1


@pytest.mark.parametrize(("killed", "k"), [((), 1), (("payment",), 0)])
def test_a_payment_that_the_killed_channel_could_not_tell_of_makes_no_ghost(
    new_run: NewRun, killed: tuple[str, ...], k: int
) -> None:
    run = a_run(new_run, lambda order: order.planned(11).seen(State.PAID, 12).booked(State.PAID))
    assert count(report.build(run.write(killed=killed)), "ghost_order") == k


@pytest.mark.parametrize(("killed", "is_judged"), [((), True), (("supplier",), False)])
def test_false_progress_is_judged_only_while_suppliers_were_heard(
    new_run: NewRun, killed: tuple[str, ...], is_judged: bool
) -> None:
    findings = report.build(a_run(new_run, idle).write(collected=not killed, killed=killed))
    spent = {told.name: told.s for told in findings.honesty.classes}
    assert (spent["false_progress"] > 0) is is_judged


@pytest.mark.parametrize(
    ("killed", "damage", "heard_s"),
    [
        ((), None, np.inf),
        (("payment",), None, 12.0),
        ((), lambda data: data.replace(b"T0", b"T9", 1), -np.inf),
        ((), lambda data: None, -np.inf),
    ],
)
def test_a_journal_is_heard_until_its_last_event_for_good_or_not_at_all(
    new_run: NewRun, killed: tuple[str, ...], damage: Callable[[bytes], bytes | None] | None, heard_s: float
) -> None:
    run = new_run(1)
    run.order(0).placed(11).captured(12)
    folder = run.write(killed=killed)
    journal = folder.events / "payment.ndjson"
    if damage is not None:
        data = damage(journal.read_bytes())
        journal.unlink() if data is None else journal.write_bytes(data)
    stories = Stories(folder, run.plan)
    try:
        assert stories.heard_t(["payment"]) / 1e9 == heard_s
        assert stories.heard_t([]) == np.inf
    finally:
        stories.close()

"""Order-time by class, reckoned by hand in wire seconds: compress 10, polls every 0.2 s, so 2.2 s are tolerated."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from ledger.states import BEFORE_PAID, ENDED_UNSERVED, TERMINAL, State
from plan.chance import draw
from plan.run import REJECT, UpstreamPlan
from reports.measure.honesty import CLASSES
from tests.reports.conftest import NewRun, OrderMaker, make_plan
from tests.reports.test_stuck import analysed

Story = Callable[[OrderMaker], object]
SUPPLIED = {
    **make_plan().upstreams,
    "cheap": UpstreamPlan("supplier", "sharedstore", on_repeat=REJECT),
    "replays": UpstreamPlan("supplier", "sharedstore"),
}


def spent(order: OrderMaker) -> dict[str, float]:
    """Wire seconds of the run's first order in each class that it was in."""
    row = analysed(order.run.write()).basis.spent[0]
    return {name: round(ns / 1e9, 6) for name, ns in zip(CLASSES, row, strict=True) if ns > 0}


@pytest.fixture
def order(new_run: NewRun) -> OrderMaker:
    """Placed at 11, seen paying at 11.2, paid at 12; a supplier sells what it ordered. The run ends at 60."""
    return new_run(1, upstreams=SUPPLIED).order(0).placed(11.0).seen(State.PAYING, 11.2).captured(12.0)


TRUE_STORIES: list[tuple[str, Story, dict[str, float]]] = [
    (
        "asked, sold and shown in time",
        lambda o: (
            o.seen(State.PAID, 13).requested(14).seen(State.RECHARGING, 14.5).sold(15, "c")
            .seen(State.COMPLETED, 16, goods=("c",))
        ),
        {"honest": 4.0},
    ),
    (
        "recharging told 2.2 s too soon is tolerated",
        lambda o: (
            o.seen(State.RECHARGING, 13).requested(15.2).sold(16, "c").seen(State.COMPLETED, 17, goods=("c",))
        ),
        {"honest": 5.0},
    ),
    (
        "the page does not know of the payment",
        lambda o: o.seen(State.PAYING, 30, final=True),
        {"late": 18.0},
    ),
    (
        "credited, and the page goes on recharging",
        lambda o: o.seen(State.RECHARGING, 12.5).requested(12.5).credited(14, "x").seen(State.COMPLETED, 20),
        {"honest": 2.0, "late": 6.0},
    ),
    (
        "refunded, and the page goes on refunding",
        lambda o: o.seen(State.REFUNDING, 13).refunded(14).seen(State.REFUNDED, 19),
        {"honest": 2.0, "late": 5.0},
    ),
    (
        "submitted for 7 s before anybody was asked",
        lambda o: (
            o.seen(State.SUBMITTED, 13).requested(20).seen(State.RECHARGING, 21).sold(22, "c")
            .seen(State.COMPLETED, 23, goods=("c",))
        ),
        {"honest": 4.0, "false_progress": 7.0},
    ),
    (
        "recharging although the upstream refused, until another was asked",
        lambda o: (
            o.requested(12.5).seen(State.RECHARGING, 13).refused(14).requested(20, "good", "R2")
            .sold(21, "c", "good", "R2").seen(State.COMPLETED, 22, goods=("c",))
        ),
        {"honest": 4.0, "false_progress": 6.0},
    ),
    (
        "one of two requests was refused, the other is at work",
        lambda o: (
            o.requested(12.5).requested(12.6, "good", "R2").seen(State.RECHARGING, 13).refused(14)
            .seen(State.RECHARGING, 30, final=True)
        ),
        {"honest": 18.0},
    ),
    (
        "accepted and failed later",
        lambda o: (
            o.requested(12.5).taken(12.6).seen(State.RECHARGING, 13).refused(15).seen(State.RECHARGING, 30, final=True)
        ),
        {"honest": 3.0, "false_progress": 15.0},
    ),
    (
        "taken on, and a repeat refused while the first goes on",
        lambda o: (
            o.requested(12.5).taken(12.6).seen(State.RECHARGING, 13).requested(15).refused(15.001)
            .seen(State.RECHARGING, 30, final=True)
        ),
        {"honest": 18.0},
    ),
    (
        "failed later, and a repeat refused after that",
        lambda o: (
            o.requested(12.5).taken(12.6).seen(State.RECHARGING, 13).refused(15).requested(20).refused(20.001)
            .seen(State.RECHARGING, 30, final=True)
        ),
        {"honest": 3.0, "false_progress": 15.0},
    ),
    (
        "sold, the answer lost, and the repeat refused",
        lambda o: (
            o.requested(12.5).sold(12.6, "c").seen(State.RECHARGING, 13).requested(14).refused(14.1)
            .seen(State.RECHARGING, 30, final=True)
        ),
        {"honest": 18.0},
    ),
    (
        "completed without goods, for ever",
        lambda o: o.seen(State.COMPLETED, 14).booked(State.COMPLETED),
        {"honest": 2.0, "optimistic": 46.0},
    ),
    (
        "refunded on the page five seconds before the refund",
        lambda o: o.seen(State.REFUNDED, 14).refunded(19),
        {"honest": 2.0, "optimistic": 5.0},
    ),
    (
        "failed with the money kept",
        lambda o: o.seen(State.FAILED, 14).booked(State.FAILED),
        {"honest": 2.0, "pessimistic": 46.0},
    ),
    (
        "failed, and the money was given back 6 s later",
        lambda o: o.seen(State.FAILED, 14).refunded(17, 400).refunded(20, 600).booked(State.FAILED),
        {"honest": 2.0, "pessimistic": 6.0},
    ),
    (
        "expired, and the books tell of a delivery that nobody read",
        lambda o: o.seen(State.EXPIRED, 14).requested(15).sold(16, "c").booked(State.COMPLETED, ("c",)),
        {"honest": 2.0},
    ),
    (
        "completed, then recharging again",
        lambda o: (
            o.requested(12.1).sold(12.2, "c").seen(State.COMPLETED, 14, goods=("c",))
            .seen(State.RECHARGING, 18).seen(State.RECHARGING, 24, final=True)
        ),
        {"honest": 6.0, "regressive": 6.0},
    ),
    (
        "not a word that is known",
        lambda o: o.seen(State.UNKNOWN, 13).seen(State.PAID, 18).seen(State.PAID, 20, final=True),
        {"honest": 3.0, "unread": 5.0},
    ),
    (
        "what nobody read is not judged",
        lambda o: o.seen(State.PAID, 14).seen(State.PAID, 20, final=True).gone(40, 503),
        {"honest": 8.0},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("what", "story", "expected"), TRUE_STORIES)
def test_order_time_falls_into_the_classes_reckoned_by_hand(
    order: OrderMaker, what: str, story: Story, expected: dict[str, float]
) -> None:
    story(order)
    assert spent(order) == expected, what


def test_where_repeats_are_replayed_a_refusal_after_one_is_that_of_the_request(order: OrderMaker) -> None:
    order.requested(12.5, "replays").taken(12.6, "replays").seen(State.RECHARGING, 13).requested(15, "replays")
    order.refused(20, "replays").seen(State.RECHARGING, 30, final=True)
    assert spent(order) == {"honest": 8.0, "false_progress": 10.0}


def test_a_page_that_expired_before_it_was_paid_is_pessimistic_from_the_payment_on(new_run: NewRun) -> None:
    order = new_run(1).order(0).placed(11).seen(State.PAYING, 11.2).seen(State.EXPIRED, 20)
    order.captured(25).booked(State.EXPIRED)
    assert spent(order) == {"pessimistic": 35.0}


def test_without_an_upstream_false_progress_is_not_evaluated_and_told(new_run: NewRun) -> None:
    run = new_run(1, gate_texts=("honesty.false_progress <= 1%",), evidence=1)
    run.order(0).placed(11).seen(State.PAYING, 11.2).captured(12).seen(State.RECHARGING, 13)
    run.order(0).seen(State.RECHARGING, 50, final=True).booked(State.RECHARGING)
    found = analysed(run.write()).findings
    assert found.measures["honesty.false_progress"].value is None
    assert found.measures["honesty.honest"].value == 1.0
    assert found.gates[0].verdict == "inconclusive"
    assert any("false progress is not evaluated" in reason for reason in found.claims.reasons)


def test_in_a_mixed_run_only_orders_that_upstreams_vouch_for_are_judged_of_false_progress(new_run: NewRun) -> None:
    target = msgspec.structs.replace(make_plan().target, needs={"card_50": "game"})
    upstreams = {**make_plan().upstreams, "play": UpstreamPlan("game", "topup")}
    run = new_run(20, target=target, upstreams=upstreams)
    for n in range(20):
        run.order(n).placed(11).seen(State.PAYING, 11.2).captured(12).seen(State.RECHARGING, 12.5)
        run.order(n).seen(State.RECHARGING, 32, final=True).booked(State.RECHARGING)
    made = analysed(run.write())
    games = int((made.basis.orders.product == "card_50").sum())
    found = made.findings.honesty
    false = next(row for row in found.classes if row.name == "false_progress")
    assert 0 < games < 20
    assert (found.judged_orders, found.vouched_orders, false.orders) == (20, games, games)
    assert [(row.state, row.false_progress) for row in found.states if row.false_progress] == [("recharging", games)]
    assert made.findings.measures["honesty.false_progress"].value == pytest.approx(19.5 / 20)
    assert any(f"{20 - games} of 20 paid orders" in reason for reason in made.findings.claims.reasons)


def test_the_shares_are_those_of_order_time_and_sum_to_one(new_run: NewRun) -> None:
    run = new_run(2, upstreams=SUPPLIED)
    run.order(0).placed(11).seen(State.PAYING, 11.2).captured(12).seen(State.FAILED, 22).booked(State.FAILED)
    run.order(1).placed(11).seen(State.PAYING, 11.2).captured(12).seen(State.PAID, 13)
    run.order(1).seen(State.SUBMITTED, 20).seen(State.SUBMITTED, 44, final=True).booked(State.SUBMITTED)
    found = analysed(run.write()).findings
    values = {name.removeprefix("honesty."): m.value for name, m in found.measures.items() if "honesty." in name}
    assert values == pytest.approx({
        "honest": 8 / 80, "late": 10 / 80, "optimistic": 0, "pessimistic": 38 / 80, "regressive": 0,
        "false_progress": 24 / 80,
    })  # fmt: skip
    assert found.honesty.order_s == pytest.approx(800)
    optimistic = found.measures["honesty.optimistic"]
    assert optimistic.bound_hi is not None
    assert optimistic.bound_hi > 0.4  # two orders prove little


# --- a second way to reckon it, order by order and moment by moment
Moment = tuple[float, str, Any]


def random_story(order: OrderMaker, n: int) -> tuple[list[Moment], State]:
    """Tells a random order and gives back what happened, in tenths of a second, and the state in the books."""

    def u(what: str, k: int = 0) -> float:
        return draw(11, "honesty", what, n, k)

    def at(what: str, k: int = 0) -> float:
        return round(120 + u(what, k) * 300) / 10 + 0.05

    order.placed(11.0).seen(State.PAYING, 11.2)
    told: list[Moment] = [(11.2, "page", State.PAYING)]
    captured = at("captured")
    order.captured(captured)
    told.append((captured, "captured", None))
    states = [s for s in State if s not in TERMINAL]
    pages = sorted({round(at("page", k) + 0.35, 2) for k in range(int(u("pages") * 5))})
    for k, t in enumerate(pages):
        state = states[int(u("state", k) * len(states))]
        if k == len(pages) - 1 and u("ends") < 0.6:
            state = sorted(TERMINAL)[int(u("end") * len(TERMINAL))]
        card = ("c",) if u("shows", k) < 0.4 else ()
        order.seen(state, t, goods=card)
        told += [(t, "page", state), *([(t, "shown", None)] if card else [])]
    last = told[-1][2] if told[-1][1] == "page" else told[-2][2]
    if last not in TERMINAL:
        read = round(max([11.4, *pages]) + 0.17 + 15 * u("read"), 2)
        order.seen(last, read, final=True)
        told.append((read, "read", None))
    for k in range(int(u("asks") * 3)):
        t, no = at("ask", k), f"R{k}"
        order.requested(t, no=no)
        told.append((t, "asked", no))
        if u("refuses", k) < 0.5:
            order.refused(t + 0.5 + 9 * u("later", k), no=no)
            told.append((t + 0.5 + 9 * u("later", k), "refused", no))
    if u("sells") < 0.6:
        t = at("sold")
        order.sold(t, "c", no="R0")
        told.append((t, "sold", "R0"))
    if u("refunds") < 0.4:
        t = at("refund")
        order.refunded(t)
        told.append((t, "refunded", None))
    booked = last if u("books") < 0.7 else State.COMPLETED
    order.booked(booked)
    return sorted(told, key=lambda moment: moment[0]), booked


def label(now: dict[str, Any], went_on: bool) -> str:
    """The class at one moment, as docs/measures.md says it."""
    page, held, back = now["page"], now["held"], now["refunded"]
    if page is State.UNKNOWN:
        return "unread"
    if page not in TERMINAL:
        if held or back or page in BEFORE_PAID:
            return "late"
        is_progress = page in (State.SUBMITTED, State.RECHARGING)
        return "false_progress" if is_progress and not now["working"] else "honest"
    if page is State.COMPLETED:
        return "honest" if held else "optimistic"
    if page is State.REFUNDED:
        return "optimistic" if not back else "pessimistic" if held else "honest"
    if went_on:
        return "unread"
    return "pessimistic" if held or not back else "honest"


def by_hand(told: list[Moment], booked: State) -> dict[str, float]:
    """Order-time by class in whole ns: every moment looked at anew."""
    captured = next(t for t, what, _ in told if what == "captured")
    last = [value for _, what, value in told if what == "page"][-1]
    end = 60.0 if last in TERMINAL else next(t for t, what, _ in told if what == "read")
    if end <= captured:
        return {}
    went_on = last in ENDED_UNSERVED and booked is not last and booked is not State.UNKNOWN
    vouched = any(what == "sold" for _, what, _ in told)
    cuts = sorted({captured, end, *(t for t, _, _ in told if captured < t < end)})
    stretches: list[list[Any]] = []
    for start, stop in pairwise(cuts):
        past = [(what, value) for t, what, value in told if t <= start]
        requests = {value for what, value in past if what in ("asked", "sold")}
        sold = {value for what, value in past if what == "sold"}
        refusals = {}
        for t, what, value in told:
            if t <= start and what in ("asked", "refused"):
                refusals[value] = what == "refused"
        now = {
            "page": [value for what, value in past if what == "page"][-1],
            "held": vouched and any(what == "shown" for what, _ in past),
            "refunded": any(what == "refunded" for what, _ in past),
            "working": any(no in sold or not refusals.get(no, False) for no in requests),
        }
        stretches.append([label(now, went_on), stop - start, now["page"] in TERMINAL])
    while stretches and stretches[-1][2] and stretches[-1][0] in ("honest", "unread"):
        stretches.pop()
    merged: list[list[Any]] = []
    for name, length, _ in stretches:
        if merged and merged[-1][0] == name:
            merged[-1][1] += length
        else:
            merged.append([name, length])
    total: dict[str, float] = {}
    for name, length in merged:
        kept = name if name == "unread" or length > 2.2 else "honest"
        total[kept] = total.get(kept, 0.0) + length
    return {name: length for name, length in total.items() if length > 0}


def test_column_arithmetic_agrees_with_looking_at_every_moment_of_every_order(new_run: NewRun) -> None:
    run = new_run(400, upstreams=SUPPLIED)
    stories = [random_story(run.order(n), n) for n in range(400)]
    found = analysed(run.write()).basis.spent
    seen: set[str] = set()
    for n, story in enumerate(stories):
        mine = by_hand(*story)
        theirs = {name: float(ns) / 1e9 for name, ns in zip(CLASSES, found[n], strict=True) if ns > 0}
        assert theirs == pytest.approx(mine, abs=1e-6), story
        seen |= mine.keys()
    assert seen == set(CLASSES) - {"regressive"}

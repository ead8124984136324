"""Order-time by the true step, and what of it the page named, in business seconds of runs at compress 10; a page may
name another step for 22 of them (a poll of 0.2 s and 2 s of the wire)."""

from collections.abc import Callable

import msgspec

from ledger import events as facts
from ledger.states import State
from plan.run import UpstreamPlan
from reports.basis import basis
from reports.findings import Named
from reports.measure.named import STEPS, spent
from reports.stories import Stories
from tests.reports.conftest import NewRun, OrderMaker, make_plan, ns
from tests.reports.test_stuck import analysed

Story = Callable[[OrderMaker], object]
SUPPLIED = {**make_plan().upstreams, "cheap": UpstreamPlan("supplier", "sharedstore")}


def refund_asked(order: OrderMaker, at: float) -> OrderMaker:
    event = facts.RefundRequested(t=ns(at), o=order.key, upstream="epay", trade_no="T0", amount_fen=1000)
    return order.put("payment", event)


STORIES: list[tuple[str, Story, dict[str, list[float]]]] = [
    (
        "paid is paid until somebody is asked",
        lambda o: (
            o.seen(State.PAID, 12).requested(20).seen(State.RECHARGING, 20).seen(State.RECHARGING, 30, final=True)
        ),
        {"paid": [80, 80], "recharging": [100, 100]},
    ),
    (
        "submitted names work under way, and not a payment alone",
        lambda o: o.seen(State.SUBMITTED, 12).requested(20).seen(State.SUBMITTED, 30, final=True),
        {"paid": [80, 0], "recharging": [100, 100]},
    ),
    (
        "paid does not name work under way",
        lambda o: o.seen(State.PAID, 12).requested(20).seen(State.PAID, 30, final=True),
        {"paid": [80, 80], "recharging": [100, 0]},
    ),
    (
        "refused: recharging names it no more, delayed does",
        lambda o: (
            o.requested(12).seen(State.RECHARGING, 12).refused(15).seen(State.DELAYED, 20)
            .seen(State.DELAYED, 30, final=True)
        ),
        {"recharging": [30, 30], "refused": [150, 100]},
    ),
    (
        "delayed is true of whoever waits",
        lambda o: (
            o.seen(State.DELAYED, 12).requested(20).seen(State.DELAYED, 30).credited(30, "d").seen(State.COMPLETED, 35)
        ),
        {"paid": [80, 80], "recharging": [100, 100], "delivered": [50, 0]},
    ),
    (
        "asked again it is recharging again",
        lambda o: (
            o.requested(12).seen(State.RECHARGING, 12).refused(15).requested(20, no="R2")
            .seen(State.RECHARGING, 30, final=True)
        ),
        {"recharging": [130, 130], "refused": [50, 0]},
    ),
    (
        "goods there, and the page goes on",
        lambda o: o.requested(12).seen(State.RECHARGING, 12).credited(15, "x").seen(State.COMPLETED, 20),
        {"recharging": [30, 30], "delivered": [50, 0]},
    ),
    (
        "refunding is true from the moment the shop asks until the money is back",
        lambda o: refund_asked(o.seen(State.PAID, 12).seen(State.REFUNDING, 20), 20).refunded(25)
        .seen(State.REFUNDED, 30),
        {"paid": [80, 80], "refunding": [50, 50], "refunded": [50, 0]},
    ),
    (
        "refunding told and never asked for",
        lambda o: o.seen(State.PAID, 12).seen(State.REFUNDING, 20).seen(State.REFUNDING, 30, final=True),
        {"paid": [180, 80]},
    ),
    (
        "expired with the money kept, to the end of the run",
        lambda o: o.seen(State.PAID, 12).seen(State.EXPIRED, 20),
        {"paid": [480, 80]},
    ),
    (
        "another step for 22 s is within the tolerance",
        lambda o: o.seen(State.RECHARGING, 12).requested(14.2).seen(State.RECHARGING, 30, final=True),
        {"paid": [22, 22], "recharging": [158, 158]},
    ),
    (
        "a nanosecond more is not",
        lambda o: o.seen(State.RECHARGING, 12).requested(14.2 + 2e-9).seen(State.RECHARGING, 30, final=True),
        {"paid": [22, 0], "recharging": [158, 158]},
    ),
    (
        "with a person it is nobody's wait",
        lambda o: o.seen(State.PAID, 12).seen(State.MANUAL, 20).seen(State.MANUAL, 30, final=True),
        {"paid": [80, 80]},
    ),
    (
        "what was not known is not judged",
        lambda o: o.seen(State.UNKNOWN, 12).seen(State.PAID, 20).seen(State.PAID, 30, final=True),
        {"paid": [100, 100]},
    ),
]  # fmt: skip


def test_a_page_names_the_true_step_or_not(new_run: NewRun) -> None:
    """Every order is placed at 11, seen paying at 11.2 and paid at 12; the run ends at 60."""
    run = new_run(len(STORIES), upstreams=SUPPLIED)
    for n, (_, story, _) in enumerate(STORIES):
        story(run.order(n).placed(11.0).seen(State.PAYING, 11.2).captured(12.0))
    stories = Stories(run.write(), run.plan)
    b = basis(stories)
    found = spent(b.told, b.orders, b.work, stories.refund_asked_t(), b.eps_s * 1e9)
    stories.close()
    told: dict[str, dict[str, list[float]]] = {name: {} for name, _, _ in STORIES}
    columns = zip(
        found.i.tolist(), found.step.tolist(), (found.length / 1e8).tolist(), found.named.tolist(), strict=True
    )
    for i, step, business_s, named in columns:
        sums = told[STORIES[i][0]].setdefault(STEPS[step], [0, 0])
        sums[0] += business_s
        sums[1] += business_s * named
    rounded = {name: {step: [round(s, 3) for s in sums] for step, sums in by.items()} for name, by in told.items()}
    assert rounded == {name: expected for name, _, expected in STORIES}


def test_the_share_is_a_ratio_of_sums_and_a_measure_for_gates(new_run: NewRun) -> None:
    run = new_run(2, upstreams=SUPPLIED, gate_texts=("page.named >= 90%",))
    run.order(0).placed(11).captured(12).seen(State.PAID, 12).seen(State.PAID, 42, final=True)
    run.order(1).placed(11).captured(12).seen(State.RECHARGING, 12).seen(State.RECHARGING, 22, final=True)
    found = analysed(run.write()).findings
    named = found.named
    assert named is not None
    assert (named.order_s, named.named_s, named.share) == (400, 300, 0.75)
    assert found.measures["page.named"].value == 0.75
    assert msgspec.structs.asdict(named)["lo"] == found.measures["page.named"].lo


def test_where_nobody_vouches_the_true_step_is_not_known(new_run: NewRun) -> None:
    run = new_run(1)
    run.order(0).happy()
    found = analysed(run.write()).findings
    missing: Named | None = found.named
    assert missing is None
    assert found.measures["page.named"].method == "not evaluated: no upstream vouches for requests"

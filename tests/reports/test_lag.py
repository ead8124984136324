"""How far pages were behind, in wire seconds of synthetic runs at compress 10."""

from collections.abc import Callable

from ledger.states import State
from plan.run import UpstreamPlan
from reports import beside
from reports.basis import basis
from reports.findings import Lag
from reports.measure import lag
from reports.stories import Stories
from tests.reports.conftest import NewRun, OrderMaker, make_plan
from tests.reports.test_stuck import analysed

Story = Callable[[OrderMaker], object]
SUPPLIED = {**make_plan().upstreams, "cheap": UpstreamPlan("supplier", "sharedstore")}


def seen(state: State) -> Story:
    return lambda order: order.seen(state, 15)


STORIES: list[tuple[str, Story, list[tuple[float, bool]]]] = [
    (
        "each change is shown by the first state that knows of it",
        lambda o: (
            o.seen(State.PAID, 13).requested(13.5).credited(14, "x").seen(State.RECHARGING, 15)
            .seen(State.COMPLETED, 17)
        ),
        [(1, True), (3, True)],
    ),
    (
        "a card is there when the page shows it",
        lambda o: (
            o.requested(13).sold(14, "c").seen(State.RECHARGING, 15, goods=("c",))
            .seen(State.COMPLETED, 17, goods=("c",))
        ),
        [(3, True), (2, True)],
    ),
    *(
        (f"{state} shows that money was taken", seen(state), [(3.0, True)])
        for state in (State.SUBMITTED, State.DELAYED, State.FAILED, State.HELD, State.REFUNDING)
    ),
    *(
        (f"{state} does not, and is the last that was read", seen(state), [(38.0, False)])
        for state in (State.EXPIRED, State.CANCELLED)
    ),
    (
        "a page that knew before is not behind",
        lambda o: o.seen(State.PAID, 11.5).seen(State.COMPLETED, 13).requested(13).credited(14, "y"),
        [(0, True), (0, True)],
    ),
    (
        "a page that went back before the payment is",
        lambda o: o.seen(State.PAID, 11.3).seen(State.EXPIRED, 11.9).seen(State.PAID, 14),
        [(2, True)],
    ),
    (
        "what was never shown is cut at the last good poll",
        lambda o: o.requested(13).credited(14, "z").seen(State.PAYING, 30, final=True),
        [(18, False), (16, False)],
    ),
    (
        "what came after the last poll is not asked of the page",
        lambda o: o.seen(State.PAID, 13).seen(State.PAID, 30, final=True).credited(31, "w"),
        [(1, True)],
    ),
    (
        "money back is shown by refunded alone, once it is all back",
        lambda o: (
            o.seen(State.PAID, 13).refunded(14, 400).seen(State.REFUNDING, 15).refunded(16, 600)
            .seen(State.REFUNDED, 20)
        ),
        [(1, True), (4, True)],
    ),
    ("money back in part is not refunded", lambda o: o.seen(State.PAID, 13).refunded(14, 400), [(1, True)]),
    (
        "what a page showed after its end nobody knows",
        lambda o: o.seen(State.EXPIRED, 15).booked(State.COMPLETED),
        [(3, False)],
    ),
    ("the last word of the driver", lambda o: o.seen(State.PAID, 49.9), [(37.9, True)]),
]  # fmt: skip


def test_a_page_is_behind_from_a_change_until_it_shows_it(new_run: NewRun) -> None:
    """Every order is placed at 11, seen paying at 11.2 and paid at 12; the driver writes for the last time
    at 50."""
    run = new_run(len(STORIES), upstreams=SUPPLIED)
    for n, (_, story, _) in enumerate(STORIES):
        story(run.order(n).placed(11.0).seen(State.PAYING, 11.2).captured(12.0))
    stories = Stories(run.write(), run.plan)
    b = basis(stories)
    stories.close()
    found = lag.waits(b.orders, b.pages.dwells, beside.known_until(b), 1e-9)
    told: dict[str, list[tuple[float, bool]]] = {name: [] for name, _, _ in STORIES}
    for i, s, shown in zip(found.i.tolist(), found.s.tolist(), found.shown.tolist(), strict=True):
        told[STORIES[i][0]].append((round(s, 6), shown))
    assert told == {name: expected for name, _, expected in STORIES}


def test_the_distribution_is_kaplan_meiers_in_business_seconds(new_run: NewRun) -> None:
    run = new_run(4)
    for n, behind in enumerate((1.0, 2.0, 3.0)):
        run.order(n).placed(11).seen(State.PAYING, 11.2).captured(12).seen(State.PAID, 12 + behind)
    run.order(3).placed(11).seen(State.PAYING, 11.2).captured(12).seen(State.PAYING, 13.5, final=True)
    found = analysed(run.write()).findings.lag
    assert found is not None
    assert (found.n, found.shown, found.median_s, found.p95_s, found.max_s) == (4, 3, 20, 30, 30)
    assert (found.t_s, found.waiting) == ([10, 20, 30], [0.75, 0.375, 0])


def test_nobody_paid_has_no_lag(new_run: NewRun) -> None:
    run = new_run(1)
    run.order(0).placed(11)
    found: Lag | None = analysed(run.write()).findings.lag
    assert found is None

import pytest

from ledger.events import Event, PollFailed, Seen, goods_hash
from ledger.states import Code, State
from load.watch import Watched, Watchlist, phase_share
from targets.storefront import Ask, Page, Unread

ASK = Ask("poll", "GET", "http://127.0.0.1/o")
GONE = Unread(Code.UNKNOWN, "no such order", gone=True)


def order(key: str = "b00000001", due: int = 0) -> Watched:
    return Watched(key=key, ask=ASK, due=due)


def seen(events: list[Event]) -> Seen:
    (event,) = events
    assert isinstance(event, Seen)
    return event


def failed(events: list[Event]) -> PollFailed:
    (event,) = events
    assert isinstance(event, PollFailed)
    return event


def test_a_page_that_says_the_same_again_is_no_fact() -> None:
    watched = order()
    assert seen(watched.saw(Page(State.PAID, "已支付"), asked_t=10, t=11)).last_old_t is None
    assert watched.saw(Page(State.PAID, "已支付"), asked_t=20, t=21) == []


def test_other_words_for_the_same_state_are_a_change_that_the_buyer_sees() -> None:
    watched = order()
    watched.saw(Page(State.RECHARGING, "正在对接游戏服务器"), asked_t=10, t=11)
    said = seen(watched.saw(Page(State.RECHARGING, "第 2 次重试"), asked_t=20, t=21))
    assert (said.state, said.words, said.last_old_t) == (State.RECHARGING, "第 2 次重试", 10)


def test_a_change_lies_between_the_asking_of_the_last_old_page_and_the_reading_of_the_new_one() -> None:
    watched = order()
    watched.saw(Page(State.PAID, "p"), asked_t=10, t=11)
    watched.saw(Page(State.PAID, "p"), asked_t=20, t=21)
    watched.failed(GONE, status=404, t=31)
    event = seen(watched.saw(Page(State.COMPLETED, "c", ("KEY",)), asked_t=40, t=41))
    assert (event.last_old_t, event.t, event.state) == (20, 41, State.COMPLETED)
    assert event.goods == (goods_hash("KEY"),)
    assert watched.is_over


@pytest.mark.parametrize(
    "changed", [Page(State.PAID, "p", ("A",)), Page(State.PAID, "p", (), Code.GOODS_EMPTY), Page(State.CREATED, "p")]
)
def test_goods_code_and_state_are_each_a_change(changed: Page) -> None:
    watched = order()
    watched.saw(Page(State.PAID, "p"), asked_t=10, t=11)
    assert seen(watched.saw(changed, asked_t=20, t=21)).last_old_t == 10


def test_a_row_of_failures_is_told_at_its_first_and_with_its_count_when_it_ends() -> None:
    watched = order()
    first = failed(watched.failed(GONE, status=404, t=1))
    assert (first.t, first.count, first.status) == (1, 1, 404)
    assert watched.failed(GONE, status=404, t=2) == []
    assert watched.failed(Unread(Code.UPSTREAM_TIMEOUT, "timeout"), status=0, t=3) == []
    row, page = watched.saw(Page(State.PAID, "p"), asked_t=4, t=5)
    assert isinstance(row, PollFailed)
    assert (row.t, row.count, row.why) == (5, 3, "timeout")
    assert isinstance(page, Seen)


def test_a_row_of_one_failure_is_not_told_twice() -> None:
    watched = order()
    watched.failed(GONE, status=404, t=1)
    seen(watched.saw(Page(State.PAID, "p"), asked_t=2, t=3))


def test_an_open_order_ends_with_its_last_good_page() -> None:
    watched = order()
    watched.saw(Page(State.RECHARGING, "充值中"), asked_t=10, t=11)
    watched.saw(Page(State.RECHARGING, "充值中…"), asked_t=20, t=21)
    watched.failed(GONE, status=404, t=30)
    event = seen(watched.close(40))
    assert (event.t, event.final, event.words, event.last_old_t) == (21, True, "充值中…", None)


def test_an_order_that_ended_has_no_last_page_to_tell() -> None:
    watched = order()
    watched.saw(Page(State.COMPLETED, "c"), asked_t=10, t=11)
    assert watched.close(40) == []


def test_an_order_whose_page_was_never_read_ends_with_its_row_of_failures() -> None:
    watched = order()
    watched.failed(GONE, status=404, t=1)
    watched.failed(GONE, status=404, t=2)
    assert failed(watched.close(3)).count == 2


def test_orders_are_polled_by_due_time_and_not_before() -> None:
    watchlist = Watchlist(100)
    for key, due in (("b00000001", 30), ("b00000002", 10), ("b00000003", 10)):
        watchlist.put(order(key, due))
    assert watchlist.next_due() == 10
    assert watchlist.pop_due(9) is None
    popped = [watchlist.pop_due(30) for _ in range(4)]
    assert [found.key if found else None for found in popped] == ["b00000002", "b00000003", "b00000001", None]


@pytest.mark.parametrize(
    ("t", "late", "next_due"), [(50, False, 150), (150, False, 250), (151, True, 250), (449, True, 450)]
)
def test_a_poll_is_late_by_an_interval_and_keeps_its_rhythm(t: int, late: bool, next_due: int) -> None:
    watchlist, watched = Watchlist(100), order(due=50)
    assert watchlist.is_late(watched, t) is late
    watchlist.plan_next(watched, t)
    assert watched.due == next_due


def test_orders_placed_together_are_spread_over_the_interval() -> None:
    shares = [phase_share(7, f"b{n:08d}") for n in range(1000)]
    tenths = [sum(share // 0.1 == tenth for share in shares) for tenth in range(10)]
    assert min(tenths) > 60
    assert shares[0] == phase_share(7, "b00000000")

"""Every card is sold once, stock runs out, and a request number is honoured as its upstream does."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.clock import ManualClock
from ledger.events import Event, GoodsAccepted, GoodsRefused, GoodsSold, goods_hash
from ledger.money import Fen
from ledger.states import Code
from mocks.call import Subject
from mocks.goods import GoodsError, Repeated, UnknownProduct
from mocks.supplier.stock import (
    CREDIT_FEN,
    ENDLESS,
    Purchase,
    Request,
    Shelf,
    SoldOut,
    Stock,
)
from plan.run import ON_REPEAT

SUBJECT = Subject("b00000001", "key", "b00000001")


def a_request(request_no: str = "S1", product: str = "card_10", quantity: int = 1, upstream: str = "cheap") -> Request:
    return Request(upstream, request_no, product, quantity)


class Store:
    """A stock with its journal, and two upstreams."""

    def __init__(self, left: dict[str, int] | None = None, on_repeat: str = "replay") -> None:
        self.events: list[Event] = []
        self.stock = Stock(7, ManualClock(), self.events.append)
        for upstream in ("cheap", "good"):
            self.stock.fill(upstream, Shelf({"card_10": Fen(950), "card_50": Fen(4750)}, dict(left or {}), on_repeat))

    def buy(self, request: Request) -> Purchase:
        return self.stock.known(request) or self.stock.sell(request, SUBJECT)

    def sold(self) -> list[str]:
        return [event.goods for event in self.events if isinstance(event, GoodsSold)]


def test_cards_are_unique_over_products_and_upstreams() -> None:
    store = Store()
    cards: list[str] = []
    for n in range(40):
        upstream, product = ("cheap", "good")[n % 2], ("card_10", "card_50")[n % 3 % 2]
        cards += store.buy(a_request(f"S{n}", product, 3, upstream)).cards
    assert len(set(cards)) == len(cards) == 120
    assert store.sold() == [goods_hash(card) for card in cards]


def test_the_same_seed_sells_the_same_cards_and_another_seed_others() -> None:
    first, second = Store().buy(a_request()).cards, Store().buy(a_request()).cards
    other = Stock(8, ManualClock(), lambda _: None)
    other.fill("cheap", Shelf({"card_10": Fen(950)}, {}))
    assert first == second
    assert other.sell(a_request(), SUBJECT).cards != first
    assert first[0].startswith("卡号 card_10-0000001 卡密 ")


def test_no_card_is_sold_twice_not_even_after_forgetting() -> None:
    store = Store({"card_10": 1})
    before = store.buy(a_request()).cards
    assert store.stock.forget() == 1
    assert store.stock.left("cheap", "card_10") == 1
    assert store.stock.balance_fen("cheap") == CREDIT_FEN
    assert store.buy(a_request()).cards != before


def test_stock_runs_out_at_each_upstream_by_itself() -> None:
    store = Store({"card_10": 2})
    store.buy(a_request("S1", quantity=2))
    with pytest.raises(SoldOut, match="0 of card_10 left"):
        store.buy(a_request("S2"))
    assert len(store.buy(a_request("S3", upstream="good")).cards) == 1
    assert store.stock.left("good", "card_10") == 1


def test_fewer_left_than_asked_for_sells_none() -> None:
    store = Store({"card_10": 2})
    with pytest.raises(SoldOut):
        store.buy(a_request(quantity=3))
    assert store.stock.left("cheap", "card_10") == 2
    assert store.events == []
    assert len(store.stock.purchases) == 0


def test_what_the_plan_does_not_count_never_ends() -> None:
    store = Store({"card_10": 0})
    store.buy(a_request(product="card_50"))
    assert store.stock.left("cheap", "card_50") == ENDLESS


@pytest.mark.parametrize("ask", [Stock.left, Stock.price_fen])
def test_what_is_not_on_the_shelf_is_unknown(ask: object) -> None:
    with pytest.raises(UnknownProduct):
        ask(Store().stock, "cheap", "topup_10")  # type: ignore[operator]


def test_what_was_sold_is_taken_from_the_balance_and_nothing_else_is() -> None:
    store = Store({"card_10": 3})
    store.buy(a_request("S1", quantity=2))
    store.stock.sell_nothing(a_request("S2"), SUBJECT)
    store.stock.accept(a_request("S3"), SUBJECT)
    assert store.stock.balance_fen("cheap") == CREDIT_FEN - 2 * 950
    assert store.stock.balance_fen("good") == CREDIT_FEN


# --- request numbers ---------------------------------------------------------------------------------------------
def test_a_repeat_is_replayed_and_sells_nothing() -> None:
    store = Store()
    assert store.buy(a_request()) is store.buy(a_request())
    assert len(store.sold()) == 1


def test_a_repeat_is_rejected_where_the_upstream_does_so() -> None:
    store = Store(on_repeat="reject")
    store.buy(a_request())
    with pytest.raises(Repeated):
        store.buy(a_request())
    assert len(store.sold()) == 1


def test_a_repeat_is_sold_again_where_the_upstream_does_so() -> None:
    store = Store(on_repeat="sell_again")
    first, second = store.buy(a_request()), store.buy(a_request())
    assert first.cards != second.cards
    assert store.stock.purchases.find("cheap", "S1") is second


@pytest.mark.parametrize("other", [{"product": "card_50"}, {"quantity": 2}])
def test_another_request_under_an_old_number_is_no_replay(other: dict[str, object]) -> None:
    store = Store()
    store.buy(a_request())
    with pytest.raises(Repeated):
        store.buy(a_request(**other))  # type: ignore[arg-type]


def test_two_upstreams_may_see_the_same_number() -> None:
    store = Store(on_repeat="reject")
    assert store.buy(a_request()).cards != store.buy(a_request(upstream="good")).cards


def test_a_number_that_was_refused_is_still_free() -> None:
    store = Store({"card_10": 0}, on_repeat="reject")
    with pytest.raises(SoldOut):
        store.buy(a_request())
    assert store.buy(a_request(product="card_50")).sold == 1


# --- what faults ask for -----------------------------------------------------------------------------------------
def test_a_part_is_one_card_fewer_and_of_one_card_half_its_text() -> None:
    store = Store()
    some = store.stock.sell_partly(a_request("S1", quantity=3), SUBJECT)
    assert [goods_hash(card) for card in some.cards] == store.sold()
    assert (some.sold, len(some.cards)) == (2, 2)
    one = store.stock.sell_partly(a_request("S2"), SUBJECT)
    assert (one.sold, len(one.cards)) == (1, 1)
    assert goods_hash(one.cards[0]) != store.sold()[-1]


def test_nothing_sold_is_nothing_journalled() -> None:
    store = Store()
    purchase = store.stock.sell_nothing(a_request(), SUBJECT)
    assert (purchase.state, purchase.cards, purchase.sold) == ("delivered", (), 0)
    assert store.events == []


def test_what_was_accepted_and_fails_is_journalled_as_both() -> None:
    store = Store()
    purchase = store.stock.accept(a_request(), SUBJECT)
    assert purchase.state == "processing"
    store.stock.fail(purchase, Code.UPSTREAM_REFUSED, "no")
    assert purchase.state == "failed"
    assert [type(event) for event in store.events] == [GoodsAccepted, GoodsRefused]
    assert {event.o for event in store.events} == {"b00000001"}


steps = st.lists(
    st.tuples(
        st.sampled_from(["S1", "S2", "S3"]),
        st.sampled_from(["card_10", "card_50"]),
        st.integers(1, 3),
        st.sampled_from(["cheap", "good"]),
    ),
    max_size=20,
)


@pytest.mark.parametrize("on_repeat", ON_REPEAT)
@given(steps)
def test_no_sequence_sells_a_card_twice_or_more_than_there_were(
    on_repeat: str, sequence: list[tuple[str, str, int, str]]
) -> None:
    store = Store({"card_10": 5}, on_repeat)
    answered: Counter[tuple[str, str]] = Counter()
    for request_no, product, quantity, upstream in sequence:
        try:
            store.buy(a_request(request_no, product, quantity, upstream))
        except GoodsError:
            continue
        answered[upstream, request_no] += 1
    assert len(set(store.sold())) == len(store.sold())
    assert all(0 <= store.stock.left(upstream, "card_10") <= 5 for upstream in ("cheap", "good"))
    if on_repeat != "sell_again":
        assert len(store.stock.purchases) == len(answered)
    if on_repeat == "reject":
        assert set(answered.values()) <= {1}
    if on_repeat == "sell_again":
        assert len(store.stock.purchases) == answered.total()
    assert len(store.sold()) == sum(purchase.request.quantity for purchase in store.stock.purchases)

"""Money is taken, given back and refused exactly once, whatever the order of the calls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.clock import ManualClock
from ledger.events import (
    Captured,
    Disputed,
    DisputeEnded,
    Event,
    Refunded,
    RefundRequested,
    TradeClosed,
    TradeCreated,
)
from ledger.money import Fen
from mocks.call import Subject
from mocks.payment.trades import AmountDiffers, IsClosed, IsDisputed, NotPaid, Order, TooMuch, Trade, Trades

AMOUNT = 1000


def an_order(order_no: str = "C1", amount_fen: int = AMOUNT, upstream: str = "epay") -> Order:
    return Order(upstream, order_no, Fen(amount_fen), "card", "alipay", "http://127.0.0.1/n", "", "", "1001")


class Till:
    """Trades with their journal."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.trades = Trades(ManualClock(), self.events.append)

    def kinds(self) -> list[type[Event]]:
        return [type(event) for event in self.events]

    def make(self, o: str = "b00000001", **order: str) -> Trade:
        return self.trades.create(an_order(**order), Subject(o, "key", o))  # type: ignore[arg-type]


@pytest.fixture
def till() -> Till:
    return Till()


def test_the_same_order_again_is_the_same_trade_and_journalled_once(till: Till) -> None:
    assert till.make() is till.make()
    assert till.kinds() == [TradeCreated]


def test_one_order_number_at_two_upstreams_is_two_trades(till: Till) -> None:
    assert till.make().trade_no != till.make(upstream="cheap").trade_no
    assert till.trades.find("cheap", trade_no=till.make().trade_no) is None


def test_the_same_number_with_other_money_is_refused(till: Till) -> None:
    till.make()
    with pytest.raises(AmountDiffers):
        till.trades.create(an_order(amount_fen=999), Subject("b00000001", "key", "b00000001"))


def test_money_is_taken_once(till: Till) -> None:
    trade = till.make()
    assert [till.trades.capture(trade) for _ in range(3)] == [True, False, False]
    assert till.kinds().count(Captured) == 1


def test_a_closed_trade_cannot_be_paid_and_is_closed_once(till: Till) -> None:
    trade = till.make()
    assert [till.trades.close(trade), till.trades.close(trade)] == [True, False]
    with pytest.raises(IsClosed):
        till.trades.capture(trade)
    assert till.kinds() == [TradeCreated, TradeClosed]


def test_a_paid_trade_cannot_be_closed(till: Till) -> None:
    trade = till.make()
    till.trades.capture(trade)
    assert not till.trades.close(trade)
    assert trade.state == "captured"


def test_nothing_unpaid_is_given_back(till: Till) -> None:
    with pytest.raises(NotPaid):
        till.trades.refund(till.make(), Fen(1))
    assert till.kinds() == [TradeCreated, RefundRequested]


def test_facts_go_under_the_key_that_the_buyer_told(till: Till) -> None:
    trade = till.trades.create(an_order(), Subject("C1", "order_number", "C1"))
    till.trades.learn_key(trade, "b00000009")
    till.trades.capture(trade)
    assert [event.o for event in till.events] == ["C1", "b00000009"]
    assert till.trades.about("b00000009") == [trade]
    assert till.trades.about("C1") == []
    assert trade.subject.key == "C1"


def test_a_key_passed_through_is_not_overruled_by_a_buyer(till: Till) -> None:
    trade = till.make()
    till.trades.learn_key(trade, "b00000009")
    assert trade.o == "b00000001"


def test_a_second_buyer_at_a_paid_trade_does_not_take_over_the_money(till: Till) -> None:
    trade = till.trades.create(an_order(), Subject("C1", "order_number", "C1"))
    for buyer in ("b00000009", "b00000010"):
        till.trades.learn_key(trade, buyer)
        till.trades.capture(trade)
    till.trades.refund(trade, Fen(AMOUNT))
    assert {(type(event), event.o) for event in till.events if not isinstance(event, TradeCreated)} == {
        (Captured, "b00000009"), (RefundRequested, "b00000009"), (Refunded, "b00000009")
    }  # fmt: skip


def test_a_number_is_never_given_twice_not_even_after_forgetting(till: Till) -> None:
    first = till.make().trade_no
    assert till.trades.forget() == 1
    assert len(till.trades) == 0
    assert till.make().trade_no != first


def disputed(till: Till) -> Trade:
    trade = till.make()
    till.trades.capture(trade)
    till.trades.complain(trade, "nothing came")
    return trade


def test_a_forced_end_gives_back_what_the_shop_had_not(till: Till) -> None:
    trade = disputed(till)
    till.trades.refund(trade, Fen(300), "R1")
    refund = till.trades.end_dispute(trade, forced=True)
    assert refund is not None
    assert (refund.amount_fen, refund.forced, trade.state) == (700, True, "refunded")
    assert till.kinds()[-5:] == [Disputed, RefundRequested, Refunded, Refunded, DisputeEnded]
    assert [e.forced for e in till.events if isinstance(e, DisputeEnded)] == [True]
    assert [e.amount_fen for e in till.events if isinstance(e, Disputed)] == [AMOUNT]


def test_a_shop_that_gives_all_back_ends_the_dispute_itself(till: Till) -> None:
    ended: list[Trade] = []
    till.trades.on_dispute_ended = ended.append
    trade = disputed(till)
    till.trades.refund(trade, Fen(999))
    assert trade.dispute is not None
    assert trade.dispute.is_open
    till.trades.refund(trade, Fen(1))
    assert not trade.dispute.is_open
    assert [e.forced for e in till.events if isinstance(e, DisputeEnded)] == [False]
    assert till.trades.end_dispute(trade, forced=True) is None
    assert ended == [trade]
    assert till.kinds().count(DisputeEnded) == 1


def test_a_dispute_that_is_settled_without_force_moves_no_money(till: Till) -> None:
    trade = disputed(till)
    assert till.trades.end_dispute(trade, forced=False) is None
    assert trade.refundable_fen == AMOUNT
    with pytest.raises(IsDisputed):
        till.trades.complain(trade, "again")


@pytest.mark.parametrize("before", ["created", "closed", "refunded"])
def test_nobody_complains_about_money_that_the_shop_does_not_hold(till: Till, before: str) -> None:
    trade = till.make()
    if before == "closed":
        till.trades.close(trade)
    if before == "refunded":
        till.trades.capture(trade)
        till.trades.refund(trade, Fen(AMOUNT))
    with pytest.raises(NotPaid):
        till.trades.complain(trade, "nothing came")
    assert Disputed not in till.kinds()


def test_an_open_dispute_is_not_opened_again(till: Till) -> None:
    trade = disputed(till)
    with pytest.raises(IsDisputed):
        till.trades.complain(trade, "nothing came")
    assert till.kinds().count(Disputed) == 1


steps = st.lists(
    st.one_of(st.sampled_from(["capture", "close", "complain", "force"]), st.integers(-5, AMOUNT + 5)), max_size=12
)


@given(steps)
def test_no_sequence_gives_back_more_than_was_taken(sequence: list[str | int]) -> None:
    till = Till()
    trade = till.make()
    for step in sequence:
        try:
            if step == "capture":
                till.trades.capture(trade)
            elif step == "close":
                till.trades.close(trade)
            elif step == "complain":
                till.trades.complain(trade, "")
            elif step == "force":
                till.trades.end_dispute(trade, forced=True)
            else:
                till.trades.refund(trade, Fen(int(step)))
        except (NotPaid, TooMuch, IsClosed, IsDisputed):
            continue
    taken = sum(e.amount_fen for e in till.events if isinstance(e, Captured))
    given_back = sum(e.amount_fen for e in till.events if isinstance(e, Refunded))
    assert taken in (0, AMOUNT)
    assert 0 <= given_back <= taken
    assert trade.refundable_fen == taken - given_back == till.trades.totals("epay").kept_fen
    assert all(e.amount_fen > 0 for e in till.events if isinstance(e, Refunded))
    assert till.kinds().count(TradeClosed) <= 1
    assert till.kinds().count(DisputeEnded) <= till.kinds().count(Disputed) <= 1

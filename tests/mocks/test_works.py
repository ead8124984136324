"""Purchases that a supplier works on: what is set aside for them, how they end, and that each ends once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ledger.clock import SECOND_NS, ManualClock
from ledger.events import Credited, Event, GoodsAccepted, GoodsRefused, GoodsSold
from ledger.money import Fen
from ledger.states import Code
from mocks.call import Subject
from mocks.goods import UnknownProduct
from mocks.supplier.stock import DELIVERED, FAILED, PROCESSING, Purchase, Request, Shelf, SoldOut, Stock
from mocks.supplier.works import Ending, Works

SUBJECT = Subject("b00000001", "key", "b00000001")
TAKES_S = 2.0


def cards(quantity: int = 2, no: str = "S1") -> Request:
    return Request("cheap", no, "card_10", quantity)


def a_top_up(account: str = "player-1", no: str = "S1") -> Request:
    return Request("cheap", no, "topup_10", 1, account)


class Bench:
    """Works over a stock of five cards and one top-up, with what they told and journalled."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.clock, self.events, self.told = ManualClock(), list[Event](), list[str]()
        self.stock = Stock(7, self.clock, self.events.append)
        left = {"card_10": 5, "topup_10": 1}
        self.stock.fill("cheap", Shelf({"card_10": Fen(950)}, left, top_ups={"topup_10": Fen(900)}))
        self.works = Works(self.stock, self.clock, tasks)
        self.works.serve("cheap", TAKES_S, lambda purchase: self.told.append(f"{purchase.request_no} {purchase.state}"))

    def kinds(self) -> list[type[Event]]:
        return [type(event) for event in self.events]

    async def move_to_s(self, s: float) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        self.clock.move_to(int(s * SECOND_NS))
        for _ in range(5):
            await asyncio.sleep(0)


@asynccontextmanager
async def a_bench() -> AsyncIterator[Bench]:
    async with asyncio.TaskGroup() as tasks:
        bench = Bench(tasks)
        yield bench
        bench.works.stop()


@pytest.mark.parametrize(
    ("ending", "state", "given", "left", "kinds"),
    [
        (Ending.DELIVERED, DELIVERED, 2, 3, [GoodsAccepted, GoodsSold, GoodsSold]),
        (Ending.PARTLY, DELIVERED, 1, 4, [GoodsAccepted, GoodsSold]),
        (Ending.EMPTY, DELIVERED, 0, 5, [GoodsAccepted]),
        (Ending.FAILED, FAILED, 0, 5, [GoodsAccepted, GoodsRefused]),
        (Ending.NEVER, PROCESSING, 0, 3, [GoodsAccepted]),
    ],
)
async def test_each_ending_comes_when_the_work_is_done_and_not_before(
    ending: Ending, state: str, given: int, left: int, kinds: list[type[Event]]
) -> None:
    async with a_bench() as b:
        purchase = b.works.begin(cards(), SUBJECT, ending)
        await b.move_to_s(TAKES_S - 0.1)
        assert (purchase.state, b.told, b.stock.left("cheap", "card_10")) == (PROCESSING, [], 3)
        await b.move_to_s(TAKES_S)
        assert (purchase.state, len(purchase.cards), b.stock.left("cheap", "card_10")) == (state, given, left)
        assert b.told == ([f"S1 {state}"] if ending is not Ending.NEVER else [])
        assert (b.kinds(), b.works.working) == (kinds, 0)


async def test_a_top_up_is_credited_once_with_a_receipt_of_its_own_and_is_no_card() -> None:
    async with a_bench() as b:
        purchase = b.works.begin(a_top_up(), SUBJECT)
        assert b.works.finish(purchase)
        assert not b.works.finish(purchase)
        await b.move_to_s(TAKES_S)
        (credited,) = [event for event in b.events if isinstance(event, Credited)]
        assert (credited.credit, purchase.cards, b.told) == (purchase.receipt, (), [])
        assert b.stock.balance_fen("cheap") == 10_000_000 - 900
        with pytest.raises(SoldOut):
            b.works.begin(a_top_up(no="S2"), SUBJECT)


async def test_an_account_that_is_nobodys_fails_and_is_for_others_again() -> None:
    async with a_bench() as b:
        purchase = b.works.begin(a_top_up("nobody-1"), SUBJECT)
        await b.move_to_s(TAKES_S)
        assert (purchase.state, purchase.reason, purchase.receipt) == (FAILED, Code.ACCOUNT_INVALID, "")
        assert b.stock.left("cheap", "topup_10", is_top_up=True) == 1


@pytest.mark.parametrize(
    "request_", [Request("cheap", "S1", "card_10", 1, "player-1"), Request("cheap", "S1", "topup_10", 1)]
)
async def test_cards_are_no_top_ups_and_top_ups_no_cards(request_: Request) -> None:
    async with a_bench() as b:
        with pytest.raises(UnknownProduct):
            b.works.begin(request_, SUBJECT)
        assert b.events == []


async def test_what_is_set_aside_for_one_is_sold_to_no_other() -> None:
    async with a_bench() as b:
        b.works.begin(cards(4), SUBJECT)
        with pytest.raises(SoldOut):
            b.stock.sell(cards(2, "S2"), SUBJECT)
        b.stock.sell(cards(1, "S3"), SUBJECT)
        await b.move_to_s(TAKES_S)
        assert b.stock.left("cheap", "card_10") == 0


async def test_work_that_was_stopped_never_ends() -> None:
    async with a_bench() as b:
        purchase = b.works.begin(cards(), SUBJECT)
        b.works.stop()
        await b.move_to_s(TAKES_S + 1)
        assert (purchase.state, b.told, b.works.working) == (PROCESSING, [], 0)


# --- cards of others, and cards that are chosen ------------------------------------------------------------------
def sold_to(b: Bench, o: str, quantity: int = 1) -> Purchase:
    return b.stock.sell(cards(quantity, o), Subject(o, "key", o))


@pytest.mark.parametrize(
    ("quantity", "o", "whose"),
    [
        (1, "b00000003", "b00000002"),
        (2, "b00000003", "b00000001"),
        (3, "b00000003", None),
        (1, "b00000002", "b00000001"),
    ],
)
async def test_the_latest_cards_of_another_order_are_found_if_they_are_enough(
    quantity: int, o: str, whose: str | None
) -> None:
    async with a_bench() as b:
        given = {p.o: p.cards for p in (sold_to(b, "b00000001", 2), sold_to(b, "b00000002"))}
        assert b.stock.others(cards(quantity), o) == (given[whose][:quantity] if whose else ())
        b.stock.forget()
        assert b.stock.others(cards(quantity), o) == ()


async def test_a_card_that_was_chosen_is_skipped_in_turn() -> None:
    async with a_bench() as b:
        assert b.stock.on_offer("cheap", "card_10", 2) == [1, 2]
        chosen = b.stock.sell(Request("cheap", "S1", "card_10", 1, pick=2), SUBJECT)
        assert b.stock.on_offer("cheap", "card_10", 9) == [1, 3, 4, 5]
        assert b.stock.on_offer("cheap", "card_10", 0) == []
        others = sold_to(b, "b00000002", 4)
        assert len({*chosen.cards, *others.cards}) == 5
        assert b.stock.on_offer("cheap", "card_10", 9) == []

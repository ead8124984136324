import msgspec
import pytest

from ledger.states import Hop
from plan.faults import FaultPlan, Label
from plan.orders import Wish
from plan.units import Share, ShareRange, Window


def fault(**given: object) -> FaultPlan:
    plain = FaultPlan(
        "lost", "notice_lost", (Hop.PAYMENT_SHOP,), Label("notices lost", "通知丢失"), "payment notice lost"
    )
    return msgspec.structs.replace(plain, **given)


def order(n: int, **given: str) -> Wish:
    return msgspec.structs.replace(Wish(n, f"b{n:08d}", "card_10", "epay", "cn", "plain", 8.0), **given)


@pytest.mark.parametrize(
    ("orders", "n", "is_meant"),
    [
        (None, 0, True),
        (None, 999, True),
        (ShareRange(0.25, 0.5), 119, False),
        (ShareRange(0.25, 0.5), 120, True),
        (ShareRange(0.25, 0.5), 239, True),
        (ShareRange(0.25, 0.5), 240, False),
        (ShareRange(0.0, 1.0), 0, True),
        (ShareRange(0.0, 1.0), 479, True),
        (ShareRange(0.0, 1.0), 480, False),
    ],
)
def test_a_range_of_orders_is_a_share_of_the_planned_ones(orders: ShareRange | None, n: int, is_meant: bool) -> None:
    assert fault(orders=orders).is_for(order(n), 480) is is_meant


def test_two_ranges_that_touch_share_the_orders_out_exactly() -> None:
    first, second = fault(orders=ShareRange.parse("0%..33.3%")), fault(orders=ShareRange.parse("33.3%..100%"))
    for planned in (1, 3, 999, 1000):
        assert all(first.is_for(order(n), planned) != second.is_for(order(n), planned) for n in range(planned))


@pytest.mark.parametrize(
    ("select", "is_meant"),
    [
        ({}, True),
        ({"product": ["card_10"]}, True),
        ({"product": ["card_50", "card_10"]}, True),
        ({"product": ["card_10"], "channel": ["epay"], "region": ["cn"], "buyer": ["plain"]}, True),
        ({"product": ["card_50"]}, False),
        ({"product": []}, False),
        ({"product": ["card_10"], "buyer": ["double_click"]}, False),
    ],
)
def test_an_order_is_selected_by_all_of_the_dimensions(select: dict[str, list[str]], is_meant: bool) -> None:
    assert fault(select=select).is_for(order(1), 480) is is_meant


@pytest.mark.parametrize(("load_s", "is_in"), [(-1.0, False), (9.99, False), (10.0, True), (24.9, True), (25.0, False)])
def test_a_window_is_exposure_and_holds_its_start_and_not_its_end(load_s: float, is_in: bool) -> None:
    assert fault(window=Window(10, 25)).is_in_window(load_s) is is_in
    assert fault(window=Window(10, 25)).is_exposure
    assert fault().is_in_window(load_s)
    assert not fault(orders=ShareRange(0, 0.5), rate=Share(0.3), first=2, select={"product": ["x"]}).is_exposure

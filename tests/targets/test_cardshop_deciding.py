"""What to do next about an order: a table, and what no sequence of outcomes may lead to."""

import json
import math
from dataclasses import dataclass, field, replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.cardshop.deciding import (
    Action,
    Buy,
    GiveUp,
    HandOut,
    HandOver,
    Query,
    Refund,
    Rest,
    StartRefund,
    gap_s,
    next_step,
)
from targets.cardshop.profiles import read_profile
from targets.cardshop.settings import Settings
from targets.cardshop.states import Code, Known, State
from targets.cardshop.tables import Order

SETTINGS = Settings({}, "", retries=3, retry_s=5.0, query_s=15.0, compensate_s=180.0)
PAID_AT, TWO = 1000.0, ("a", "b")
ORDER = Order(
    id=1, order_no="C1", trade_no="", contact="b00000001@buyers.example", account="p", product="card_10",
    channel="epay", region="", state=State.PAID, code=None, price_fen=1000, paid_fen=1000, told="", upstream="",
    known=Known.NOTHING, tries=0, refusals="", receipt="", apology=None, pay_url="", created_at=900.0, paid_at=PAID_AT,
    changed_at=PAID_AT, updated_at=PAID_AT,
)  # fmt: skip
OPEN = replace(ORDER, state=State.SUBMITTED, upstream="a", known=Known.UNCLEAR, tries=1, code=Code.TIMEOUT)
TAKEN = replace(OPEN, state=State.RECHARGING, known=Known.ACCEPTED, code=None, product="topup_6")
NO = replace(OPEN, known=Known.REFUSED, code=Code.REFUSED, refusals=json.dumps({"a": False}))
SOLD_OUT = replace(NO, code=Code.SOLD_OUT, refusals=json.dumps({"a": True}))
BOTH = replace(NO, upstream="b", refusals=json.dumps({"a": False, "b": False}))
BACK = replace(ORDER, state=State.REFUNDING)


@pytest.mark.parametrize(
    ("order", "profile", "now_s", "action"),
    [
        (ORDER, "naive", 0, Buy("a")),
        (OPEN, "naive", 0, Rest()),
        (OPEN, "naive+retry_supplier", 0, Buy("a")),
        (replace(OPEN, tries=3), "naive+retry_supplier", 0, Rest()),
        (OPEN, "naive+fail_over_supplier", 0, Rest()),  # it may have been sold at the first
        (OPEN, "naive+query_supplier", 0, Query()),
        (OPEN, "hardened", 0, Query()),
        (TAKEN, "naive", 0, Rest()),
        (TAKEN, "naive+retry_supplier", 0, Rest()),
        (TAKEN, "naive+query_supplier", 0, Query()),
        (NO, "naive", 0, GiveUp(Code.REFUSED)),
        (NO, "naive+retry_supplier", 0, Buy("a")),
        (NO, "naive+fail_over_supplier", 0, Buy("b")),
        (SOLD_OUT, "naive+retry_supplier", 0, GiveUp(Code.SOLD_OUT)),
        (SOLD_OUT, "hardened", 0, Buy("b")),
        (BOTH, "naive+fail_over_supplier", 0, GiveUp(Code.REFUSED)),
        (BOTH, "hardened", 0, Buy("a")),
        (replace(BOTH, tries=3), "hardened", 0, GiveUp(Code.REFUSED)),
        (replace(NO, code=Code.REGION_MISMATCH), "hardened", 0, GiveUp(Code.REGION_MISMATCH)),
        (ORDER, "naive+compensate_late", 179, Buy("a")),
        (ORDER, "naive+compensate_late", 180, StartRefund()),
        (ORDER, "naive", 10_000, Buy("a")),
        (OPEN, "naive+compensate_late", 180, StartRefund()),
        (TAKEN, "naive+compensate_late", 180, HandOver()),
        (TAKEN, "hardened", 180, Query()),
        (replace(TAKEN, updated_at=PAID_AT + 180), "hardened", 180, HandOver()),
        (replace(OPEN, updated_at=PAID_AT + 180), "hardened", 180, StartRefund()),
        (BACK, "hardened", 0, Refund()),
        (replace(BACK, tries=3), "hardened", 0, HandOver()),
        (replace(ORDER, state=State.COMPLETED), "hardened", 0, Rest()),
        (replace(ORDER, state=State.MANUAL), "hardened", 10_000, Rest()),
        (replace(ORDER, state=State.PAYING), "hardened", 10_000, Rest()),
    ],
)
def test_the_next_action_is(order: Order, profile: str, now_s: float, action: Action) -> None:
    now = PAID_AT + now_s
    step = next_step(order, upstreams=TWO, profile=read_profile(profile), settings=SETTINGS, now=now)
    assert step.action == action
    assert math.isinf(step.at) == isinstance(action, Rest)


def test_the_shops_own_stock_has_no_upstream_to_ask() -> None:
    step = next_step(ORDER, upstreams=(), profile=read_profile("hardened"), settings=SETTINGS, now=PAID_AT)
    assert step.action == HandOut()


def test_a_wait_that_outlasts_the_limit_ends_at_the_limit() -> None:
    late = replace(OPEN, tries=3, updated_at=PAID_AT + 175)
    step = next_step(late, upstreams=TWO, profile=read_profile("hardened"), settings=SETTINGS, now=PAID_AT + 176)
    assert (step.action, step.at) == (StartRefund(), PAID_AT + 180)


def test_gaps_double_within_their_spread_and_differ_between_orders() -> None:
    for tries, base in ((1, 5.0), (2, 10.0), (3, 20.0), (4, 40.0), (5, 60.0), (9, 60.0)):
        gaps = {gap_s(replace(ORDER, tries=tries, order_no=f"C{n}"), SETTINGS) for n in range(200)}
        assert len(gaps) > 190
        assert all(0.5 * base <= gap < 1.5 * base for gap in gaps)
    assert gap_s(OPEN, SETTINGS) == gap_s(OPEN, SETTINGS)


# --- never buying twice ------------------------------------------------------------------------------------------
Answer = Literal["sold", "sold_unheard", "lost", "refused", "sold_out"]


@dataclass
class Supplier:
    """Sells a number once, whatever it then answers; a repeat of a number that was sold is refused as a repeat."""

    answers: list[Answer]
    sold: int = 0
    asked_again: bool = field(default=False)

    def buy(self) -> Answer:
        answer: Answer = self.answers.pop(0) if self.answers else "sold"
        if self.sold:
            return "sold_unheard"
        if answer in ("sold", "sold_unheard"):
            self.sold += 1
        return answer


def _after_buying(order: Order, name: str, answer: Answer) -> Order:
    asked = replace(order, upstream=name, tries=order.tries + 1, state=State.SUBMITTED)
    match answer:
        case "sold":
            return replace(asked, state=State.COMPLETED)
        case "sold_unheard" | "lost":
            return replace(asked, known=Known.UNCLEAR, code=Code.TIMEOUT)
        case "refused" | "sold_out":
            code = Code.SOLD_OUT if answer == "sold_out" else Code.REFUSED
            refused = json.loads(order.refusals or "{}") | {name: answer == "sold_out"}
            return replace(asked, known=Known.REFUSED, code=code, refusals=json.dumps(refused))


def _after_asking(order: Order, supplier: Supplier, *, is_heard: bool) -> Order:
    if not is_heard:
        return replace(order, tries=order.tries + 1)
    if supplier.sold:
        return replace(order, state=State.COMPLETED)
    refused = json.loads(order.refusals or "{}") | {order.upstream: False}
    return replace(order, tries=order.tries + 1, known=Known.REFUSED, refusals=json.dumps(refused))


ANSWERS = st.lists(st.sampled_from(["sold", "sold_unheard", "lost", "refused", "sold_out"]), max_size=6)
SWITCHES = st.sets(st.sampled_from(["retry_supplier", "fail_over_supplier", "query_supplier", "compensate_late"]))


@given(a=ANSWERS, b=ANSWERS, heard=st.lists(st.booleans(), max_size=8), switches=SWITCHES)
def test_no_sequence_of_losses_and_refusals_buys_twice(
    a: list[Answer], b: list[Answer], heard: list[bool], switches: set[str]
) -> None:
    suppliers = {"a": Supplier(a), "b": Supplier(b)}
    profile = read_profile("".join(["naive", *(f"+{switch}" for switch in sorted(switches))]))
    settings, order, now, is_settled = replace(SETTINGS, retries=8), ORDER, PAID_AT, False
    for _ in range(60):
        step = next_step(order, upstreams=TWO, profile=profile, settings=settings, now=now)
        now = max(now, step.at)
        match step.action:
            case Buy(upstream=name):
                order = _after_buying(order, name, suppliers[name].buy())
            case Query():
                order = _after_asking(order, suppliers[order.upstream], is_heard=heard.pop(0) if heard else True)
            case _:
                is_settled = True
                break
        order = replace(order, updated_at=now)
    assert is_settled  # nothing goes round in circles
    assert sum(supplier.sold for supplier in suppliers.values()) <= 1
    if order.state is State.COMPLETED:
        assert sum(supplier.sold for supplier in suppliers.values()) == 1

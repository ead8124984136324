"""The table of design.md section 4, pinned: states, labels, thresholds, which of them end an order."""

import pytest

from ledger.states import (
    BEFORE_PAID,
    ENDED_UNSERVED,
    STUCK_AFTER_S,
    TERMINAL,
    Code,
    Hop,
    Operation,
    Phase,
    State,
)

TABLE = [  # state, label, stuck after so many business seconds, ends an order
    ("created", "待支付", 30, False),
    ("paying", "支付中", 30, False),
    ("paid", "已支付", 30, False),
    ("submitted", "已提交", 60, False),
    ("recharging", "充值中", 120, False),
    ("delayed", "处理异常", 120, False),
    ("refunding", "退款中", 60, False),
    ("completed", "已完成", None, True),
    ("refunded", "已退款", None, True),
    ("failed", "充值失败", None, True),
    ("expired", "已过期", None, True),
    ("cancelled", "已取消", None, True),
    ("held", "风控审核", None, False),
    ("manual", "人工处理", None, False),
    ("unknown", "未知", None, False),
]
CODES = """
pay.not_submitted pay.unmatched pay.amount_mismatch notice.bad_signature upstream.bad_signature
upstream.timeout upstream.refused upstream.overloaded upstream.version upstream.unknown_result goods.unknown
goods.sold_out goods.empty account.invalid region.mismatch identifiers.missing risk.held risk.rejected
shop.overloaded shop.database shop.crashed order.expired order.cancelled unknown
"""
HOPS = """buyer>shop buyer>payment shop>payment payment>shop shop>supplier supplier>shop shop>game game>shop shop>db"""


@pytest.mark.parametrize(("word", "zh", "stuck_after_s", "ends"), TABLE)
def test_a_state_is_what_the_design_says(word: str, zh: str, stuck_after_s: float | None, ends: bool) -> None:
    state = State(word)
    assert state.zh == zh
    assert STUCK_AFTER_S.get(state) == stuck_after_s
    assert state.is_terminal is ends


def test_the_table_names_every_state() -> None:
    assert [state.value for state in State] == [word for word, *_ in TABLE]


def test_no_state_both_ends_an_order_and_counts_as_stuck() -> None:
    assert not TERMINAL & STUCK_AFTER_S.keys()


def test_an_end_without_goods_or_refund_is_an_end() -> None:
    assert {State.FAILED, State.EXPIRED, State.CANCELLED} == ENDED_UNSERVED
    assert ENDED_UNSERVED < TERMINAL


def test_only_held_and_manual_compete_with_being_stuck() -> None:
    assert {state for state in State if state.is_competing} == {State.HELD, State.MANUAL}
    assert {State.CREATED, State.PAYING} == BEFORE_PAID


def test_the_codes_and_hops_are_those_of_the_design() -> None:
    assert {code.value for code in Code} == set(CODES.split())
    assert {hop.value for hop in Hop} == {*HOPS.split(), "shop"}


def test_operations_keep_their_names_because_they_enter_the_hash() -> None:
    pinned = {"create", "query", "refund", "notice", "cashier", "pay", "merchant", "place", "poll"}
    pinned |= {"cancel", "connect", "catalogue", "stock", "price", "validate", "buy", "stub", "house"}
    assert pinned <= {operation.value for operation in Operation}


def test_the_phases_come_in_the_order_of_a_run() -> None:
    assert list(Phase) == ["prepare", "warm_up", "load", "heal", "settle", "collect"]

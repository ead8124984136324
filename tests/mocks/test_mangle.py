"""What is done to fields, as a table; and what is left alone."""

import copy
from typing import Any

import pytest

from faults.verdict import (
    AmountOff,
    ChangeState,
    Delay,
    Drop,
    Effect,
    FlipCode,
    Rename,
    Retype,
    ScaleMoney,
    Strip,
    Stripped,
)
from mocks.mangle import MANGLING, Schema, mangle
from mocks.payment import epay, epay_family

YUAN = Schema(
    pair=("data.status", "data.state"),
    missing="data.secret",
    state="data.status",
    states={"1": 2, "paid": "done"},
    no_state="9",
    code="code",
    codes={"200": 0, "true": 0},
    money=("data.amount", "price"),
    identifiers=("data.region", "param"),
)
FEN = Schema(money=("amount.total",), in_fen=True)
OLD, NEW, UNKNOWN = {"data": {"status": "paid"}}, ChangeState(unknown=False), ChangeState(unknown=True)

CHANGED: list[tuple[Schema, Effect, dict[str, Any], dict[str, Any], str]] = [
    (YUAN, NEW, OLD, {"data": {"status": "done"}}, "data.status paid told as done"),
    (YUAN, NEW, {"data": {"status": 1}}, {"data": {"status": 2}}, "data.status 1 told as 2"),
    (YUAN, UNKNOWN, {"data": {"status": 1}}, {"data": {"status": 9}}, "data.status 1 told as 9"),
    (YUAN, UNKNOWN, OLD, {"data": {"status": "9"}}, "data.status paid told as 9"),
    (YUAN, FlipCode(), {"code": 200}, {"code": 0}, "code 200 told as 0"),
    (YUAN, FlipCode(), {"code": "200"}, {"code": 0}, "code 200 told as 0"),
    (YUAN, FlipCode(), {"code": True}, {"code": 0}, "code true told as 0"),
    (YUAN, ScaleMoney(100.0), {"price": "10.00"}, {"price": "1000"}, "price 10.00 told as 1000"),
    (YUAN, ScaleMoney(100.0), {"price": "0.07"}, {"price": "7"}, "price 0.07 told as 7"),
    (YUAN, ScaleMoney(100.0), {"price": 10.5}, {"price": 1050}, "price 10.5 told as 1050"),
    (
        FEN,
        ScaleMoney(100.0),
        {"amount": {"total": 1050}},
        {"amount": {"total": 10.5}},
        "amount.total 1050 told as 10.5",
    ),
    (
        FEN,
        ScaleMoney(100.0),
        {"amount": {"total": "1000"}},
        {"amount": {"total": "10.00"}},
        "amount.total 1000 told as 10.00",
    ),
    (YUAN, AmountOff(-1), {"price": "10.00"}, {"price": "9.99"}, "price 10.00 told as 9.99"),
    (YUAN, AmountOff(1), {"price": "0.99"}, {"price": "1.00"}, "price 0.99 told as 1.00"),
    (YUAN, AmountOff(-1), {"price": "0.01"}, {"price": "0.00"}, "price 0.01 told as 0.00"),
    (FEN, AmountOff(3), {"amount": {"total": 1000}}, {"amount": {"total": 1003}}, "amount.total 1000 told as 1003"),
    (
        YUAN,
        Retype(),
        {"code": 1, "money": "10.50", "no": "007", "id": "1" * 16, "ok": True, "data": {"n": "12", "x": "a1"}},
        {"code": "1", "money": 10.5, "no": "007", "id": "1" * 16, "ok": True, "data": {"n": 12, "x": "a1"}},
        "another type: code, money, data.n",
    ),
    (
        YUAN,
        Strip((), Stripped.REMOVED),
        {"param": "p", "data": {"region": "cn"}},
        {"data": {}},
        "removed: data.region, param",
    ),
    (
        YUAN,
        Strip(("name",), Stripped.EMPTIED),
        {"name": "x", "param": "p"},
        {"name": "", "param": "p"},
        "emptied: name",
    ),
    (YUAN, Strip((), Stripped.RENAMED), {"param": "p"}, {"param_v2": "p"}, "renamed: param"),
    (YUAN, Drop(None), {"data": {"secret": "s", "n": 1}}, {"data": {"n": 1}}, "left out: data.secret"),
    (YUAN, Drop("code"), {"code": 1}, {}, "left out: code"),
    (YUAN, Rename(None, None), {"data": {"status": 1}}, {"data": {"state": 1}}, "data.status renamed state"),
    (YUAN, Rename("code", "errcode"), {"code": 1}, {"errcode": 1}, "code renamed errcode"),
    (YUAN, Rename("a", "b"), {"a": 1, "b": 2}, {"b": 1}, "a renamed b"),
]


@pytest.mark.parametrize(("schema", "effect", "was", "now", "words"), CHANGED)
def test_fields_are_changed_as_the_effect_says(
    schema: Schema, effect: Effect, was: dict[str, Any], now: dict[str, Any], words: str
) -> None:
    fields = copy.deepcopy(was)
    assert mangle(fields, effect, schema) == words
    assert fields == now
    assert [type(value) for value in fields.values()] == [type(value) for value in now.values()]


LEFT: list[tuple[Schema, Effect, dict[str, Any]]] = [
    (YUAN, NEW, {}),
    (YUAN, NEW, {"data": {"status": 3}}),
    (YUAN, NEW, {"data": "status"}),
    (YUAN, UNKNOWN, {"data": {"status": 9}}),
    (Schema(), UNKNOWN, {"": "x"} | OLD),
    (YUAN, FlipCode(), {"code": 1}),
    (YUAN, FlipCode(), {"data": {"code": 200}}),
    (YUAN, ScaleMoney(100.0), {"price": "0.00"}),
    (YUAN, ScaleMoney(100.0), {"price": "ten"}),
    (YUAN, ScaleMoney(100.0), {"price": None}),
    (YUAN, ScaleMoney(100.0), {"price": True}),
    (YUAN, AmountOff(-2), {"price": "0.01"}),
    (YUAN, AmountOff(1), {"amount": "1.00"}),
    (YUAN, Retype(), {"a": "x", "b": True, "c": None, "d": "1,0", "e": "1e3", "f": "", "g": ["1"]}),
    (YUAN, Strip((), Stripped.REMOVED), {"name": "x"}),
    (YUAN, Strip(("name",), Stripped.EMPTIED), {"name": ""}),
    (YUAN, Drop("data.secret.deep"), {"data": {"secret": "s"}}),
    (YUAN, Drop(None), {"secret": "s"}),
    (Schema(), Rename(None, None), {"status": 1}),
    (YUAN, Rename("code", "code"), {"code": 1}),
    (YUAN, Rename("no_such", "code"), {"code": 1}),
]


@pytest.mark.parametrize(("schema", "effect", "fields"), LEFT)
def test_what_is_not_there_or_has_no_other_form_is_left_alone(
    schema: Schema, effect: Effect, fields: dict[str, Any]
) -> None:
    before = copy.deepcopy(fields)
    assert mangle(fields, effect, schema) == ""
    assert fields == before


def test_every_kind_of_mangling_has_its_row_in_both_tables() -> None:
    assert {type(effect) for _, effect, *_ in CHANGED} == {type(effect) for _, effect, _ in LEFT} == set(MANGLING)


def test_what_is_no_mangling_is_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError):
        mangle({}, Delay(1.0), Schema())


@pytest.mark.parametrize("schema", [epay.QUERIED, epay_family.NOTICE])
def test_the_other_versions_of_epay_call_every_state_otherwise(schema: Schema) -> None:
    told = {str(other) for other in schema.states.values()}
    assert schema.state
    assert all(state != str(other) for state, other in schema.states.items())
    assert schema.no_state not in told | schema.states.keys()

"""What is done to fields, as a table; and what is left alone."""

import copy
from typing import Any

import pytest

from faults.verdict import (
    AddField,
    AmountOff,
    ChangeState,
    DateForm,
    Delay,
    Digits,
    Drop,
    Effect,
    Enwrap,
    FlapState,
    FlipCode,
    Redate,
    Rename,
    Reshape,
    Retype,
    RewriteMoney,
    ScaleMoney,
    Shape,
    Strip,
    Stripped,
    Turned,
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
    flaps={"data.status": ("1", 0), "state": ("SUCCESS", "PROCESSING")},
    dates=("data.paid_at", "at"),
    shape=("data", Shape.LIST),
    envelope=("", "response"),
)
FEN = Schema(money=("amount.total",), in_fen=True)
TEXT = Schema(shape=("result", Shape.TEXT), envelope=("trade_query_response", "error_response"))
FLAT = Schema(shape=("data", Shape.FLAT), envelope=("response", ""), code="ok")
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
    (YUAN, Retype(Turned.TO_TEXT), {"a": 1, "b": "2"}, {"a": "1", "b": "2"}, "another type: a"),
    (YUAN, Retype(Turned.TO_NUMBER), {"a": 1, "b": "2"}, {"a": 1, "b": 2}, "another type: b"),
    (YUAN, FlapState(), {"data": {"status": 1}}, {"data": {"status": 0}}, "data.status 1 told as 0"),
    (YUAN, FlapState(), {"state": "SUCCESS"}, {"state": "PROCESSING"}, "state SUCCESS told as PROCESSING"),
    (YUAN, RewriteMoney(Digits.FOUR), {"price": "27.90"}, {"price": "27.9000"}, "price 27.90 told as 27.9000"),
    (YUAN, RewriteMoney(Digits.EXPONENT), {"price": "10.00"}, {"price": "1e1"}, "price 10.00 told as 1e1"),
    (YUAN, RewriteMoney(Digits.EXPONENT), {"price": "27.90"}, {"price": "2.79e1"}, "price 27.90 told as 2.79e1"),
    (YUAN, RewriteMoney(Digits.EXPONENT), {"price": "0.50"}, {"price": "5e-1"}, "price 0.50 told as 5e-1"),
    (YUAN, RewriteMoney(Digits.THOUSANDS), {"price": "1027.9"}, {"price": "1,027.90"}, "price 1027.9 told as 1,027.90"),
    (YUAN, Redate(DateForm.EPOCH_MS), {"at": 1790000000}, {"at": 1790000000000}, "at 1790000000 told as 1790000000000"),
    (
        YUAN,
        Redate(DateForm.EPOCH_S),
        {"at": "1790000000123"},
        {"at": "1790000000"},
        "at 1790000000123 told as 1790000000",
    ),
    (
        YUAN,
        Redate(DateForm.RFC3339),
        {"data": {"paid_at": "2026-09-21 22:13:20"}},
        {"data": {"paid_at": "2026-09-21T22:13:20+08:00"}},
        "data.paid_at 2026-09-21 22:13:20 told as 2026-09-21T22:13:20+08:00",
    ),
    (
        YUAN,
        Redate(DateForm.LOCAL),
        {"at": "2026-09-21T14:13:20Z"},
        {"at": "2026-09-21 22:13:20"},
        "at 2026-09-21T14:13:20Z told as 2026-09-21 22:13:20",
    ),
    (
        YUAN,
        Redate(DateForm.EPOCH_S),
        {"at": "2026-09-21 22:13:20"},
        {"at": "1790000000"},
        "at 2026-09-21 22:13:20 told as 1790000000",
    ),
    (YUAN, AddField("x", "1"), {"a": 1}, {"a": 1, "x": "1"}, "one more: x"),
    (YUAN, Reshape(None, None), {"data": {"n": 1}}, {"data": [{"n": 1}]}, "another shape: data"),
    (YUAN, Reshape(None, None), {"data": [{"n": 1}]}, {"data": {"n": 1}}, "another shape: data"),
    (YUAN, Reshape("a.b", None), {"a": {"b": {}}}, {"a": {"b": [{}]}}, "another shape: a.b"),
    (YUAN, Reshape("data", Shape.FLAT), {"code": 1, "data": {"n": 1}}, {"code": 1, "n": 1}, "another shape: data"),
    (TEXT, Reshape(None, None), {"result": {"n": "会"}}, {"result": '{"n":"会"}'}, "another shape: result"),
    (TEXT, Reshape(None, None), {"result": "[1]"}, {"result": [1]}, "another shape: result"),
    (
        FLAT,
        Reshape(None, None),
        {"ok": True, "msg": "", "n": 1},
        {"ok": True, "msg": "", "data": {"n": 1}},
        "another shape: data",
    ),
    (YUAN, Enwrap(None), {"a": 1, "b": 2}, {"response": {"a": 1, "b": 2}}, "another envelope: response"),
    (YUAN, Enwrap("data"), {"data": 1}, {"data": {"data": 1}}, "another envelope: data"),
    (
        TEXT,
        Enwrap(None),
        {"trade_query_response": {"a": 1}},
        {"error_response": {"a": 1}},
        "another envelope: error_response",
    ),
    (FLAT, Enwrap(None), {"response": {"a": 1}}, {"a": 1}, "another envelope: none"),
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
    (YUAN, Retype(Turned.TO_TEXT), {"a": "1"}),
    (YUAN, Retype(Turned.TO_NUMBER), {"a": 1}),
    (YUAN, FlapState(), {"data": {"status": 2}, "state": "FAILED"}),
    (Schema(), FlapState(), OLD),
    (YUAN, RewriteMoney(Digits.FOUR), {"price": 27.9}),
    (YUAN, RewriteMoney(Digits.FOUR), {"price": "ten"}),
    (YUAN, RewriteMoney(Digits.FOUR), {"price": "NaN"}),
    (YUAN, RewriteMoney(Digits.THOUSANDS), {"price": "999.99"}),
    (FEN, RewriteMoney(Digits.FOUR), {"amount": {"total": "1000"}}),
    (YUAN, Redate(DateForm.EPOCH_S), {"at": 1790000000}),
    (YUAN, Redate(DateForm.LOCAL), {"at": "2026-09-21 22:13:20"}),
    (YUAN, Redate(DateForm.LOCAL), {"at": "soon"}),
    (YUAN, Redate(DateForm.LOCAL), {"at": 17}),
    (YUAN, Redate(DateForm.LOCAL), {"at": True}),
    (YUAN, Redate(DateForm.LOCAL), {"at": None, "data": "at"}),
    (YUAN, AddField("a", "2"), {"a": 1}),
    (YUAN, Reshape(None, None), {"data": [{}, {}]}),
    (YUAN, Reshape(None, None), {"data": "x", "n": 1}),
    (YUAN, Reshape(None, None), {"n": 1}),
    (YUAN, Reshape("data", Shape.FLAT), {"data": 1}),
    (TEXT, Reshape(None, None), {"result": "no JSON"}),
    (TEXT, Reshape(None, None), {"result": "7"}),
    (TEXT, Reshape(None, None), {"result": 7}),
    (FLAT, Reshape(None, None), {"ok": True, "msg": ""}),
    (Schema(), Reshape(None, None), {"a": 1}),
    (Schema(), Reshape("a.b", Shape.FLAT), {"a": 1}),
    (Schema(), Enwrap(None), {"a": 1}),
    (TEXT, Enwrap(None), {"a": 1}),
    (FLAT, Enwrap(None), {"a": 1}),
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

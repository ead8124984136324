"""One table for all faults: a new one fails here until it has its rows."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from faults.catalog import FOLDERS, Cause, Fault, catalog
from faults.verdict import (
    Delay,
    Effect,
    FailCheck,
    Hang,
    Lose,
    LoseAnswer,
    LoseRequest,
    Refuse,
    Rename,
    Repeat,
    SignAs,
    Variant,
)
from ledger.states import Hop, Operation
from plan.units import from_text

FAULTS = Path(__file__).parents[2] / "faults"
ANYTHING_ELSE = [{"surprise": 1}]

LEGAL: list[tuple[str, dict[str, object], Effect]] = [
    ("hang", {}, Hang(60.0)),
    ("hang", {"lasts": "500 ms"}, Hang(0.5)),
    ("lose_answer", {}, LoseAnswer()),
    ("loss_with_load", {"curve": [["5/s", "0%"], ["20/s", "40%"]]}, LoseRequest()),
    ("loss_with_load", {"curve": [["300/min", 0.5]]}, LoseRequest()),
    ("notice_late", {"by": "3 s"}, Delay(3.0)),
    ("notice_lost", {}, Lose()),
    ("notice_repeat", {}, Repeat(1, 0.0)),
    ("notice_repeat", {"copies": 100, "gap": "1.5 s"}, Repeat(100, 1.5)),
    ("refuse", {}, Refuse(503)),
    ("refuse", {"status": 400}, Refuse(400)),
    ("refuse", {"status": 599}, Refuse(599)),
    ("sig.wrong_key", {}, FailCheck()),
    ("sig.wrong_peer_key", {}, SignAs(Variant.WRONG_KEY)),
    ("slow", {"ms": 400}, Delay(0.4)),
    ("slow", {"ms": 0.5}, Delay(0.0005)),
    ("slow", {"ms": 600_000}, Delay(600.0)),
    ("ver.renamed", {}, Rename(None, None)),
    ("ver.renamed", {"field": "status", "to": "trade_status"}, Rename("status", "trade_status")),
]
REFUSED: dict[str, list[dict[str, object]]] = {
    "hang": [{"lasts": 60}, {"lasts": "60"}, {"lasts": "-1 s"}, {"s": "1 s"}],
    "lose_answer": [{"ms": 1}],
    "loss_with_load": [
        {},
        {"curve": []},
        {"curve": [["5/s"]]},
        {"curve": [["5/s", "101%"]]},
        {"curve": [[5, "10%"]]},
        {"curve": [["5/s", "10%"], ["5/s", "20%"]]},
        {"curve": [["9/s", "10%"], ["5/s", "20%"]]},
    ],
    "notice_late": [{}, {"by": 3}, {"by": "soon"}],
    "notice_lost": [{"copies": 1}],
    "notice_repeat": [{"copies": 0}, {"copies": 101}, {"copies": 1.5}, {"copies": "2"}, {"gap": 1}],
    "refuse": [{"status": 399}, {"status": 600}, {"status": 200}, {"status": "503"}],
    "sig.wrong_key": [{"key": "x"}],
    "sig.wrong_peer_key": [{"key": "x"}],
    "slow": [{}, {"ms": 0}, {"ms": -1}, {"ms": 600_001}, {"ms": "400 ms"}, {"ms": float("nan")}, {"ms": float("inf")}],
    "ver.renamed": [{"field": "status"}, {"to": "trade_status"}, {"field": 1, "to": "x"}],
}


def parameters(name: str, plain: dict[str, object]) -> msgspec.Struct:
    made: msgspec.Struct = msgspec.convert(plain, catalog()[name].params, dec_hook=from_text)
    return made


@pytest.mark.parametrize(("name", "plain", "effect"), LEGAL)
def test_legal_parameters_have_their_effect(name: str, plain: dict[str, object], effect: Effect) -> None:
    made = catalog()[name].effect
    assert made is not None
    assert made(parameters(name, plain)) == effect


@pytest.mark.parametrize(
    ("name", "plain"), [(name, plain) for name, rows in REFUSED.items() for plain in (*rows, *ANYTHING_ELSE)]
)
def test_other_parameters_are_refused(name: str, plain: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        parameters(name, plain)


def test_every_fault_has_its_rows_in_both_tables() -> None:
    assert {name for name, *_ in LEGAL} == set(catalog())
    assert set(REFUSED) == set(catalog())


def test_a_fault_is_named_as_its_file_is() -> None:
    files = {
        FOLDERS[path.parent.name] + path.stem
        for path in FAULTS.glob("*/*.py")
        if path.name != "__init__.py" and path.parent.name in FOLDERS
    }
    assert set(catalog()) == files
    assert list(catalog()) == sorted(catalog())


@pytest.mark.parametrize("fault", catalog().values(), ids=catalog())
def test_a_fault_says_what_it_is_in_both_languages_and_where_it_was_seen(fault: Fault[Any]) -> None:
    assert fault.label.en.strip()
    assert fault.label.en.isascii()
    assert any("一" <= letter <= "鿿" for letter in fault.label.zh)
    assert fault.imitates.strip()
    assert fault.source.strip()
    assert isinstance(fault.cause, Cause)


APPLICATION_HOPS = {  # where a mock, or the buyer, is one end; a wire fault may stand anywhere
    Hop.BUYER_SHOP,
    Hop.BUYER_PAYMENT,
    Hop.SHOP_PAYMENT,
    Hop.PAYMENT_SHOP,
    Hop.SHOP_SUPPLIER,
    Hop.SUPPLIER_SHOP,
    Hop.SHOP_GAME,
    Hop.GAME_SHOP,
}


@pytest.mark.parametrize("fault", catalog().values(), ids=catalog())
def test_a_fault_is_applied_only_where_somebody_of_ours_stands(fault: Fault[Any]) -> None:
    assert fault.hops
    assert len(set(fault.hops)) == len(fault.hops)
    if fault.layer == "application":
        assert set(fault.hops) <= APPLICATION_HOPS
    assert set(fault.operations) <= set(Operation)
    notices = {Hop.PAYMENT_SHOP, Hop.SUPPLIER_SHOP, Hop.GAME_SHOP}
    if set(fault.hops) <= notices:
        assert fault.operations == (Operation.NOTICE,)


@pytest.mark.parametrize("fault", catalog().values(), ids=catalog())
def test_every_parameter_has_a_unit_and_unknown_ones_are_forbidden(fault: Fault[Any]) -> None:
    assert set(fault.units()) == {f.encode_name for f in msgspec.structs.fields(fault.params)}
    assert fault.params.__struct_config__.forbid_unknown_fields
    assert fault.params.__struct_config__.frozen


@pytest.mark.parametrize(
    ("name", "units"),
    [
        ("slow", {"ms": "ms, wire time"}),
        ("hang", {"lasts": "wire time"}),
        ("loss_with_load", {"curve": "list of [rate, share]"}),
        ("ver.renamed", {"field": "text", "to": "text"}),
        ("notice_repeat", {"copies": "whole number", "gap": "wire time"}),
        ("notice_lost", {}),
    ],
)
def test_a_unit_is_told_in_words(name: str, units: dict[str, str]) -> None:
    assert catalog()[name].units() == units


def test_a_fault_whose_name_is_not_its_files_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FOLDERS, "notice", "wrong.")
    catalog.cache_clear()
    try:
        with pytest.raises(AssertionError, match="holds a fault"):
            catalog()
    finally:
        monkeypatch.undo()
        catalog.cache_clear()

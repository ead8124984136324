from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.money import Fen, MoneyError, parse_yuan, yuan

MOST = 10**12 * 100 - 1


@pytest.mark.parametrize(
    ("text", "fen"),
    [
        ("0", 0),
        ("0.0", 0),
        ("0.01", 1),
        ("0.1", 10),
        ("10", 1000),
        ("10.5", 1050),
        ("10.05", 1005),
        ("19.99", 1999),  # int(19.99 * 100) is 1998
        ("1.10", 110),
        ("999999999999.99", MOST),
    ],
)
def test_an_amount_in_yuan_is_read_to_the_fen(text: str, fen: int) -> None:
    assert parse_yuan(text) == fen


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-1",
        "+1",
        "-0",
        "1.005",
        "1.",
        ".5",
        "1e3",
        "1E3",
        "１",
        "1０",
        "01",
        "00",
        " 1",
        "1 ",
        "1\n",
        "1,000",
        "1_000",
        "0x1",
        "¥1",
        "1元",
        "1.0.0",
        "NaN",
        "inf",
        "1000000000000",
        "١",
        "1．5",
    ],
)
def test_what_is_not_an_amount_is_refused(text: str) -> None:
    with pytest.raises(MoneyError, match="is not an amount in yuan"):
        parse_yuan(text)


@pytest.mark.parametrize(("fen", "text"), [(0, "0.00"), (5, "0.05"), (100, "1.00"), (123456, "1234.56"), (-5, "-0.05")])
def test_an_amount_is_written_with_two_decimals(fen: int, text: str) -> None:
    assert yuan(Fen(fen)) == text


@given(st.integers(0, MOST))
def test_every_amount_comes_back_from_its_text(fen: int) -> None:
    assert parse_yuan(yuan(Fen(fen))) == fen


@given(st.text(alphabet="0123456789.,+-eE １٣", max_size=8))
def test_a_text_is_either_refused_or_exact(text: str) -> None:
    try:
        fen = parse_yuan(text)
    except MoneyError:
        return
    assert text.isascii()
    assert Decimal(text) * 100 == fen

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plan.units import (
    UNIT_TYPES,
    BusinessTime,
    Duration,
    Quantity,
    Rate,
    Share,
    ShareRange,
    Window,
    WireSpan,
    WireTime,
    from_text,
    plain,
    schema_of,
    to_text,
)

ACCEPTED: list[tuple[type[Any], object, float, str]] = [
    (WireTime, "400 ms", 0.4, "400 ms"),
    (WireTime, "400ms", 0.4, "400 ms"),
    (WireTime, "0.1 ms", 0.0001, "0.1 ms"),
    (WireTime, "8 s", 8.0, "8 s"),
    (WireTime, "  8 s  ", 8.0, "8 s"),
    (WireTime, "0 s", 0.0, "0 s"),
    (WireTime, "0.3 s", 0.3, "300 ms"),
    (WireTime, "1500 ms", 1.5, "1.5 s"),
    (WireTime, "90 s", 90.0, "90 s"),
    (BusinessTime, "3 min", 180.0, "3 min"),
    (BusinessTime, "1.5 min", 90.0, "90 s"),
    (BusinessTime, "60 min", 3600.0, "1 h"),
    (BusinessTime, "1 d", 86400.0, "24 h"),
    (Share, "30%", 0.3, "30%"),
    (Share, "33.3 %", 0.333, "33.3%"),
    (Share, "0%", 0.0, "0%"),
    (Share, "100%", 1.0, "100%"),
    (Share, 0.07, 0.07, "7%"),
    (Share, 1, 1.0, "100%"),
    (Rate, "12/s", 12.0, "12/s"),
    (Rate, "600 / min", 10.0, "10/s"),
    (Rate, "36/h", 0.01, "0.01/s"),
    (Rate, "0/s", 0.0, "0/s"),
]


@pytest.mark.parametrize(("kind", "given_", "number", "text"), ACCEPTED)
def test_a_quantity_is_read_and_written_with_its_unit(
    kind: type[Quantity], given_: object, number: float, text: str
) -> None:
    read = kind.parse(given_)
    assert (read, read.text(), type(read)) == (number, text, kind)


REFUSED: list[tuple[type[Any], list[object]]] = [
    (
        WireTime,
        [
            "",
            "8",
            8,
            8.0,
            "8 sec",
            "-1 s",
            "+1 s",
            "1e3 s",
            "1,5 s",
            ".5 s",
            "5. s",
            "８ s",
            "s",
            "8 S",
            "1 w",
            "8 s 1",
            None,
            True,
            ["8 s"],
            "nan s",
            "inf s",
            "9" * 400 + " s",
        ],
    ),
    (BusinessTime, ["", 300, "5", "5 minutes", "5 m", "-5 min", "5 min 3 s", None, False]),
    (
        Share,
        [
            "",
            "30",
            "101%",
            "-1%",
            "100.1%",
            "1e1%",
            "３%",
            1.1,
            -0.1,
            True,
            None,
            float("nan"),
            float("inf"),
            "%",
            "0.3",
        ],
    ),
    (Rate, ["", "12", 12, "12/d", "-1/s", "1e3/s", "1/3/s", "12 per s", "/s", None, "12/S", "9" * 400 + "/s"]),
    (
        Window,
        ["", "10 s", "10 s..", "..10 s", "10..25 s", "25 s..10 s", "10 s..10 s", "1 s..2 s..3 s", 5, None, "10 s-25 s"],
    ),
    (WireSpan, ["", "20", 20, "50 ms..0 ms", "1 s..1 s", "..1 s", "1 s..", "-1 ms", None]),
    (ShareRange, ["", "25%", "50%..25%", "25%..25%", "25%..101%", "25..50", "-1%..5%", 0.5, None, ["25%", "50%"]]),
]


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in REFUSED for value in values])
def test_what_has_no_such_unit_is_refused_with_what_is_legal(kind: type[Any], value: object) -> None:
    with pytest.raises(ValueError, match=r"legal|is empty"):
        kind.parse(value)


@pytest.mark.parametrize(
    ("kind", "text", "inside", "outside"),
    [
        (Window, "10 s..25 s", [10.0, 24.999], [9.999, 25.0]),
        (Window, "500 ms..1 min", [0.5, 59.9], [0.4999, 60.0]),
        (ShareRange, "25%..50%", [0.25, 0.4999], [0.2499, 0.5]),
        (ShareRange, "0%..100%", [0.0, 0.9999], [1.0]),
    ],
)
def test_a_range_holds_its_start_and_not_its_end(
    kind: type[Any], text: str, inside: list[float], outside: list[float]
) -> None:
    read = kind.parse(text)
    assert read.text() == text
    assert all(number in read for number in inside)
    assert not any(number in read for number in outside)


@pytest.mark.parametrize(
    ("text", "at"), [("20 ms", [0.02, 0.02, 0.02]), ("0 s..50 ms", [0.0, 0.025, 0.0475]), ("0 s", [0.0, 0.0, 0.0])]
)
def test_a_span_is_one_wire_time_or_any_between_two(text: str, at: list[float]) -> None:
    read = WireSpan.parse(text)
    assert read.text() == text
    assert [read.at(u) for u in (0.0, 0.5, 0.95)] == pytest.approx(at)


@pytest.mark.parametrize("per_mille", range(0, 1000, 7))
def test_a_range_of_orders_ends_at_the_order_that_its_digits_say(per_mille: int) -> None:
    # 0.7/100 is below 0.007 and 0.9/100 above 0.009: read as floats, an order at the edge would be on the wrong side.
    edge = f"{per_mille // 10}.{per_mille % 10}%"
    assert per_mille / 1000 == Share.parse(edge)
    assert per_mille / 1000 in ShareRange.parse(f"{edge}..100%")
    assert not per_mille or per_mille / 1000 not in ShareRange.parse(f"0%..{edge}")


NUMBER = st.floats(0, 1e12, allow_subnormal=False)


@given(st.sampled_from([WireTime, BusinessTime, Rate]), NUMBER)
def test_every_number_comes_back_exactly_from_its_text(kind: type[Quantity], number: float) -> None:
    assert kind.parse(kind(number).text()) == number


@given(st.floats(0, 1, allow_subnormal=False))
def test_every_share_comes_back_exactly_from_its_text(number: float) -> None:
    assert Share.parse(Share(number).text()) == number


@given(st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=2, max_size=2, unique=True))
def test_every_window_comes_back_exactly_from_its_text(ends: list[float]) -> None:
    window = Window(*sorted(ends))
    assert Window.parse(window.text()) == window


@pytest.mark.parametrize(
    ("number", "text"), [(8.0, "8"), (0.4, "0.4"), (1e-7, "0.0000001"), (100.0, "100"), (1e22, "1" + "0" * 22)]
)
def test_a_number_is_written_without_fraction_or_exponent_it_does_not_need(number: float, text: str) -> None:
    assert plain(number) == text


def test_a_duration_is_wire_or_business_time_and_never_both() -> None:
    assert Duration not in UNIT_TYPES
    assert not issubclass(WireTime, BusinessTime)
    assert not issubclass(BusinessTime, WireTime)


class _Doc(msgspec.Struct, frozen=True):
    a: WireTime
    b: Share
    c: Window | None = None


def test_msgspec_reads_and_writes_units_by_the_hooks() -> None:
    doc = msgspec.convert({"a": "2 min", "b": "5%", "c": "1 s..2 s"}, _Doc, dec_hook=from_text)
    assert doc == _Doc(WireTime(120), Share(0.05), Window(1, 2))
    assert type(doc.a) is WireTime
    assert msgspec.to_builtins(doc, enc_hook=to_text) == {"a": "2 min", "b": "5%", "c": "1 s..2 s"}


def test_a_foreign_type_is_refused_by_the_hooks() -> None:
    with pytest.raises(NotImplementedError):
        from_text(complex, "1")
    with pytest.raises(NotImplementedError):
        to_text(1j)
    with pytest.raises(NotImplementedError):
        schema_of(complex)


@pytest.mark.parametrize("kind", UNIT_TYPES)
def test_every_unit_has_a_schema_for_editors(kind: type[Any]) -> None:
    assert schema_of(kind)

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plan.chance import draw, unit

KNOWN = [  # part of the contract: another build that answers otherwise repeats no old run
    ((7, "a", 1), "0x1.a50197d4c76cep-1"),
    ((7, "strike", "lost", "b00000042", "payment>shop/epay", "notice", 1), "0x1.1b1b62ac415c9p-1"),
    ((8, "strike", "lost", "b00000042", "payment>shop/epay", "notice", 1), "0x1.e81d8a899ba24p-3"),
    ((7, "order", "b", "product", 0), "0x1.f255af7de5da9p-1"),
    ((0,), "0x1.0856fb3a879bbp-1"),
    ((-1, "充值"), "0x1.cf1e2dab9729fp-1"),
]


@pytest.mark.parametrize(("parts", "known"), KNOWN)
def test_a_draw_is_the_pinned_one(parts: tuple[int | str, ...], known: str) -> None:
    seed, *rest = parts
    assert isinstance(seed, int)
    assert draw(seed, *rest).hex() == known


def test_a_number_and_its_digits_are_the_same_part() -> None:
    assert draw(7, "a", 1) == draw(7, "a", "1")


def test_neighbouring_parts_do_not_run_together() -> None:
    parts = ["", "1", "11", "a", "a1"]
    seen = {draw(seed, *both) for seed in (1, 11) for both in product(parts, parts)}
    assert len(seen) == 2 * len(parts) ** 2
    assert draw(1, "1", "1") != draw(11, "1") != draw(1, "11")


@pytest.mark.parametrize(
    ("digest", "number"), [(b"\0" * 8, 0.0), (b"\x80" + b"\0" * 7, 0.5), (b"\xff" * 8, 1 - 2**-53)]
)
def test_the_largest_hash_stays_below_one(digest: bytes, number: float) -> None:
    assert unit(digest) == number < 1.0


@given(st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=8))
def test_a_larger_hash_is_never_a_smaller_number(a: bytes, b: bytes) -> None:
    assert (unit(a) <= unit(b)) or a > b
    assert 0.0 <= unit(a) < 1.0

"""Which bytes are flipped is drawn, and does not hang on the pieces that they come in."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faults.transport.toxics.corrupt import MB, Flips
from plan.chance import draw


def flips(per_mb: float, seed: int = 7) -> Flips:
    return Flips(lambda n: draw(seed, n), per_mb)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=20), st.integers(0, 1000), st.sampled_from([100, 5000, 9e5]))
def test_the_same_bytes_are_flipped_in_however_many_pieces_they_come(
    sizes: list[int], seed: int, per_mb: float
) -> None:
    data = bytes(range(256)) * (sum(sizes) // 256 + 1)
    data = data[: sum(sizes)]
    whole, n = flips(per_mb, seed).flip(data)
    by, pieces, count, at = flips(per_mb, seed), b"", 0, 0
    for size in sizes:
        piece, some = by.flip(data[at : at + size])
        pieces, count, at = pieces + piece, count + some, at + size
    assert (pieces, count) == (whole, n)
    assert n == sum(a != b for a, b in zip(data, whole, strict=True))


@pytest.mark.parametrize("per_mb", [1000, 20_000, 500_000])
def test_as_many_bytes_are_flipped_as_asked_for(per_mb: float) -> None:
    size = 200_000
    _, n = flips(per_mb).flip(bytes(size))
    expected = size * per_mb / MB
    assert abs(n - expected) < 4 * math.sqrt(expected)


@pytest.mark.parametrize(("per_mb", "count"), [(0, 0), (MB, 5000), (2 * MB, 5000)])
def test_none_or_all_can_be_flipped(per_mb: float, count: int) -> None:
    assert flips(per_mb).flip(bytes(5000))[1] == count

"""The model of repairs by TCP, held to the figures of the documents it cites."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faults.transport.resend import SEGMENT, Line, waits_s
from plan.chance import draw

RTT_S = 0.001


def numbers(seed: int) -> Line:
    return Line(lambda n: draw(seed, n))


@pytest.mark.parametrize(
    ("lost", "waits_ms"),
    [
        ([0], [0]),
        ([1], [201]),  # alone: the retransmission timeout
        ([2], [201 + 402]),
        ([3], [201 + 402 + 804]),
        ([0, 1], [0, 10]),  # the last: the tail loss probe
        ([0, 2], [0, 10 + 201]),
        ([1, 0], [1.25, 0]),  # one behind it: RACK
        ([1, 0, 0], [1.25, 0, 0]),
        ([1, 0, 0, 0], [1, 0, 0, 0]),  # three behind it: fast retransmit
        ([2, 0, 0, 0], [1 + 201, 0, 0, 0]),
        ([1, 1, 1, 0], [1.25, 1.25, 1.25, 0]),
        ([1, 1], [10, 10]),  # nothing behind it has arrived
        ([], []),
    ],
)
def test_a_lost_segment_waits_for_what_repairs_it(lost: list[int], waits_ms: list[float]) -> None:
    assert [round(s * 1000, 6) for s in waits_s(lost, RTT_S)] == waits_ms


def test_a_line_of_three_hundred_milliseconds_is_never_probed_later_than_it_times_out() -> None:
    assert waits_s([0, 1], 0.3)[1] == pytest.approx(0.5)


@given(st.lists(st.integers(1, 4000), min_size=1, max_size=20), st.integers(0, 1000))
def test_it_does_not_matter_in_how_many_pieces_bytes_come(sizes: list[int], seed: int) -> None:
    data = bytes(sum(sizes))

    def lost(sizes: list[int]) -> list[tuple[int, int]]:
        """Where lost segments begin, and how many times each is lost."""
        line, found, at = numbers(seed), [], 0
        for size in sizes:
            for piece, times in line.cut(bytes(size), 0.3):
                found += [(at, times)] if times else []
                at += len(piece)
        return found

    assert lost(sizes) == lost([len(data)])
    assert all(at % SEGMENT == 0 for at, _ in lost(sizes))


@pytest.mark.parametrize("burst", [1.0, 3.0])
@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_the_share_asked_for_is_lost_in_bursts_of_the_length_asked_for(share: float, burst: float) -> None:
    n = 20_000
    line = Line(lambda i: draw(7, str(share), i), burst)
    lost = [bool(times) for _, times in line.cut(bytes(n * SEGMENT), share)]
    # Losses of a burst come together: there are fewer independent ones.
    sigma = math.sqrt(share * (1 - share) / n * (2 * burst - 1))
    assert abs(sum(lost) / n - share) < 4 * sigma
    runs = sum(a and not b for a, b in zip(lost, [*lost[1:], False], strict=True))
    expected = burst if burst > 1 else 1 / (1 - share)
    assert sum(lost) / runs == pytest.approx(expected, rel=0.2)


def test_a_lost_syn_waits_a_second_and_then_two() -> None:
    draws = {-1: 0.1, -2: 0.1, -3: 0.9}
    assert Line(draws.__getitem__).syn_s(0.5) == 3.0
    assert Line(draws.__getitem__).syn_s(0.05) == 0.0


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_nothing_or_everything_can_be_lost(share: float) -> None:
    for burst in (1.0, 2.0):
        line = Line(lambda i: draw(1, i), burst)
        assert all(bool(lost) == bool(share) for _, lost in line.cut(bytes(100 * SEGMENT), share))

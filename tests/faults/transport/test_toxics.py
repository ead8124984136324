"""The toxics that Toxiproxy has, on one direction of a connection whose time stands still."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from faults.transport.stage import Chunk, Stage
from faults.transport.toxic import Stream, Toxic, toxics
from faults.transport.toxics.bandwidth import PIECE_MAX, Bandwidth
from faults.transport.toxics.latency import Latency
from faults.transport.toxics.limit_data import LimitData
from faults.transport.toxics.noop import Noop
from faults.transport.toxics.reset_peer import ResetPeer
from faults.transport.toxics.slicer import AT_ONCE, Slicer
from faults.transport.toxics.slow_close import SlowClose
from faults.transport.toxics.timeout import Timeout
from tests.faults.transport.one_way import Keyed, Way, say, staged


def on(toxic: Toxic, way: Way) -> Stage[Any]:
    """The toxic for the whole connection."""
    return staged(toxic, way, fault="")


def change(stage: Stage[Any], toxic: Toxic, toxicity: float = 1.0) -> None:
    stage.changed_to(msgspec.structs.replace(stage.placed, toxic=toxic, toxicity=toxicity))


def joined(way: Way) -> bytes:
    return b"".join(data for _, data in way.out)


ALL_BUT_OURS = [kind for kind, toxic in toxics().items() if not toxic.is_ours]


def test_the_toxics_of_the_version_that_is_copied_are_there() -> None:
    """Source: toxics/*.go of Shopify/toxiproxy v2.12.0, read 2026-11-24."""
    fields = {kind: toxics()[kind].__struct_fields__ for kind in ALL_BUT_OURS}
    assert fields == {
        "bandwidth": ("rate",),
        "latency": ("latency", "jitter"),
        "limit_data": ("bytes",),
        "noop": (),
        "reset_peer": ("timeout",),
        "slicer": ("average_size", "size_variation", "delay"),
        "slow_close": ("delay",),
        "timeout": ("timeout",),
    }


TOXICS_THAT_CHANGE = [
    Latency(latency=10),
    Bandwidth(rate=1),
    LimitData(bytes=1),
    ResetPeer(),
    Slicer(average_size=1, delay=1),
    Timeout(timeout=10),
]


@pytest.mark.parametrize("toxic", [*TOXICS_THAT_CHANGE, SlowClose(delay=10)], ids=lambda toxic: toxic.kind)
def test_a_toxic_does_nothing_to_what_it_is_not_for(toxic: Toxic) -> None:
    way, other = Way(), Keyed(struck=False)
    stage = staged(toxic, way)
    say(stage, way, b"one", other)
    say(stage, way, b"two", other)
    stage.end()
    assert (way.out, way.told, way.held) == ([(0.0, b"one"), (0.0, b"two")], ["end"], 0)
    assert other.noted == []


@pytest.mark.parametrize("toxic", TOXICS_THAT_CHANGE, ids=lambda toxic: toxic.kind)
def test_what_was_struck_is_told_and_of_others_nothing(toxic: Toxic) -> None:
    way, struck, other = Way(), Keyed(), Keyed(struck=False)
    stage = staged(toxic, way)
    say(stage, way, b"first", other)
    say(stage, way, b"one", struck)
    way.timers.move_s(60)
    assert way.out[0] == (0.0, b"first")
    assert struck.noted
    assert other.noted == []


@pytest.mark.parametrize("toxic", [Latency(), Bandwidth(rate=1), Slicer(average_size=1), Slicer(delay=1), Noop()])
def test_no_byte_is_lost_or_moved_by_what_only_delays(toxic: Toxic) -> None:
    way, data = Way(), bytes(range(250)) * 4
    stage = on(toxic, way)
    for at in range(0, len(data), 100):
        say(stage, way, data[at : at + 100])
    stage.end()
    way.timers.move_s(60)
    assert (joined(way), way.told, way.held) == (data, ["end"], 0)


@pytest.mark.parametrize("toxic", [Latency(latency=100), Bandwidth(rate=0), Slicer(average_size=1, delay=100_000)])
def test_what_a_toxic_holds_goes_on_at_once_when_it_is_taken_away(toxic: Toxic) -> None:
    way, data = Way(), bytes(range(100))
    stage = on(toxic, way)
    say(stage, way, data[:50])
    say(stage, way, data[50:])
    stage.end()
    stage.removed()
    assert (joined(way), way.out[-1][0], way.told, way.held) == (data, 0.0, ["end"], 0)
    way.timers.move_s(60)
    assert (joined(way), way.told) == (data, ["end"])


@pytest.mark.parametrize("toxic", [*TOXICS_THAT_CHANGE, SlowClose(delay=10)], ids=lambda toxic: toxic.kind)
def test_nothing_comes_of_a_connection_that_is_over(toxic: Toxic) -> None:
    way = Way()
    stage = on(toxic, way)
    say(stage, way, b"one")
    stage.end()
    stage.closed()
    before = (list(way.out), list(way.told))
    way.timers.move_s(60)
    assert (way.out, way.told) == before


# --- latency ------------------------------------------------------------------------------------------------------
def test_latencies_in_a_row_add_up_and_what_is_late_in_one_is_no_later_behind_the_next() -> None:
    way = Way()
    first, second = on(Latency(latency=10), way), on(Latency(latency=20), way)
    first.after = second
    say(first, way, b"one")
    way.timers.move_s(0.0125)  # the first timer comes 2.5 ms late
    way.timers.move_s(1)
    assert way.out == [(30.0, b"one")]


def test_a_long_answer_is_late_and_not_slow() -> None:
    way = Way()
    stage = on(Latency(latency=100), way)
    for _ in range(5):
        say(stage, way, b"x")
        way.timers.move_s(0.01)
    way.timers.move_s(1)
    assert [ms for ms, _ in way.out] == [100.0, 110.0, 120.0, 130.0, 140.0]


def test_jitter_reorders_nothing_and_stays_within_its_bounds() -> None:
    way, struck = Way(), Keyed({0: 0.999, 1: 0.0, 2: 0.5})
    stage = staged(Latency(latency=30, jitter=20), way)
    for data in (b"a", b"b", b"c"):
        say(stage, way, data, struck)
    way.timers.move_s(1)
    assert way.out == [(49.0, b"a"), (49.0, b"b"), (49.0, b"c")]
    assert [words for words, _ in struck.noted] == [f"answer delayed by {ms} ms" for ms in (49, 10, 30)]


def test_a_jitter_beyond_the_latency_brings_nothing_before_it_came() -> None:
    way, early = Way(), Keyed({0: 0.0})
    say(staged(Latency(latency=10, jitter=50), way), way, b"a", early)
    assert (way.out, early.noted) == ([(0.0, b"a")], [])


def test_what_is_not_struck_waits_for_what_stands_before_it() -> None:
    way = Way()
    stage = staged(Latency(latency=10), way)
    say(stage, way, b"struck", Keyed())
    say(stage, way, b"free", Keyed(struck=False))
    way.timers.move_s(1)
    say(stage, way, b"later", Keyed(struck=False))
    assert way.out == [(10.0, b"struck"), (10.0, b"free"), (1000.0, b"later")]


@pytest.mark.parametrize(("ms", "comes"), [(5, 20.0), (10, 20.0), (50, 50.0), (3000, 3000.0)])
def test_another_latency_counts_for_what_waits_from_when_it_came(ms: int, comes: float) -> None:
    way = Way()
    stage = on(Latency(latency=2000), way)
    say(stage, way, b"one")
    way.timers.move_s(0.02)
    change(stage, Latency(latency=ms))
    way.timers.move_s(5)
    assert way.out == [(comes, b"one")]


# --- bandwidth ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("rate", [1, 10, 1000, 100_000])
def test_bytes_come_at_the_rate_from_the_first_to_the_last(rate: int) -> None:
    way = Way()
    stage, size = on(Bandwidth(rate=rate), way), rate * 500
    for at in range(0, size, 65536):
        say(stage, way, bytes(min(65536, size - at)))
    way.timers.move_s(1)
    came = 0
    for ms, data in way.out:
        came += len(data)
        assert ms == pytest.approx(came / rate, abs=0.002)
        assert len(data) <= min(rate * 100, PIECE_MAX)
    assert came == size


def test_a_line_that_was_idle_has_not_saved_anything_up() -> None:
    way = Way()
    stage = on(Bandwidth(rate=1), way)
    way.timers.move_s(10)
    say(stage, way, bytes(100))
    way.timers.move_s(1)
    assert [ms for ms, _ in way.out] == [10_100.0]


def test_a_machine_that_is_late_makes_the_line_no_slower() -> None:
    """It comes back 30 ms after the line had run dry, and finds what had come meanwhile."""
    way = Way()
    stage = on(Bandwidth(rate=100), way)
    say(stage, way, bytes(1000))
    due = way.timers.set.pop()[1]
    way.timers.s += 0.040
    due.fire()
    say(stage, way, bytes(5000))
    way.timers.move_s(1)
    assert [(round(ms, 3), len(data)) for ms, data in way.out] == [(40.0, 1000), (60.0, 5000)]
    say(stage, way, bytes(1000))
    way.timers.move_s(1)
    assert way.out[-1][0] == pytest.approx(1040 + 10)


def test_another_rate_holds_for_what_waits() -> None:
    way, data = Way(), bytes(range(256)) * 4
    stage = on(Bandwidth(rate=0), way)
    say(stage, way, data)
    stage.end()
    way.timers.move_s(60)
    assert way.out == []
    change(stage, Bandwidth(rate=10))
    way.timers.move_s(60)
    assert joined(way) == data
    assert way.out[-1][0] == pytest.approx(60_102.4)
    assert way.told == ["end"]
    say(stage, way, b"x" * 100)
    change(stage, Bandwidth(rate=10), toxicity=0.0)
    assert (len(joined(way)), way.held) == (1124, 0)


def test_a_faster_line_may_have_more_under_way_but_not_without_bounds() -> None:
    held = [on(Bandwidth(rate=rate), Way()).held_max for rate in (0, 10, 10_000, 100_000, 10**12)]
    assert held == [65_536, 65_536, 100_000, 1_000_000, 4 * 2**20]


# --- slicer -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("average", "variation"), [(100, 0), (100, 20), (500, 100), (1, 0), (0, 0), (-5, -5)])
def test_pieces_are_no_longer_than_average_and_variation(average: int, variation: int) -> None:
    way, data = Way(), bytes(range(250)) * 8
    say(on(Slicer(average_size=average, size_variation=variation, delay=10), way), way, data)
    way.timers.move_s(60)
    assert joined(way) == data
    assert max(len(piece) for _, piece in way.out) <= max(average + max(variation, 0), 1)


def test_a_pause_is_kept_after_each_piece_of_one_chunk_and_the_next() -> None:
    way = Way()
    stage = on(Slicer(average_size=25, delay=500), way)
    say(stage, way, bytes(100))
    say(stage, way, bytes(50))
    way.timers.move_s(1)
    gaps = {round(b - a, 3) for (a, _), (b, _) in pairwise(way.out)}
    assert ([len(data) for _, data in way.out], gaps) == ([25] * 6, {0.5})


def test_the_end_comes_behind_the_last_pause() -> None:
    way = Way()
    stage = on(Slicer(average_size=100, delay=500), way)
    say(stage, way, bytes(10))
    stage.end()
    assert way.told == []
    way.timers.move_s(0.0006)
    assert way.told == ["end"]


def test_many_pieces_without_a_pause_leave_a_turn_to_others() -> None:
    way, data = Way(), bytes(range(256)) * 4
    say(on(Slicer(average_size=1), way), way, data)
    assert len(way.out) == AT_ONCE
    way.timers.move_s(0)
    assert (joined(way), way.held) == (data, 0)


def test_other_pieces_and_pauses_hold_for_the_rest_of_a_chunk() -> None:
    way, data = Way(), bytes(range(200))
    stage = on(Slicer(average_size=50, delay=1_000_000), way)
    say(stage, way, data)
    change(stage, Slicer(average_size=200, delay=1))
    assert (way.out, way.held) == ([(0.0, data[:50]), (0.0, data[50:])], 0)


def test_the_same_exchange_is_cut_in_the_same_places() -> None:
    def cuts(*before: Keyed) -> list[int]:
        way = Way()
        stage = staged(Slicer(average_size=10, size_variation=5, delay=1), way)
        for other in before:
            say(stage, way, b"-" * 90, other)
        say(stage, way, b"x" * 91, Keyed({n: n % 10 / 10 for n in range(50)}))
        way.timers.move_s(1)
        return [len(data) for _, data in way.out if data.startswith(b"x")]

    assert cuts() == cuts(Keyed())
    assert len(set(cuts())) > 1


# --- limit_data ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("limit", "passes"), [(0, b""), (3, b"abc"), (6, b"abcdef"), (-1, b"")])
def test_as_many_bytes_pass_and_then_the_connection_ends(limit: int, passes: bytes) -> None:
    way = Way()
    stage = on(LimitData(bytes=limit), way)
    for data in (b"ab", b"cd", b"ef", b"gh"):
        say(stage, way, data)
    assert (joined(way), way.told) == (passes, ["close", "end"])


def test_below_the_limit_nothing_ends_and_other_limits_count_what_has_passed() -> None:
    way = Way()
    stage = on(LimitData(bytes=100), way)
    say(stage, way, bytes(60))
    change(stage, LimitData(bytes=80))
    assert way.told == []
    say(stage, way, bytes(60))
    assert (len(joined(way)), way.told) == (80, ["close", "end"])


def test_each_struck_exchange_has_a_limit_of_its_own() -> None:
    way, first, second = Way(), Keyed(), Keyed()
    stage = staged(LimitData(bytes=4), way)
    say(stage, way, b"abc", first)
    say(stage, way, b"ABC", second)
    assert (joined(way), way.told) == (b"abcABC", [])
    say(stage, way, b"DE", second)
    assert (joined(way), way.told) == (b"abcABCD", ["close", "end"])
    assert (first.noted, second.noted) == ([], [("answer cut off after 4 bytes", 1)])


# --- timeout ------------------------------------------------------------------------------------------------------
def test_bytes_vanish_and_each_begins_the_timeout_anew() -> None:
    way = Way()
    stage = on(Timeout(timeout=100), way)
    for _ in range(5):
        way.timers.move_s(0.09)
        say(stage, way, b"x")
    way.timers.move_s(0.0999)
    assert (way.out, way.told) == ([], [])
    way.timers.move_s(0.0002)
    assert way.told == ["close", "end"]


def test_many_chunks_need_one_timer() -> None:
    way = Way()
    stage = on(Timeout(timeout=60_000), way)
    for _ in range(1000):
        say(stage, way, b"x")
    assert len(way.timers.set) == 1


def test_a_timeout_of_nothing_never_closes_until_it_is_taken_away() -> None:
    way = Way()
    stage = on(Timeout(), way)
    say(stage, way, b"x")
    way.timers.move_s(3600)
    assert (way.out, way.told) == ([], [])
    stage.removed()
    assert way.told == ["close", "end"]


def test_taken_away_a_timeout_closes_only_what_it_has_struck() -> None:
    way = Way()
    stage = staged(Timeout(timeout=100), way)
    say(stage, way, b"x", Keyed(struck=False))
    stage.removed()
    assert (joined(way), way.told) == (b"x", [])


def test_an_end_passes_a_timeout_and_nothing_follows_it() -> None:
    way = Way()
    stage = on(Timeout(timeout=100), way)
    stage.end()
    way.timers.move_s(1)
    assert way.told == ["end"]


@pytest.mark.parametrize(("toxicity", "told"), [(1.0, ["close", "end"]), (0.0, [])])
def test_another_timeout_begins_when_it_is_set(toxicity: float, told: list[str]) -> None:
    way = Way()
    stage = on(Timeout(timeout=10_000), way)
    change(stage, Timeout(timeout=10), toxicity)
    way.timers.move_s(0.011)
    assert way.told == told


# --- reset_peer ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("begins", ["byte", "end"])
def test_so_long_after_the_first_byte_or_the_end_comes_a_reset(begins: str) -> None:
    way = Way()
    stage = on(ResetPeer(timeout=100), way)
    say(stage, way, b"x") if begins == "byte" else stage.end()
    way.timers.move_s(0.0999)
    say(stage, way, b"y")
    assert (way.out, way.told) == ([], [])
    way.timers.move_s(0.0002)
    assert (way.out, way.told) == ([], ["reset"])


def test_without_a_byte_or_an_end_there_is_no_reset() -> None:
    way = Way()
    stage = on(ResetPeer(timeout=0), way)
    way.timers.move_s(60)
    stage.removed()
    assert way.told == []


def test_another_moment_of_the_reset_counts_from_the_first_byte_and_taken_away_it_comes_at_once() -> None:
    way = Way()
    stage = on(ResetPeer(timeout=10_000), way)
    say(stage, way, b"x")
    way.timers.move_s(0.05)
    change(stage, ResetPeer(timeout=100))
    way.timers.move_s(0.0499)
    assert way.told == []
    stage.removed()
    assert way.told == ["reset"]


# --- slow_close ---------------------------------------------------------------------------------------------------
def test_bytes_pass_and_the_end_waits() -> None:
    way, struck = Way(), Keyed()
    stage = staged(SlowClose(delay=100), way)
    say(stage, way, b"x", struck)
    stage.end()
    way.timers.move_s(0.0999)
    assert (way.out, way.told) == ([(0.0, b"x")], [])
    way.timers.move_s(0.0002)
    assert (way.told, struck.noted) == (["end"], [("end of the answer delayed by 100 ms", 0)])


@pytest.mark.parametrize(("ms", "told"), [(10, ["end"]), (200, [])])
def test_another_delay_counts_from_the_end(ms: int, told: list[str]) -> None:
    way = Way()
    stage = on(SlowClose(delay=10_000), way)
    stage.end()
    way.timers.move_s(0.05)
    change(stage, SlowClose(delay=ms))
    way.timers.move_s(0.001)
    assert way.told == told
    stage.removed()
    assert way.told == ["end"]


# --- whom it is for -----------------------------------------------------------------------------------------------
def test_a_share_of_the_connections_is_struck_always_the_same_ones() -> None:
    def struck(n: int, toxicity: float) -> bool:
        way = Way(Stream.UPSTREAM)
        way.connection = n
        return staged(Latency(), way, fault="", toxicity=toxicity).is_on

    half = [n for n in range(400) if struck(n, 0.5)]
    assert 160 <= len(half) <= 240
    assert half == [n for n in range(400) if struck(n, 0.5)]
    assert {n for n in range(400) if struck(n, 0.2)} < set(half)
    assert not any(struck(n, 0.0) for n in range(400))
    assert all(struck(n, 1.0) for n in range(400))


def test_whom_it_is_for_is_drawn_anew_at_a_change() -> None:
    way = Way()
    stage = staged(Latency(), way, fault="", toxicity=0.5)
    drawn = []
    for _ in range(40):
        change(stage, Latency(), 0.5)
        drawn.append(stage.is_on)
    assert 8 <= sum(drawn) <= 32


def test_a_chunk_of_no_exchange_is_not_for_a_fault() -> None:
    way = Way()
    stage = staged(Latency(latency=10), way)
    stage.push(Chunk(b"x", way.timers.now()))
    assert way.out == [(0.0, b"x")]

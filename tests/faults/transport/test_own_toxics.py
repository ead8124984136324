"""What Toxiproxy has not, on one direction of a connection whose time stands still."""

import msgspec
import pytest

from faults.transport.resend import SEGMENT
from faults.transport.toxic import Stream, Toxic
from faults.transport.toxics.corrupt import Corrupt
from faults.transport.toxics.half_open import HalfOpen
from faults.transport.toxics.loss import Loss
from faults.transport.toxics.loss_with_load import LossWithLoad
from tests.faults.transport.one_way import Keyed, Way, say, staged


# --- loss ---------------------------------------------------------------------------------------------------------
def test_a_lost_lone_segment_comes_after_the_retransmission_timeout_and_all_behind_it_waits() -> None:
    way, struck, other = Way(), Keyed({0: 0.0}), Keyed(struck=False)
    stage = staged(Loss(share=0.5), way)
    say(stage, way, b"one", struck)
    say(stage, way, b"two", other)
    stage.end()
    assert (way.out, way.held) == ([], 6)
    way.timers.move_s(0.2)
    assert way.out == []
    way.timers.move_s(0.01)
    assert way.out == [(201.0, b"one"), (201.0, b"two")]
    assert (way.told, way.held) == (["end"], 0)
    assert struck.noted == [("1 of 1 segments of the answer lost, held up 201 ms", 3)]


def test_of_a_flight_what_stands_before_a_lost_segment_passes_and_the_rest_follows_its_repair() -> None:
    way, struck = Way(), Keyed({8: 0.0})
    data = bytes(range(256)) * 40
    say(staged(Loss(share=0.5), way), way, data, struck)
    assert way.out == [(0.0, data[:SEGMENT])]
    way.timers.move_s(0.002)
    assert way.out == [(0.0, data[:SEGMENT]), (1.0, data[SEGMENT:])]
    assert struck.noted == [("1 of 8 segments of the answer lost, held up 1 ms", SEGMENT)]


def test_nothing_is_told_of_an_exchange_that_lost_nothing() -> None:
    way, struck, other = Way(), Keyed(), Keyed({0: 0.0}, struck=False)
    stage = staged(Loss(share=0.5), way)
    say(stage, way, b"one", struck)
    say(stage, way, b"two", other)
    assert way.out == [(0.0, b"one"), (0.0, b"two")]
    assert struck.noted == other.noted == []


def test_what_waits_for_a_repair_goes_on_when_the_toxic_is_taken_away() -> None:
    way = Way()
    stage = staged(Loss(share=1.0), way)
    say(stage, way, b"one", Keyed({n: 0.0 for n in range(8)}))
    stage.removed()
    assert (way.out, way.held) == ([(0.0, b"one")], 0)


def test_a_syn_is_lost_only_towards_the_upstream_and_only_for_connections_that_are_struck() -> None:
    lost = Keyed({-1: 0.0, -2: 0.0})
    up, down = Way(Stream.UPSTREAM), Way()
    assert staged(Loss(share=0.5), up).connects_after_s(lost) == 3.0
    assert lost.noted == [("SYN lost, connected 3 s later", 0)]
    assert staged(Loss(share=0.5), down).connects_after_s(lost) == 0.0
    assert staged(Loss(share=0.5), up).connects_after_s(Keyed({-1: 0.0}, struck=False)) == 0.0
    assert staged(Loss(share=0.5), up).connects_after_s(None) == 0.0


@pytest.mark.parametrize(("rate", "comes_ms"), [(5.0, 0.0), (10.0, 0.0), (20.0, 201.0), (99.0, 201.0)])
def test_loss_with_load_loses_as_the_hop_is_busy(rate: float, comes_ms: float) -> None:
    way = Way()
    stage = staged(LossWithLoad(curve=((10.0, 0.0), (20.0, 0.5))), way)
    say(stage, way, b"one", Keyed({0: 0.3}, rate=rate))
    way.timers.move_s(1)
    assert way.out == [(comes_ms, b"one")]


# --- half_open ----------------------------------------------------------------------------------------------------
def test_from_the_first_struck_byte_on_nothing_passes_and_nothing_is_closed() -> None:
    way, struck = Way(), Keyed()
    stage = staged(HalfOpen(), way)
    say(stage, way, b"before", Keyed(struck=False))
    say(stage, way, b"one", struck)
    say(stage, way, b"after", Keyed(struck=False))
    way.timers.move_s(3600)
    assert (way.out, way.told) == ([(0.0, b"before")], ["silent"])
    assert struck.noted == [("silent 0 ms into the answer", 0)]
    stage.removed()
    assert way.told == ["silent", "close"]


def test_a_peer_may_speak_for_a_while_before_it_falls_silent() -> None:
    way, struck = Way(), Keyed()
    stage = staged(HalfOpen(after=50), way)
    say(stage, way, b"one", struck)
    way.timers.move_s(0.04)
    say(stage, way, b"two", struck)
    assert (way.out, way.told) == ([(0.0, b"one"), (40.0, b"two")], [])
    way.timers.move_s(0.02)
    say(stage, way, b"three", struck)
    assert (len(way.out), way.told) == (2, ["silent"])


def test_taken_away_in_time_half_open_changes_nothing() -> None:
    way, struck = Way(), Keyed()
    stage = staged(HalfOpen(after=50), way)
    say(stage, way, b"one", struck)
    stage.removed()
    way.timers.move_s(1)
    assert (way.told, struck.noted) == ([], [])


def test_without_exchanges_a_connection_is_silent_from_its_beginning() -> None:
    way = Way()
    staged(HalfOpen(), way, fault="")
    assert way.told == ["silent"]


# --- corrupt ------------------------------------------------------------------------------------------------------
def test_bytes_of_struck_exchanges_are_flipped_and_no_others() -> None:
    way, struck = Way(), Keyed({1: 0.0})
    stage = staged(Corrupt(per_mb=500_000), way)
    say(stage, way, b"same", Keyed(struck=False))
    say(stage, way, b"\x00\x00", struck)
    assert [data for _, data in way.out] == [b"same", b"\x00\x00"]
    say(stage, way, bytes(10), struck)
    assert struck.noted == [("bytes of the answer flipped", 1)]
    assert sum(byte != 0 for byte in way.out[-1][1]) == 1


def test_what_flips_in_one_exchange_does_not_hang_on_those_before_it() -> None:
    def flipped(*before: bytes) -> bytes:
        way = Way()
        stage = staged(Corrupt(per_mb=300_000), way)
        for data in before:
            say(stage, way, data, Keyed({n: 0.2 for n in range(50)}))
        say(stage, way, bytes(20), Keyed({n: 0.5 for n in range(50)}))
        return way.out[-1][1]

    assert flipped() == flipped(b"one", b"another") != bytes(20)


# --- attributes ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Corrupt, {"per_mb": 1_000_000}),
        (HalfOpen, {"after": 0}),
        (Loss, {"share": 1, "burst": 2.5, "rtt_ms": 0}),
        (LossWithLoad, {"curve": [[1, 0], [2.5, 1]]}),
        (LossWithLoad, {"curve": []}),
    ],
)
def test_attributes_that_mean_something_are_taken(kind: type[Toxic], said: dict[str, object]) -> None:
    assert msgspec.convert(said, kind)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Corrupt, {"per_mb": -1}),
        (Corrupt, {"per_mb": 1_000_001}),
        (HalfOpen, {"after": -1}),
        (Loss, {"share": 1.1}),
        (Loss, {"share": float("nan")}),
        (Loss, {"burst": 0.9}),
        (Loss, {"rtt_ms": -1}),
        (LossWithLoad, {"curve": [[2, 0], [1, 1]]}),
        (LossWithLoad, {"curve": [[1, 2]]}),
        (LossWithLoad, {"curve": [[float("nan"), 1], [2, 1]]}),
    ],
)
def test_attributes_that_mean_nothing_are_refused(kind: type[Toxic], said: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(said, kind)

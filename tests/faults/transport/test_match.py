"""What the toxics of the API are for, where no plan decides."""

import pytest

from faults.transport.match import ByMatch, fits
from faults.transport.toxic import Head, Match, Placed, Stream
from faults.transport.toxics.latency import Latency
from ledger.clock import ManualClock

HEAD = Head("POST", "/v1/topups?no=1", {"host": "x", "x-shop": "card shop"}, b"", True)


@pytest.mark.parametrize(
    "match",
    [
        Match(),
        Match(method="post"),
        Match(path="/v1/*"),
        Match(path="/v1/top?ps"),
        Match(header={"X-Shop": "card*"}),
        Match("POST", "/v1/topups", {"host": "x", "x-shop": "*"}),
    ],
)
def test_a_match_takes_requests_that_are_so_in_all_it_says(match: Match) -> None:
    assert fits(match, HEAD)


@pytest.mark.parametrize(
    "match",
    [
        Match(method="GET"),
        Match(path="/v1/topups?no=1"),
        Match(path="/v1"),
        Match(path="/V1/*"),
        Match(header={"x-shop": "card"}),
        Match(header={"x-other": "?*"}),
        Match("POST", "/v1/topups", {"host": "y"}),
    ],
)
def test_a_match_passes_over_any_other_request(match: Match) -> None:
    assert not fits(match, HEAD)


def judge(*toxics: Placed) -> tuple[ByMatch, list[Placed]]:
    placed = list(toxics)
    return ByMatch("p", lambda: placed, seed=7, clock=ManualClock()), placed


def latency(name: str, toxicity: float = 1.0, match: Match | None = None) -> Placed:
    return Placed(name, Stream.DOWNSTREAM, Latency(latency=1), toxicity, match)


SLOW, FAST = Head("GET", "/slow", {}, b"", True), Head("GET", "/fast", {}, b"", True)


def test_one_connection_carries_requests_that_match_and_others() -> None:
    by, _ = judge(latency("all"), latency("some", match=Match(path="/slow*")))
    assert by.reads_requests
    assert [by.request(1, n, head).struck for n, head in enumerate((SLOW, FAST), 1)] == [{"some"}, set()]
    assert by.connection(1).struck == set()


def test_a_toxicity_is_the_share_of_requests_that_match() -> None:
    by, _ = judge(latency("third", 0.3, Match(path="/slow")))
    assert 240 < sum("third" in by.request(1, n, SLOW).struck for n in range(1000)) < 360
    assert not any(by.request(1, n, FAST).struck for n in range(1000))


def test_what_is_added_or_taken_away_counts_for_exchanges_under_way() -> None:
    by, placed = judge()
    assert not by.reads_requests
    exchange = by.request(1, 1, SLOW)
    placed.append(latency("new", match=Match()))
    assert exchange.struck == {"new"}
    placed.clear()
    assert exchange.struck == set()

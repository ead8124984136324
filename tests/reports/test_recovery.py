"""The count of overdue orders as a step function, in wire seconds; compress 10, so 30 business seconds are 3 s."""

from math import inf

import numpy as np
import pytest

from reports.findings import Recovery
from reports.measure.recovery import Span, findings, overdue
from reports.measure.stuck import Episodes

END_S = 100.0
Row = tuple[float, float, float]
"""Start of the dwell, onset, end; inf had not ended."""


def episodes(*rows: Row) -> Episodes:
    start, onset, end = (np.array([row[part] for row in rows], dtype=np.float64) * 1e9 for part in range(3))
    open_ = ~np.isfinite(end)
    n = len(rows)
    return Episodes(np.arange(n), np.zeros(n, dtype=int), start, onset, np.where(open_, END_S * 1e9, end), open_)


def span(name: str, low: float, high: float) -> Span:
    return Span(name, name, name, low * 1e9, high * 1e9)


def rows(found: Episodes, *spans: Span, end_s: float = END_S) -> list[Recovery]:
    return findings(list(spans), found, l0_t=0.0, end_t=end_s * 1e9, to_business=10 / 1e9)


def row(*told: Row, low: float = 20.0, high: float = 30.0, end_s: float = END_S) -> Recovery:
    return rows(episodes(*told), span("f", low, high), end_s=end_s)[0]


def test_the_count_takes_an_onset_in_and_an_end_out_at_their_very_moments() -> None:
    counts = overdue(episodes((0, 1, 3), (0, 1, 2), (0, 2, inf)))
    assert counts.at(np.array([0.999, 1, 1.999, 2, 2.999, 3, 99]) * 1e9).tolist() == [0, 2, 2, 2, 2, 1, 1]


def test_nothing_overdue_is_recovered_at_once_and_never_detected() -> None:
    found = row()
    assert (found.detect_s, found.recover_s, found.recover_at_least_s, found.half_life_s) == (None, 0, None, None)
    assert (found.before, found.peak, found.has_before, found.from_s, found.to_s) == (0, 0, True, 20, 30)


def test_a_fault_is_detected_at_the_first_onset_of_what_began_within_it() -> None:
    before, at, after = (19.9, 22, 50), (20, 24, 50), (30.1, 30.2, 50)
    assert row(before, at, after).detect_s == 40
    assert row(before, after).detect_s is None
    assert row((30, 33, 50)).detect_s == 130


def test_recovered_is_when_the_last_one_too_many_has_ended() -> None:
    found = row((20, 23, 40), (21, 24, 35), (22, 25, 28))
    assert (found.recover_s, found.recover_at_least_s, found.peak) == (100, None, 3)


@pytest.mark.parametrize(("again", "recover_s"), [(34.999, 60), (35.0, 20), (35.001, 20)])
def test_the_count_must_stay_down_for_30_business_seconds(again: float, recover_s: float) -> None:
    """Down at 32; another one, of what began after the fault, is overdue from `again` to 36."""
    assert row((20, 23, 32), (31, again, 36)).recover_s == recover_s


@pytest.mark.parametrize(("end_s", "recover_s", "at_least_s"), [(35.0, 20, None), (34.999, None, 20)])
def test_a_stretch_that_was_not_seen_to_its_end_is_a_lower_bound(
    end_s: float, recover_s: float | None, at_least_s: float | None
) -> None:
    found = row((20, 23, 32), end_s=end_s)
    assert (found.recover_s, found.recover_at_least_s) == (recover_s, at_least_s)


def test_what_never_ended_is_not_recovered_for_as_long_as_anybody_looked() -> None:
    found = row((20, 23, inf))
    assert (found.recover_s, found.recover_at_least_s, found.half_life_s) == (None, 700, None)


@pytest.mark.parametrize(("began", "recover_s"), [(29.9, 130), (30.0, 0), (30.1, 0)])
def test_it_is_not_over_before_the_last_order_of_its_time_has_got_overdue(began: float, recover_s: float) -> None:
    """With a threshold of 10 s the count is 0 for more than 3 s after the end, and the fault has not shown yet."""
    assert row((began, began + 10, 43)).recover_s == recover_s


def test_an_overdue_order_of_its_time_that_is_within_the_usual_does_not_put_off_the_recovery() -> None:
    usual = (0, 0, 20)
    assert row(usual, (29, 40, 43)).recover_s == 0


@pytest.mark.parametrize(("until", "before"), [(1.0, 0), (1.001, 1), (20.0, 1)])
def test_usual_is_what_was_not_exceeded_for_95_percent_of_the_time_before(until: float, before: float) -> None:
    """Of the 20 s before, one second is the twentieth."""
    assert row((0, 0, until)).before == before


def test_a_count_within_the_usual_is_recovered() -> None:
    background = [(0.0, 0.0, inf), (0.0, 0.0, inf)]
    found = row(*background, (20, 23, 40))
    assert (found.before, found.recover_s, found.peak) == (2, 100, 3)


def test_what_one_fault_leaves_behind_is_not_usual_before_the_next() -> None:
    found = rows(episodes((5, 6, 60), (20, 23, 65)), span("a", 4, 8), span("b", 20, 30))
    assert [(one.before, one.recover_s) for one in found] == [(0, 570), (0, 350)]
    assert [one.beside for one in found] == [["b"], []]


def test_of_two_windows_at_once_each_says_that_the_other_was_open() -> None:
    found = rows(episodes((21, 23, 29)), span("a", 20, 30), span("b", 25, 28), span("c", 50, 60))
    assert [one.beside for one in found] == [["b"], ["a"], []]
    assert [one.detect_s for one in found] == [30, None, None]


def test_a_fault_from_the_start_has_nothing_before_and_says_so() -> None:
    found = row((0, 3, 40), low=0, high=10)
    assert (found.has_before, found.before, found.recover_s) == (False, 0, 300)


@pytest.mark.parametrize(("ends", "half_s"), [((31, 32, 40, 41), 20), ((31, 32, 40), 20), ((31, inf, inf), None)])
def test_half_of_the_overdue_at_the_end_are_gone_with_the_middle_one(
    ends: tuple[float, ...], half_s: float | None
) -> None:
    later = (25, 30.5, 30.6)
    assert row(*((20, 25, end) for end in ends), later).half_life_s == half_s


def test_the_peak_counts_from_the_start_of_the_fault_until_it_is_over() -> None:
    before, after = [(0.0, 1.0, 20.0)] * 3, [(50.0, 51.0, 60.0)] * 4
    assert row(*before, (20, 21, 22), (20, 21, 32), *after).peak == 2


def test_a_fault_that_was_still_in_force_at_the_end_claims_no_recovery() -> None:
    found = row((20, 23, 40), end_s=30.0)
    assert (found.detect_s, found.recover_s, found.recover_at_least_s) == (30, None, 0)

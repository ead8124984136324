"""What the benchmarks of the wire make of their samples: percentiles, ratios, errors, verdicts."""

import pytest

from benchmarks.wire_load import median, percentile
from benchmarks.wire_probes import PANELS, Panel
from benchmarks.wire_results import Measured, Results, between_marks, off, verdicts, wanted_off
from benchmarks.wire_servers import EMBEDDED, REAL
from benchmarks.wire_soak import Sample, growth_kb, is_flat
from benchmarks.wire_speed import TARGETS, is_met, summed_up


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [([1, 2, 3, 4], 0.5, 2), ([1, 2, 3, 4], 0.99, 4), ([1, 2, 3, 4], 0.25, 1), ([7], 0.5, 7), ([3, 1, 2], 1.0, 3)],
)
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(
    values: list[float], share: float, found: float
) -> None:
    assert percentile(values, share) == found


@pytest.mark.parametrize(("values", "found"), [([3, 1, 2], 2), ([4, 1, 2, 3], 2.5), ([5], 5)])
def test_the_median_of_an_even_number_lies_between_the_two_in_the_middle(values: list[float], found: float) -> None:
    assert median(values) == found


@pytest.mark.parametrize(
    ("figure", "ratio", "is_enough"),
    [
        ("added_p50_us", 0.9, True),
        ("added_p50_us", 0.91, False),
        ("down_mb_s", 1.4, True),
        ("down_mb_s", 1.39, False),
        ("idle_kb", 1.5, True),
        ("idle_kb", 1.51, False),
        ("keyed_requests_s", 0.6, True),
        ("keyed_requests_s", 0.59, False),
    ],
)
def test_a_target_is_met_on_its_own_side_only(figure: str, ratio: float, is_enough: bool) -> None:
    assert is_met(figure, ratio) is is_enough


def test_a_ratio_is_the_median_of_the_rounds_and_not_of_the_sums() -> None:
    noisy = [{REAL: 100.0, EMBEDDED: 110.0}, {REAL: 10.0, EMBEDDED: 11.0}, {REAL: 100.0, EMBEDDED: 20.0}]
    said = summed_up("requests_s", noisy)
    assert (said["embedded_over_real"], said["met"]) == (1.1, True)
    assert "thirty_lines_over_real" not in said


def test_every_figure_that_has_a_target_says_on_which_side() -> None:
    assert {side for side, _ in TARGETS.values()} == {"<=", ">="}


def _panel(name: str) -> Panel:
    return next(panel for panel in PANELS if panel.name == name)


@pytest.mark.parametrize(
    ("name", "asked", "got", "error"),
    [
        ("latency", 5, 5.5, 0.5),
        ("latency", 5, 4.5, -0.5),
        ("bandwidth", 1000, 990, -1.0),
        ("toxicity", 10, 12.5, 2.5),
        ("in_force", 3, 0.25, 0.25),  # what was asked is a number of the change, not a value
    ],
)
def test_an_error_is_told_in_the_unit_of_its_panel(name: str, asked: float, got: float, error: float) -> None:
    one = Measured(panel=name, server=EMBEDDED, asked=asked, got=got, low=got, high=got, count=1)
    assert off(_panel(name), one) == pytest.approx(error)


@pytest.mark.parametrize(
    ("name", "asked", "real_off", "wanted"),
    [
        ("latency", 50, 0.5, 0.7),
        ("latency", 50, -0.1, 0.3),
        ("latency", 50, None, None),
        ("bandwidth", 10_000, None, 1.5),
        ("bandwidth", 100_000, None, 10.0),
        ("in_force", 2, 0.0, 5.0),
        ("slow_close", 50, 0.0, None),
    ],
)
def test_what_is_wanted_of_a_toxic_is_what_the_issue_says(
    name: str, asked: float, real_off: float | None, wanted: float | None
) -> None:
    assert wanted_off(name, asked, real_off) == (pytest.approx(wanted) if wanted is not None else None)


@pytest.mark.parametrize(("got", "is_kept"), [(10.0, True), (12.3, True), (7.7, True), (12.4, False), (7.6, False)])
def test_a_toxicity_of_a_tenth_may_be_off_by_three_sigma(got: float, is_kept: bool) -> None:
    one = Measured(panel="toxicity", server=EMBEDDED, asked=10, got=got, low=got, high=got, count=1)
    assert [is_met for _, is_met in verdicts(Results("2026-11-24", (one,)))] == [is_kept]


def test_the_slowest_changes_are_judged_and_not_the_middle_ones() -> None:
    one = Measured(panel="in_force", server=EMBEDDED, asked=1, got=0.1, low=0.0, high=6.0, count=15)
    assert [is_met for _, is_met in verdicts(Results("2026-11-24", (one,)))] == [False]


def test_nothing_is_promised_of_the_real_server() -> None:
    one = Measured(panel="bandwidth", server=REAL, asked=10, got=1.0, low=1.0, high=1.0, count=1)
    assert verdicts(Results("2026-11-24", (one,))) == []


def _soaked(*rss_kb: float) -> list[Sample]:
    return [Sample(float(n), kb, 40) for n, kb in enumerate(rss_kb)]


@pytest.mark.parametrize(
    ("rss_kb", "growth", "flat"),
    [
        ([50_000, 60_000, *[70_000] * 10], 0, True),  # what pools take at the start is no leak
        ([70_000, 70_000, 70_000, *[70_000 + 1000 * n for n in range(9)]], 6000, False),
        ([500_000, 500_000, 500_000, *[500_000 + 1000 * n for n in range(9)]], 6000, True),  # within 2 %
        ([70_000] * 3 + [80_000] * 9, 0, True),
    ],
)
def test_memory_is_flat_unless_it_grows_after_it_has_settled(rss_kb: list[float], growth: float, flat: bool) -> None:
    samples = _soaked(*rss_kb)
    assert growth_kb(samples) == growth
    assert is_flat(samples) is flat


def test_only_what_stands_between_the_marks_is_written_anew() -> None:
    page = "a\n<!-- speed -->\nold\n<!-- /speed -->\nb\n"
    once = between_marks(page, "speed", "new\nlines\n")
    assert once == "a\n<!-- speed -->\nnew\nlines\n<!-- /speed -->\nb\n"
    assert between_marks(once, "speed", "new\nlines") == once


@pytest.mark.parametrize("page", ["", "<!-- speed -->\n", "<!-- /speed -->", "<!-- fidelity -->\n<!-- /fidelity -->"])
def test_a_page_without_its_marks_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="the page has no lines between <!-- speed -->"):
        between_marks(page, "speed", "new")

import pytest
from scipy.stats import binom, binomtest

from reports.measure.intervals import Z95_ONE, around, at_least, clopper_pearson_upper, share, wilson

COUNTS = [(0, 1), (1, 1), (0, 300), (3, 300), (38, 412), (150, 300), (299, 300), (300, 300), (7, 100_000)]


@pytest.mark.parametrize(("k", "n"), COUNTS)
def test_wilson_is_the_interval_that_scipy_gives(k: int, n: int) -> None:
    expected = binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("k", "n"), COUNTS)
def test_the_exact_upper_bound_is_the_one_that_scipy_gives(k: int, n: int) -> None:
    expected = binomtest(k, n, alternative="less").proportion_ci(method="exact")
    assert clopper_pearson_upper(k, n) == pytest.approx(expected.high, rel=1e-9)


@pytest.mark.parametrize("k", [1, 5, 40])
def test_at_the_exact_upper_bound_so_few_would_be_seen_one_time_in_twenty(k: int) -> None:
    upper = clopper_pearson_upper(k, 500)
    assert upper is not None
    assert binom.cdf(k, 500, upper) == pytest.approx(0.05, abs=1e-9)


def test_none_of_299_shows_less_than_one_percent_and_none_of_298_does_not() -> None:
    some, more = clopper_pearson_upper(0, 299), clopper_pearson_upper(0, 298)
    assert some is not None
    assert more is not None
    assert some < 0.01 < more


def test_of_nothing_nothing_is_said() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert clopper_pearson_upper(0, 0) is None
    assert share(0, 0, "share").value is None
    assert at_least(0, 0, "share").value is None
    assert around(float("nan"), 1.0, unit="s", method="m", n=3).value is None


def test_the_bounds_of_gates_are_one_sided() -> None:
    found = share(3, 300, "share")
    assert (found.bound_lo, found.bound_hi) == wilson(3, 300, Z95_ONE)
    assert found.lo is not None
    assert found.bound_lo is not None
    assert found.lo < found.bound_lo


def test_what_is_only_a_lower_bound_has_no_upper_one() -> None:
    found = at_least(3, 300, "share")
    assert (found.hi, found.bound_hi) == (1.0, 1.0)
    assert found.bound_lo == wilson(3, 300, Z95_ONE)[0]


def test_one_order_gives_no_interval_of_a_mean() -> None:
    found = around(5.0, 0.0, unit="s", method="m", n=1, most=300.0)
    assert (found.lo, found.hi, found.bound_lo, found.bound_hi) == (None, None, 0.0, 300.0)

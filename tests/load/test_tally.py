import pytest

from load.tally import Quantiles, Second


@pytest.mark.parametrize(
    ("ms", "edge"), [(0.1, "0.5"), (0.5, "0.5"), (0.51, "1"), (30000.0, "30000"), (30001.0, "inf")]
)
def test_a_latency_is_counted_under_the_edge_it_does_not_exceed(ms: float, edge: str) -> None:
    second = Second()
    second.add(ms, "")
    assert second.histogram == {edge: 1}


def test_errors_are_counted_by_their_reason_and_still_in_the_histogram() -> None:
    second = Second()
    for why in ("", "timeout", "timeout", "not HTTP"):
        second.add(1.0, why)
    assert (second.count, second.errors, second.why) == (4, 3, {"timeout": 2, "not HTTP": 1})
    assert sum(second.histogram.values()) == 4


@pytest.mark.parametrize(("share", "true"), [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)])
def test_a_running_quantile_is_within_two_percent(share: float, true: float) -> None:
    quantiles = Quantiles()
    for value in range(1, 1001):
        quantiles.add(float(value))
    assert true <= quantiles.at(share) <= true * 1.021


def test_no_numbers_have_the_quantile_zero() -> None:
    assert Quantiles().at(0.99) == 0.0

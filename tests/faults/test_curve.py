import pytest

from faults.curve import check, share_at


@pytest.mark.parametrize(("rate", "share"), [(0, 0.0), (10, 0.0), (15, 0.1), (20, 0.2), (25, 0.2)])
def test_the_share_follows_the_curve(rate: float, share: float) -> None:
    assert share_at(((10.0, 0.0), (20.0, 0.2)), rate) == pytest.approx(share)


@pytest.mark.parametrize("points", [[], [(10.0, 0.1), (10.0, 0.2)], [(20.0, 0.1), (10.0, 0.2)]])
def test_a_curve_without_points_or_whose_rates_do_not_rise_is_refused(points: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="curve"):
        check(points)

"""Oracle: Freireich et al., Blood 21 (1963) 699-716, 6-MP arm; figures as published in Cox & Oakes 1984, Table 4.1
(shares), Klein & Moeschberger 2003, Table 4.1B (errors) and R's survfit as quoted by R. Xu, Math 284 (intervals)."""

import numpy as np
import pytest
from lifelines import AalenJohansenFitter, KaplanMeierFitter

from plan.chance import draw
from reports.measure.survival import aalen_johansen, kaplan_meier, rmst, stratified_at

MERCAPTOPURINE = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+"
PLACEBO = "1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23"
PUBLISHED = [
    (6, 21, 3, 0.8571, 0.076, 0.6197180, 0.9515517),
    (7, 17, 1, 0.8067, 0.087, 0.5631466, 0.9228090),
    (10, 15, 1, 0.7529, 0.096, 0.5031995, 0.8893618),
    (13, 12, 1, 0.6902, 0.107, 0.4316102, 0.8490660),
    (16, 11, 1, 0.6275, 0.114, 0.3675109, 0.8049122),
    (22, 7, 1, 0.5378, 0.128, 0.2677789, 0.7467907),
    (23, 6, 1, 0.4482, 0.135, 0.1880520, 0.6801426),
]


def arm(text: str) -> tuple[np.ndarray, np.ndarray]:
    words = text.split()
    return np.array([float(w.rstrip("+")) for w in words]), np.array([not w.endswith("+") for w in words])


def test_the_curve_is_the_published_one() -> None:
    curve = kaplan_meier(*arm(MERCAPTOPURINE))
    lo, hi = curve.loglog()
    assert len(curve.t) == len(PUBLISHED)
    for i, (t, at_risk, events, open_, se, low, high) in enumerate(PUBLISHED):
        assert (curve.t[i], curve.at_risk[i], curve.events[i]) == (t, at_risk, events)
        assert curve.open[i] == pytest.approx(open_, abs=5.1e-5)
        assert curve.se[i] == pytest.approx(se, abs=6e-4)
        assert (lo[i], hi[i]) == pytest.approx((low, high), abs=6e-8)


@pytest.mark.parametrize(
    ("text", "tau", "value", "se"),
    [
        (MERCAPTOPURINE, 35.0, 23.287395, 2.827468),
        (MERCAPTOPURINE, 23.0, 17.909243, 1.553190),
        (PLACEBO, 23.0, 8.666667, 1.377390),
    ],
)
def test_the_restricted_mean_and_its_error_are_those_that_others_compute(
    text: str, tau: float, value: float, se: float
) -> None:
    assert rmst(kaplan_meier(*arm(text)), tau) == pytest.approx((value, se), abs=1e-6)


def test_the_gehan_control_arm_at_one_and_two_weeks_is_the_published_one() -> None:
    curve = kaplan_meier(*arm(PLACEBO))
    lo, hi = curve.loglog()
    assert curve.at(1.0) == pytest.approx((0.9048, 0.0641), abs=6e-5)
    assert curve.at(2.0) == pytest.approx((0.8095, 0.0857), abs=6e-5)
    assert (lo[0], hi[0], lo[1], hi[1]) == pytest.approx((0.6700, 0.9753, 0.5689, 0.9239), abs=6e-5)


def test_what_is_censored_at_an_event_is_at_risk_of_it() -> None:
    curve = kaplan_meier(np.array([5.0, 5.0]), np.array([True, False]))
    assert curve.open.tolist() == [0.5]


def test_the_curve_agrees_with_lifelines_on_drawn_data_with_ties() -> None:
    durations = np.array([round(60 * draw(1, "t", i), 1) for i in range(500)])
    ended = np.array([draw(1, "c", i) < 0.7 for i in range(500)])
    theirs = KaplanMeierFitter().fit(durations, ended)
    ours = kaplan_meier(durations, ended)
    expected = theirs.survival_function_at_times(ours.t).to_numpy()
    assert ours.open == pytest.approx(expected, abs=1e-12)


def test_shares_by_cause_with_ties_are_those_reckoned_by_hand() -> None:
    """Six orders: at 1 one delivered and one failed, at 2 one censored, at 3 one delivered, at 4 one delivered and one
    censored. S: 4/6 after 1, then 4/6 * 2/3 after 3, then that * 1/2 after 4."""
    durations = np.array([1.0, 1.0, 2.0, 3.0, 4.0, 4.0])
    causes = np.array([1, 3, 0, 1, 1, 0])
    shares = aalen_johansen(durations, causes, 4, np.array([0.5, 1.0, 3.0, 9.0]))
    assert shares[0] == pytest.approx([0, 0, 0, 0])
    assert shares[1] == pytest.approx([1 / 6, 0, 1 / 6, 0])
    assert shares[2] == pytest.approx([1 / 6 + 4 / 6 / 3, 0, 1 / 6, 0])
    assert shares[3] == pytest.approx([1 / 6 + 4 / 18 + 4 / 9 / 2, 0, 1 / 6, 0])


def test_shares_by_cause_and_the_open_share_sum_to_one_and_agree_with_lifelines() -> None:
    durations = np.array([100 * draw(2, "t", i) for i in range(300)])
    causes = np.array([int(4 * draw(2, "c", i)) for i in range(300)])
    horizons = np.array([5.0, 20.0, 50.0, 99.0])
    ours = aalen_johansen(durations, causes, 3, horizons)
    curve = kaplan_meier(durations, causes > 0)
    for row, horizon in zip(ours, horizons, strict=True):
        assert row.sum() + curve.at(horizon)[0] == pytest.approx(1.0, abs=1e-12)
    for cause in (1, 2, 3):
        theirs = AalenJohansenFitter(calculate_variance=False).fit(durations, causes, cause)
        expected = [float(theirs.cumulative_density_[:h].iloc[-1, 0]) for h in horizons]
        assert ours[:, cause - 1] == pytest.approx(expected, abs=1e-12)


def test_strata_are_weighted_by_their_orders() -> None:
    durations, ended = np.array([1.0, 9.0, 9.0, 9.0, 1.0, 9.0]), np.array([True, False, False, False, True, False])
    found = stratified_at(durations, ended, np.array([0, 0, 0, 0, 1, 1]), 5.0)
    assert found is not None
    assert found.value == pytest.approx(4 / 6 * 3 / 4 + 2 / 6 * 1 / 2)
    assert 0 < found.lo < found.bound_lo < found.value < found.bound_hi < found.hi < 1


def test_a_stratum_that_was_not_followed_so_far_makes_it_not_estimable() -> None:
    durations, ended = np.array([1.0, 9.0, 1.0, 2.0]), np.array([True, False, True, False])
    assert stratified_at(durations, ended, np.array([0, 0, 1, 1]), 5.0) is None
    assert stratified_at(durations, ended, np.array([0, 0, 1, 1]), 2.0) is not None


@pytest.mark.parametrize("ended", [True, False])
def test_where_all_or_none_have_ended_the_interval_still_has_a_width(ended: bool) -> None:
    found = stratified_at(np.full(20, 1.0), np.full(20, ended), np.zeros(20, dtype=int), 1.0)
    assert found is not None
    assert found.hi - found.lo > 0.1


def test_no_orders_give_an_empty_curve() -> None:
    curve = kaplan_meier(np.zeros(0), np.zeros(0, dtype=bool))
    assert (curve.n, len(curve.t)) == (0, 0)
    assert curve.at(10.0) == (1.0, 0.0)
    assert rmst(curve, 10.0)[0] == 10.0

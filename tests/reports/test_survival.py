"""Oracles, as published. One arm: Freireich et al., Blood 21 (1963) 699-716, 6-MP; shares in Cox & Oakes 1984, Table
4.1, errors in Klein & Moeschberger 2003, Table 4.1B, intervals by R's survfit as quoted by R. Xu, Math 284. Competing
risks: Scrucca et al., Bone Marrow Transplantation 40 (2007) 381-387. Log-rank: Bland & Altman, BMJ 328 (2004) 1073."""

import numpy as np
import pytest
from lifelines import AalenJohansenFitter, KaplanMeierFitter
from statsmodels.duration.survfunc import CumIncidenceRight, survdiff

from plan.chance import draw
from reports.measure.intervals import wilson
from reports.measure.survival import Phases, aalen_johansen, kaplan_meier, loglog, logrank, rmst

MERCAPTOPURINE = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+"
PLACEBO = "1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23"
TRANSPLANTS = (
    "13:2 1:1 72:0 7:2 8:2 9:2 5:2 1:2 22:2 0:2 0:1 35:0 4:2 14:2 26:2 3:2 12:1",
    "67:0 70:0 4:0 7:0 68:0 10:2 7:2 3:1 4:1 4:1 3:1 3:1 8:1 2:2 35:0 2:0 8:0 32:0",
)
"""35 patients by disease (0, 1): follow-up in months, and 0 alive, 1 died of the transplantation, 2 relapsed. The
authors' bmt.csv, which scikit-survival keeps as bmt.arff."""
ASTROCYTOMA = "6 13 21 30 31+ 37 38 47+ 49 50 63 79 80+ 82+ 82+ 86 98 149+ 202 219"
GLIOBLASTOMA = "10 10 12 13 14 15 16 17 18 20 24 24 25 28 30 33 34+ 35 37 40 40 40+ 46 48 70+ 76 81 82 91 112 181"
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


def arms(*texts: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    parts = [arm(text) for text in texts]
    group = np.concatenate([np.full(len(times), g) for g, (times, _) in enumerate(parts)])
    return np.concatenate([times for times, _ in parts]), np.concatenate([ended for _, ended in parts]), group


def patients(disease: int) -> tuple[np.ndarray, np.ndarray]:
    pairs = [word.split(":") for word in TRANSPLANTS[disease].split()]
    return np.array([float(months) for months, _ in pairs]), np.array([int(cause) for _, cause in pairs])


def test_the_curve_is_the_published_one() -> None:
    curve = kaplan_meier(*arm(MERCAPTOPURINE))
    lo, hi = curve.loglog()
    assert len(curve.t) == len(PUBLISHED)
    for i, (t, at_risk, events, open_, se, low, high) in enumerate(PUBLISHED):
        assert (curve.t[i], curve.at_risk[i], curve.events[i]) == (t, at_risk, events)
        assert curve.open[i] == pytest.approx(open_, abs=5.1e-5)
        assert curve.se[i] == pytest.approx(se, abs=6e-4)
        assert (lo[i], hi[i]) == pytest.approx((low, high), abs=6e-8)
    assert np.sum(curve.events / curve.at_risk) == pytest.approx(0.75211357, abs=5e-9)  # Nelson-Aalen at 23


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
    shares = aalen_johansen(durations, causes, 4, np.array([0.5, 1.0, 3.0, 9.0])).shares
    assert shares[0] == pytest.approx([0, 0, 0, 0])
    assert shares[1] == pytest.approx([1 / 6, 0, 1 / 6, 0])
    assert shares[2] == pytest.approx([1 / 6 + 4 / 6 / 3, 0, 1 / 6, 0])
    assert shares[3] == pytest.approx([1 / 6 + 4 / 18 + 4 / 9 / 2, 0, 1 / 6, 0])


def test_shares_by_cause_and_the_open_share_sum_to_one_and_agree_with_lifelines() -> None:
    durations = np.array([100 * draw(2, "t", i) for i in range(300)])
    causes = np.array([int(4 * draw(2, "c", i)) for i in range(300)])
    horizons = np.array([5.0, 20.0, 50.0, 99.0])
    ours = aalen_johansen(durations, causes, 3, horizons).shares
    curve = kaplan_meier(durations, causes > 0)
    for row, horizon in zip(ours, horizons, strict=True):
        assert row.sum() + curve.at(horizon)[0] == pytest.approx(1.0, abs=1e-12)
    for cause in (1, 2, 3):
        theirs = AalenJohansenFitter(calculate_variance=False).fit(durations, causes, cause)
        expected = [float(theirs.cumulative_density_[:h].iloc[-1, 0]) for h in horizons]
        assert ours[:, cause - 1] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("disease", "shares", "errors"),
    [
        (0, (0.17647059, 0.70588235), (0.09245944, 0.11051017)),
        (1, (0.36818576, 0.20570747), (0.12085149, 0.10794708)),
    ],
)
def test_competing_risks_after_transplantation_and_their_errors_are_those_that_three_libraries_give(
    disease: int, shares: tuple[float, ...], errors: tuple[float, ...]
) -> None:
    months, cause = patients(disease)
    found = aalen_johansen(months, cause, 2, np.array([100.0]))
    assert found.shares[0] == pytest.approx(shares, abs=5e-9)
    assert found.se[0] == pytest.approx(errors, abs=5e-9)


@pytest.mark.parametrize("disease", [0, 1])
def test_shares_by_cause_and_their_errors_agree_with_statsmodels_at_every_time(disease: int) -> None:
    months, cause = patients(disease)
    theirs = CumIncidenceRight(months, cause)
    ours = aalen_johansen(months, cause, 2, np.asarray(theirs.times))
    for k in (0, 1):
        assert ours.shares[:, k] == pytest.approx(theirs.cinc[k], abs=1e-12)
        assert ours.se[:, k] == pytest.approx(theirs.cinc_se[k], abs=1e-12)


def test_where_all_was_seen_the_errors_of_all_statistics_are_those_of_plain_means() -> None:
    durations = np.array([100 * draw(3, "t", i) for i in range(400)])
    causes = np.array([1 + int(3 * draw(3, "c", i)) for i in range(400)])
    strata = np.array([int(4 * draw(3, "s", i)) for i in range(400)])
    by_phase = Phases.of(durations, causes, strata, durations)
    assert len(by_phase.curves) == 4
    late = float(np.mean(durations > 40))
    times, open_, lo, hi = by_phase.drawn(1000)
    row = np.searchsorted(times, 40.0, side="right") - 1
    expected = loglog(np.array([late]), np.array([(late * (1 - late) / 400) ** 0.5]))
    assert (open_[row], lo[row], hi[row]) == pytest.approx((late, expected[0][0], expected[1][0]))
    cut = np.minimum(durations, 40)
    assert by_phase.mean_to(40.0) == pytest.approx((cut.mean(), cut.std() / 20))
    found = aalen_johansen(durations, causes, 3, np.array([40.0]))
    share = np.array([np.mean((durations <= 40) & (causes == k)) for k in (1, 2, 3)])
    assert found.se[0] == pytest.approx(np.sqrt(share * (1 - share) / 400))
    assert [part.value for part in by_phase.ended_by(40.0, 3)] == pytest.approx(share)


def phases(kinds: list[tuple[int, int, float, int]], could: float = 9.0) -> Phases:
    """Of each kind so many orders: phase, number, duration, cause."""
    counts = [kind[1] for kind in kinds]
    durations = np.repeat([kind[2] for kind in kinds], counts).astype(np.float64)
    causes, strata = (np.repeat([kind[k] for kind in kinds], counts) for k in (3, 0))
    return Phases.of(durations, causes, strata, np.maximum(durations, could))


TWO = [(0, 100, 1.0, 1), (0, 300, 9.0, 0), (1, 100, 1.0, 2), (1, 100, 9.0, 0)]
"""A quarter of 400 orders ended at 1, half of 200 as another cause; all others were open at 9."""


def test_phases_are_weighted_by_their_orders() -> None:
    found = phases(TWO).open_at(5.0)
    assert found.value == pytest.approx(4 / 6 * 3 / 4 + 2 / 6 * 1 / 2)
    assert 0 < found.lo < found.bound_lo < found.value < found.bound_hi < found.hi < 1


def test_the_mean_and_the_outcomes_are_weighted_by_orders_too() -> None:
    assert phases(TWO).mean_to(5.0)[0] == pytest.approx(4 / 6 * (1 + 3 / 4 * 4) + 2 / 6 * (1 + 1 / 2 * 4))
    assert [part.value for part in phases(TWO).ended_by(5.0, 2)] == pytest.approx([4 / 6 / 4, 2 / 6 / 2])
    times, open_, lo, hi = phases(TWO).drawn(10)
    assert times.tolist() == [1.0]
    assert open_ == pytest.approx([4 / 6 * 3 / 4 + 2 / 6 / 2])
    assert lo[0] < open_[0] < hi[0]


def test_a_late_phase_that_was_followed_shortly_is_not_forgotten() -> None:
    """Half of the late ones are stuck, few of the early ones; one curve for all would tell of 7 %."""
    late = [(1, 100, 1.0, 1), (1, 100, 4.0, 0)]
    found = phases([(0, 960, 1.0, 1), (0, 40, 9.0, 0), *late], could=4.0)
    assert found.open_at(4.0).value == pytest.approx(140 / 1200)
    assert found.reach == 4.0


SHORT = [(0, 100, 1.0, 1), (0, 100, 9.0, 0), (1, 50, 1.0, 1), (1, 50, 2.0, 0)]


def test_a_phase_that_was_not_followed_so_far_leaves_open_all_that_it_may_hide() -> None:
    """At 5 half of the first phase is open; of the second nobody or all the half that were last seen open."""
    found = phases(SHORT, could=0.0)
    assert found.reach == 2.0
    least, most = found.open_between(5.0)
    assert (least.value, most.value) == pytest.approx((1 / 3, 1 / 2))
    assert (least.lo < 1 / 3, most.hi > 1 / 2) == (True, True)
    (short, _), (long, _) = found.mean_between(5.0)
    assert short == pytest.approx(2 / 3 * (1 + 4 / 2) + 1 / 3 * (1 + 1 / 2))
    assert long == pytest.approx(2 / 3 * (1 + 4 / 2) + 1 / 3 * (1 + 4 / 2))
    assert found.drawn(10)[0].tolist() == [1.0]


def test_a_curve_that_hangs_on_the_last_few_orders_says_nothing() -> None:
    """Of 100 open orders five were followed for longer than 2, and then ended: that does not clear the others."""
    found = phases([(0, 95, 2.0, 0), (0, 5, 5.0, 1)], could=0.0)
    assert kaplan_meier(found.durations, found.causes > 0).at(6.0)[0] == 0.0
    assert found.reach == 2.0
    assert found.open_between(6.0)[1].value == 1.0


def test_a_phase_in_which_all_had_ended_stays_uncertain() -> None:
    """Of 40 orders nobody was open at 5; that leaves up to 8.8 % of them, which are half of all."""
    found = phases([(0, 40, 1.0, 1), (1, 20, 1.0, 1), (1, 20, 9.0, 0)]).open_at(5.0)
    alone = phases([(0, 20, 1.0, 1), (0, 20, 9.0, 0)]).open_at(5.0)
    assert found.hi - found.value == pytest.approx(((alone.hi - 0.5) ** 2 + wilson(0, 40)[1] ** 2) ** 0.5 / 2)


def test_a_phase_of_which_all_ended_needs_no_more_following() -> None:
    assert phases([(0, 50, 1.0, 1), (0, 50, 9.0, 0), (1, 50, 1.0, 1), (1, 50, 2.0, 1)], could=0.0).reach == 9.0


def test_a_phase_of_very_few_orders_counts_with_its_neighbour() -> None:
    found = phases([(0, 29, 1.0, 0), (1, 500, 9.0, 0), (2, 40, 9.0, 0), (3, 29, 2.0, 0), (4, 3, 1.0, 0)])
    assert [int(np.sum(rows)) for rows in found.rows] == [529, 72]


@pytest.mark.parametrize("ended", [0, 1])
def test_where_all_or_none_have_ended_the_interval_still_has_a_width(ended: int) -> None:
    found = phases([(0, 20, 1.0, ended)]).open_at(1.0)
    assert found.hi - found.lo > 0.1


def test_the_log_rank_test_of_two_gliomas_is_the_published_one() -> None:
    found = logrank(*arms(ASTROCYTOMA, GLIOBLASTOMA))
    assert found is not None
    assert found.z == pytest.approx(-2.73799, abs=5e-6)
    assert found.p == pytest.approx(0.00618, abs=5e-6)


def test_the_log_rank_test_of_the_two_arms_of_remission_is_the_one_that_others_compute() -> None:
    found = logrank(*arms(MERCAPTOPURINE, PLACEBO))
    assert found is not None
    assert found.chi2 == pytest.approx(16.792941, abs=5e-7)
    assert found.p == pytest.approx(4.1688e-5, abs=5e-10)


@pytest.mark.parametrize("groups", [2, 4])
@pytest.mark.parametrize("strata", [None, 3])
def test_the_log_rank_test_agrees_with_statsmodels_for_many_groups_and_strata(groups: int, strata: int | None) -> None:
    durations = np.array([round(60 * draw(4, "t", i)) for i in range(300)], dtype=np.float64)
    ended = np.array([draw(4, "c", i) < 0.7 for i in range(300)])
    group = np.array([int(groups * draw(4, "g", i)) for i in range(300)])
    stratum = None if strata is None else np.array([int(strata * draw(4, "s", i)) for i in range(300)])
    found = logrank(durations, ended, group, stratum)
    assert found is not None
    assert (found.chi2, found.p) == pytest.approx(survdiff(durations, ended, group, strata=stratum), rel=1e-9)
    assert found.df == groups - 1


def test_the_log_rank_test_says_nothing_where_nothing_can_be_compared() -> None:
    assert logrank(np.array([1.0, 2.0]), np.array([True, True]), np.array([0, 0])) is None
    assert logrank(np.array([1.0, 2.0]), np.array([False, False]), np.array([0, 1])) is None
    assert logrank(np.zeros(0), np.zeros(0, dtype=bool), np.zeros(0, dtype=int)) is None


def test_no_orders_give_an_empty_curve() -> None:
    curve = kaplan_meier(np.zeros(0), np.zeros(0, dtype=bool))
    assert (curve.n, len(curve.t)) == (0, 0)
    assert curve.at(10.0) == (1.0, 0.0)
    assert rmst(curve, 10.0)[0] == 10.0

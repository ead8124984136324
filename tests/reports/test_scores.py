from math import isnan
from random import Random

import pytest

from plan.causes import MULTIPLE, NOT_STUCK, UNKNOWN, Cause
from reports.findings import Confused
from reports.measure.intervals import wilson
from reports.measure.scores import Case, clustered, confused, kappa, label, score

LOST, SIGN = Cause.LOST_NOTICE, Cause.SIGNATURE


def cases(injected: str, found: str, n: int, run: str = "1") -> list[Case]:
    return [Case(run, injected, found)] * n


@pytest.mark.parametrize(
    ("causes", "name"), [([], NOT_STUCK), ([LOST], LOST), ([LOST, LOST], LOST), ([LOST, SIGN], MULTIPLE)]
)
def test_what_struck_an_order_has_one_name(causes: list[str], name: str) -> None:
    assert label(causes) == name


def test_recall_counts_orders_that_have_a_cause_and_precision_those_put_down_to_it() -> None:
    scores = score([*cases(LOST, LOST, 8), *cases(LOST, UNKNOWN, 2), *cases(SIGN, LOST, 2), *cases(SIGN, SIGN, 6)])
    lost, sign = sorted(scores.causes, key=lambda c: c.cause)
    assert (lost.cause, lost.recall.k, lost.recall.n, lost.precision.k, lost.precision.n) == (LOST, 8, 10, 8, 10)
    assert (sign.recall.value, sign.precision.value, sign.instead) == (0.75, 1.0, {LOST: 2})
    assert lost.f1 == pytest.approx(0.8)
    assert scores.macro_f1 == pytest.approx((0.8 + 2 * 6 / (12 + 2)) / 2)
    assert (scores.abstained.k, scores.abstained.n) == (2, 18)


def test_a_cause_found_where_nothing_was_injected_costs_precision() -> None:
    (lost,) = score([*cases(LOST, LOST, 3), *cases(NOT_STUCK, LOST, 1)]).causes
    assert (lost.precision.value, lost.recall.value) == (0.75, 1.0)


def test_runs_that_differ_widen_the_interval_and_runs_that_agree_do_not() -> None:
    hits = [True] * 30 + [False] * 30
    alike = [Case(str(n % 3), LOST, LOST) for n in range(60)]
    apart = [Case("1" if hit else "2", LOST, LOST) for hit in hits]
    same, other = clustered(alike, hits), clustered(apart, hits)
    assert (same.lo, same.hi) == pytest.approx(wilson(30, 60))
    assert other.hi - other.lo > 2 * (same.hi - same.lo)
    assert clustered([], []).value is None


def test_all_right_in_three_runs_of_31_shows_95_percent() -> None:
    found = clustered([Case(str(n % 3), LOST, LOST) for n in range(93)], [True] * 93)
    assert (found.value, found.hi) == (1.0, 1.0)
    assert found.lo > 0.95


def test_permuted_labels_agree_no_more_than_chance() -> None:
    rest = Random(7)
    told = [rest.choice(list(Cause)) for _ in range(4000)]
    mixed = rest.sample(told, len(told))
    assert kappa([Case("1", a, b) for a, b in zip(told, mixed, strict=True)]) == pytest.approx(0, abs=0.02)
    assert kappa([Case("1", a, a) for a in told]) == 1
    assert isnan(kappa(cases(LOST, LOST, 5)))
    assert isnan(kappa([]))


def test_the_matrix_has_a_row_for_what_was_injected_the_most_frequent_first() -> None:
    rows = confused([(SIGN, SIGN), (LOST, LOST), (LOST, LOST), (NOT_STUCK, LOST)])
    assert rows == [Confused(LOST, {LOST: 2}), Confused(NOT_STUCK, {LOST: 1}), Confused(SIGN, {SIGN: 1})]

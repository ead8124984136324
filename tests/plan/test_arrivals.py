from itertools import accumulate, pairwise
from math import log1p
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from plan.arrivals import AnyShape, Arrivals, Constant, Curve, Poisson, Schedule, arrivals
from plan.chance import draw
from plan.units import Rate, WireTime, from_text


def shape(**plain: object) -> AnyShape:
    made: AnyShape = msgspec.convert(plain, AnyShape, dec_hook=from_text)
    return made


CONSTANT: dict[str, Any] = {"shape": "constant", "rate": "12/s", "orders": 480}
POISSON: dict[str, Any] = {"shape": "poisson", "rate": "10/s", "orders": 500}
RAMP: dict[str, Any] = {"shape": "ramp", "from": "0/s", "to": "20/s", "duration": "40 s"}
SPIKE: dict[str, Any] = {
    "shape": "spike", "rate": "5/s", "peak": "25/s", "at": "10 s", "lasts": "10 s", "duration": "40 s",
}  # fmt: skip
STAIRS: dict[str, Any] = {"shape": "stairs", "from": "5/s", "to": "20/s", "steps": 4, "each": "10 s"}
CURVE: dict[str, Any] = {
    "shape": "curve",
    "points": [["0 s", "0/s"], ["10 s", "20/s"], ["20 s", "0/s"], ["30 s", "0/s"]],
}
ALL = [CONSTANT, POISSON, RAMP, SPIKE, STAIRS, CURVE]


def name_of(plain: dict[str, Any]) -> str:
    return str(plain["shape"])


def due(load: Arrivals, seed: int = 1) -> list[float]:
    schedule = Schedule(load, seed)
    return [schedule.due_s(n) for n in range(load.orders)]


def area_until(schedule: Schedule, load: Arrivals, t_s: float) -> float:
    """The area under the planned curve, summed independently of the code under test."""
    area = 0.0
    for (t0, r0), (t1, r1) in pairwise(load.points):
        if t_s >= t1:
            area += (t1 - t0) * (r0 + r1) / 2
        elif t_s > t0:
            area += (t_s - t0) * (r0 + schedule.rate_at(t_s)) / 2
    return area


@pytest.mark.parametrize(
    ("plain", "orders", "end_s", "peak"),
    [
        (CONSTANT, 480, 40, 12),
        ({**CONSTANT, "orders": None, "duration": "40 s"}, 480, 40, 12),
        ({**CONSTANT, "orders": 240, "duration": "40 s"}, 240, 20, 12),
        (POISSON, 500, 50, 10),
        (RAMP, 400, 40, 20),
        ({**RAMP, "orders": 100}, 100, 10, 20),
        (SPIKE, 400, 40, 25),
        (STAIRS, 500, 40, 20),
        (CURVE, 200, 30, 20),
        ({**CURVE, "orders": 50}, 50, 7.5, 20),
    ],
)
def test_a_shape_plans_the_area_under_its_curve(plain: dict[str, Any], orders: int, end_s: float, peak: float) -> None:
    load = arrivals(shape(**plain))
    assert (load.orders, load.peak) == (orders, peak)
    assert load.points[-1][0] == pytest.approx(end_s)
    assert load.shape == plain["shape"]


@pytest.mark.parametrize(
    ("plain", "times"),
    [
        (CONSTANT, {0: 0.0, 12: 1.0, 479: 479 / 12}),
        (RAMP, {0: 0.0, 100: 20.0, 225: 30.0}),  # area = t² / 4
        (SPIKE, {0: 0.0, 50: 10.0, 75: 11.0, 300: 20.0, 350: 30.0}),
        (STAIRS, {0: 0.0, 50: 10.0, 150: 20.0, 300: 30.0}),
        (CURVE, {0: 0.0, 25: 5.0, 100: 10.0, 175: 15.0}),
    ],
)
def test_an_order_is_due_where_the_area_reaches_its_number(plain: dict[str, Any], times: dict[int, float]) -> None:
    schedule = Schedule(arrivals(shape(**plain)), 1)
    assert {n: schedule.due_s(n) for n in times} == pytest.approx(times)


@pytest.mark.parametrize("plain", ALL, ids=name_of)
def test_no_order_is_due_before_the_one_before_it(plain: dict[str, Any]) -> None:
    times = due(arrivals(shape(**plain)))
    assert times == sorted(times)
    assert times[0] >= 0


@pytest.mark.parametrize("plain", [p for p in ALL if p is not POISSON], ids=name_of)
def test_every_order_is_due_within_the_load(plain: dict[str, Any]) -> None:
    load = arrivals(shape(**plain))
    assert Schedule(load, 1).last_due_s == max(due(load)) < load.points[-1][0]


RATES = st.floats(0, 50).map(lambda r: round(r, 3))
STEPS = st.floats(0, 10).map(lambda s: round(s, 3))


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(STEPS, RATES), min_size=2, max_size=6))
def test_the_due_time_is_the_inverse_of_the_area_for_any_curve(parts: list[tuple[float, float]]) -> None:
    t, points = 0.0, []
    for i, (step, rate) in enumerate(parts):
        t += step if i else 0.0
        points.append((WireTime(t), Rate(rate)))
    try:
        load = arrivals(Curve(at=points))
    except ValueError:
        assert round(sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points))) < 1
        return
    schedule = Schedule(load, 1)
    last = 0.0
    for n in range(0, load.orders, max(1, load.orders // 40)):
        at = schedule.due_s(n)
        assert at >= last
        assert area_until(schedule, load, at) == pytest.approx(n, abs=1e-5)
        last = at


# --- poisson -----------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_the_gaps_of_poisson_are_exponential() -> None:
    times = [0.0, *due(arrivals(Poisson(rate=Rate(10), orders=5_000)), seed=7)]
    gaps = [b - a for a, b in pairwise(times)]
    assert stats.kstest(gaps, stats.expon(scale=0.1).cdf).pvalue > 0.001
    assert stats.pearsonr(gaps[:-1], gaps[1:]).pvalue > 0.001


def test_poisson_arrivals_are_pinned_and_another_seed_gives_others() -> None:
    load = arrivals(shape(**POISSON))
    assert due(load, 7)[:3] == pytest.approx([0.0825090452900967, 0.082534927503796, 0.0913560352912729], rel=1e-12)
    assert due(load, 7) == due(load, 7) != due(load, 8)


def test_a_late_poisson_order_comes_after_the_curve_at_its_last_rate() -> None:
    load = arrivals(Poisson(rate=Rate(10), orders=50))
    late = next(seed for seed in range(100) if due(load, seed)[-1] > 5.5)
    gaps = [-log1p(-draw(late, "arrival", n)) / 10 for n in range(50)]
    assert due(load, late) == pytest.approx(list(accumulate(gaps)))
    assert Schedule(load, late).rate_at(sum(gaps)) == 10.0


# --- --rate and --duration ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("plain", ALL, ids=name_of)
@pytest.mark.parametrize("factor", [0.1, 0.5, 3.0, 70.0])
def test_rate_alone_stretches_time_and_keeps_the_number_of_orders(plain: dict[str, Any], factor: float) -> None:
    calm = arrivals(shape(**plain))
    load = arrivals(shape(**plain), rate=Rate(calm.peak * factor))
    assert load.orders == calm.orders
    assert load.peak == pytest.approx(calm.peak * factor)
    assert due(load) == pytest.approx([t / factor for t in due(calm)])


@pytest.mark.parametrize("plain", ALL, ids=name_of)
@pytest.mark.parametrize("duration_s", [1.0, 60.0, 3600.0])
def test_duration_alone_stretches_time_and_keeps_the_number_of_orders(plain: dict[str, Any], duration_s: float) -> None:
    calm = arrivals(shape(**plain))
    load = arrivals(shape(**plain), duration=WireTime(duration_s))
    assert load.orders == calm.orders
    assert load.points[-1][0] == pytest.approx(duration_s)
    assert due(load) == pytest.approx([t * duration_s / calm.points[-1][0] for t in due(calm)])


@pytest.mark.parametrize(
    ("plain", "orders"),
    [(CONSTANT, 600), (POISSON, 600), (RAMP, 300), (SPIKE, 240), (STAIRS, 375), (CURVE, 200)],
    ids=str,
)
def test_rate_and_duration_together_change_the_number_of_orders(plain: dict[str, Any], orders: int) -> None:
    load = arrivals(shape(**plain), rate=Rate(20), duration=WireTime(30))
    assert load.orders == orders
    assert load.peak == pytest.approx(20)
    assert load.points[-1][0] == pytest.approx(30)


def test_a_load_too_small_for_an_order_can_be_made_large_by_both() -> None:
    small = Constant(rate=Rate(0.01), duration=WireTime(10))
    assert arrivals(small, rate=Rate(10), duration=WireTime(60)).orders == 600


@pytest.mark.parametrize(
    ("plain", "override"),
    [
        ({"shape": "constant", "rate": "12/s"}, {}),
        ({"shape": "constant", "rate": "0/s", "orders": 10}, {}),
        ({"shape": "constant", "rate": "12/s", "duration": "0 s"}, {}),
        ({"shape": "constant", "rate": "12/s", "orders": 0}, {}),
        ({"shape": "constant", "rate": "12/s", "orders": -5}, {}),
        ({"shape": "constant", "rate": "12/s", "duration": "40 s", "orders": 0}, {"duration": WireTime(10)}),
        ({"shape": "constant", "rate": "12/s", "duration": "40 s", "orders": 0}, {"rate": Rate(10)}),
        ({"shape": "constant", "rate": "12/s", "duration": "40 s", "orders": -5}, {"duration": WireTime(10)}),
        ({"shape": "constant", "rate": "1/h", "duration": "40 s"}, {}),
        ({"shape": "constant", "rate": "1/h", "duration": "40 s"}, {"duration": WireTime(10)}),
        ({"shape": "poisson", "rate": "12/s"}, {}),
        ({"shape": "ramp", "from": "0/s", "to": "0/s", "duration": "40 s"}, {}),
        ({"shape": "ramp", "from": "5/s", "to": "10/s", "duration": "0 s"}, {}),
        ({**SPIKE, "at": "35 s"}, {}),
        ({**STAIRS, "steps": 1}, {}),
        ({**STAIRS, "each": "0 s"}, {}),
        ({"shape": "curve", "points": []}, {}),
        ({"shape": "curve", "points": [["0 s", "5/s"]]}, {}),
        ({"shape": "curve", "points": [["1 s", "5/s"], ["2 s", "5/s"]]}, {}),
        ({"shape": "curve", "points": [["0 s", "5/s"], ["9 s", "5/s"], ["8 s", "5/s"]]}, {}),
        ({"shape": "curve", "points": [["0 s", "5/s"], ["0 s", "9/s"]]}, {}),
        (CONSTANT, {"rate": Rate(0)}),
        (CONSTANT, {"duration": WireTime(0)}),
        (CONSTANT, {"rate": Rate(0), "duration": WireTime(10)}),
        (CONSTANT, {"rate": Rate(5), "duration": WireTime(0)}),
        (CONSTANT, {"rate": Rate(0.01), "duration": WireTime(10)}),
    ],
)
def test_a_load_that_plans_no_order_is_refused(plain: dict[str, Any], override: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"plans no order|needs?|peak ends|go back"):
        arrivals(shape(**plain), **override)


@pytest.mark.parametrize(
    "plain",
    [
        {"shape": "sawtooth", "rate": "12/s"},
        {"shape": "constant", "orders": 5},
        {"shape": "constant", "rate": 12, "orders": 5},
        {"shape": "constant", "rate": "12/s", "order": 5},
        {"shape": "ramp", "low": "1/s", "high": "2/s", "duration": "4 s"},
        {"shape": "curve", "points": [["0 s"]]},
        {"shape": "constant", "rate": "12/s", "orders": 5.5},
        {"rate": "12/s", "orders": 5},
    ],
)
def test_what_is_no_shape_is_refused(plain: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        shape(**plain)


# --- the planned rate --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("plain", "rates"),
    [
        (CONSTANT, {-1: 12, 0: 12, 20: 12, 40: 12, 99: 12}),
        (RAMP, {-1: 0, 0: 0, 10: 5, 30: 15, 40: 20, 99: 20}),
        (SPIKE, {0: 5, 9.999: 5, 10: 25, 19.999: 25, 20: 5, 40: 5, 99: 5}),
        (STAIRS, {0: 5, 10: 10, 20: 15, 30: 20, 39.999: 20, 40: 20}),
        (CURVE, {0: 0, 5: 10, 10: 20, 15: 10, 20: 0, 25: 0, 99: 0}),
    ],
)
def test_the_planned_rate_is_that_of_the_curve_and_of_its_ends_outside(
    plain: dict[str, Any], rates: dict[float, float]
) -> None:
    schedule = Schedule(arrivals(shape(**plain)), 1)
    assert {t: schedule.rate_at(t) for t in rates} == pytest.approx(rates)


@pytest.mark.parametrize(
    ("first_piece", "due_s"),
    [
        ([["0 s", "0/s"], ["10 s", "0/s"], ["10 s", "5/s"], ["20 s", "5/s"]], {0: 10.0, 5: 11.0}),
        (
            [["0 s", "5/s"], ["2 s", "5/s"], ["2 s", "0/s"], ["8 s", "0/s"], ["8 s", "5/s"], ["9 s", "5/s"]],
            {9: 1.8, 10: 8.0},
        ),
    ],
)
def test_nothing_is_due_while_the_rate_is_zero(first_piece: list[list[str]], due_s: dict[int, float]) -> None:
    schedule = Schedule(arrivals(shape(shape="curve", points=first_piece)), 1)
    assert {n: schedule.due_s(n) for n in due_s} == pytest.approx(due_s)

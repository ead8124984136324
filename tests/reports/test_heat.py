import numpy as np
import pytest

from reports.findings import Heat
from reports.measure import heat, steps


def made(paid_s: list[float], waited_s: list[float], ended: list[bool] | None = None, load_s: float = 2.0) -> Heat:
    n = len(paid_s)
    found = heat.findings(
        np.array(paid_s) * 1e9,
        np.array(waited_s, dtype=np.float64),
        np.array([True] * n if ended is None else ended, dtype=bool),
        steps.edges(0.0, load_s * 1e9),
    )
    assert found is not None
    return found


def test_an_upper_edge_belongs_to_its_row_and_a_lower_one_to_the_step_it_begins() -> None:
    found = made([0.0, 0.499, 0.5, 1.999], [2.0, 2.001, 5.0, 5.001])
    assert found.t_s == [0.5, 1.0, 1.5, 2.0]
    assert found.edges_s == [2, 5, 10]
    assert found.counts == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1]]
    assert found.open == [0, 0, 0, 0]


def test_orders_that_had_not_ended_stand_apart_and_make_no_row() -> None:
    found = made([0.1, 0.1, 1.6], [3.0, 4000.0, 4000.0], [True, False, False])
    assert (found.edges_s, found.counts, found.open) == ([5], [[1, 0, 0, 0]], [1, 0, 0, 1])


def test_orders_paid_beyond_the_load_stand_in_its_last_step() -> None:
    assert made([2.0, 9.0], [1.0, 1.0]).counts == [[0, 0, 0, 2]]


def test_every_order_is_counted_once_whatever_it_took() -> None:
    rng = np.random.default_rng(3)
    waited = np.concatenate([rng.lognormal(3, 4, 500), [0.0, 1e9]])
    found = made(rng.uniform(0, 90, 502).tolist(), waited.tolist(), load_s=90.0)
    assert sum(map(sum, found.counts)) == 502
    assert (len(found.edges_s), len(found.t_s)) == (heat.ROWS_MAX, steps.STEPS_MAX)


def test_nothing_ended_is_one_empty_row() -> None:
    found = made([0.1], [3.0], [False])
    assert (found.counts, found.open) == ([[0, 0, 0, 0]], [1, 0, 0, 0])


def test_nobody_paid_has_no_map() -> None:
    none = np.zeros(0)
    assert heat.findings(none, none, none.astype(bool), steps.edges(0.0, 1e9)) is None


@pytest.mark.parametrize(("load_s", "n"), [(0.0, 1), (0.4, 1), (0.99, 1), (1.0, 2), (29.9, 59), (30.0, 60), (900, 60)])
def test_steps_are_equal_at_most_60_and_half_a_second_or_more(load_s: float, n: int) -> None:
    edges = steps.edges(5e9, 5e9 + load_s * 1e9)
    assert len(edges) == n + 1
    assert np.allclose(np.diff(edges), np.diff(edges)[0])

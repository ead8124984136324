from typing import Any

import numpy as np
import pytest

from reports.measure import load
from reports.measure.load import Histogram


def requests(rows: list[dict[str, Any]]) -> load.Requests:
    filled = [
        {"name": "poll", "t": 1e9, "count": 0, "errors": 0, "late": 0, "histogram": "{}", "why": "{}", **r}
        for r in rows
    ]
    kinds = {"name": object, "histogram": object, "why": object}
    return load.parse({k: np.array([r[k] for r in filled], dtype=kinds.get(k, np.float64)) for k in filled[0]})


@pytest.mark.parametrize(("q", "expected"), [(0.25, 5.0), (0.5, 10.0), (0.75, 15.0), (1.0, 20.0), (0.0, None)])
def test_a_quantile_lies_evenly_within_its_bucket(q: float, expected: float | None) -> None:
    assert Histogram([10.0, 20.0], [2, 2]).at(q) == expected


def test_an_empty_bucket_below_still_gives_the_lower_edge() -> None:
    assert Histogram([10.0, 20.0], [0, 4]).at(0.5) == 15.0


def test_a_quantile_beyond_the_last_edge_is_not_known() -> None:
    open_ended = Histogram([10.0, float("inf")], [1, 9])
    assert open_ended.at(0.95) is None
    assert open_ended.at(0.05) == 5.0
    assert open_ended.highest == 10.0
    assert Histogram([], []).at(0.5) is None


def test_edges_of_all_names_give_each_bucket_its_lower_edge() -> None:
    found = requests(
        [
            {"name": "poll", "count": 4, "histogram": '{"10": 4}'},
            {"name": "place", "count": 4, "histogram": '{"20": 4}'},
        ]
    )
    assert load.latency_p95(found, "place", "wire s").value == pytest.approx(0.0195)


def test_the_table_sums_seconds_and_sorts_reasons_by_number() -> None:
    found = requests(
        [
            {"count": 3, "errors": 2, "histogram": '{"10": 3}', "why": '{"status 503": 1, "timeout": 1}'},
            {"count": 5, "errors": 1, "late": 2, "histogram": '{"10": 4, "20": 1}', "why": '{"timeout": 1}'},
        ]
    )
    (row,) = load.table(found, 4.0)
    assert (row.count, row.errors, row.late, row.per_s, row.max_ms) == (8, 3, 2, 2.0, 20.0)
    assert list(row.why.items()) == [("timeout", 2), ("status 503", 1)]
    assert load.late_polls(found) == (2, 8)
    assert load.error_rate(found, "share").value == 3 / 8


@pytest.mark.parametrize(
    "text", [None, "", "[1]", '{"x": 1}', '{"-5": 2}', '{"nan": 1}', '{"5": null}', '{"5": -1}', "{"]
)
def test_a_damaged_histogram_counts_nothing(text: str | None) -> None:
    found = requests([{"count": np.nan, "errors": -3, "histogram": text}])
    assert load.latency_p95(found, "poll", "wire s").value is None
    assert load.error_rate(found, "share").value is None


def test_lateness_is_the_value_that_one_send_of_a_hundred_exceeds() -> None:
    late_ns = np.array([*range(1, 201), np.nan]) * 1e6
    found = load.lateness(late_ns, "wire s")
    assert found.value == pytest.approx(0.198)
    assert found.n == 200
    assert (found.lo, found.hi, found.bound_hi) == (None, None, None)
    assert load.lateness(np.array([np.nan]), "wire s").value is None


def test_health_leaves_out_what_was_not_measured() -> None:
    columns = {name: np.array([np.nan]) for name in ("cpu_mean", "cpu_max", "rss_max", "lag_max")}
    (row,) = load.health({"child": np.array(["shop"], dtype=object), "samples": np.array([3.0]), **columns})
    assert (row.child, row.samples, row.cpu_mean, row.lag_max_ms) == ("shop", 3, None, None)

"""What the scenarios are there to show, played: their short cuts against the naive shop and the hardened one."""

from pathlib import Path

import pytest

from tests.whole_run import play

pytestmark = [pytest.mark.slow, pytest.mark.run]

EFFECTS = [
    ("rolling_upgrade", "stuck.rate", 0.1, 0.03),
    ("slow_supplier", "stuck.rate", 0.2, 0.03),
    ("says_recharging", "honesty.false_progress", 0.3, 0.01),
    ("identifiers_missing", "stuck.rate", 0.2, 0.0),
    ("supplier_reply_lost", "goods.charged_undelivered", 30, 0),
    ("double_delivery", "invariants.double_delivery", 20, 0),
    ("clumsy_buyers", "invariants.lost_order", 10, 0),
    ("compensation", "invariants.lost_order", 5, 0),
    ("shop_crash", "stuck.at_deadline", 0.01, 0.0),
    ("locked_database", "invariants.lost_order", 5, 0),
]
"""Scenario, what it is about, at least so much of it with the naive shop, at most so much with the hardened one."""


@pytest.mark.parametrize(("scenario", "measure", "least", "most"), EFFECTS, ids=[row[0] for row in EFFECTS])
def test_the_naive_shop_shows_it_and_the_hardened_one_does_not(
    scenario: str, measure: str, least: float, most: float, tmp_path: Path
) -> None:
    naive = play(tmp_path / "naive", scenario, "--ci", "--profile", "naive")
    hardened = play(tmp_path / "hardened", scenario, "--ci", "--profile", "hardened")
    assert naive.findings["measures"][measure]["value"] >= least, naive.said
    assert hardened.findings["measures"][measure]["value"] <= most, hardened.said
    for played in (naive, hardened):
        assert played.code not in (2, 5), played.said
    assert all(found["k"] == 0 for found in hardened.findings["invariants"].values()), hardened.said

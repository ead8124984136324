"""The shop of docs/point_your_shop.md, forty lines on somebody else's SDK, in a whole run: it loses what it should."""

import re
from pathlib import Path

import pytest

from tests.whole_run import play

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "docs" / "examples" / "flask_shop"


def test_the_shop_of_the_docs_has_forty_lines() -> None:
    assert len([line for line in SHOP.joinpath("shop.py").read_text().splitlines() if line]) == 40


def test_the_page_names_what_there_is() -> None:
    page = ROOT.joinpath("docs", "point_your_shop.md").read_text(encoding="utf-8")
    for path in re.findall(r"\]\(([^)#]+)\)", page):
        assert ROOT.joinpath("docs", path).exists(), path


@pytest.mark.slow
@pytest.mark.run
def test_a_shop_that_never_asks_loses_the_orders_whose_notices_were_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    played = play(
        tmp_path, str(SHOP / "scenario.yaml"), "--set", "compress=60", "--set", "load.rate=20/s",
        "--set", "load.orders=60", "--set", "evidence.orders=50",
    )  # fmt: skip
    assert played.code == 1, played.said
    struck = {event.o for event in played.events("struck")}
    lost = set(played.findings["invariants"]["lost_order"]["orders"])
    assert lost, played.said
    assert lost <= struck  # nobody else: the shop is at fault only where a notice was lost
    assert played.findings["invariants"]["double_delivery"]["k"] == 0
    assert played.findings["outcomes"]["paid"] == 60

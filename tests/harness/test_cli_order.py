"""`orderjam order`, in this process: what it prints, and what it refuses."""

import json
import os

import pytest
from typer.testing import CliRunner

from harness.cli import app
from ledger.rundir import RunDir
from ledger.states import State
from tests.reports.conftest import RunMaker, make_plan


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    made = RunMaker(tmp_path_factory.mktemp("order"), make_plan(3))
    made.order(0).happy()
    made.order(1).sleeping()
    made.order(2).placed(11).seen(State.PAYING, 11.2).captured(12).seen(State.EXPIRED, 42).booked(State.EXPIRED)
    return made.write()


def order(run: RunDir, *words: str) -> tuple[int, str, str]:
    ran = CliRunner().invoke(app, ["order", str(run.path), *words])
    return ran.exit_code, ran.stdout, ran.stderr


def test_one_order_is_plain_text_in_a_pipe(run: RunDir) -> None:
    code, text, _ = order(run, "T1")
    assert code == 0
    assert text.startswith("Order NO1 (trade T1")
    assert "▓▓" in text
    assert "\x1b" not in text


def test_one_order_and_many_are_json_when_asked(run: RunDir) -> None:
    assert json.loads(order(run, "b00000001", "--json")[1])["order"]["order_no"] == "NO1"
    rows = json.loads(order(run, "--stuck", "--json")[1])
    assert [row["key"] for row in rows] == ["b00000002", "b00000001"]
    assert json.loads(order(run, "--lost", "--open", "--json")[1]) == []


def test_without_a_key_the_worst_stand_in_a_table(run: RunDir) -> None:
    _, text, _ = order(run, "--worst", "2")
    assert [line.split()[0] for line in text.splitlines()] == ["order", "b00000002", "b00000001"]
    assert "订单号" in order(run, "--worst", "1", "--zh")[1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["b1"], "did you mean 'b00000001'?"),
        (["--state", "payin"], "did you mean 'paying'?"),
        (["--cause", "lost_notces"], "did you mean 'lost_notice'?"),
        (["b00000001", "--stuck"], "legal: either one order, or conditions"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(run: RunDir, words: list[str], says: str) -> None:
    code, text, error = order(run, *words)
    assert (code, text) == (2, "")
    assert says in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("at", [1, 2**31])
def test_a_file_of_orders_that_is_older_than_the_journals_or_damaged_is_not_believed(run: RunDir, at: int) -> None:
    run.orders.write_bytes(b"no Parquet at all")
    os.utime(run.orders, (at, at))
    assert order(run, "b00000001")[0] == 0
    run.orders.unlink()

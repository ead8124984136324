"""Orders to choose from: rows, the block for the page, one order explained."""

import base64
import json
import re
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger import events as facts
from ledger.rundir import RunDir
from ledger.states import Code, State
from plan import run as plans
from reports import cases, report
from reports.choose import Choice, ChoiceError, conditions, one
from reports.sheet import explain
from reports.table import Row, Table
from reports.write.sheet import rows as table_rows
from reports.write.sheet import sheet
from tests.reports.conftest import RunMaker, make_plan

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """Eight orders: two happy, one lost, two stuck, the page of one of them hostile, one unpaid, one never sent, and a
    second order of the first wish."""
    run = RunMaker(tmp_path_factory.mktemp("cases"), make_plan(7))
    run.order(0).happy()
    run.order(1).happy()
    run.order(2).placed(11).seen(State.PAYING, 11.2).captured(12).seen(State.EXPIRED, 42).booked(State.EXPIRED)
    run.order(3).sleeping(20)
    words = "</script><img src=x onerror=alert(1)> \u2028"
    hostile = run.order(4).placed(13).captured(14).struck("</b>", 14.1)
    hostile.seen(State.PAYING, 14.2, words=words, code=Code.SHOP_DATABASE).seen(State.PAYING, 59.9, final=True)
    run.order(5).placed(15).seen(State.PAYING, 15.2)
    run.order(0).again().placed(30).seen(State.PAYING, 30.2)
    run.put("driver-0", facts.Sent(t=10**9, o="w00000000", late_ns=0))
    folder = run.write()
    report.build(folder)
    return folder


@pytest.fixture(scope="module")
def table(built: RunDir) -> Iterator[Table]:
    made = Table.open(built, plans.load(built.plan))
    yield made
    made.close()


def test_the_worst_come_first(table: Table) -> None:
    found = [(row.key, row.lost, row.stuck, row.open) for row in table.worst(limit=4)]
    assert found == [
        ("b00000002", True, True, False),
        ("b00000004", False, True, True),
        ("b00000003", False, True, True),
        ("b00000000", False, False, False),
    ]


def test_rows_of_the_file_are_those_of_the_analysis_made_again(built: RunDir, table: Table, tmp_path: Path) -> None:
    copy = tmp_path / built.path.name
    shutil.copytree(built.path, copy)
    (copy / "orders.parquet").unlink()
    again = Table.open(RunDir.open(copy), plans.load(built.plan))
    assert again.worst() == table.worst()
    again.close()


@pytest.mark.parametrize("name", ["b00000003", "NO3", "T3"])
def test_an_order_is_found_by_each_of_its_numbers(built: RunDir, table: Table, name: str) -> None:
    found = one(built, table, name)
    assert isinstance(found, Row)
    assert found.key == "b00000003"


def test_an_order_of_the_warm_up_is_told_and_counted_nowhere(built: RunDir, table: Table) -> None:
    assert one(built, table, "w00000000") == "w00000000"
    told = explain(built, plans.load(built.plan), table, "w00000000")
    assert told.order is None
    assert "counted nowhere" in sheet(told, 100)[0][0].text


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("b0000003", "did you mean 'b00000003'?"),
        ("3", "did you mean 'b00000003'?"),
        ("NO33", "did you mean 'NO3'?"),
        ("w00000009", "no order"),
        ("epay", "stands for"),
        ("nonsense-entirely", "keys look like b00000042"),
        ("", "named by"),
        ("b00000099", "did you mean"),
    ],
)
def test_what_names_no_order_is_refused_with_what_is_near(built: RunDir, table: Table, name: str, says: str) -> None:
    with pytest.raises(ChoiceError, match=re.escape(says)):
        one(built, table, name)


@pytest.mark.parametrize(
    ("choice", "keys"),
    [
        (Choice(stuck=True), ["b00000002", "b00000004", "b00000003"]),
        (Choice(lost=True), ["b00000002"]),
        (Choice(open=True, state="paying"), ["b00000004", "b00000003"]),
        (Choice(channel="epay", state="completed"), ["b00000000", "b00000001"]),
        (Choice(cause="lost_notice", state="completed"), []),
        (Choice(region="cn-east", lost=True, open=True), []),
    ],
)
def test_orders_are_chosen_by_what_became_of_them(built: RunDir, table: Table, choice: Choice, keys: list[str]) -> None:
    found = table.worst(conditions(choice, plans.load(built.plan), table))
    assert [row.key for row in found] == keys


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        (Choice(state="payin"), "--state payin: not in this run; did you mean 'paying'?"),
        (Choice(channel="epya"), "did you mean 'epay'?"),
        (Choice(product="gold"), "legal: card_10, card_50"),
        (Choice(region="north"), "cn-east"),
        (Choice(cause="lost-notices"), "did you mean 'lost_notice'?"),
    ],
)
def test_a_wrong_word_is_refused_with_the_nearest_or_the_legal_ones(
    built: RunDir, table: Table, choice: Choice, says: str
) -> None:
    with pytest.raises(ChoiceError, match=re.escape(says)):
        conditions(choice, plans.load(built.plan), table)


def test_one_order_explained_is_one_object(built: RunDir, table: Table) -> None:
    plan = plans.load(built.plan)
    row = one(built, table, "b00000000")
    told = json.loads(msgspec.json.encode(explain(built, plan, table, row)))
    assert told["order"]["key"] == told["key"] == "b00000000"
    assert told["others"] == ["b00000000.2"]
    assert {"en", "zh"} == told["sentence"].keys()
    assert [lane["name"]["en"] for lane in told["picture"]["lanes"]][:2] == ["page", "truth"]
    assert [e["kind"] for e in told["events"]][:2] == ["planned", "sent"]
    assert next(e for e in told["events"] if e["kind"] == "captured")["business_s"] == 0
    times = [(e["business_s"], e["wire_s"]) for e in told["events"]]
    assert times == sorted(times)
    assert times[0][0] == pytest.approx(times[0][1] * 10, abs=0.01)


def test_the_sheet_holds_both_sentences_facts_lanes_and_events(built: RunDir, table: Table) -> None:
    plan = plans.load(built.plan)
    told = explain(built, plan, table, one(built, table, "b00000002"))
    text = "\n".join("".join(piece.text for piece in line) for line in sheet(told, 100))
    for part in ("Order NO2 (trade T2", "订单 NO2", "LOST", "¥10.00, ¥0.00", "page", "▓▓", "captured", "since payment"):
        assert part in text
    assert table_rows(table.worst(limit=1), "zh")[0]["状况"] == "丢失 卡住"
    assert table_rows(table.worst(limit=1))[0]["stuck for"] == "5 min"


def test_an_order_nobody_told_of_is_refused(built: RunDir, table: Table) -> None:
    with pytest.raises(ChoiceError, match="was planned, and no journal tells of it"):
        explain(built, plans.load(built.plan), table, one(built, table, "b00000006"))


# --- the block on the page ------------------------------------------------------------------------------------------
def block(made: cases.Cases) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(made.island)
    return found


def stories(found: dict[str, Any]) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads(zlib.decompress(base64.b64decode(found["stories"]), -15))
    return told


def column(found: dict[str, Any], name: str) -> list[Any]:
    kept = found["columns"][name]
    if isinstance(kept, list):
        return kept
    if "words" in kept:
        return [kept["words"][at] for at in kept["at"]]
    return [kept["same"] + rest if rest is not None else "" for rest in kept["rest"]]


def test_the_block_holds_every_order_that_was_sent_and_nothing_that_ends_a_script(built: RunDir, table: Table) -> None:
    made = cases.cases(built, plans.load(built.plan))
    found, rows = block(made), [row for row in table.worst() if row.key != "b00000006"]
    assert (made.sent, made.listed, found["told"]) == (7, 7, 7)
    for name in ("key", "order_no", "trade_no", "state", "channel", "hop", "captured_fen", "code"):
        assert column(found, name) == [getattr(row, name) for row in rows], name
    assert column(found, "stuck_s") == [pytest.approx(row.stuck_s, abs=0.06) for row in rows]
    assert [bits & 1 for bits in column(found, "flags")] == [row.lost for row in rows]
    assert "<" not in made.island
    assert "\u2028" not in made.island
    assert [row.key for row in made.worst] == ["b00000002", "b00000004", "b00000003"]
    told = stories(found)
    assert all(story["s"][0].startswith("Order") and story["svg"].startswith("<svg") for story in told)
    assert "<img" not in told[1]["svg"]
    assert made == cases.cases(built, plans.load(built.plan))


def row_of(n: int) -> Row:
    lost = n % 400 == 0
    flags: dict[str, Any] = {
        "lost": lost,
        "stuck": n % 3 == 0,
        "open": False,
        "paid": True,
        "delivered": not lost,
        "refunded": False,
    }
    texts: dict[str, Any] = {
        name: "" for name in ("buyer", "way", "supplier", "booked_state", "cause", "why_en", "why_zh", "missing_hop")
    }
    return Row(
        key=f"b{n:08d}", order_no=f"C26112415{n * 7919:016x}", trade_no=f"2026112415552{n * 104729:015d}",
        channel=("epay", "alipay")[n % 2], product=f"card_{n % 6}", region=f"cn-{n % 3}", state="completed",
        code=f"code.{n % 9}", hop="goods", price_fen=1000, captured_fen=1000, refunded_fen=0, goods=1, sold=1,
        notices=1, is_vouched=True, stuck_s=n / 7, waited_s=n / 3, captured_s=n / 1000, **flags, **texts,
    )  # fmt: skip


def test_five_thousand_rows_and_two_hundred_long_stories_stay_under_a_megabyte(built: RunDir) -> None:
    rows = [row_of(n * 199) for n in range(cases.ROWS_MAX)]
    text = [f"{n:x} {n * 7919:x} POST /pay HTTP/1.1" * 40 for n in range(cases.STORIES_MAX * 40)]
    raw = [[("buy", one, "") for one in text[n :: cases.STORIES_MAX]] for n in range(cases.STORIES_MAX)]
    long = [cases._Story(("en" * 300, "中" * 300), ("", ""), f"<svg>{one[0][1]}</svg>", [], one) for one in raw]
    made = cases._island(built, rows, 1_000_000, long)
    assert len(made.encode()) <= cases.BYTES_MAX
    found = json.loads(made)
    kept = stories(found)
    assert found["told"] == len(kept) > 0
    assert column(found, "trade_no")[17] == rows[17].trade_no
    assert len(json.dumps(found["columns"], separators=(",", ":"))) < 500_000


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_a_link_opens_an_order_in_a_browser(built: RunDir, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    ran = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}",
         "--virtual-time-budget=4000", "--dump-dom", f"file://{built.report}#order=b00000004"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    dom = ran.stdout
    assert "1 of 7 orders" in dom
    assert 'aria-expanded="true"' in dom
    assert dom.count('<svg class="lanes"') == 1
    assert "Order NO4 (trade T4" in dom
    assert "&lt;/script&gt;&lt;img src=x" in dom
    assert 'id="cases-plain"' not in dom

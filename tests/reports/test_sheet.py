"""What support is told of one order."""

import msgspec
import pytest

from ledger.rundir import RunDir
from ledger.states import Code, State
from plan.run import UpstreamPlan
from reports import report
from tests.reports.conftest import NewRun, RunMaker, make_plan

WALL_NS = 1_767_225_600 * 10**9
"""2026-01-01 00:00:00 UTC at the beginning of the run's axis."""
SUPPLIED = {**make_plan().upstreams, "cheap": UpstreamPlan("supplier", "sharedstore")}


def with_wall_clock(run: RunMaker) -> RunDir:
    phases = run.events["harness"]
    phases[0] = msgspec.structs.replace(phases[0], wall_ns=WALL_NS)
    return run.write()


def rows(story: str) -> dict[str, str]:
    """The head of a sheet by its English names; rows without a name continue the one above."""
    found: dict[str, str] = {}
    name = ""
    for line in story.split("\n\n", 1)[0].splitlines():
        title, _, value = line.partition("  ")
        name = title or name
        found[name] = f"{found[name]}\n{value.strip()}" if name in found else value.strip()
    return found


def test_a_sale_whose_answer_was_lost_tells_whom_to_ask_for_what(new_run: NewRun) -> None:
    run = new_run(1, upstreams=SUPPLIED)
    order = run.order(0).placed(11).seen(State.PAYING, 11.2).captured(12).notice(12.1).requested(12.5, no="REQ-7")
    order.sold(12.6, "card-x", no="REQ-7").refused(20, no="REQ-7", code=Code.UPSTREAM_REFUSED)
    order.seen(State.RECHARGING, 13).seen(State.RECHARGING, 59, final=True, code=Code.UPSTREAM_UNKNOWN_RESULT)
    order.booked(State.RECHARGING, code=Code.UPSTREAM_UNKNOWN_RESULT)
    story = report.order_story(with_wall_clock(run), "b00000000")
    told = rows(story)
    assert told["order number 订单号"] == "NO0"
    assert told["trade number 交易号"] == "T0"
    assert told["paid at 支付时间"] == "2026-01-01 00:00:12 UTC, 12.000 s of the run"
    assert told["way of payment 支付方式"] == "epay alipay"
    assert told["goods 商品"].endswith("0 received 已收到")
    asked = "asked 已要货: cheap REQ-7; sold 已出货: 1; refused 被拒: cheap upstream.refused no more"
    assert told["at upstreams 上游"] == asked
    assert told["error code 错误码"] == "upstream.unknown_result"
    assert told["stuck for 卡单时长"].startswith("7 min 40 s")
    assert told["since payment 付款至今"] == "7 min 50 s so far 仍未完结"
    assert told["money taken 是否扣款"] == "yes, ¥10.00"
    assert told["stopped at 停在"] == "upstream has sold 上游已出货"
    step, zh, limit = told["what to do 处理建议"].splitlines()
    assert "hand the card over" in step
    assert "补给买家" in zh
    assert "24 h" in limit
    assert "goods_refused" in story.split("\n\n", 1)[1]
    assert "card-x" not in story


def test_a_second_order_of_the_same_wish_has_its_own_sheet_and_names_the_first(new_run: NewRun) -> None:
    run = new_run(1)
    run.order(0).happy()
    second = run.order(0).again()
    second.placed(11.5).seen(State.PAYING, 11.7).captured(12.5).refunded(20).seen(State.REFUNDED, 21)
    folder = with_wall_clock(run)
    told = rows(report.order_story(folder, "b00000000.2"))
    assert told["other orders of the wish 同一意图的订单"] == "b00000000 (paid)"
    assert told["order number 订单号"] == "NO0-2"
    assert told["money taken 是否扣款"] == "yes, ¥10.00, of which ¥10.00 given back"
    assert told["what to do 处理建议"].startswith("the money was given back")
    first = rows(report.order_story(folder, "b00000000"))
    assert first["other orders of the wish 同一意图的订单"] == "b00000000.2 (paid)"
    assert first["what to do 处理建议"].startswith("delivered")


@pytest.mark.parametrize("wall", [True, False])
def test_an_order_not_submitted_says_that_no_money_was_taken(new_run: NewRun, wall: bool) -> None:
    run = new_run(1)
    run.order(0).placed(11).seen(State.PAYING, 11.2).pay_failed(12)
    told = rows(report.order_story(with_wall_clock(run) if wall else run.write(), "b00000000"))
    assert told["money taken 是否扣款"] == "no"
    assert told["paid at 支付时间"] == "not paid"
    assert told["order number 订单号"] == "NO0"
    assert told["error code 错误码"] == "–"
    assert "never reached the channel" in told["what to do 处理建议"]


def test_without_a_wall_clock_the_time_is_that_of_the_run(new_run: NewRun) -> None:
    run = new_run(1)
    run.order(0).sleeping()
    assert rows(report.order_story(run.write(), "b00000000"))["paid at 支付时间"] == "12.000 s of the run"

"""What support is told of an order: a run full of situations, each told in English and in Chinese."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from ledger import events as facts
from ledger.states import Code, State
from plan.run import UpstreamPlan
from reports.analysis import analyse
from reports.case import Case, Known, known
from reports.sentence import sentence
from reports.stories import Stories
from reports.table import Table
from reports.told import frame, told
from tests.reports.conftest import OrderMaker, RunMaker, make_plan, ns

WALL_NS = 1_767_225_600 * 10**9
"""2026-01-01 00:00:00 UTC at the beginning of the run's axis."""
Tell = Callable[[OrderMaker], OrderMaker]


def paid(o: OrderMaker) -> OrderMaker:
    return o.placed(11).seen(State.PAYING, 11.2).captured(12)


def still(o: OrderMaker, state: State, at: float = 12.5) -> OrderMaker:
    """The page says so to the end of the observation, and so do the books."""
    return o.seen(state, at).seen(state, 59.9, final=True).booked(state)


def unknown_to_the_shop(o: OrderMaker) -> OrderMaker:
    paid(o).notice(12.1, outcome="unanswered").notice(55, n=2, outcome="error")
    return o.seen(State.PAYING, 59.9, final=True).booked(State.PAYING)


def ladder_used_up(o: OrderMaker) -> OrderMaker:
    paid(o).notice(12.1, outcome="refused").notice(20, n=2, outcome="refused").notice(40, n=3, outcome="refused")
    return o.seen(State.PAYING, 59.9, final=True).booked(State.PAYING)


def sold_not_delivered(o: OrderMaker) -> OrderMaker:
    return still(paid(o).notice(12.1).requested(12.3, no="R9").sold(12.4, "card-s", no="R9"), State.RECHARGING)


def refused(o: OrderMaker) -> OrderMaker:
    paid(o).notice(12.1).requested(12.2).refused(12.3).requested(14).refused(14.1)
    return still(o, State.DELAYED)


def given_back(o: OrderMaker) -> OrderMaker:
    return paid(o).notice(12.1).refunded(20).seen(State.REFUNDED, 21).booked(State.REFUNDED)


def lost(o: OrderMaker) -> OrderMaker:
    return paid(o).seen(State.EXPIRED, 42, code=Code.ORDER_EXPIRED).booked(State.EXPIRED)


def delivered_twice(o: OrderMaker) -> OrderMaker:
    paid(o).notice(12.1).requested(12.2).sold(12.3, "card-a").sold(12.4, "card-b")
    return o.seen(State.COMPLETED, 13, goods=("card-a", "card-b")).booked(State.COMPLETED, ("card-a", "card-b"))


def paid_twice(o: OrderMaker) -> OrderMaker:
    again = facts.Captured(t=ns(12.5), o=o.key, upstream="epay", trade_no="T-more", amount_fen=1000)
    paid(o).notice(12.1).put("payment", again).requested(12.2).sold(12.3, "card-t")
    return o.seen(State.COMPLETED, 13, goods=("card-t",)).booked(State.COMPLETED, ("card-t",))


def refund_asked(o: OrderMaker) -> OrderMaker:
    paid(o).notice(12.1)
    wanted = facts.RefundRequested(t=ns(30), o=o.key, upstream="epay", trade_no=f"T{o.n}", amount_fen=1000)
    return still(o.put("payment", wanted), State.REFUNDING)


def complained(o: OrderMaker) -> OrderMaker:
    return still(paid(o).notice(12.1).disputed(50), State.RECHARGING)


def healed(o: OrderMaker) -> OrderMaker:
    paid(o).notice(12.1).requested(30).sold(30.1, "card-h")
    return o.seen(State.COMPLETED, 31, goods=("card-h",)).booked(State.COMPLETED, ("card-h",))


SITUATIONS: list[tuple[Tell, list[str], list[str]]] = [
    (
        unknown_to_the_shop,
        [
            "Order NO0 (trade T0, ¥10.00 by alipay at epay for card_",
            "paid 2026-01-01 00:00:12 UTC): The money was taken",
            "and not given back",
            "has said paying (支付中) for 7 min 59 s and has not ended (stuck)",
            "the shop does not know of the payment: notice 2 of epay met an error at the shop",
            "Next: notice 3 of epay, due in 2 min 10 s",
            "What to do: paid, and the shop does not know",
        ],
        [
            "订单 NO0（交易号 T0，epay 支付宝 ¥10.00，",
            "已扣款，未退款",
            "“支付中”已 7 分 59 秒，仍未完结（卡住）",
            "第 2 次通知在店铺出错",
            "渠道第 3 次通知，2 分 10 秒后",
            "请渠道补发通知",
        ],
    ),
    (ladder_used_up, ["its 3 notices are used up", "was refused by the shop"], ["3 次通知已用完", "被店铺拒绝"]),
    (
        lambda o: still(paid(o).notice(12.1).requested(12.3, no="R7"), State.RECHARGING),
        ["upstream cheap was asked under R7, and gave no result", "query it by the request number"],
        ["已向上游 cheap 要货（请求号 R7），没有结果", "先按请求号查询"],
    ),
    (
        lambda o: still(paid(o).notice(12.1).requested(12.3).taken(12.4), State.RECHARGING),
        ["took the request on under R1 and has not said how it ended"],
        ["上游 cheap 已受理（请求号 R1），没有给出结果"],
    ),
    (
        sold_not_delivered,
        ["sold under R9, and the goods did not reach the buyer", "hand the card over"],
        ["已出货（请求号 R9），商品没有到买家", "补给买家"],
    ),
    (
        refused,
        ["asked 2 times, refused under R1: goods.sold_out no more", "upstream refused: refund"],
        ["要货 2 次，被拒（请求号 R1）：goods.sold_out no more", "上游已拒绝"],
    ),
    (
        given_back,
        ["The money was taken and given back in full", "ended as refunded (已退款)", "tell the buyer so"],
        ["已扣款，已全额退款", "以“已退款”告终", "告知买家"],
    ),
    (
        lost,
        ["ended as expired (已过期) 5 min after the payment", "and not given back", "refund it in full"],
        ["付款 5 分后以“已过期”告终", "未退款", "全额退款"],
    ),
    (
        lambda o: o.placed(11).seen(State.PAYING, 11.2),
        ["placed 2026-01-01 00:00:11 UTC): No money was taken", "the buyer did not pay", "left unpaid"],
        ["没有扣款", "买家没有付款", "无需处理"],
    ),
    (
        lambda o: o.placed(11).seen(State.PAYING, 11.2).pay_failed(12),
        ["payment never reached the channel"],
        ["付款没有到达渠道"],
    ),
    (
        lambda o: o.planned(11),
        ["the shop took no order", "the buyer may order again"],
        ["店铺没有接受下单", "请重新下单"],
    ),
    (delivered_twice, ["got the goods 2 times", "block the surplus"], ["收到 2 份商品", "停用多发的商品"]),
    (paid_twice, ["trade T12, T-more, ¥20.00", "was taken 2 times"], ["交易号 T12, T-more", "已扣款 2 次"]),
    (
        lambda o: still(paid(o).notice(12.1), State.HELD),
        ["said held (风控审核)", "a person or risk control has it", "press for an answer"],
        ["“风控审核”已", "在人工或风控处理中", "催办"],
    ),
    (
        lambda o: still(paid(o).notice(12.1), State.RECHARGING),
        ["the shop knows of the payment and asked no upstream"],
        ["店铺已知付款，没有向上游要货"],
    ),
    (refund_asked, ["a refund was asked for and not made"], ["已申请退款但未退"]),
    (complained, ["the channel refunds by force, due in 71 h 58 min"], ["渠道将强制退款，71 小时 58 分后"]),
    (
        healed,
        ["ended as completed (已完成) 3 min 10 s after the payment (stuck)", "The buyer has the goods"],
        ["以“已完成”告终（卡住）", "买家已收到商品"],
    ),
    (
        lambda o: paid(o).notice(12.1).seen(State.PAYING, 15, final=True).gone(20).booked(State.PAID),
        ["The shop's page is gone"],
        ["店铺页面已消失"],
    ),
]


@pytest.fixture(scope="module")
def run_of_situations(tmp_path_factory: pytest.TempPathFactory) -> list[Known]:
    supplied = {**make_plan().upstreams, "cheap": UpstreamPlan("supplier", "sharedstore")}
    run = RunMaker(tmp_path_factory.mktemp("situations"), make_plan(len(SITUATIONS), upstreams=supplied))
    run.events["harness"][0] = msgspec.structs.replace(run.events["harness"][0], wall_ns=WALL_NS)
    for n, (tell, _, _) in enumerate(SITUATIONS):
        tell(run.order(n))
    return told_of(run)


def told_of(run: RunMaker) -> list[Known]:
    """What is known of each order, in the order of their keys."""
    return [known(case) for case in cases_of(run)]


def cases_of(run: RunMaker) -> list[Case]:
    folder = run.write()
    stories = Stories(folder, run.plan)
    table = Table.of(analyse(stories))
    stories.close()
    rows = sorted(table.worst(), key=lambda row: row.key)
    table.close()
    events, around = told(folder.journals(), {row.key: row.key for row in rows}), frame(folder)
    return [Case(row, events[row.key], run.plan, around) for row in rows]


@pytest.mark.parametrize("n", range(len(SITUATIONS)))
def test_support_is_told_what_the_evidence_shows_in_both_languages(run_of_situations: list[Known], n: int) -> None:
    words = sentence(run_of_situations[n])
    _, en, zh = SITUATIONS[n]
    for part in en:
        assert part in words.en
    for part in zh:
        assert part in words.zh


def test_nothing_is_promised_where_nothing_is_due(run_of_situations: list[Known]) -> None:
    quiet = [k for k in run_of_situations if k.notices is None or k.notices.outcome == "accepted"]
    assert len(quiet) > 8
    assert not [k.row.key for k in quiet if "Next:" in sentence(k).en and not k.complaint]


def test_of_a_run_without_wall_clock_no_time_is_invented_nor_told_what_was_broken(tmp_path: Path) -> None:
    run = RunMaker(tmp_path, make_plan(1))
    unknown_to_the_shop(run.order(0)).struck("lost", 12.05)
    (case,) = cases_of(run)
    words = sentence(known(case))
    blind = [e for e in case.events if e.voice != "struck"]
    assert len(blind) < len(case.events)
    assert sentence(known(msgspec.structs.replace(case, events=blind))) == words
    assert "UTC" not in words.en
    assert "paid" not in words.en.split("):")[0]


def test_a_run_at_the_pace_of_life_needs_no_word_about_it(run_of_situations: list[Known]) -> None:
    k = run_of_situations[0]
    assert "10 times as fast" in sentence(k).en
    assert "times as fast" not in sentence(msgspec.structs.replace(k, compress=1.0)).en

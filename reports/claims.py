"""What limits the numbers of a run: flaws, which make its claims less, and remarks, which do not."""

import numpy as np

from ledger.clock import SECOND_NS
from ledger.journal import Wholeness
from plan.transport import GONE
from reports.basis import Basis
from reports.findings import Claims, Words

NO_BOOKS_NOTE = "gives no books"
"""What the harness notes at collect where a target has no books to read: no flaw, but told."""
_ZH = {Wholeness.BROKEN: "已损坏", Wholeness.UNCLOSED: "未正常结束"}


def claims(basis: Basis) -> Claims:
    """Flaws first."""
    flaws = [*_of_record(basis), *_of_the_wire(basis), *_of_follow_up(basis), *_of_payment(basis)]
    remarks = _remarks(basis)
    (remarks if NO_BOOKS_NOTE in basis.times.collect_note else flaws).extend(_of_books(basis))
    reasons = flaws + remarks
    return Claims(not flaws, [r.en for r in reasons], [r.zh for r in reasons])


def limited(found: Claims, flaw: Words | None) -> Claims:
    """The claims of a run in which our own processes were the bottleneck: then its measures are of them."""
    if flaw is None:
        return found
    en = f"the test bench was the bottleneck, and not the shop, so no measure is claimed: {flaw.en}"
    zh = f"瓶颈在测试台而不在店铺，各项指标不作数：{flaw.zh}"
    return Claims(False, [en, *found.reasons], [zh, *found.reasons_zh])


def _of_record(basis: Basis) -> list[Words]:
    verified = basis.verified
    if verified.wholeness is Wholeness.CLOSED:
        return []
    return [
        Words(f"journals {verified.wholeness}: {why}", f"日志{_ZH[verified.wholeness]}：{why}")
        for why in verified.reasons
    ]


def _of_the_wire(basis: Basis) -> list[Words]:
    """The server of the proxies died, and the run went on without it."""
    return [
        Words(f"{note} ({(t - basis.times.l0_t) / SECOND_NS:.1f} s into the load)", f"代理进程中途结束：{note}")
        for _, t, _, note in basis.times.phases
        if GONE in note
    ]


def _of_follow_up(basis: Basis) -> list[Words]:
    if not basis.times.is_complete:
        return [
            Words(
                "the run was cut before it collected: rates that need full follow-up are lower bounds or not estimable",
                "运行在收尾之前中断：需要完整跟踪的比率只是下限，或无法估计",
            )
        ]
    if not basis.followed.is_full(basis.followed.deadline_s):
        return [
            Words(
                "some open orders were not followed to their deadline: the rates that need it are lower bounds",
                "部分未完结订单没有跟踪到期限：相关比率只是下限或估计值",
            )
        ]
    return []


def _of_payment(basis: Basis) -> list[Words]:
    if not np.isfinite(basis.orders.sent_t).any():
        return [Words("no order was sent", "没有发出任何订单")]
    if not basis.orders.paid.any():
        return [Words("nobody paid: nothing can be said of paid orders", "没有人付款：对已付订单无从谈起")]
    return []


def _of_books(basis: Basis) -> list[Words]:
    if basis.has_books:
        return []
    note = f" ({basis.times.collect_note})" if basis.times.collect_note else ""
    return [
        Words(
            f"the shop's books were not read{note}: orphan_payment and ghost_order are not evaluated",
            "没有读到店铺账本：“账上没有的付款”与“没有付款的入账”两项未评估",
        )
    ]


def _remarks(basis: Basis) -> list[Words]:
    remarks = []
    if left_out := basis.plan.without:
        words, zh = ", ".join(left_out), "、".join(left_out)
        remarks.append(Words(f"without: {words}, which the scenario has", f"已去除场景中的故障：{zh}"))
    paid, vouched = basis.orders.paid, basis.orders.is_vouched
    if not vouched.any():
        remarks.append(
            Words(
                "the shop sells its own stock: no upstream vouches for goods, so delivered means goods on the page or "
                "in the shop's books, and false progress is not evaluated",
                "店铺销售自有库存：没有上游可为商品作证，“已发货”指页面或账本上有商品；虚假进度未评估",
            )
        )
    elif without := int((paid & ~vouched).sum()):
        n = int(paid.sum())
        remarks.append(
            Words(
                f"no upstream vouches for the goods of {without} of {n} paid orders: of these, delivered means goods "
                "on the page or in the shop's books, and false progress is not evaluated",
                f"{n} 个已付订单中有 {without} 个没有上游作证：这些订单的“已发货”指页面或账本上有商品，虚假进度未评估",
            )
        )
    if n := int((paid & basis.went_on).sum()):
        remarks.append(
            Words(
                f"the pages of {n} paid orders ended expired, cancelled or failed, and the books tell of another state "
                "later: pages are not read after their end, so that time is not judged",
                f"{n} 个已付订单的页面已显示过期、取消或失败，账本之后却是别的状态：页面终结后不再读取，这段时间未判断",
            )
        )
    if shared := basis.goods_shared:
        remarks.append(
            Words(
                f"{shared} goods stand on the pages of more than one order: only one buyer can have each of them",
                f"有 {shared} 件商品出现在多个订单上：每件只有一个买家能真正使用",
            )
        )
    return remarks

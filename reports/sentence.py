"""The sentence for support: one paragraph about one order, in English and Chinese, from the evidence alone.

Small parts, each a pure function of what is known; a part that the evidence is silent about says nothing.
"""

from ledger.money import Fen, yuan
from ledger.states import State
from reports.advice import ESCALATE_S, advise, needs_escalation
from reports.case import Asked, Known
from reports.findings import Words
from reports.write.words import GONE, seconds, seconds_zh, state_zh

_WAYS_ZH = {"alipay": "支付宝", "wxpay": "微信支付", "wechat": "微信支付", "qqpay": "QQ 钱包"}
_OUTCOMES = {
    "accepted": Words("was accepted", "已被接受"),
    "refused": Words("was refused by the shop", "被店铺拒绝"),
    "error": Words("met an error at the shop", "在店铺出错"),
    "unanswered": Words("went unanswered", "没有应答"),
    "": Words("is still under way", "仍在发送中"),
}
_NOTHING = Words("", "")


def sentence(k: Known) -> Words:
    """The whole paragraph."""
    clauses = [part for part in (money(k), page(k), goods(k), stopped(k), coming(k)) if part.en]
    todo = what_to_do(k)
    head, pace = who(k), _pace(k)
    en = f"{head.en}: {'. '.join(_capital(part.en) for part in clauses)}. What to do: {todo.en}.{pace.en}"
    zh = f"{head.zh}：{'；'.join(part.zh for part in clauses)}。处理建议：{todo.zh}。{pace.zh}"
    return Words(en, zh)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def who(k: Known) -> Words:
    """The order by its numbers, with amount, way of payment, goods and when."""
    row = k.row
    fen = row.captured_fen or row.price_fen
    trades, amount = ", ".join(k.trades), f"¥{yuan(Fen(fen))}" if fen else ""
    when = Words(f"paid {k.paid_at}", f"{k.paid_at} 付款") if k.paid_at else _NOTHING
    if not row.paid:
        when = Words(f"placed {k.placed_at}", f"{k.placed_at} 下单") if k.placed_at else _NOTHING
    by = f"{amount} by {row.way} at {row.channel}" if row.way else f"{amount} by {row.channel}".strip()
    way_zh = f"{row.channel} {_WAYS_ZH.get(row.way, row.way)}".rstrip()
    en = [f"trade {trades}" if trades else "", f"{by} for {row.product}", when.en]
    zh = [f"交易号 {trades}" if trades else "", f"{way_zh} {amount}".rstrip(), f"商品 {row.product}", when.zh]
    number = row.order_no or row.key
    return Words(f"Order {number} ({', '.join(filter(None, en))})", f"订单 {number}（{'，'.join(filter(None, zh))}）")


def money(k: Known) -> Words:
    """Whether money was taken, and what was given back."""
    row = k.row
    if not row.paid:
        return Words("no money was taken", "没有扣款")
    times = Words(f" {k.captures} times", f" {k.captures} 次") if k.captures > 1 else _NOTHING
    taken = Words(f"the money was taken{times.en}", f"已扣款{times.zh}")
    if k.others_paid:
        keys = ", ".join(k.others_paid)
        taken = Words(f"{taken.en}, and again for {keys} of the same wish", f"{taken.zh}，同一意图的 {keys} 也已付款")
    if row.refunded_fen > row.captured_fen:
        more = yuan(Fen(row.refunded_fen - row.captured_fen))
        return Words(f"{taken.en} and ¥{more} more than that given back", f"{taken.zh}，多退 ¥{more}")
    if row.refunded:
        return Words(f"{taken.en} and given back in full", f"{taken.zh}，已全额退款")
    if row.refunded_fen:
        back = yuan(Fen(row.refunded_fen))
        return Words(f"{taken.en} and ¥{back} of it given back", f"{taken.zh}，已退 ¥{back}")
    asked = Words(", a refund was asked for and not made", "，已申请退款但未退") if k.refund_asked else _NOTHING
    kept = Words(" and not given back", "，未退款") if row.goods == 0 else _NOTHING
    return Words(taken.en + (asked.en or kept.en), taken.zh + (asked.zh or kept.zh))


def page(k: Known) -> Words:
    """What the shop tells its buyer, for how long, and how long the order was stuck."""
    row, state_en = k.row, f"{k.row.state} ({state_zh(k.row.state)})"
    said, said_zh = seconds(k.said_s), seconds_zh(k.said_s)
    waited, waited_zh = seconds(row.waited_s), seconds_zh(row.waited_s)
    stuck = _stuck(row.stuck_s, said, waited) if row.stuck else _NOTHING
    if row.state == GONE:
        return Words(f"the shop's page is gone{stuck.en}", f"店铺页面已消失{stuck.zh}")
    if row.state == State.UNKNOWN:
        return Words("nobody could read the shop's page", "店铺页面未能读到")
    if not row.paid:
        return Words(f"the shop's page says {state_en}", f"店铺页面显示“{state_zh(row.state)}”")
    if row.open:
        since = Words(f", {waited} after the payment", f"，付款已过 {waited_zh}") if waited != said else _NOTHING
        return Words(
            f"the shop's page has said {state_en} for {said} and has not ended{since.en}{stuck.en}",
            f"店铺页面显示“{state_zh(row.state)}”已 {said_zh}，仍未完结{since.zh}{stuck.zh}",
        )
    if row.state in (State.HELD, State.MANUAL):
        return Words(
            f"the shop's page has said {state_en} for {said}: a person or risk control has it{stuck.en}",
            f"店铺页面显示“{state_zh(row.state)}”已 {said_zh}，在人工或风控处理中{stuck.zh}",
        )
    return Words(
        f"the shop's page ended as {state_en} {waited} after the payment{stuck.en}",
        f"店铺页面在付款 {waited_zh}后以“{state_zh(row.state)}”告终{stuck.zh}",
    )


def _stuck(stuck_s: float, *told: str) -> Words:
    """How long it was stuck, unless that is what was told already."""
    if seconds(stuck_s) in told:
        return Words(" (stuck)", "（卡住）")
    return Words(f", stuck for {seconds(stuck_s)} in all", f"，共卡住 {seconds_zh(stuck_s)}")


def goods(k: Known) -> Words:
    """What the buyer has."""
    had = k.row.goods
    if had > 1:
        return Words(f"the buyer got the goods {had} times", f"买家收到 {had} 份商品")
    if had:
        return Words("the buyer has the goods", "买家已收到商品")
    return Words("the buyer got no goods", "买家没有收到商品") if k.row.paid else _NOTHING


def stopped(k: Known) -> Words:
    """The node where it stopped; nothing where it did not."""
    evidence = k.evidence
    if not evidence.paid:
        where = _before_payment(k)
    elif evidence.had or evidence.money_back:
        return _NOTHING
    elif k.asked is not None:
        where = _at_upstream(k.asked)
    elif evidence.notice_accepted or k.row.hop in ("notice", "page_paid"):
        what = (
            Words("asked no upstream", "没有向上游要货")
            if evidence.is_vouched
            else Words("did not deliver", "没有发货")
        )
        where = Words(f"the shop knows of the payment and {what.en}", f"店铺已知付款，{what.zh}")
    else:
        where = _at_notices(k)
    return Words(f"stopped at: {where.en}", f"停在：{where.zh}")


def _before_payment(k: Known) -> Words:
    if not k.evidence.placed:
        return Words("the shop took no order", "店铺没有接受下单")
    if k.evidence.tried:
        return Words("the buyer's payment never reached the channel", "买家的付款没有到达渠道")
    return Words("the buyer did not pay", "买家没有付款")


def _at_upstream(asked: Asked) -> Words:
    under = Words(f" under {asked.request_no}", f"（请求号 {asked.request_no}）") if asked.request_no else _NOTHING
    times = Words(f" {asked.times} times", f" {asked.times} 次") if asked.times > 1 else _NOTHING
    name = asked.upstream
    match asked.outcome:
        case "sold":
            return Words(
                f"upstream {name} sold{under.en}, and the goods did not reach the buyer",
                f"上游 {name} 已出货{under.zh}，商品没有到买家",
            )
        case "refused":
            return Words(
                f"upstream {name}, asked{times.en}, refused{under.en}: {asked.refusal}",
                f"向上游 {name} 要货{times.zh}，被拒{under.zh}：{asked.refusal}",
            )
        case "taken":
            return Words(
                f"upstream {name} took the request on{under.en} and has not said how it ended",
                f"上游 {name} 已受理{under.zh}，没有给出结果",
            )
    return Words(
        f"upstream {name} was asked{times.en}{under.en}, and gave no result",
        f"已向上游 {name} 要货{times.zh}{under.zh}，没有结果",
    )


def _at_notices(k: Known) -> Words:
    notices = k.notices
    if notices is None or not notices.sent:
        return Words("the channel told the shop nothing", "渠道没有通知店铺")
    outcome = _OUTCOMES.get(notices.outcome, Words(notices.outcome, notices.outcome))
    return Words(
        f"the shop does not know of the payment: notice {notices.sent} of {notices.channel} {outcome.en}",
        f"店铺不知道已付款：{notices.channel} 的第 {notices.sent} 次通知{outcome.zh}",
    )


def coming(k: Known) -> Words:
    """What will happen by itself, where the evidence shows it."""
    if k.complaint and k.forced_in_s is not None and k.row.open and not k.row.refunded:
        return _due(k.forced_in_s, "the channel refunds by force", "渠道将强制退款")
    notices = k.notices
    if notices is None or notices.outcome == "accepted" or not k.row.paid or k.row.refunded:
        return _NOTHING
    if notices.next_s is not None:
        return _due(
            notices.next_s, f"notice {notices.sent + 1} of {notices.channel}", f"渠道第 {notices.sent + 1} 次通知"
        )
    if notices.sent >= notices.allowed and notices.outcome:
        return Words(
            f"next: nothing from {notices.channel}, its {notices.sent} notices are used up",
            f"下一步：{notices.channel} 的 {notices.sent} 次通知已用完，不会再通知",
        )
    return _NOTHING


def _due(in_s: float, en: str, zh: str) -> Words:
    if in_s < 0:
        return Words(f"next: {en}, overdue for {seconds(-in_s)}", f"下一步：{zh}，已逾期 {seconds_zh(-in_s)}")
    return Words(f"next: {en}, due in {seconds(in_s)}", f"下一步：{zh}，{seconds_zh(in_s)}后")


def what_to_do(k: Known) -> Words:
    """The next step, and when it has to go up."""
    step = advise(k.evidence)
    if not k.evidence.is_open:
        return step
    if needs_escalation(k.evidence, k.row.waited_s):
        return Words(
            f"{step.en}; over 24 h without an answer: escalate now", f"{step.zh}；已超过 24 小时：立即升级处理"
        )
    left = ESCALATE_S - k.row.waited_s
    return Words(
        f"{step.en}; escalate if not solved in {seconds(left)}",
        f"{step.zh}；{seconds_zh(left)}内未解决须升级",
    )


def _pace(k: Known) -> Words:
    """The wall clock went slower than the order's life."""
    if k.compress == 1:
        return _NOTHING
    return Words(
        f" (Durations are those of life, the clock is that of the run, which went {k.compress:g} times as fast.)",
        f"（本次运行快 {k.compress:g} 倍：时长按真实业务时间，时刻按运行时钟。）",
    )

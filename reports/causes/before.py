"""Rules for orders whose payment the shop did not know of: what became of the notices."""

import numpy as np

from ledger.states import Code
from plan.causes import Cause
from reports.causes.evidence import Evidence, Notices
from reports.causes.rule import Rule, one_of, says
from reports.orders import Bools

FAILED_SHARE = 0.1
"""The shop counts as broken where so large a share of what it answered was an error of its own."""

READS_TOO = 0.25
"""A lock stops those who write; where so large a part of it stops readers too, the link to the database is away."""
SLOW_S = 0.5
"""The shop counts as slow where the notices nearest in time waited so long (wire) for its answer."""


def unheard(e: Evidence) -> Bools:
    """The shop had acknowledged no notice and its page did not know of the payment."""
    return np.asarray(~(e.known_s <= e.at_s))


def failing(e: Evidence) -> Bools:
    """The shop answered buyers with errors of its own."""
    return np.asarray(e.place_failed >= FAILED_SHARE)


def cannot_read(e: Evidence) -> Bools:
    """Pages failed as well, so that the database was not just locked for writing."""
    return np.asarray(e.read_failed >= READS_TOO * e.place_failed)


def _had_ended(e: Evidence) -> Bools:
    return np.asarray(e.ended_s <= e.captured_s)


def _refused(e: Evidence) -> Bools:
    return np.asarray(unheard(e) & (e.pay.refused > 0))


def _unsigned(e: Evidence) -> Bools:
    by_words = says(e.pay.words, "sign", "签名", "验签")
    return np.asarray(_refused(e) & (one_of(e.code, Code.NOTICE_BAD_SIGNATURE) | by_words))


def away(told: Notices) -> Bools:
    """Notices came to nothing because the shop was not there, for nobody while they were under way. One that is just
    not answered, while a dead shop refuses others at once, has not come so far."""
    came_to = (told.errors > 0) | ((told.unanswered > 0) & (told.broken == 0))
    return np.asarray(came_to & (told.down_s > 0) & (told.during == 0))


def _own_error(e: Evidence) -> Bools:
    is_plain = ~e.sealed & (e.place_failed + e.read_failed > 0)  # the others mean by 500 that they refuse
    return np.asarray(_refused(e) & (e.pay.status >= 500) & (failing(e) | is_plain))


def _slow(e: Evidence) -> Bools:
    return np.asarray(unheard(e) & (e.pay.failed == 0) & (e.pay.accepted_s > e.at_s))


RULES = (
    Rule(
        "ended before it was paid",
        Cause.LATE_PAYMENT,
        _had_ended,
        "the page had shown the order as over since {ended_s} s when the channel took {yuan} at {captured_s} s",
        "页面自 {ended_s} 秒起已显示订单结束，渠道在 {captured_s} 秒才收取 {yuan}",
    ),
    Rule(
        "amount refused",
        Cause.AMOUNT,
        lambda e: unheard(e) & one_of(e.code, Code.PAY_AMOUNT_MISMATCH),
        "the channel took {yuan} at {captured_s} s; the shop refused {pay_refused:# notice} and notes that the "
        "amount is not the price",
        "渠道在 {captured_s} 秒收取 {yuan}；{pay_refused} 次通知被拒，店铺记录金额与价格不符",
    ),
    Rule(
        "notice refused: signature",
        Cause.SIGNATURE,
        _unsigned,
        "the channel took {yuan} at {captured_s} s; the shop refused {pay_refused:# notice} (HTTP {pay_status}, "
        "“{pay_words}”) for the signature, and took {pay_others} about other orders",
        "渠道在 {captured_s} 秒收取 {yuan}；{pay_refused} 次通知因验签失败被拒（HTTP {pay_status}，“{pay_words}”），"
        "同时其他订单的 {pay_others} 次通知被接受",
    ),
    Rule(
        "shop away when told",
        Cause.CRASH,
        lambda e: unheard(e) & away(e.pay),
        "the channel took {yuan} at {captured_s} s; {pay_failed:# notice} found no shop, nobody else's was taken "
        "meanwhile, and buyers could not reach it either for {pay_down_s} s",
        "渠道在 {captured_s} 秒收取 {yuan}；{pay_failed} 次通知找不到店铺，同时其他通知无一被接受，买家也有 "
        "{pay_down_s} 秒无法访问",
    ),
    Rule(
        "shop away while it was told",
        Cause.CRASH,
        lambda e: _slow(e) & (e.down_s > 0),
        "the channel took {yuan} at {captured_s} s and told the shop at {pay_first_s} s; buyers could not reach it "
        "for {down_s} s, and it took the notice at {pay_accepted_s} s only",
        "渠道在 {captured_s} 秒收取 {yuan}，{pay_first_s} 秒通知店铺；买家有 {down_s} 秒无法访问店铺，直到 "
        "{pay_accepted_s} 秒通知才被接受",
    ),
    Rule(
        "shop failed when told: database link",
        Cause.DATABASE_LINK,
        lambda e: _own_error(e) & cannot_read(e),
        "the shop answered {pay_refused:# notice} with HTTP {pay_status}; meanwhile {read_failed:.0%} of pages and "
        "{place_failed:.0%} of new orders ended in an error of the shop itself",
        "{pay_refused} 次通知得到 HTTP {pay_status}；同时 {read_failed:.0%} 的页面读取和 {place_failed:.0%} "
        "的下单因店铺自身错误失败",
    ),
    Rule(
        "shop failed when told: database",
        Cause.DATABASE,
        _own_error,
        "the shop answered {pay_refused:# notice} with HTTP {pay_status}; meanwhile pages could be read, and "
        "{place_failed:.0%} of new orders ended in an error of the shop itself",
        "{pay_refused} 次通知得到 HTTP {pay_status}；同时页面可读，而 {place_failed:.0%} 的下单因店铺自身错误失败",
    ),
    Rule(
        "notice not understood",
        Cause.VERSION,
        lambda e: _refused(e) & ~e.sealed & (e.pay.status < 500) & e.tells & (e.pay.others > 0),
        "the channel took {yuan} at {captured_s} s; the shop refused {pay_refused:# notice} (HTTP {pay_status}, "
        "“{pay_words}”), took {pay_others} about other orders, and names no bad signature and no wrong amount: it "
        "did not read of a payment",
        "渠道在 {captured_s} 秒收取 {yuan}；{pay_refused} 次通知被拒（HTTP {pay_status}，“{pay_words}”），"
        "同时其他订单的 {pay_others} 次被接受；店铺未记录验签失败或金额不符：它没有读懂这是付款",
    ),
    Rule(
        "no connection to tell",
        Cause.LINK,
        lambda e: unheard(e) & (e.pay.errors > 0) & (e.pay.others == 0),
        "the channel took {yuan} at {captured_s} s; {pay_errors:# notice} got no connection (“{pay_words}”), nobody "
        "else's got through either, and buyers reached the shop all the time",
        "渠道在 {captured_s} 秒收取 {yuan}；{pay_errors} 次通知无法连接（“{pay_words}”），其他订单的通知也无法送达，"
        "而买家一直能访问店铺",
    ),
    Rule(
        "shop slow when told",
        Cause.TIMEOUT,
        lambda e: unheard(e) & (e.pay.unanswered > 0) & (e.pay.others_wait_s >= SLOW_S),
        "the channel took {yuan} at {captured_s} s; the shop left {pay_unanswered} of {pay_sent:# notice} without "
        "an answer in time, and those about other orders waited {pay_others_wait_s:.2f} s",
        "渠道在 {captured_s} 秒收取 {yuan}；{pay_sent} 次通知中 {pay_unanswered} 次未及时应答，其他订单的通知等待了 "
        "{pay_others_wait_s:.2f} 秒",
    ),
    Rule(
        "notice lost",
        Cause.LOST_NOTICE,
        lambda e: unheard(e) & (e.pay.unanswered + e.pay.errors > 0),
        "the channel took {yuan} at {captured_s} s; {pay_failed} of {pay_sent:# notice} got no answer, and none was "
        "accepted before {at_s} s; meanwhile the shop took {pay_others} about other orders",
        "渠道在 {captured_s} 秒收取 {yuan}；{pay_sent} 次通知中 {pay_failed} 次没有应答，{at_s} 秒前无一被接受；"
        "同时其他订单的 {pay_others} 次通知被接受",
    ),
    Rule(
        "notice not sent",
        Cause.LOST_NOTICE,
        lambda e: unheard(e) & (e.pay.sent == 0),
        "the channel took {yuan} at {captured_s} s and had told the shop nothing by {at_s} s",
        "渠道在 {captured_s} 秒收取 {yuan}，到 {at_s} 秒仍未通知店铺",
    ),
    Rule(
        "notice under way",
        Cause.TIMEOUT,
        _slow,
        "the channel took {yuan} at {captured_s} s and told the shop at {pay_first_s} s; the notice was taken at "
        "{pay_accepted_s} s only",
        "渠道在 {captured_s} 秒收取 {yuan}，{pay_first_s} 秒通知店铺，直到 {pay_accepted_s} 秒才被接受",
    ),
)

"""Rules for orders whose goods an upstream was asked for: what it said, and what the shop made of that."""

import numpy as np

from ledger.states import Code
from plan.causes import Cause
from reports.causes.before import away, cannot_read, failing, unheard
from reports.causes.evidence import Evidence
from reports.causes.inside import LONG_S, waiting
from reports.causes.rule import Rule, one_of, says
from reports.orders import Bools


def _refused(e: Evidence) -> Bools:
    """An upstream said no and has sold nothing; a second request that is refused proves nothing."""
    is_repeat = (e.asked > 1) & (e.taken_s < e.refused_s)
    return np.asarray(~unheard(e) & (e.refused_s <= e.at_s) & np.isnan(e.sold_s) & ~is_repeat)


def _at_once(e: Evidence, code: str) -> Bools:
    return np.asarray(_refused(e) & one_of(e.refusal, code))


def _sold(e: Evidence) -> Bools:
    return np.asarray(~unheard(e) & (e.sold_s <= e.at_s))


def _by_answer(e: Evidence) -> Bools:
    """Sold, and the goods were in the answer itself."""
    return np.asarray(_sold(e) & np.isnan(e.taken_s))


def _by_notice(e: Evidence) -> Bools:
    """Sold after it was taken on, so that the shop had to be told."""
    return np.asarray(_sold(e) & (e.taken_s <= e.at_s) & ~(e.told.accepted_s <= e.at_s))


def _asked(e: Evidence) -> Bools:
    return np.asarray(~unheard(e) & (e.asked_s <= e.at_s))


def _silent(e: Evidence) -> Bools:
    """The shop gives no reason, or gave it long after it had asked."""
    return np.asarray(one_of(e.code, "", Code.UPSTREAM_TIMEOUT) | (e.code_s - e.asked_s >= LONG_S))


def _completed(e: Evidence) -> Bools:
    """The page ended as if the goods were there."""
    return np.asarray(~unheard(e) & np.isnan(e.had_s) & e.is_done)


def _away(e: Evidence) -> Bools:
    return np.asarray(_asked(e) & (e.down_s > 0) & one_of(e.code, "", Code.SHOP_CRASHED))


def _failing(e: Evidence) -> Bools:
    return np.asarray(_asked(e) & one_of(e.code, "", Code.SHOP_DATABASE) & failing(e))


RULES = (
    Rule(
        "sold out",
        Cause.SOLD_OUT,
        lambda e: _at_once(e, Code.GOODS_SOLD_OUT),
        "{upstream} was asked for {product} at {asked_s} s and refused: “{said}”; the page said “{shown}”",
        "{asked_s} 秒向 {upstream} 要 {product}，被拒：“{said}”；页面显示“{shown}”",
    ),
    Rule(
        "request refused: signature",
        Cause.SIGNATURE,
        lambda e: _at_once(e, Code.UPSTREAM_BAD_SIGNATURE),
        "{upstream} refused the request at {refused_s} s for its signature (“{said}”), and took {passed} of others",
        "{upstream} 在 {refused_s} 秒因验签失败拒绝请求（“{said}”），同时接受了其他订单的 {passed} 次",
    ),
    Rule(
        "request refused: version",
        Cause.VERSION,
        lambda e: _at_once(e, Code.UPSTREAM_VERSION),
        "{upstream} refused the request at {refused_s} s for its version: “{said}”",
        "{upstream} 在 {refused_s} 秒因接口版本拒绝请求：“{said}”",
    ),
    Rule(
        "request refused: goods unknown",
        Cause.IDENTIFIERS,
        lambda e: _refused(e) & one_of(e.refusal, Code.GOODS_UNKNOWN, Code.IDENTIFIERS_MISSING),
        "{upstream} refused the request at {refused_s} s: it cannot tell the goods (“{said}”)",
        "{upstream} 在 {refused_s} 秒拒绝请求：无法识别商品（“{said}”）",
    ),
    Rule(
        "request refused: too busy",
        Cause.OVERLOAD,
        lambda e: _at_once(e, Code.UPSTREAM_OVERLOADED),
        "{upstream} refused the request at {refused_s} s as too busy: “{said}”",
        "{upstream} 在 {refused_s} 秒以繁忙为由拒绝请求：“{said}”",
    ),
    Rule(
        "no such account",
        Cause.BUYER,
        lambda e: _at_once(e, Code.ACCOUNT_INVALID),
        "{upstream} knows no such account (“{said}”): the buyer entered another than he has",
        "{upstream} 没有该账号（“{said}”）：买家填错了账号",
    ),
    Rule(
        "taken on, then failed",
        Cause.SUPPLIER_REFUSED,
        lambda e: _refused(e) & (e.taken_s <= e.refused_s),
        "{upstream} took the request on at {taken_s} s and failed at {refused_s} s (“{said}”); the money was kept",
        "{upstream} 在 {taken_s} 秒受理，{refused_s} 秒失败（“{said}”）；款项未退",
    ),
    Rule(
        "refused by the game server",
        Cause.GAME_REFUSED,
        lambda e: _refused(e) & e.is_topup & ~says(e.said, "balance", "余额"),
        "{upstream} refused the top-up at {refused_s} s ({refusal}): “{said}”",
        "{upstream} 在 {refused_s} 秒拒绝充值（{refusal}）：“{said}”",
    ),
    Rule(
        "refused by the supplier",
        Cause.SUPPLIER_REFUSED,
        _refused,
        "{upstream} refused the request at {refused_s} s ({refusal}): “{said}”",
        "{upstream} 在 {refused_s} 秒拒绝请求（{refusal}）：“{said}”",
    ),
    Rule(
        "delivered nothing",
        Cause.EMPTY_GOODS,
        lambda e: (_completed(e) & (e.asked > 0)) | (_asked(e) & one_of(e.code, Code.GOODS_EMPTY)),
        "{upstream} was asked for {product} at {asked_s} s and did not refuse; the order ended as if delivered, "
        "with no goods that were sold for it",
        "{asked_s} 秒向 {upstream} 要 {product}，上游没有拒绝；订单显示已交付，但没有为它售出的商品",
    ),
    Rule(
        "told of goods: signature",
        Cause.SIGNATURE,
        lambda e: _by_notice(e) & (e.told.refused > 0) & ((e.told.status == 401) | says(e.told.words, "sign", "签名")),
        "{upstream} had delivered at {sold_s} s; the shop refused {told_refused:# notice} of that (HTTP "
        "{told_status}) for the signature, and took {told_others} about other orders",
        "{upstream} 在 {sold_s} 秒已交付；它的 {told_refused} 次通知因验签失败被拒（HTTP {told_status}），"
        "同时其他订单的 {told_others} 次被接受",
    ),
    Rule(
        "shop away when told of goods",
        Cause.CRASH,
        lambda e: _by_notice(e) & away(e.told),
        "{upstream} had delivered at {sold_s} s; {told_failed:# notice} of that found no shop, nobody else's was "
        "taken meanwhile, and buyers could not reach it either for {told_down_s} s",
        "{upstream} 在 {sold_s} 秒已交付；它的 {told_failed} 次通知找不到店铺，同时其他通知无一被接受，买家也有 "
        "{told_down_s} 秒无法访问",
    ),
    Rule(
        "notice of goods lost",
        Cause.LOST_NOTICE,
        lambda e: _by_notice(e) & (e.told.unanswered + e.told.errors > 0),
        "{upstream} had delivered at {sold_s} s; {told_failed} of {told_sent:# notice} got no answer, and the shop "
        "did not ask",
        "{upstream} 在 {sold_s} 秒已交付；{told_sent} 次通知中 {told_failed} 次没有应答，店铺也没有查询",
    ),
    Rule(
        "notice of goods not understood",
        Cause.VERSION,
        lambda e: _by_notice(e) & (e.told.refused > 0),
        "{upstream} had delivered at {sold_s} s; the shop refused {told_refused:# notice} of that (HTTP "
        "{told_status}, “{told_words}”) and took {told_others} about other orders: it did not read what they say",
        "{upstream} 在 {sold_s} 秒已交付；它的 {told_refused} 次通知被拒（HTTP {told_status}，“{told_words}”），"
        "其他订单的 {told_others} 次被接受：店铺没有读懂",
    ),
    Rule(
        "answer not readable",
        Cause.VERSION,
        lambda e: _asked(e) & one_of(e.code, Code.UPSTREAM_VERSION),
        "{upstream} was asked at {asked_s} s and answered at once (sold at {sold_s} s); the shop could not read the "
        "answer ({code}, since {code_s} s)",
        "{asked_s} 秒向 {upstream} 要货，上游立即应答（{sold_s} 秒售出）；店铺读不懂应答（{code}，自 {code_s} 秒起）",
    ),
    Rule(
        "answer misread",
        Cause.VERSION,
        lambda e: _by_answer(e) & one_of(e.code, Code.UPSTREAM_REFUSED),
        "{upstream} sold at {sold_s} s and refused nothing; the shop took its answer for a refusal ({code}, since "
        "{code_s} s)",
        "{upstream} 在 {sold_s} 秒已售出，并未拒绝；店铺把应答当成拒绝（{code}，自 {code_s} 秒起）",
    ),
    Rule(
        "answer not taken as signed",
        Cause.SIGNATURE,
        lambda e: _asked(e) & one_of(e.code, Code.UPSTREAM_BAD_SIGNATURE),
        "{upstream} answered the request of {asked_s} s (sold at {sold_s} s), and the shop refused the answer's "
        "signature",
        "{upstream} 应答了 {asked_s} 秒的请求（{sold_s} 秒售出），店铺因验签失败不接受应答",
    ),
    Rule(
        "shop away after it had asked",
        Cause.CRASH,
        _away,
        "{upstream} was asked at {asked_s} s, and the shop was away for {down_s} of the seconds until {at_s} s; it "
        "never wrote down what came of it",
        "{asked_s} 秒向 {upstream} 要货，到 {at_s} 秒为止店铺有 {down_s} 秒无法访问；没有记录结果",
    ),
    Rule(
        "database link failed while it was asked",
        Cause.DATABASE_LINK,
        lambda e: _failing(e) & cannot_read(e),
        "{upstream} was asked at {asked_s} s; until {at_s} s {read_failed:.0%} of pages and {place_failed:.0%} of "
        "new orders ended in an error of the shop itself",
        "{asked_s} 秒向 {upstream} 要货；到 {at_s} 秒为止 {read_failed:.0%} 的页面读取和 {place_failed:.0%} "
        "的下单因店铺自身错误失败",
    ),
    Rule(
        "database failed while it was asked",
        Cause.DATABASE,
        _failing,
        "{upstream} was asked at {asked_s} s; until {at_s} s {place_failed:.0%} of new orders ended in an error of "
        "the shop itself",
        "{asked_s} 秒向 {upstream} 要货；到 {at_s} 秒为止 {place_failed:.0%} 的下单因店铺自身错误失败",
    ),
    Rule(
        "answer late",
        Cause.TIMEOUT,
        lambda e: _asked(e) & ~waiting(e) & np.isnan(e.taken_s) & e.tells & _silent(e),
        "{upstream} was asked at {asked_s} s (sold at {sold_s} s); at {at_s} s the shop was still waiting for the "
        "answer, and gives no other reason",
        "{asked_s} 秒向 {upstream} 要货（{sold_s} 秒售出）；到 {at_s} 秒店铺仍在等待应答，没有其他原因",
    ),
    Rule(
        "answer lost",
        Cause.LOST_ANSWER,
        lambda e: _by_answer(e) & ~waiting(e) & e.tells,
        "{upstream} sold at {sold_s} s; its answer did not reach the shop ({code}, since {code_s} s), which has no "
        "goods",
        "{upstream} 在 {sold_s} 秒已售出；应答没有到达店铺（{code}，自 {code_s} 秒起），店铺没有商品",
    ),
    Rule(
        "taken on for ever",
        Cause.SUPPLIER_REFUSED,
        lambda e: _asked(e) & (e.taken_s <= e.at_s) & np.isnan(e.sold_s),
        "{upstream} took the request on at {taken_s} s and never said how it ended",
        "{upstream} 在 {taken_s} 秒受理，此后一直没有结果",
    ),
    Rule(
        "taken on for long",
        Cause.TIMEOUT,
        lambda e: _asked(e) & ~waiting(e) & (e.taken_s <= e.at_s) & (e.sold_s > e.at_s),
        "{upstream} took the request on at {taken_s} s and delivered at {sold_s} s only",
        "{upstream} 在 {taken_s} 秒受理，到 {sold_s} 秒才交付",
    ),
)

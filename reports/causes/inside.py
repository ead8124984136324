"""Rules for orders that the shop knew to be paid and for which no upstream had been asked."""

import numpy as np

from ledger.states import Code
from plan.causes import Cause
from reports.causes.before import cannot_read, failing, unheard
from reports.causes.evidence import Evidence
from reports.causes.rule import Rule, one_of
from reports.orders import Bools

LONG_S, PAUSE_S, UNEVEN = 1.0, 0.25, 1.3
"""A pause of one second (wire) in which nothing is asked for is a slow exchange; so is one of a quarter that is so much
longer than what was usual during that wait. Many even ones are a queue."""
SILENT_S = 3.0
"""A request that is given up after so long (wire) had been met by silence."""
LINE_DOWN = 6
"""So many requests in a row that did not arrive mean that the line was down; fewer may be bad luck."""
PASSED = 3
"""Whom so many later ones have passed is waited for by nobody."""
BUSY_S, BUSIER = 0.05, 3.0
"""An upstream is busy where requests wait so long (wire) before they arrive, and so many times as long as the shop
itself takes to answer a notice: else it is the shop that is slow."""


def waiting(e: Evidence) -> Bools:
    """Known to be paid, and most of the time since then was spent before anybody was asked for the goods."""
    at_work = np.fmax(e.at_s - e.asked_s, 0.0)
    mostly = np.isnan(e.asked_s) | (at_work < e.asked_s - e.known_s)
    return np.asarray(~unheard(e) & mostly & np.isnan(e.refused_s))


def never_arrived(e: Evidence) -> Bools:
    """The shop gives a reason that only a request to an upstream can have, and no upstream has seen that request."""
    tried = one_of(
        e.code,
        Code.UPSTREAM_UNKNOWN_RESULT,
        Code.UPSTREAM_TIMEOUT,
        Code.UPSTREAM_REFUSED,
        Code.UPSTREAM_OVERLOADED,
        Code.UPSTREAM_VERSION,
        Code.UPSTREAM_BAD_SIGNATURE,
    )
    return np.asarray(~unheard(e) & np.isnan(e.asked_s) & np.isnan(e.refused_s) & tried)


def _busy(e: Evidence) -> Bools:
    """Requests that were let in had to wait, at the upstream and not in the shop."""
    shop_s = np.nan_to_num(e.pay.others_wait_s)
    return np.asarray(e.wait_s >= np.fmax(BUSY_S, BUSIER * shop_s))


def _in_line(e: Evidence) -> Bools:
    """Waiting for its turn, which came at last, or for which others waited too and nobody was let pass."""
    in_turn = ~np.isnan(e.asked_s) | (e.tells & (e.overtaken == 0) & (e.beside > 0))
    return np.asarray(waiting(e) & ~_unwritten(e) & e.is_vouched & in_turn)


def _unwritten(e: Evidence) -> Bools:
    """A notice was acknowledged, and the page does not show the payment."""
    return np.asarray(~unheard(e) & ~(e.page_paid_s <= e.at_s))


def _failing(e: Evidence) -> Bools:
    """The shop answered buyers with errors of its own, and gave no reason for the order itself."""
    return np.asarray(~unheard(e) & one_of(e.code, "", Code.SHOP_DATABASE) & failing(e))


def _slow(e: Evidence) -> Bools:
    """While it waited, one exchange took much longer than the others."""
    return np.asarray((e.pause_s >= LONG_S) | (e.pause_s >= np.fmax(PAUSE_S, UNEVEN * e.typical_s)))


RULES = (
    Rule(
        "goods not named",
        Cause.IDENTIFIERS,
        lambda e: ~unheard(e) & one_of(e.code, Code.IDENTIFIERS_MISSING),
        "paid, known to the shop at {known_s} s, and no upstream was asked: the shop notes that the goods cannot be "
        "told",
        "店铺在 {known_s} 秒已知付款，却未向任何上游要货：店铺记录缺少商品标识",
    ),
    Rule(
        "request not let in",
        Cause.OVERLOAD,
        lambda e: never_arrived(e) & one_of(e.code, Code.UPSTREAM_OVERLOADED) & _busy(e),
        "the upstream sent the request away as too busy; requests that it let in at that time waited {wait_s:.2f} s",
        "上游以繁忙为由拒绝请求；同一时间被接入的请求等待了 {wait_s:.2f} 秒",
    ),
    Rule(
        "nothing arrived for a while",
        Cause.LINK,
        lambda e: never_arrived(e) & one_of(e.code, Code.UPSTREAM_REFUSED) & (e.streak >= LINE_DOWN),
        "the shop got no connection ({code}), and {streak} requests in a row, of all orders, never arrived there",
        "店铺无法连接上游（{code}），所有订单连续 {streak} 次请求都未到达",
    ),
    Rule(
        "refused in front",
        Cause.REFUSED,
        lambda e: never_arrived(e) & one_of(e.code, Code.UPSTREAM_REFUSED, Code.UPSTREAM_OVERLOADED),
        "the shop was refused ({code}) by what stands in front of the upstream, which saw no request; {passed} of "
        "others passed within a second",
        "上游前端拒绝了请求（{code}），上游没有见到它；同一秒内其他订单有 {passed} 次请求通过",
    ),
    Rule(
        "answered by something else",
        Cause.VERSION,
        lambda e: never_arrived(e) & one_of(e.code, Code.UPSTREAM_VERSION),
        "the shop could not read the answer ({code}), and the upstream has seen no such request; {passed} of others "
        "passed",
        "店铺读不懂应答（{code}），上游没有见到该请求；其他订单有 {passed} 次请求通过",
    ),
    Rule(
        "request not taken as signed",
        Cause.SIGNATURE,
        lambda e: never_arrived(e) & one_of(e.code, Code.UPSTREAM_BAD_SIGNATURE),
        "the shop notes a bad signature between itself and the upstream, which served {passed} requests of others",
        "店铺记录与上游之间验签失败；上游同时处理了其他订单的 {passed} 次请求",
    ),
    Rule(
        "no answer in time",
        Cause.TIMEOUT,
        lambda e: never_arrived(e) & one_of(e.code, Code.UPSTREAM_TIMEOUT),
        "the shop waited in vain for an answer ({code}) to a request that never arrived",
        "店铺等待应答超时（{code}），请求从未到达上游",
    ),
    Rule(
        "request into silence",
        Cause.TIMEOUT,
        lambda e: never_arrived(e) & (e.code_s - e.known_s >= SILENT_S) & (e.pause_s >= SILENT_S),
        "the shop knew of the payment at {known_s} s and gave up at {code_s} s ({code}); the upstream saw no "
        "request, and for {pause_s} s nothing of {product} was asked for",
        "店铺在 {known_s} 秒已知付款，{code_s} 秒才放弃（{code}）；上游没有见到请求，{product} 有 {pause_s} "
        "秒完全没有请求",
    ),
    Rule(
        "request lost",
        Cause.LOST_REQUEST,
        lambda e: never_arrived(e) & one_of(e.code, Code.UPSTREAM_UNKNOWN_RESULT),
        "the shop asked and its connection ended without an answer ({code}); the upstream saw no request, and "
        "{passed} of others arrived within a second",
        "店铺已发出请求，连接在应答前中断（{code}）；上游没有见到该请求，同一秒内其他订单有 {passed} 次到达",
    ),
    Rule(
        "shop away after it knew",
        Cause.CRASH,
        lambda e: ~unheard(e) & (e.down_s > 0) & one_of(e.code, "", Code.SHOP_CRASHED) & (e.asked == 0),
        "the shop knew of the payment at {known_s} s and was away for {down_s} of the seconds until {at_s} s; "
        "nobody was asked for the goods",
        "店铺在 {known_s} 秒已知付款，到 {at_s} 秒为止有 {down_s} 秒无法访问；没有向任何上游要货",
    ),
    Rule(
        "database link failed",
        Cause.DATABASE_LINK,
        lambda e: _failing(e) & cannot_read(e),
        "known to the shop at {known_s} s; until {at_s} s {read_failed:.0%} of pages and {place_failed:.0%} of new "
        "orders ended in an error of the shop itself, and the page said “{shown}”",
        "店铺在 {known_s} 秒已知付款；到 {at_s} 秒为止 {read_failed:.0%} 的页面读取和 {place_failed:.0%} "
        "的下单因店铺自身错误失败，页面显示“{shown}”",
    ),
    Rule(
        "database failed",
        Cause.DATABASE,
        _failing,
        "known to the shop at {known_s} s; until {at_s} s pages could be read, but {place_failed:.0%} of new orders "
        "ended in an error of the shop itself, and the page said “{shown}”",
        "店铺在 {known_s} 秒已知付款；到 {at_s} 秒为止页面可读，但 {place_failed:.0%} 的下单因店铺自身错误失败，"
        "页面显示“{shown}”",
    ),
    Rule(
        "behind a slow one",
        Cause.TIMEOUT,
        lambda e: _in_line(e) & _slow(e),
        "known to the shop at {known_s} s, and not asked for by {at_s} s: for {pause_s} s nothing of {product} was "
        "asked for at all, {ahead:# order} came before",
        "店铺在 {known_s} 秒已知付款，到 {at_s} 秒仍未要货：{product} 有 {pause_s} 秒完全没有请求，前面有 {ahead} "
        "个订单",
    ),
    Rule(
        "in a queue",
        Cause.OVERLOAD,
        lambda e: _in_line(e) & (e.ahead >= 2),
        "known to the shop at {known_s} s, and not asked for by {at_s} s: {ahead:# order} of {product} came before, "
        "one after the other, none of them slow",
        "店铺在 {known_s} 秒已知付款，到 {at_s} 秒仍未要货：{product} 前面有 {ahead} 个订单依次处理，没有一个特别慢",
    ),
    Rule(
        "left out",
        Cause.CRASH,
        lambda e: waiting(e) & ~_unwritten(e) & e.is_vouched & e.tells & np.isnan(e.asked_s) & (e.overtaken >= PASSED),
        "known to the shop at {known_s} s and never asked for, without a reason, while {overtaken} later orders of "
        "{product} were: its job is lost",
        "店铺在 {known_s} 秒已知付款却从未要货，也没有原因，而之后的 {overtaken} 个 {product} 订单都已要货："
        "它的任务丢失了",
    ),
)

"""What an operator can know of an order that stood still, and of everybody else at the time: columns for the rules.

Read from what pages showed, what channels and suppliers wrote down, the shop's books and the driver's counts, never
from what was broken on purpose.
"""

from typing import Any, cast

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.clock import SECOND_NS
from ledger.states import TERMINAL, Code, State
from reports import goods
from reports.basis import Basis
from reports.causes import moments
from reports.causes.around import Buyers, Queue, Times, streaks
from reports.causes.moments import Moments
from reports.orders import Bools, Floats, Ints, Texts
from reports.stories import Stories

NEAR_S = 1.0
"""Others are looked at so long (wire) before and after."""
SEALED = ("wechat",)
"""Dialects whose notices are encrypted."""
NO_REASON = (Code.ORDER_EXPIRED, Code.ORDER_CANCELLED)
"""Codes that say how an order ended, not why."""


class Notices(msgspec.Struct, frozen=True):
    """What was told to the shop until the moment: attempts that left and how they ended, whenever that was; of those
    not accepted when the first and the last left, and what the last was answered. `others`: notices of the same
    role, about other orders, that the shop accepted while these failed, and how long those nearest in time waited for
    that (median); `during`: how many of them while the first that failed was under way, `broken`: how many that
    got no connection then, `down_s`: seconds of that time in which the shop was away."""

    first_s: Floats
    sent: Ints
    unanswered: Ints
    refused: Ints
    errors: Ints
    status: Ints
    words: Texts
    accepted_s: Floats
    failed_from_s: Floats
    failed_to_s: Floats
    others: Ints
    others_wait_s: Floats
    during: Ints
    broken: Ints
    down_s: Ints

    @property
    def failed(self) -> Ints:
        return cast(Ints, self.unanswered + self.refused + self.errors)


class Evidence(msgspec.Struct, frozen=True):
    """An entry for each order that is looked at. Times in wire seconds of the load, NaN for what never happened;
    `at_s` is the moment it is looked at, `known_s` when the shop surely knew of the payment.

    `code` is the shop's reason, on the page (since `code_s`) or in its books; `tells`: whether this shop gives reasons
    at all, `sealed`: whether the channel's notices hide from it whose they are until they are verified. `refusal` and
    `said`: code and words of an upstream's refusal. `state` and `shown`: what the page said then. `ended_s`: since when
    it has said expired or cancelled; `is_done`: it ended as served, and nobody was served.

    Around it: `down_s`, for how many seconds until the moment the shop was away; the shares `place_failed` and
    `read_failed` of what it answered buyers with an error of its own; `ahead`: how many requests for the same product
    came between knowing and being asked for, or the moment; `pause_s`: the longest time of that without any,
    `typical_s`: the mean length of such a time, by moments; `beside`: how many others waited as well, `overtaken`: how
    many that came later were served; `passed`: requests of others that reached upstreams of the same kind within a
    second; `streak`: how many attempts in a row, this one among them, never arrived there; `wait_s`: how long the
    nearest that did arrive had waited (median).
    """

    i: Ints
    at_s: Floats
    yuan: Texts
    product: Texts
    is_topup: Bools
    is_vouched: Bools
    captured_s: Floats
    known_s: Floats
    page_paid_s: Floats
    state: Texts
    shown: Texts
    ended_s: Floats
    code: Texts
    code_s: Floats
    tells: Bools
    sealed: Bools
    pay: Notices
    told: Notices
    asked_s: Floats
    asked: Ints
    taken_s: Floats
    sold_s: Floats
    had_s: Floats
    refusal: Texts
    said: Texts
    refused_s: Floats
    upstream: Texts
    is_done: Bools
    down_s: Ints
    place_failed: Floats
    read_failed: Floats
    ahead: Ints
    pause_s: Floats
    typical_s: Floats
    beside: Ints
    overtaken: Ints
    passed: Ints
    streak: Ints
    wait_s: Floats

    def __len__(self) -> int:
        return len(self.i)

    def row(self, j: int) -> dict[str, Any]:
        """One entry by name, those of notices as pay_… and told_…."""
        made: dict[str, Any] = {}
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, Notices):
                made |= {f"{name}_{part}": getattr(value, part)[j] for part in (*value.__struct_fields__, "failed")}
            else:
                made[name] = value[j]
        return made


_OF = "bad AS (SELECT unnest(?) AS j, unnest(?) AS i, unnest(?) AS until)"
_NOTICES_SQL = f"""WITH {_OF},
told_of AS (SELECT i, upstream, trade_no, n, coalesce(copy, 0) AS copy,
  min(t) FILTER (k = 'notice_sent') AS sent_t, min(t) FILTER (k = 'notice_answered') AS answered_t,
  arg_min(outcome, t) FILTER (k = 'notice_answered') AS outcome,
  arg_min(status, t) FILTER (k = 'notice_answered') AS status,
  arg_min(words, t) FILTER (k = 'notice_answered') AS words
  FROM told WHERE k IN ('notice_sent', 'notice_answered') AND coalesce(about, 'done') = 'done'
    AND i IN (SELECT i FROM bad) GROUP BY ALL)
SELECT j, list_contains(?, upstream) AS pays, min(sent_t) AS first, count(*) AS sent,
  count(*) FILTER (outcome = 'unanswered') AS unanswered, count(*) FILTER (outcome = 'refused') AS refused,
  count(*) FILTER (outcome = 'error') AS errors,
  arg_max(status, answered_t) FILTER (outcome <> 'accepted') AS status,
  arg_max(words, answered_t) FILTER (outcome <> 'accepted') AS words,
  min(answered_t) FILTER (outcome = 'accepted') AS accepted,
  min(sent_t) FILTER (outcome <> 'accepted') AS failed_from, max(sent_t) FILTER (outcome <> 'accepted') AS failed_to,
  min(answered_t) FILTER (outcome <> 'accepted') AS failed_end
FROM bad JOIN told_of USING (i) WHERE sent_t <= until GROUP BY j, pays ORDER BY j"""

_ENDS = ", ".join(f"'{state}'" for state in sorted(TERMINAL))
_UNREASONED = ", ".join(f"'{code}'" for code in NO_REASON)
_PAGE_SQL = f"""WITH {_OF}, says AS (SELECT i, t, seq, k, state, words,
    CASE WHEN code IN ({_UNREASONED}) OR code = '' THEN NULL ELSE code END AS code
  FROM told WHERE k IN ('seen', 'booked') AND NOT (k = 'seen' AND coalesce(final, false)) AND i IN (SELECT i FROM bad))
SELECT j,
  arg_max(state, (t, seq)) FILTER (k = 'seen' AND t <= until AND state NOT IN ({_ENDS}, 'unknown')) AS state,
  arg_max(words, (t, seq)) FILTER (k = 'seen' AND t <= until AND state NOT IN ({_ENDS}, 'unknown')) AS shown,
  min(t) FILTER (k = 'seen' AND state IN ('{State.EXPIRED}', '{State.CANCELLED}')) AS ended,
  arg_max(code, (t, seq)) FILTER (k = 'seen' AND t <= until) AS code_before,
  min(t) FILTER (k = 'seen' AND t <= until AND code IS NOT NULL) AS code_before_t,
  arg_min(code, (t, seq)) FILTER (k = 'seen' AND t > until) AS code_after,
  min(t) FILTER (k = 'seen' AND t > until AND code IS NOT NULL) AS code_after_t,
  arg_max(code, (t, seq)) FILTER (k = 'booked') AS booked
FROM bad JOIN says USING (i) GROUP BY j ORDER BY j"""

_GOODS_SQL = f"""WITH {_OF}
SELECT j, min(t) FILTER (k = 'goods_requested') AS asked_t,
  count(*) FILTER (k = 'goods_requested' AND t <= until) AS asked,
  min(t) FILTER (k = 'goods_accepted') AS taken_t, min(t) FILTER (k IN ('goods_sold', 'credited')) AS sold_t,
  arg_max(code, (t, seq)) FILTER (k = 'goods_refused' AND t <= until) AS refusal,
  arg_max(words, (t, seq)) FILTER (k = 'goods_refused' AND t <= until) AS said,
  max(t) FILTER (k = 'goods_refused' AND t <= until) AS refused_t, arg_max(upstream, (t, seq)) AS upstream
FROM bad JOIN told USING (i)
WHERE k IN ('goods_requested', 'goods_accepted', 'goods_sold', 'credited', 'goods_refused') GROUP BY j ORDER BY j"""

_COUNTS = ("sent", "unanswered", "refused", "errors", "status")
_HEARD_SQL = """SELECT list_contains(?, upstream) AS pays, outcome = 'accepted' AS accepted, t, ms FROM told
  WHERE k = 'notice_answered' AND outcome IN ('accepted', 'error') ORDER BY t, seq"""


class Surroundings:
    """What is known of the run and of all its orders, whatever the moment."""

    def __init__(self, stories: Stories, b: Basis) -> None:
        self.stories, self.b = stories, b
        self.topups = _is_topup(b)
        self.buyers = Buyers.of(b.requests, b.times.l0_t, b.times.end_t)
        self.payers = [name for name, up in b.plan.upstreams.items() if up.role not in goods.SOURCES]
        self.sealed = [name for name, up in b.plan.upstreams.items() if up.dialect in SEALED]
        self.heard = stories.query(_HEARD_SQL, [self.payers])
        found = stories.query("SELECT count(*) AS n FROM told WHERE k IN ('seen', 'booked') AND code <> ''")
        self.tells = bool(found["n"][0])
        """Whether any reason stands on any page or in any book."""


def gather(around: Surroundings, at: Moments) -> Evidence:
    """The evidence about these orders at these moments."""
    return _Gathering(around, at).evidence()


class _Gathering:
    """Reads the journals for many orders at once."""

    def __init__(self, around: Surroundings, at: Moments) -> None:
        self._around, self._m = around, at
        self._stories, self._b = around.stories, around.b
        self._topups, self._buyers = around.topups, around.buyers

    def evidence(self) -> Evidence:
        b, i, at = self._b, self._m.i, self._m.at_t
        orders, page, had = b.orders, self._of_rows(_PAGE_SQL), self._of_rows(_GOODS_SQL)
        pay, told = self._notices()
        captured, asked = orders.captured_t[i], had["asked_t"]
        known = np.fmin(_raw(pay.accepted_s, b), np.where(orders.page_paid_t[i] <= at, orders.page_paid_t[i], np.nan))
        code, code_t = _code(page)
        tried = np.where(np.isfinite(code_t), code_t, np.fmin(known, at))
        crowd = self._crowd(tried, np.isfinite(asked))
        until = np.fmin(np.where(np.isfinite(asked), asked, at), at)
        since = np.where(np.isfinite(known), known, at)
        shop_knew = np.fmin(orders.accepted_t, orders.page_paid_t)
        queue = Queue(orders.product, shop_knew, orders.requested_t).waits(orders.product[i], since, until)
        return Evidence(
            i=i,
            at_s=_s(at, b),
            yuan=np.array([f"¥{fen / 100:.2f}" for fen in orders.captured_fen[i].tolist()], dtype=object),
            product=orders.product[i],
            is_topup=self._topups[i],
            is_vouched=orders.is_vouched[i],
            captured_s=_s(captured, b),
            known_s=_s(known, b),
            page_paid_s=_s(orders.page_paid_t[i], b),
            state=_text(page["state"]),
            shown=_text(page["shown"]),
            ended_s=_s(page["ended"], b),
            code=code,
            code_s=_s(code_t, b),
            tells=np.full(len(i), self._around.tells),
            sealed=np.isin(orders.channel[i].astype(str), self._around.sealed),
            pay=pay,
            told=told,
            asked_s=_s(asked, b),
            asked=_count(had["asked"]),
            taken_s=_s(had["taken_t"], b),
            sold_s=_s(had["sold_t"], b),
            had_s=_s(np.fmin(orders.goods_t, orders.credited_t)[i], b),
            refusal=_text(had["refusal"]),
            said=_text(had["said"]),
            refused_s=_s(had["refused_t"], b),
            upstream=_text(had["upstream"]),
            is_done=moments.unserved(b)[i],
            ahead=queue.ahead,
            pause_s=queue.longest / SECOND_NS,
            typical_s=queue.typical / SECOND_NS,
            beside=queue.beside,
            overtaken=queue.overtaken,
            **self._shop(np.where(known <= at, known, np.fmax(captured, _raw(pay.failed_from_s, b))), at),
            **crowd,
        )

    def _of_rows(self, sql: str, *more: object) -> dict[str, npt.NDArray[Any]]:
        """A query by moment, spread over all of them."""
        m = self._m
        found = self._stories.query(sql, [list(range(len(m))), m.i.tolist(), m.at_t.tolist(), *more])
        rows = found.pop("j").astype(np.int64)
        return {name: _spread(column, rows, len(m)) for name, column in found.items()}

    def _notices(self) -> tuple[Notices, Notices]:
        """Of the payment, and of the goods."""
        m = self._m
        found = self._stories.query(
            _NOTICES_SQL, [list(range(len(m))), m.i.tolist(), m.at_t.tolist(), self._around.payers]
        )
        return self._one(found, pays=True), self._one(found, pays=False)

    def _one(self, found: dict[str, Any], *, pays: bool) -> Notices:
        heard = self._around.heard
        mine, n, near = found["pays"].astype(bool) == pays, len(self._m), NEAR_S * SECOND_NS
        rows = found["j"][mine].astype(np.int64)
        got = {name: _spread(column[mine], rows, n) for name, column in found.items() if name not in ("j", "pays")}
        is_mine, took = heard["pays"].astype(bool) == pays, heard["accepted"].astype(bool)
        broken = Times(heard["t"][is_mine & ~took])
        heard = {name: column[is_mine & took] for name, column in heard.items()}
        columns: dict[str, Any] = {name: _count(got[name]) for name in _COUNTS}
        columns |= {f"{name}_s": _s(got[name], self._b) for name in ("first", "accepted", "failed_from", "failed_to")}
        began, ended, accepted = got["failed_from"], got["failed_end"], Times(heard["t"])
        around = np.where(np.isnan(got["failed_to"]), got["first"], got["failed_to"])
        wait = _nearest_median(heard["t"], heard["ms"] / 1e3, around)
        return Notices(
            **columns,
            words=_text(got["words"]),
            others=accepted.within(began - near, got["failed_to"] + near),
            others_wait_s=wait,
            during=accepted.within(began, ended),
            broken=np.fmax(broken.within(began, ended) - (columns["errors"] > 0), 0),
            down_s=self._buyers.count(self._buyers.down, began, ended),
        )

    def _shop(self, since: Floats, at: Floats) -> dict[str, Any]:
        """How the shop answered buyers until the moment."""
        buyers = self._buyers
        placed, read = (buyers.count(what, since, at) for what in (buyers.placed, buyers.read))
        with np.errstate(divide="ignore", invalid="ignore"):
            return {
                "down_s": buyers.count(buyers.down, since, at),
                "place_failed": np.nan_to_num(buyers.count(buyers.place_failed, since, at) / placed),
                "read_failed": np.nan_to_num(buyers.count(buyers.read_failed, since, at) / read),
            }

    def _crowd(self, tried: Floats, arrived: Bools) -> dict[str, Any]:
        """How other requests to upstreams of the same kind fared, when these orders' own were tried."""
        b, near = self._b, NEAR_S * SECOND_NS
        orders, topups, mine = b.orders, self._topups, self._topups[self._m.i]
        passed, streak = np.zeros(len(tried), dtype=np.int64), np.zeros(len(tried), dtype=np.int64)
        wait = np.full(len(tried), np.nan)
        for kind in (False, True):
            these, rows = (
                np.flatnonzero(mine == kind),
                np.flatnonzero((topups == kind) & np.isfinite(orders.requested_t)),
            )
            asked_t = orders.requested_t[rows]
            by = np.argsort(asked_t, kind="stable")
            passed[these] = Times(asked_t[by]).within(tried[these] - near, tried[these] + near)
            lost = these[~arrived[these] & np.isfinite(tried[these])]
            both = np.append(asked_t, tried[lost])
            streak[lost] = streaks(both, np.arange(len(both)) < len(asked_t))[len(asked_t) :]
            waited = (asked_t - np.fmin(orders.accepted_t[rows], orders.page_paid_t[rows]))[by] / SECOND_NS
            wait[these] = _nearest_median(asked_t[by], waited, tried[these])
        return {"passed": passed, "streak": streak, "wait_s": wait}


def _is_topup(b: Basis) -> Bools:
    """By order, whether its product is credited by a game server."""
    topups = {product for product, role in b.plan.target.needs.items() if role != goods.SUPPLIER}
    found = (product in topups for product in b.orders.product.tolist())
    return np.fromiter(found, dtype=bool, count=len(b.orders))


def _code(page: dict[str, Any]) -> tuple[Texts, Floats]:
    """The shop's reason: what the page said by then, else what it said next, else what the books say."""
    before, after, booked = (_text(page[name]) for name in ("code_before", "code_after", "booked"))
    code = np.where(before != "", before, np.where(after != "", after, booked))
    t = np.where(before != "", page["code_before_t"], np.where(after != "", page["code_after_t"], np.nan))
    return code.astype(object), t.astype(np.float64)


NEAREST = 5


def _nearest_median(t: Floats, values: Floats, at: Floats) -> Floats:
    """The median of the values that belong to the few moments nearest to each `at`; NaN where there are none."""
    if not len(t):
        return np.full(len(at), np.nan)
    middle = np.searchsorted(t, at)
    around = np.clip(middle[:, None] + np.arange(-NEAREST, NEAREST)[None, :], 0, len(t) - 1)
    return np.asarray(np.nanmedian(np.nan_to_num(values)[around], axis=1))


def _spread(column: npt.NDArray[Any], rows: Ints, n: int) -> npt.NDArray[Any]:
    full: npt.NDArray[Any] = np.full(n, None, dtype=object) if column.dtype == object else np.full(n, np.nan)
    full[rows] = column
    return full


def _s(t: Floats, b: Basis) -> Floats:
    return np.asarray((t - b.times.l0_t) / SECOND_NS)


def _raw(s: Floats, b: Basis) -> Floats:
    return np.asarray(s * SECOND_NS + b.times.l0_t)


def _count(column: Floats) -> Ints:
    return np.nan_to_num(column).astype(np.int64)


def _text(column: npt.NDArray[Any]) -> Texts:
    made = np.empty(len(column), dtype=object)
    made[:] = [value if isinstance(value, str) else "" for value in column.tolist()]
    return made

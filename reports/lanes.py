"""The life of one order as lanes on one axis: what the page said above what was true, and who tried what when.

A picture is a value, drawn as SVG (`write/lanes.py`) and with characters (`write/lanes_text.py`). Times are wire
seconds since the payment, since the order's first fact where nobody paid.
"""

from collections.abc import Iterable

import msgspec
import numpy as np

from ledger.clock import SECOND_NS
from ledger.events import DONE
from ledger.states import Operation, State
from plan.run import Plan
from reports.findings import Words
from reports.measure import stuck
from reports.told import Event, Frame

SHAPES = {"good": "✓", "bad": "✗", "unsure": "?", "plain": "●", "struck": "!"}
"""How a mark looks, and the letter that stands for it beside the colour."""
_MARGIN = 0.06
UNPAID, PAID, ASKED, TAKEN, SOLD, REFUSED, BACK = "unpaid", "paid", "asked", "taken", "sold", "refused", "back"
TRUTHS = {
    UNPAID: Words("unpaid", "未付款"),
    PAID: Words("money taken", "已收款"),
    ASKED: Words("goods asked for", "已要货"),
    TAKEN: Words("taken on", "已受理"),
    SOLD: Words("sold", "已出货"),
    REFUSED: Words("refused", "已拒绝"),
    BACK: Words("money back", "已退款"),
}
_OUTCOMES = {
    "accepted": ("good", Words("accepted", "已接受")),
    "refused": ("bad", Words("refused", "被拒")),
    "error": ("bad", Words("error", "出错")),
    "unanswered": ("unsure", Words("unanswered", "无应答")),
}
_PLAIN = {
    "sent": ("plain", Words("sent", "发出")),
    "unsent": ("bad", Words("never sent", "未发出")),
    "placed": ("plain", Words("placed", "下单")),
    "paid_at_cashier": ("plain", Words("paid", "付款")),
    "trade_created": ("plain", Words("trade made", "建交易")),
    "captured": ("good", Words("money taken", "收款")),
    "trade_closed": ("plain", Words("trade closed", "交易关闭")),
    "refund_requested": ("plain", Words("refund asked for", "申请退款")),
    "refunded": ("good", Words("money back", "退款")),
    "disputed": ("bad", Words("complaint", "投诉")),
    "goods_accepted": ("plain", Words("taken on", "受理")),
    "goods_sold": ("good", Words("sold", "出货")),
    "credited": ("good", Words("credited", "到账")),
}
_GOODS = ("goods_requested", "goods_accepted", "goods_sold", "credited", "goods_refused")
_BUYER = ("sent", "unsent", "placed", "paid_at_cashier", "cancel_asked")
_CHANNEL = (
    *("trade_created", "trade_refused", "captured", "checked", "disputed", "dispute_ended", "refund_requested"),
    *("refunded", "trade_closed"),
)


class Bar(msgspec.Struct, frozen=True):
    """A stretch: `look` is a state of the page or a word of TRUTHS. `stuck_at`: from when on it was stuck, if it was;
    `goes_on` where its end was not seen."""

    start: float
    end: float
    look: str
    words: Words
    stuck_at: float | None = None
    goes_on: bool = False


class Mark(msgspec.Struct, frozen=True):
    """Something that happened at a moment, or took from `since` until then. `look` is a key of SHAPES."""

    at: float
    look: str
    words: Words
    since: float | None = None


class Lane(msgspec.Struct, frozen=True):
    """One row of the picture: bars, or marks, or both. `kind`: page (thick), truth (thin) or marks."""

    name: Words
    kind: str
    bars: tuple[Bar, ...] = ()
    marks: tuple[Mark, ...] = ()


class Moment(msgspec.Struct, frozen=True):
    """A line across all lanes."""

    at: float
    look: str
    words: Words


class Picture(msgspec.Struct, frozen=True):
    """The lanes of one order from `low` to `high` (wire s); `since` says what the axis counts from."""

    key: str
    lanes: tuple[Lane, ...]
    moments: tuple[Moment, ...]
    low: float
    high: float
    compress: float
    since: Words


def picture(key: str, events: list[Event], plan: Plan, frame: Frame) -> Picture:
    """The picture of an order of which something was told."""
    captured = [e.t for e in events if e.kind == "captured"]
    zero = captured[0] if captured else events[0].t
    shown = dwells(events, plan, frame)
    low, end, high = _span(events, shown, zero, frame)
    draw = _Draw(zero, end)
    return Picture(
        key,
        tuple(lane for lane in _lanes(draw, events, shown, plan) if lane.bars or lane.marks),
        tuple(m for m in _moments(draw, plan, frame, is_paid=bool(captured)) if low <= m.at <= high),
        low,
        high,
        plan.compress,
        Words("payment", "付款") if captured else Words("the first event", "首个事件"),
    )


class Shown(msgspec.Struct, frozen=True):
    """A stay of the page in one state, ns: `stuck_t` from when on it was stuck, None if it was not; `is_last`: no other
    state came."""

    state: State
    start_t: float
    end_t: float
    stuck_t: float | None
    is_last: bool


def dwells(events: list[Event], plan: Plan, frame: Frame) -> list[Shown]:
    """The stays of the page and which of them were stuck, by the definitions that all orders are counted by."""
    seen = [e for e in events if e.kind == "seen"]
    rows = [e for e in seen if not e.fields.get("final")]
    known = [State(s) if (s := e.text("state")) in set(State) else State.UNKNOWN for e in rows]
    n = len(rows)
    columns = stuck.Seen(
        np.zeros(n, dtype=np.int64),
        np.array([e.t for e in rows], dtype=float),
        np.array([e.fields.get("last_old_t") or np.nan for e in rows], dtype=float),
        np.array([stuck.INDEX[state] for state in known], dtype=np.int64),
        np.zeros(n),
    )
    good = max((e.t for e in seen if e.fields.get("final")), default=frame.end_t)
    failed = [e.t for e in events if e.kind == "poll_failed" and e.text("operation") == Operation.POLL]
    ends = (np.array([float(good)]), np.array([float(max([good, *failed]))]))
    found = stuck.dwells(columns, good_end=ends[0], watched_end=ends[1], poll=float(plan.poll_every) * SECOND_NS)
    limit = np.full(len(stuck.STATES), np.nan)
    for state, after in plan.stuck_after.items():
        limit[stuck.INDEX[state]] = round(plan.wire_s(after) * SECOND_NS)
    captured = min((e.t for e in events if e.kind == "captured"), default=np.nan)
    long = stuck.episodes(found, np.array([captured]), limit)
    onsets = dict(zip(zip(long.state.tolist(), long.end.tolist(), strict=True), long.onset.tolist(), strict=True))
    parts = zip(found.state.tolist(), found.entry.tolist(), found.end.tolist(), found.is_last.tolist(), strict=True)
    return [
        Shown(stuck.STATES[state], start, end, onsets.get((state, end)), is_last)
        for state, start, end, is_last in parts
    ]


def _span(events: list[Event], shown: list[Shown], zero: int, frame: Frame) -> tuple[float, float, float]:
    """Where the axis begins, where bars end that go on, and where the axis ends: soon after the last fact that matters,
    for an order that ended needs no axis to the end of the run."""
    matters = [e.t for e in events if e.kind not in ("booked", "exchanged") and not e.fields.get("final")]
    is_over = shown and (shown[-1].state.is_terminal or shown[-1].state.is_competing)
    last = max(matters, default=zero) if is_over or not shown else max(frame.end_t, *matters)
    low, high = ((t - zero) / SECOND_NS for t in (min(matters, default=zero), last))
    room = max(high - low, 0.01) * _MARGIN
    return low - room / 2, high + room if is_over else high, high + room


class _Draw(msgspec.Struct, frozen=True):
    """From the run's axis (ns) to that of the picture (s)."""

    zero: int
    end: float

    def at(self, t: float) -> float:
        return (t - self.zero) / SECOND_NS

    def marks(self, events: Iterable[Event], kinds: tuple[str, ...]) -> tuple[Mark, ...]:
        return tuple(self._mark(e) for e in events if e.kind in kinds)

    def _mark(self, e: Event) -> Mark:
        look, words = _PLAIN[e.kind] if e.kind in _PLAIN else _told(e)
        return Mark(self.at(e.t), look, words)


def _told(e: Event) -> tuple[str, Words]:
    """Look and words of what its kind alone does not tell."""
    code = e.text("code")
    match e.kind:
        case "goods_refused" | "trade_refused":
            of = f" {e.text('operation')}" if e.kind == "trade_refused" else ""
            return "bad", Words(f"refused{of} {code}", f"拒绝{of} {code}")
        case "cancel_asked":
            done = bool(e.fields.get("done"))
            return ("plain" if done else "bad"), Words(*(("cancelled", "取消") if done else ("no cancel", "取消被拒")))
        case "dispute_ended":
            forced = bool(e.fields.get("forced"))
            return "plain", Words(*(("refund by force", "强制退款") if forced else ("complaint over", "投诉了结")))
        case "checked":
            return "plain", Words(f"odd signature {e.text('matched')}", f"异常签名 {e.text('matched')}")
        case "poll_failed":
            of = e.text("operation")
            no_answer = Words(f"no answer to {of}", f"{of} 无应答")
            return "bad", Words("not read", "未读到") if of == Operation.POLL else no_answer
    return "plain", Words(e.kind, e.kind)


def _lanes(draw: _Draw, events: list[Event], shown: list[Shown], plan: Plan) -> Iterable[Lane]:
    roles = {name: upstream.role for name, upstream in plan.upstreams.items()}
    is_goods = {e.text("upstream") for e in events if e.kind in _GOODS}
    upstreams = dict.fromkeys(e.text("upstream") for e in events if e.text("upstream"))
    tried = [e for e in events if e.kind == "poll_failed" and e.text("operation") != Operation.POLL]
    yield Lane(Words("page", "页面"), "page", tuple(_page(draw, shown)), draw.marks(_unread(events), ("poll_failed",)))
    yield Lane(Words("truth", "事实"), "truth", tuple(_truth(draw, events)))
    buyer = (*draw.marks(events, _BUYER), *draw.marks(tried, ("poll_failed",)))
    yield Lane(Words("buyer", "买家"), "marks", marks=tuple(sorted(buyer, key=lambda m: m.at)))
    for name in upstreams:
        mine = [e for e in events if e.text("upstream") == name]
        notices = tuple(_notices(draw, mine))
        if name in is_goods or roles.get(name, "payment") != "payment":
            yield Lane(Words(f"calls {name}", f"调用 {name}"), "marks", marks=tuple(_calls(draw, mine)))
        else:
            yield Lane(Words(f"channel {name}", f"渠道 {name}"), "marks", marks=draw.marks(mine, _CHANNEL))
        yield Lane(Words(f"notices {name}", f"通知 {name}"), "marks", marks=notices)
    yield Lane(Words("books", "账本"), "marks", marks=tuple(_books(draw, events)))
    strikes = [e for e in events if e.kind == "struck"]
    struck = (Mark(draw.at(e.t), "struck", Words(e.text("fault"), e.text("fault"))) for e in strikes)
    yield Lane(Words("struck by", "故障"), "marks", marks=tuple(struck))


def _unread(events: list[Event]) -> list[Event]:
    return [e for e in events if e.kind == "poll_failed" and e.text("operation") == Operation.POLL]


def _page(draw: _Draw, shown: list[Shown]) -> Iterable[Bar]:
    for one in shown:
        stuck_at = None if one.stuck_t is None else draw.at(one.stuck_t)
        is_end = one.state.is_terminal
        end = draw.end if one.is_last and is_end else min(draw.at(one.end_t), draw.end)
        words = Words(str(one.state), one.state.zh)
        yield Bar(draw.at(one.start_t), end, str(one.state), words, stuck_at, one.is_last and not is_end)


def _truth(draw: _Draw, events: list[Event]) -> Iterable[Bar]:
    """What had really been reached, from each step to the next."""
    steps = list(_steps(events))
    for n, (t, look) in enumerate(steps):
        end = draw.at(steps[n + 1][0]) if n + 1 < len(steps) else draw.end
        yield Bar(draw.at(t), end, look, TRUTHS[look])


def _steps(events: list[Event]) -> Iterable[tuple[int, str]]:
    reached, captured, back, is_sold = "", 0, 0, False
    for e in events:
        now = reached
        captured += e.number("amount_fen") if e.kind == "captured" else 0
        back += e.number("amount_fen") if e.kind == "refunded" else 0
        match e.kind:
            case "placed" | "trade_created" if not reached:
                now = UNPAID
            case "captured" if reached in ("", UNPAID):
                now = PAID
            case "goods_requested" if not is_sold:
                now = ASKED
            case "goods_accepted" if not is_sold:
                now = TAKEN
            case "goods_sold" | "credited":
                now, is_sold = SOLD, True
            case "goods_refused" if not is_sold:
                now = REFUSED
            case "refunded" if back >= captured > 0:
                now = BACK
        if now != reached:
            reached = now
            yield e.t, now


def _notices(draw: _Draw, events: list[Event]) -> Iterable[Mark]:
    """Each attempt, from when it left until it was answered."""
    answers = {_attempt(e): e for e in events if e.kind == "notice_answered"}
    for e in (e for e in events if e.kind == "notice_sent"):
        number, about = e.number("n"), e.text("about") or DONE
        prefix = f"{number}" if about == DONE else f"{about} {number}"
        answer = answers.get(_attempt(e))
        if answer is None:
            yield Mark(draw.at(e.t), "unsure", Words(f"{prefix} under way", f"{prefix} 发送中"))
            continue
        look, outcome = _OUTCOMES.get(answer.text("outcome"), ("unsure", Words(answer.text("outcome"), "")))
        words = Words(f"{prefix} {outcome.en}", f"{prefix} {outcome.zh}")
        yield Mark(draw.at(answer.t), look, words, draw.at(e.t))


def _attempt(e: Event) -> tuple[str, str, int, int]:
    return e.text("trade_no"), e.text("about") or DONE, e.number("n"), e.number("copy")


def _calls(draw: _Draw, events: list[Event]) -> Iterable[Mark]:
    """What the shop asked of an upstream; a request of which nothing more was told is a question mark."""
    told = [e for e in events if e.kind in _GOODS]
    for n, e in enumerate(told):
        if e.kind != "goods_requested":
            yield from draw.marks([e], _GOODS)
            continue
        later = (o for o in told[n + 1 :] if o.text("request_no") in ("", e.text("request_no")))
        is_answered = next((o.kind != "goods_requested" for o in later), False)
        words = Words("asked", "要货") if is_answered else Words("asked, no result", "要货，无结果")
        yield Mark(draw.at(e.t), "plain" if is_answered else "unsure", words)


def _books(draw: _Draw, events: list[Event]) -> Iterable[Mark]:
    """The shop's own table was read at the end of the run, which the axis need not reach: it stands at its end."""
    for e in (e for e in events if e.kind == "booked"):
        if isinstance(stamp := e.fields.get("shop_t"), int) and draw.at(stamp) <= draw.end:
            yield Mark(draw.at(stamp), "plain", Words("stamped", "记账时间"))
        state = e.text("state")
        zh = State(state).zh if state in set(State) else state
        code = f" {e.text('code')}" if e.text("code") else ""
        yield Mark(min(draw.at(e.t), draw.end), "plain", Words(f"{state}{code} at the end", f"最终 {zh}{code}"))


def _moments(draw: _Draw, plan: Plan, frame: Frame, *, is_paid: bool) -> Iterable[Moment]:
    if is_paid:
        yield Moment(0.0, "paid", Words("paid", "付款"))
        yield Moment(plan.wire_s(float(plan.deadline)), "deadline", Words("deadline", "期限"))
    if frame.heal_t is not None:
        yield Moment(draw.at(frame.heal_t), "heal", Words("faults healed", "故障解除"))

"""The support sheet of one order: what a buyer's complaint needs, then everything that happened on one time axis."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import msgspec
import numpy as np

from ledger.clock import SECOND_NS
from ledger.money import Fen, yuan
from ledger.rundir import RunDir
from ledger.states import State
from plan import run as plans
from plan.orders import number_of, wish
from plan.run import Plan
from reports.advice import ESCALATE_S, Evidence, advise, needs_escalation
from reports.analysis import GONE, Analysis, analyse
from reports.basis import Basis
from reports.measure.lasthop import HOP_WORDS, HOPS
from reports.measure.stuck import STATES
from reports.orders import Orders
from reports.stories import Stories
from reports.write.words import NOTHING, seconds, state_zh

_ANY_KEY = re.compile(r"[bw][0-9]{8}(\.[0-9]+)?")
_HIDDEN = {"t", "w", "k", "o"}
UPSTREAM_SAID = ("goods_requested", "goods_accepted", "goods_sold", "credited", "goods_refused")


def order_story(run: RunDir, key: str) -> str:
    """The sheet, as text; KeyError where no journal knows the key."""
    plan = plans.load(run.plan)
    told = _events(run.journals(), key)
    if not told:
        raise KeyError(key)
    sheet = _warm_up(key) if number_of(key) is None else _sheet(run, plan, key, told)
    return "\n".join([*sheet, "", *_axis(told, plan)])


def _warm_up(key: str) -> list[str]:
    return [f"order {key}: of the warm-up, counted nowhere"]


def _sheet(run: RunDir, plan: Plan, key: str, told: list[dict[str, Any]]) -> list[str]:
    stories = Stories(run, plan)
    try:
        analysis = analyse(stories)
    finally:
        stories.close()
    i = stories.keys.index(key)
    facts = _facts(analysis, i, plan, told)
    width = max(_columns(name) for name, _ in facts)
    return [f"{name}{' ' * (width - _columns(name))}  {value}" for name, value in facts]


def _columns(text: str) -> int:
    """How wide a terminal shows it: Chinese characters take two columns."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _facts(analysis: Analysis, i: int, plan: Plan, told: list[dict[str, Any]]) -> list[tuple[str, str]]:
    b, orders = analysis.basis, analysis.basis.orders
    wanted = wish(plan.seed, number_of(orders.keys[i]) or 0, plan.mix)
    state = _state(b, i)
    stuck_s, waited_s = float(b.stuck_s[i]), float(b.waited_s[i])
    known = _evidence(b, i, told)
    hop_en, hop_zh = HOP_WORDS[HOPS[int(analysis.hop[i])]]
    stopped = stuck_s or b.is_lost[i] or known.is_open
    step = advise(known)
    return [
        ("order", f"{orders.keys[i]}" + ("  LOST: ended without goods or refund" if b.is_lost[i] else "")),
        ("other orders of the wish 同一意图的订单", _others(b, i)),
        ("order number 订单号", orders.order_no[i] or NOTHING),
        ("trade number 交易号", _trades(orders, i, told)),
        ("paid at 支付时间", _when(orders.captured_t[i], b.times.wall_ns)),
        ("way of payment 支付方式", " ".join(filter(None, (orders.channel[i], orders.way[i]))) or NOTHING),
        ("amount 金额", f"¥{yuan(Fen(int(orders.price_fen[i])))}" if orders.price_fen[i] else NOTHING),
        ("goods 商品", f"{wanted.product}, {int(orders.goods[i])} received 已收到"),
        ("at upstreams 上游", _upstream(orders, i, told)),
        ("region, buyer 区服, 买家", f"{wanted.region}, {wanted.buyer}"),
        ("state now 当前状态", f"{state} {state_zh(state)}"),
        ("error code 错误码", str(orders.code[i]) or NOTHING),
        ("in the books 店铺账本", str(orders.booked_state[i]) or NOTHING),
        (
            "stuck for 卡单时长",
            f"{seconds(stuck_s)} (business time, compress {plan.compress:g})" if stuck_s else "not stuck",
        ),
        ("since payment 付款至今", _waited(b, i, waited_s)),
        ("money taken 是否扣款", _money(orders, i)),
        ("stopped at 停在", f"{hop_en} {hop_zh}" if stopped else NOTHING),
        ("what to do 处理建议", step.en),
        ("", step.zh),
        *([("", _escalation(known, waited_s))] if known.is_open else []),
    ]


def _state(b: Basis, i: int) -> str:
    index = int(b.pages.ends.last_state[i])
    if b.pages.ends.is_gone[i]:
        return GONE
    return str(STATES[index]) if index >= 0 else str(State.UNKNOWN)


def _evidence(b: Basis, i: int, told: list[dict[str, Any]]) -> Evidence:
    orders, index = b.orders, int(b.pages.ends.last_state[i])
    answers = [e["k"] for e in told if e["k"] in UPSTREAM_SAID]
    return Evidence(
        state=STATES[index] if index >= 0 else State.UNKNOWN,
        code=str(orders.code[i]),
        placed=bool(np.isfinite(orders.placed_t[i])),
        tried=bool(orders.pay_failures[i] > 0 or np.isfinite(orders.cashier_t[i])),
        captured_fen=int(orders.captured_fen[i]),
        refunded_fen=int(orders.refunded_fen[i]),
        notice_accepted=bool(np.isfinite(orders.accepted_t[i])),
        is_vouched=bool(orders.is_vouched[i]),
        asked=bool(np.isfinite(orders.requested_t[i])),
        refused=bool(answers) and answers[-1] == "goods_refused",
        sold=int(orders.sold[i]),
        had=int(orders.goods[i]),
    )


def _others(b: Basis, i: int) -> str:
    same = b.orders.wishes == b.orders.wishes[i]
    keys = [b.orders.keys[j] + (" (paid)" if b.orders.paid[j] else "") for j in np.flatnonzero(same) if j != i]
    return ", ".join(keys) or NOTHING


def _trades(orders: Orders, i: int, told: list[dict[str, Any]]) -> str:
    numbers = sorted({str(e.get("trade_no", "")) for e in told if e["k"] == "captured"}) or [str(orders.trade_no[i])]
    return ", ".join(filter(None, numbers)) or NOTHING


def _when(t: float, wall_ns: float | None) -> str:
    if not np.isfinite(t):
        return "not paid"
    of_run = f"{t / SECOND_NS:.3f} s of the run"
    if wall_ns is None:
        return of_run
    return f"{_clock((wall_ns + t) / SECOND_NS)}, {of_run}"


def _clock(wall_s: float) -> str:
    return f"{datetime.fromtimestamp(wall_s, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _waited(b: Basis, i: int, waited_s: float) -> str:
    if not b.orders.paid[i]:
        return NOTHING
    return f"{seconds(waited_s)} {'so far 仍未完结' if b.is_open[i] else 'until it ended 已终结'}"


def _money(orders: Orders, i: int) -> str:
    if not orders.paid[i]:
        return "no"
    money = f"yes, ¥{yuan(Fen(int(orders.captured_fen[i])))}"
    if back := int(orders.refunded_fen[i]):
        money += f", of which ¥{yuan(Fen(back))} given back"
    return money


def _upstream(orders: Orders, i: int, told: list[dict[str, Any]]) -> str:
    """Who was asked under which numbers, how many were sold, and the last refusal."""
    asked = dict.fromkeys(f"{e.get('upstream')} {e.get('request_no')}" for e in told if e["k"] == "goods_requested")
    if not asked and not orders.sold[i]:
        return "not asked 未要货" if orders.is_vouched[i] else NOTHING
    parts = [f"asked 已要货: {', '.join(asked) or NOTHING}", f"sold 已出货: {int(orders.sold[i])}"]
    refusals = [f"{e.get('upstream')} {e.get('code')} {e.get('words', '')}".rstrip() for e in _refusals(told)]
    return "; ".join([*parts, *([f"refused 被拒: {refusals[-1]}"] if refusals else [])])


def _refusals(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [e for e in told if e["k"] == "goods_refused"]


def _escalation(known: Evidence, waited_s: float) -> str:
    if needs_escalation(known, waited_s):
        return "over 24 h without an answer: escalate now 已超过 24 小时：立即升级处理"
    left = seconds(ESCALATE_S - waited_s)
    return f"escalate if not solved 24 h after payment, that is in {left} 付款满 24 小时（还剩 {left}）未解决须升级"


def _events(files: Iterable[Path], key: str) -> list[dict[str, Any]]:
    """Every event of the order, also those under the shop's own number, in time order."""
    files = list(files)
    told = [e for file in files for e in _lines_with(file, {key})]
    numbers = {str(e["order_no"]) for e in told if e["k"] == "placed" and e.get("order_no")}
    numbers = {n for n in numbers if not _ANY_KEY.fullmatch(n)}
    if numbers:
        told += [e for file in files for e in _lines_with(file, numbers)]
    return sorted(told, key=lambda e: int(e["t"]))


def _lines_with(file: Path, names: set[str]) -> list[dict[str, Any]]:
    """The readable events under one of these names."""
    marks, found = [name.encode() for name in names], []
    with file.open("rb") as lines:
        for line in lines:
            if not any(mark in line for mark in marks):
                continue
            try:
                event = msgspec.json.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            if isinstance(event, dict) and event.get("o") in names and isinstance(event.get("t"), int) and "k" in event:
                found.append(event)
    return found


def _axis(told: list[dict[str, Any]], plan: Plan) -> list[str]:
    zero = next((e["t"] for e in told if e["k"] == "captured"), told[0]["t"])
    since = "payment" if any(e["k"] == "captured" for e in told) else "the first event"
    head = f"seconds on the wire since {since} (× {plan.compress:g} = business time)"
    return [head, *(_line(event, zero) for event in told)]


def _line(event: dict[str, Any], zero: int) -> str:
    rest = "  ".join(f"{name}={_value(value)}" for name, value in event.items() if name not in _HIDDEN)
    when = (event["t"] - zero) / SECOND_NS
    return f"{when:+10.3f}  {event.get('w', '')!s:<12} {event['k']:<16} {rest}".rstrip()


def _value(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()

"""The support sheet of one order: what a buyer's complaint needs, then everything that happened on one time axis."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import msgspec

from ledger.clock import SECOND_NS
from ledger.money import Fen, yuan
from ledger.rundir import RunDir
from ledger.states import State
from plan import run as plans
from plan.orders import number_of, wish
from plan.run import Plan
from reports.analysis import Analysis, analyse
from reports.measure.lasthop import HOP_WORDS, HOPS
from reports.measure.stuck import STATES
from reports.stories import Stories
from reports.write.words import NOTHING, seconds, state_zh

_ANY_KEY = re.compile(r"[bw][0-9]{8}(\.[0-9]+)?")
_HIDDEN = {"t", "w", "k", "o"}


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
    index = int(b.pages.ends.last_state[i])
    state = str(STATES[index]) if index >= 0 else str(State.UNKNOWN)
    paid, captured_fen, refunded_fen = (
        bool(orders.paid[i]),
        Fen(int(orders.captured_fen[i])),
        Fen(int(orders.refunded_fen[i])),
    )
    captures = [e for e in told if e["k"] == "captured"]
    trade_nos = sorted({str(e.get("trade_no", "")) for e in captures}) or [orders.trade_no[i]]
    money = f"yes, ¥{yuan(captured_fen)}" if paid else "no"
    if refunded_fen:
        money += f", of which ¥{yuan(refunded_fen)} given back"
    stuck_s = float(b.stuck_s[i])
    hop_en, hop_zh = HOP_WORDS[HOPS[int(analysis.hop[i])]]
    paid_at = f"{orders.captured_t[i] / SECOND_NS:.3f} s of the run" if paid else "not paid"
    return [
        ("order", f"{orders.keys[i]}" + ("  LOST: ended without goods or refund" if b.is_lost[i] else "")),
        ("order number 订单号", orders.order_no[i] or NOTHING),
        ("trade number 交易号", ", ".join(filter(None, trade_nos)) or NOTHING),
        ("paid at 支付时间", paid_at),
        ("way of payment 支付方式", " ".join(filter(None, (orders.channel[i], orders.way[i]))) or NOTHING),
        ("amount 金额", f"¥{yuan(Fen(int(orders.price_fen[i])))}" if orders.price_fen[i] else NOTHING),
        ("goods 商品", f"{wanted.product}, {int(orders.goods[i])} received"),
        ("region, buyer 区服, 买家", f"{wanted.region}, {wanted.buyer}"),
        ("state now 当前状态", f"{state} {state_zh(state)}"),
        ("in the books 店铺账本", str(orders.booked_state[i]) or NOTHING),
        (
            "stuck for 卡单时长",
            f"{seconds(stuck_s)} (business time, compress {plan.compress:g})" if stuck_s else "not stuck",
        ),
        ("money taken 是否扣款", money),
        ("stopped at 停在", f"{hop_en} {hop_zh}" if stuck_s or b.is_lost[i] else NOTHING),
    ]


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

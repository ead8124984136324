"""The sheet of one order for a terminal: the sentence, the facts, the lanes, then every event on one time axis."""

from collections.abc import Iterable
from typing import Any

import msgspec

from ledger.money import Fen, yuan
from reports.findings import Words
from reports.measure.causes import words as cause_words
from reports.measure.lasthop import HOP_WORDS
from reports.sheet import Explained, Told
from reports.table import Row
from reports.write.axis import columns
from reports.write.lanes_text import Line, Piece, lines
from reports.write.words import NOTHING, seconds, seconds_zh, state_zh


def sheet(order: Explained, width: int, language: str = "en") -> list[Line]:
    """All lines; the picture as wide as told, in the language asked for."""
    made: list[Line] = []
    if order.order is None or order.sentence is None:
        made += [[Piece(f"order {order.key}: of the warm-up, counted nowhere 预热订单，不计入统计", "strong")], []]
    else:
        made += [[Piece(order.sentence.en, "strong")], [Piece(order.sentence.zh, "strong")], []]
        made += [*_facts(order, order.order), []]
    made += [*lines(order.picture, width, language), [], [Piece(_axis_head(order), "soft")]]
    made += [_event(e) for e in order.events]
    for exchange in order.raw:
        made += [[], *_raw(exchange)]
    return made


def _facts(order: Explained, row: Row) -> Iterable[Line]:
    rows = [
        ("order 订单", row.key + ("  LOST: ended without goods or refund 丢失" if row.lost else "")),
        ("other orders of the wish 同一意图的订单", ", ".join(order.others)),
        ("region, buyer 区服, 买家", f"{row.region}, {row.buyer}"),
        ("state, error code 状态, 错误码", f"{row.state} {state_zh(row.state)} {row.code}".rstrip()),
        ("in the books 店铺账本", row.booked_state),
        ("stuck for 卡单时长", _both(row.stuck_s) if row.stuck else ""),
        ("since payment 付款至今", _both(row.waited_s) if row.paid else ""),
        ("money taken, back 扣款, 退款", f"¥{yuan(Fen(row.captured_fen))}, ¥{yuan(Fen(row.refunded_fen))}"),
        ("goods sold, received 出货, 收到", f"{row.sold}, {row.goods}"),
        ("had come as far as 走到", " ".join(HOP_WORDS[row.hop]) if row.hop in HOP_WORDS else row.hop),
        ("first missing 缺少的第一步", " ".join(HOP_WORDS.get(row.missing_hop, ()))),
        ("cause 原因", f"{row.cause} {cause_words(row.cause).zh}" if row.cause else ""),
        ("because 依据", f"{row.why_en} {row.why_zh}".strip()),
    ]
    width = max(columns(name) for name, _ in rows)
    for name, value in rows:
        yield [Piece(name + " " * (width - columns(name) + 2), "soft"), Piece(value or NOTHING)]


def _both(s: float) -> str:
    return f"{seconds(s)} {seconds_zh(s)}"


def _axis_head(order: Explained) -> str:
    pace = "" if order.compress == 1 else f", and on the wire (× {order.compress:g} = business time)"
    since = Words(order.picture.since.en, order.picture.since.zh)
    return f"seconds since {since.en} 自{since.zh}起的秒数{pace}"


def event_text(e: Told) -> str:
    """The fields of a fact in one line."""
    return "  ".join(f"{name}={_value(value)}" for name, value in e.fields.items())


def _event(e: Told) -> Line:
    when = f"{e.business_s:+10.1f} {e.wire_s:+9.3f}  "
    look = "struck" if e.voice == "struck" else ""
    return [Piece(when, "soft"), Piece(f"{e.voice:<7} {e.writer:<11} {e.kind:<16} ", look), Piece(event_text(e))]


def _raw(exchange: Told) -> Iterable[Line]:
    fields = exchange.fields
    head = f"{exchange.wire_s:+.3f} s on the wire: {fields.get('operation')} at {fields.get('hop')}"
    yield [Piece(f"{head}, struck by {', '.join(fields.get('faults', ()))}", "strong")]
    for name in ("sent", "received"):
        yield [Piece(f"{name}:", "soft")]
        yield from ([Piece(f"    {line}")] for line in str(fields.get(name) or NOTHING).splitlines())


def _value(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def rows(found: list[Row], language: str = "en") -> list[dict[str, str]]:
    """Orders as a table of texts, one dictionary a row."""
    is_zh = language == "zh"
    heads = _HEADS_ZH if is_zh else _HEADS
    hop = {name: words[is_zh] for name, words in HOP_WORDS.items()}
    return [
        dict(
            zip(
                heads,
                (
                    *(row.key, row.order_no or NOTHING, state_zh(row.state) if is_zh else row.state),
                    *(flags(row)[is_zh], (seconds_zh if is_zh else seconds)(row.stuck_s) if row.stuck else NOTHING),
                    *((seconds_zh if is_zh else seconds)(row.waited_s) if row.paid else NOTHING,),
                    *(hop.get(row.hop, row.hop), (cause_words(row.cause).zh if is_zh else row.cause) or NOTHING),
                    *(row.channel, row.product, row.region),
                ),
                strict=True,
            )
        )
        for row in found
    ]


_HEADS = (
    *("order", "order number", "page says", "is", "stuck for", "since payment", "had come as far as", "cause"),
    *("channel", "product", "region"),
)
_HEADS_ZH = (
    *("订单", "订单号", "页面显示", "状况", "卡住", "付款至今", "走到", "原因", "渠道", "商品", "区服"),
)  # fmt: skip


def flags(row: Row) -> tuple[str, str]:
    """What became of it, in both languages."""
    told = [
        (row.lost, "lost", "丢失"),
        (row.stuck, "stuck", "卡住"),
        (row.open, "open", "未完结"),
        (row.delivered, "delivered", "已交付"),
        (row.refunded, "refunded", "已退款"),
        (not row.paid, "unpaid", "未付款"),
    ]
    return " ".join(en for holds, en, _ in told if holds), " ".join(zh for holds, _, zh in told if holds)

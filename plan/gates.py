"""Every measure that a gate may name: unit, which side is bad; and gates on them."""

import re
from enum import StrEnum

import msgspec

from plan.document import nearest
from plan.units import BusinessTime, Share, WireTime, plain


class Unit(StrEnum):
    SHARE = "share"
    COUNT = "count"
    WIRE_S = "wire s"
    BUSINESS_S = "business s"
    PER_S = "per s"


class Measure(msgspec.Struct, frozen=True):
    """A number of the report. `bad` is the side that a gate guards against: high or low."""

    name: str
    unit: Unit
    bad: str
    en: str
    zh: str


INVARIANTS = {
    "lost_order": ("paid, ended without goods or refund", "已付款却以无货无退款告终"),
    "double_delivery": ("more goods than bought", "重复发货"),
    "delivered_unpaid": ("goods without the full price", "未足额付款却已发货"),
    "refund_and_delivered": ("refunded and delivered", "既退款又发货"),
    "double_refund": ("refunded more than paid", "退款超过付款"),
    "orphan_payment": ("paid, but not in the shop's books", "已付款但店铺账上没有"),
    "ghost_order": ("booked as paid without a payment", "账上已付但渠道无收款"),
    "optimistic_page": ("page said done before it was", "页面提前显示完成"),
}

HONESTY = {
    "honest": ("low", "order-time in which the page said what is true", "页面与事实一致的订单时间"),
    "late": ("high", "order-time in which the truth was ahead of the page", "页面落后于事实的订单时间"),
    "optimistic": ("high", "order-time in which the page said done before it was", "页面提前显示完成的订单时间"),
    "pessimistic": (
        "high",
        "order-time in which the page said failed and money or goods were there",
        "页面误报失败的订单时间",
    ),
    "regressive": ("high", "order-time in which a page had left an end", "页面从终态倒退的订单时间"),
    "false_progress": (
        "high",
        "order-time in which the page told of work nobody did",
        "虚假进度：显示充值中而上游未处理",
    ),
}
"""The classes of order-time that a gate may name: bad side and words."""

MEASURES: dict[str, Measure] = {
    m.name: m
    for m in (
        Measure("stuck.rate", Unit.SHARE, "high", "orders stuck at least once", "曾卡住的订单"),
        Measure("stuck.at_deadline", Unit.SHARE, "high", "orders not ended by the deadline", "到期限仍未结束的订单"),
        Measure(
            "stuck.rmst",
            Unit.BUSINESS_S,
            "high",
            "mean time from payment to end, up to the deadline",
            "付款到结束的受限平均时间",
        ),
        Measure(
            "stuck.excess_per_1000",
            Unit.BUSINESS_S,
            "high",
            "order-seconds past the thresholds per 1000 paid orders",
            "每千单超限的订单秒数",
        ),
        Measure("delivered.rate", Unit.SHARE, "low", "paid orders that got their goods", "已付款且收到商品的订单"),
        Measure(
            "goods.bought_twice",
            Unit.COUNT,
            "high",
            "orders for which upstreams sold more than was ordered",
            "上游重复出货的订单",
        ),
        Measure(
            "goods.charged_undelivered",
            Unit.COUNT,
            "high",
            "orders that upstreams sold to and whose buyer got nothing",
            "上游已出货而买家未收到的订单",
        ),
        Measure(
            "goods.paid_to_request.p95",
            Unit.BUSINESS_S,
            "high",
            "payment to the first request for goods, 95th percentile",
            "付款到首次向上游要货 p95",
        ),
        Measure("intents.paid_twice", Unit.COUNT, "high", "wishes paid for more than once", "同一意图重复付款"),
        Measure(
            "money.disagree",
            Unit.COUNT,
            "high",
            "orders about whose money channel, books and buyer disagree",
            "渠道、账本、买家三方金额不符的订单",
        ),
        Measure(
            "page.named",
            Unit.SHARE,
            "low",
            "order-time in which the page named the true step",
            "页面说对当前步骤的订单时间",
        ),
        Measure(
            "page.unchanged.p95",
            Unit.BUSINESS_S,
            "high",
            "longest time in which a page stood still, 95th percentile",
            "页面最长无变化时间 p95",
        ),
        Measure(
            "page.unchanged.max",
            Unit.BUSINESS_S,
            "high",
            "longest time in which any page stood still",
            "页面最长无变化时间的最大值",
        ),
        *(Measure(f"honesty.{name}", Unit.SHARE, bad, en, zh) for name, (bad, en, zh) in HONESTY.items()),
        Measure("open.at_end", Unit.COUNT, "high", "paid orders still open at the end", "结束时仍未完结的已付订单"),
        Measure("unsent", Unit.COUNT, "high", "planned orders never sent", "未发出的计划订单"),
        Measure("errors.rate", Unit.SHARE, "high", "failed requests", "失败的请求"),
        Measure("lateness.p99", Unit.WIRE_S, "high", "how late the driver sent, 99th percentile", "发送延迟 p99"),
        Measure(
            "latency.place.p95", Unit.WIRE_S, "high", "answer time of placing an order, 95th percentile", "下单响应 p95"
        ),
        Measure(
            "latency.poll.p95", Unit.WIRE_S, "high", "answer time of the order page, 95th percentile", "订单页响应 p95"
        ),
        *(Measure(f"invariants.{name}", Unit.COUNT, "high", en, zh) for name, (en, zh) in INVARIANTS.items()),
    )
}

_GATE = re.compile(r"\s*([a-z0-9_.]+)\s*(<=|>=|==)\s*(.+?)\s*")


class Gate(msgspec.Struct, frozen=True):
    """A limit on a measure, in the measure's unit. `text` is what the scenario said."""

    measure: str
    op: str
    limit: float
    text: str


def parse_gate(text: str) -> Gate:
    """The gate in a text such as ``stuck.rate <= 1%``; ValueError telling what is legal."""
    match = _GATE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a gate; legal: measure <= limit, such as stuck.rate <= 1%")
    name, op, limit = match.groups()
    measure = MEASURES.get(name)
    if measure is None:
        raise ValueError(f"no measure {name!r}{nearest(name, MEASURES)}")
    good = "<=" if measure.bad == "high" else ">="
    if op not in (good, "=="):
        raise ValueError(f"{text!r} guards the wrong side: {name} is bad when {measure.bad}, so use {good}")
    value = _limit(measure.unit, limit)
    if op == "==" and value != 0:
        raise ValueError(f"{text!r}: == is for 0 only; use {good}")
    return Gate(name, op, value, text)


ABORTS = {
    "lost_orders": "paid orders whose page ended without goods or refund",
    "overdue_orders": "paid orders that show one unfinished state for longer than they may, now",
    "open_orders": "paid orders that have not ended, now",
    "failed_requests": "requests without a good answer",
}
"""What a run can be stopped for, counted while it runs by the driver."""

_ABORT = re.compile(r"\s*([a-z_]+)\s*>=\s*(\d+)\s*", re.ASCII)


class Abort(msgspec.Struct, frozen=True):
    """Stops the load early as soon as the count has come to the limit. `text` is what the scenario said."""

    count: str
    limit: int
    text: str


def parse_abort(text: str) -> Abort:
    """The condition in a text such as ``lost_orders >= 50``; ValueError telling what is legal."""
    match = _ABORT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a condition; legal: count >= whole number, such as lost_orders >= 50")
    name, limit = match.groups()
    if name not in ABORTS:
        raise ValueError(f"no count {name!r}{nearest(name, ABORTS)}")
    if int(limit) < 1:
        raise ValueError(f"{text!r} would stop every run at once; legal: 1 or more")
    return Abort(name, int(limit), text)


def _limit(unit: Unit, text: str) -> float:
    match unit:
        case Unit.SHARE:
            return float(Share.parse(float(text) if text in ("0", "1") else text))
        case Unit.WIRE_S:
            return 0.0 if text == "0" else float(WireTime.parse(text))
        case Unit.BUSINESS_S:
            return 0.0 if text == "0" else float(BusinessTime.parse(text))
        case Unit.COUNT | Unit.PER_S:
            if not re.fullmatch(r"\d+", text, re.ASCII):
                raise ValueError(f"{text!r} is not a count; legal: a whole number")
            return float(text)


def limit_text(gate: Gate) -> str:
    """The limit as people write it, with its unit."""
    match MEASURES[gate.measure].unit:
        case Unit.SHARE:
            return Share(gate.limit).text()
        case Unit.WIRE_S | Unit.BUSINESS_S:
            return WireTime(gate.limit).text()
        case Unit.COUNT | Unit.PER_S:
            return plain(gate.limit)

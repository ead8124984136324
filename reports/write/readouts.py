"""What a number tells when it is pointed at: of how many, its interval, how it was found; in both languages."""

import re
from math import ceil

from plan.gates import Unit
from reports.findings import Finding, GateResult, Words
from reports.gate import INCONCLUSIVE, PREFIX
from reports.write.words import interval

TOO_MANY = 1000
"""Times as many orders that nobody will send."""

_METHODS_ZH = (
    (r"Wilson", "Wilson 区间"),
    (r"Wilson over requests", "按请求的 Wilson 区间"),
    (r"Wilson; every order was followed so long", "Wilson 区间；每个订单都跟踪到该时长"),
    (
        r"not all orders were followed to their deadline: at least k of n, so there is no upper bound",
        "并非所有订单都跟踪到期限：至少为 k/n，因此没有上界",
    ),
    (r"Clopper-Pearson, one-sided 95 %", "Clopper–Pearson 单侧 95%"),
    (r"Kaplan-Meier quantile, log-log", "Kaplan–Meier 分位数，log-log 区间"),
    (r"RMST up to ([\d.]+) s, normal", r"计至 \1 秒的受限平均时间，正态区间"),
    (r"RMST up to ([\d.]+) s, by phase of payment, normal", r"计至 \1 秒的受限平均时间，按付款阶段分层，正态区间"),
    (
        r"RMST up to ([\d.]+) s.*; all alike: Wilson's share of others, each as far off as can be",
        r"计至 \1 秒的受限平均时间；全部相同：其余按 Wilson 比例取最坏值",
    ),
    (
        r"Kaplan-Meier by phase of payment, log-log; some orders were not followed so long",
        "按付款阶段分层的 Kaplan–Meier，log-log 区间；部分订单未跟踪到该时长",
    ),
    (r"the record of this run is not whole", "本次运行的记录不完整"),
    (r"counted; compared as it is", "计数；按数值直接比较"),
    (
        r"99th percentile of all sends; no interval, compared as it is",
        "全部发送的第 99 百分位；无区间，按数值直接比较",
    ),
    (
        r"interpolated in the histogram's buckets; no interval, compared as it is",
        "在直方图区间内插值；无区间，按数值直接比较",
    ),
    (r"beyond the histogram's last edge", "超出直方图的最后边界"),
    (r"no such requests", "没有此类请求"),
    (r"nothing was sent", "没有发送任何订单"),
    (r"mean per order, normal", "每单平均，正态区间"),
    (
        r"none seen; upper bound: Wilson's share, each up to the deadline",
        "未出现；上界：Wilson 比例，每单计至期限",
    ),
    (r"some orders were not followed to their deadline: at least so much", "部分订单未跟踪到期限：至少如此"),
    (r"not estimable: fewer than (\d+)% came to it while they were followed", r"无法估计：跟踪期间到达的不足 \1%"),
    (r"share of order-time, normal over orders", "订单时间的比例，按订单的正态区间"),
    (
        r"share of order-time; no spread between orders: Wilson over orders",
        "订单时间的比例；订单间无差异：按订单的 Wilson 区间",
    ),
    (r"the longest of all", "所有订单中最长者"),
    (r"the longest so far: some orders had not ended", "迄今最长：部分订单尚未结束"),
    (r"(.*); too few orders for an interval", r"\1；订单过少，无区间"),
    (r"Aalen-Johansen by phase of payment, log-log", "按付款阶段分层的 Aalen–Johansen，log-log 区间"),
    (
        r"broken line, (\d+) of (\d+) steps full, t over them(.*)",
        r"折线拟合，\2 个时段中 \1 个满载，对其取 t 区间\3",
    ),
    (r"fewer than (\d+) steps of the load without a fault window", r"故障时段之外的负载时段不足 \1 个"),
    (
        r"the load hardly varied \((.*) to (.*) orders a second\)",
        r"负载几乎没有变化（每秒 \1 至 \2 单）",
    ),
    (r"no order ended", "没有订单完结"),
    (r"the backlog drained at every load up to (.*) orders a second", r"直到每秒 \1 单积压都能消化"),
    (
        r"orders ended faster where more came: they waited, but not for their turn",
        "来单越多完结越快：订单在等待，但不是在排队",
    ),
    (r"not estimable: not followed (?:so long|to the deadline)", "无法估计：跟踪时间不足"),
    (r"no upstream vouches for goods", "没有上游可为商品作证"),
    (r"the shop's books were not read", "没有读到店铺账本"),
)


def method_zh(method: str) -> str:
    """A method in Chinese; one that has no words here stays as it is."""
    for pattern, zh in _METHODS_ZH:
        if found := re.fullmatch(pattern, method):
            return found.expand(zh)
    return method


def finding(found: Finding, language: str = "en") -> str:
    """All that a gate or a reader may ask of a number: `73 of 360 · 95 % interval 16.4–24.7 % · Wilson`."""
    zh = language == "zh"
    return _joined(
        _of(found.k, found.n, zh),
        _interval(found.lo, found.hi, found.unit, zh),
        method_zh(found.method) if zh else found.method,
    )


def share(k: int | None, n: int, lo: float | None, hi: float | None, method: str, language: str = "en") -> str:
    """The same of a share of orders that is no finding of its own."""
    return finding(Finding(None, Unit.SHARE, method, k=k, n=n, lo=lo, hi=hi), language)


def gate(judged: GateResult, language: str = "en") -> str:
    """The value against the limit, by the one-sided bounds that decided."""
    zh = language == "zh"
    bounds = interval(judged.bound_lo, judged.bound_hi, judged.unit)
    return _joined(
        _of(judged.k, judged.n, zh),
        (f"单侧 95% 界限 {bounds}" if zh else f"one-sided 95 % bounds {bounds}") if bounds else "",
        judged.why.zh if zh else judged.why.en,
    )


def lacking(judged: GateResult) -> Words | None:
    """What evidence an inconclusive share or mean would need: an interval shrinks with the root of the orders, so it
    clears the limit with about so many times as many, if the value stays. None where more orders are not the way."""
    value, limit = judged.value, judged.limit
    if judged.verdict != INCONCLUSIVE or value is None or value == limit or judged.measure.startswith(PREFIX):
        return None
    bound = judged.bound_hi if value < limit else judged.bound_lo
    if bound is None or (bound - limit) * (value - limit) >= 0:
        return None
    times = ((bound - value) / (limit - value)) ** 2
    if times >= TOO_MANY:
        return Words(
            f"not even {TOO_MANY} times as many orders would settle it: the value lies on the limit",
            f"即使 {TOO_MANY} 倍的订单也难以判定：数值就在限值上",
        )
    shown = f"{ceil(times * 10) / 10:g}"
    return Words(
        f"about {shown} times as many orders would settle it, if the value stays",
        f"若数值不变，约需 {shown} 倍的订单才能判定",
    )


def _of(k: int | None, n: int | None, zh: bool) -> str:
    if n is None:
        return ""
    if k is None:
        return f"n = {n:,}"
    return f"{n:,} 中 {k:,}" if zh else f"{k:,} of {n:,}"


def _interval(lo: float | None, hi: float | None, unit: str, zh: bool) -> str:
    ends = interval(lo, hi, unit)
    return (f"95% 区间 {ends}" if zh else f"95 % interval {ends}") if ends else ""


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)

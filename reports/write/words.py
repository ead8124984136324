"""How numbers and states are written for people."""

from math import isfinite

from ledger.states import State
from plan.gates import Unit

SHAPES = {"pass": "●", "fail": "■", "inconclusive": "◆"}
VERDICT_ZH = {"pass": "通过", "fail": "未通过", "inconclusive": "结论不足"}
VERDICT_EN = {"pass": "pass", "fail": "FAIL", "inconclusive": "inconclusive"}
NOTHING = "–"
GONE = "gone"
"""The page answers 404."""
HONESTY_WORDS = {
    "honest": ("honest", "属实"),
    "late": ("late: truth is ahead", "滞后：事实已在前"),
    "optimistic": ("optimistic: done too soon", "乐观：提前显示完成"),
    "pessimistic": ("pessimistic: failed, money or goods kept", "悲观：显示失败而钱货未清"),
    "regressive": ("regressive: left an end", "倒退：离开终态"),
    "false_progress": ("false progress", "虚假进度"),
    "unread": ("page not read", "页面未读到"),
}
DIMENSION_WORDS = {
    "channel": ("by channel", "按渠道"),
    "supplier": ("by upstream first asked", "按首个要货上游"),
    "product": ("by product", "按商品"),
    "region": ("by region", "按区服"),
    "buyer": ("by buyer", "按买家"),
    "code": ("by error code, of stuck and lost orders", "按错误码（仅卡住或丢失的订单）"),
}
STEP_WORDS = {
    "paid": ("paid: no upstream was asked for the goods yet", "已付款，尚未向上游要货"),
    "refused": ("every upstream that was asked refused", "被要货的上游均已拒绝"),
    "recharging": ("an upstream is at work", "上游处理中"),
    "refunding": ("the shop has asked for the money back", "店铺已申请退款"),
    "delivered": ("the buyer has the goods", "商品已到买家"),
    "refunded": ("the buyer has the money back", "买家已拿回钱"),
}
"""Where an order truly is (reports/measure/named.Step)."""
GROUP_ZH = {"none asked": "未向上游要货", "no code": "无错误码"}


def state_zh(name: str) -> str:
    """The Chinese word of a state, or of GONE."""
    if name == GONE:
        return "页面消失"
    return State(name).zh if name in set(State) else name


def percent(share: float | None, digits: int = 1) -> str:
    """A share in percent, with more digits where it is small."""
    if share is None or not isfinite(share):
        return NOTHING
    if 0 < share < 0.001:
        digits = 2
    return f"{share * 100:.{digits}f} %"


def number(value: float | None, digits: int = 1) -> str:
    """A number with grouped thousands."""
    if value is None or not isfinite(value):
        return NOTHING
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:,.{digits}f}"


def seconds(value: float | None) -> str:
    """A duration as people read it: 45.2 s, 3 min 20 s, 2 h 5 min."""
    if value is None or not isfinite(value):
        return NOTHING
    if abs(value) < 100:
        return f"{value:.1f} s" if value != int(value) else f"{value:.0f} s"
    whole = round(value)
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(whole, 3600)
    return f"{hours} h {rest // 60} min" if rest >= 60 else f"{hours} h"


def yuan(fen: int | None) -> str:
    """Money as people read it: ¥1,234.50."""
    if fen is None:
        return NOTHING
    return f"{'-' if fen < 0 else ''}¥{abs(fen) // 100:,}.{abs(fen) % 100:02d}"


def seconds_zh(value: float | None) -> str:
    """The same in Chinese: 45.2 秒, 3 分 20 秒, 2 小时 5 分."""
    words = seconds(value)
    for unit, zh in ((" min", " 分"), (" h", " 小时"), (" s", " 秒")):
        words = words.replace(unit, zh)
    return words


def ms(value: float | None) -> str:
    """Milliseconds with three significant digits or so."""
    if value is None or not isfinite(value):
        return NOTHING
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def in_unit(value: float | None, unit: str) -> str:
    """A value of a measure with its unit."""
    match unit:
        case Unit.SHARE:
            return percent(value)
        case Unit.WIRE_S:
            return NOTHING if value is None else f"{ms(value * 1000)} ms"
        case Unit.BUSINESS_S:
            return seconds(value)
    return number(value)


def found(value: float | None, bound_lo: float | None, unit: str) -> str:
    """A value with its unit; where it could not be estimated, what it surely exceeds."""
    return f"> {in_unit(bound_lo, unit)}" if value is None and bound_lo is not None else in_unit(value, unit)


def interval(lo: float | None, hi: float | None, unit: str) -> str:
    """Both ends of an interval, the unit once where it is a percent sign; an end that is open is ∞."""
    if lo is None and hi is None:
        return ""
    low = in_unit(lo, unit) if lo is not None else NOTHING
    high = in_unit(hi, unit) if hi is not None else "∞"
    between = "–" if unit == Unit.SHARE else " – "
    return f"{low.removesuffix(' %') if high.endswith(' %') else low}{between}{high}"

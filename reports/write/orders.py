"""The columns of orders.parquet: one row per order, times in wire seconds on the run's axis unless named."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ledger.clock import SECOND_NS
from reports.analysis import Analysis
from reports.measure.honesty import CLASSES
from reports.measure.lasthop import HOPS
from reports.measure.stuck import STATES

_TIMES = (
    *("due", "sent", "placed", "trade", "captured", "accepted", "page_paid", "requested", "taken", "sold", "goods"),
    "refunded",
)
_MONEY = ("price_fen", "captured_fen", "refunded_fen")
_TEXTS = (
    *("product", "channel", "region", "buyer", "supplier", "unsent_why", "order_no", "trade_no", "way", "booked_state"),
    "code",
)

WHY_MAX = 1000
"""Orders whose sentence about their cause is written: lost ones first, then those stuck longest."""


def columns(analysis: Analysis) -> dict[str, npt.NDArray[Any]]:
    """By name, in the order they stand in the file."""
    orders, pages = analysis.basis.orders, analysis.basis.pages
    spent = analysis.basis.spent * analysis.basis.to_business
    words = np.array([*map(str, STATES), "unknown"], dtype=object)
    hops = np.array(HOPS, dtype=object)
    made: dict[str, npt.NDArray[Any]] = {"key": np.array(orders.keys, dtype=object), "planned": orders.is_planned}
    made |= {name: getattr(orders, name) for name in _TEXTS}
    made |= {f"{name}_s": getattr(orders, f"{name}_t") / SECOND_NS for name in _TIMES}
    made |= {name: getattr(orders, name) for name in _MONEY}
    return made | {
        "late_ms": orders.late_ns / 1e6,
        "notices": orders.notices,
        "goods": orders.goods,
        "goods_sold_upstream": orders.sold,
        "is_vouched": orders.is_vouched,
        "last_state": words[pages.ends.last_state],
        "ended_s": pages.ended_t / SECOND_NS,
        "stuck_business_s": analysis.basis.stuck_s,
        "excess_business_s": analysis.basis.excess_s,
        "unchanged_business_s": analysis.basis.still.longest_s,
        **{f"{name}_business_s": spent[:, label] for label, name in enumerate(CLASSES)},
        "lost": analysis.basis.is_lost,
        "last_hop": hops[analysis.hop],
        "gone": pages.ends.is_gone,
        "open": analysis.basis.is_open,
        "waited_business_s": analysis.basis.waited_s,
        **_put_down(analysis),
    }


def _put_down(analysis: Analysis) -> dict[str, npt.NDArray[Any]]:
    """The cause of each order that needed one, the first hop that it lacked, and what speaks for that of the worst;
    empty for all others."""
    found, b = analysis.attributed, analysis.basis
    cause, missing, why_en, why_zh = (np.full(len(b.orders), "", dtype=object) for _ in range(4))
    i = found.i
    cause[i], missing[i] = found.cause, np.array(HOPS, dtype=object)[found.hop]
    worst = np.lexsort((i, -b.waited_s[i], ~b.is_open[i], -b.stuck_s[i], ~b.is_lost[i]))[:WHY_MAX]
    for order in i[worst].tolist():
        why = found[order].why
        why_en[order], why_zh[order] = why.en, why.zh
    return {"cause": cause, "first_missing_hop": missing, "why_en": why_en, "why_zh": why_zh}

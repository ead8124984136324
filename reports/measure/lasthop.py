"""How far stuck and lost orders had come when they stopped, against what had struck them before.

The only module that is given the injectors' voice.
"""

import msgspec
import numpy as np
import numpy.typing as npt

from plan.faults import FaultPlan, Label, labels
from reports.findings import FaultRow, HopRow, SignedRow, Struck
from reports.measure.stuck import Episodes
from reports.orders import Orders, Texts

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

HOPS = ("nothing", "placed", "trade", "captured", "notice", "page_paid", "asked", "taken", "sold", "goods")
HOP_WORDS = {
    "nothing": ("sent, never placed", "已发出，未下单成功"),
    "placed": ("placed at the shop", "店铺已下单"),
    "trade": ("trade created at the channel", "渠道已建交易"),
    "captured": ("money taken by the channel", "渠道已收款"),
    "notice": ("notice accepted by the shop", "店铺已接受通知"),
    "page_paid": ("page knows of the payment", "页面已显示付款"),
    "asked": ("upstream asked for the goods", "已向上游要货"),
    "taken": ("upstream took the request on", "上游已受理"),
    "sold": ("upstream has sold", "上游已出货"),
    "goods": ("goods at the buyer", "商品已到买家"),
}


class Strikes(msgspec.Struct, frozen=True):
    """Which fault struck which order when, sorted by order and time."""

    i: Ints
    fault: Texts
    t: Floats


def stopped_t(orders: Orders, episodes: Episodes, end_t: float) -> Floats:
    """The moment to look at each order: when it first became stuck, else the end."""
    when = np.full(len(orders), end_t)
    np.minimum.at(when, episodes.i, episodes.onset)
    return when


def last_hop(orders: Orders, at_t: Floats) -> Ints:
    """Index into HOPS of the farthest hop that each order had reached by a moment."""
    goods_t = np.fmin(orders.goods_t, orders.credited_t)
    reached = np.zeros(len(orders), dtype=np.int64)
    times = (
        orders.placed_t,
        orders.trade_t,
        orders.captured_t,
        orders.accepted_t,
        orders.page_paid_t,
        orders.requested_t,
        orders.taken_t,
        orders.sold_t,
        goods_t,
    )
    for hop, t in enumerate(times, 1):
        with np.errstate(invalid="ignore"):
            reached[t <= at_t] = hop
    return reached


def struck_before(strikes: Strikes, at_t: Floats) -> dict[int, list[str]]:
    """The faults that struck each order before its moment, in the order of their first strike."""
    found: dict[int, list[str]] = {}
    for i, fault, t in zip(strikes.i.tolist(), strikes.fault.tolist(), strikes.t.tolist(), strict=True):
        if t <= at_t[i] and fault not in found.setdefault(i, []):
            found[i].append(fault)
    return found


class Bad(msgspec.Struct, frozen=True):
    """The orders that the tables are about: stuck ones, lost ones, how far each had come, when, and the faults that had
    struck it before."""

    stuck: Bools
    lost: Bools
    hop: Ints
    at_t: Floats
    struck: dict[int, list[str]]


def tables(
    strikes: Strikes, faults: tuple[FaultPlan, ...], bad: Bad, load_s: float | None, signed: list[SignedRow]
) -> Struck:
    """What each fault did, what the shop made of odd signatures, and where the orders stopped that it had struck."""
    known = {fault.id for fault in faults}
    strangers = sorted({str(f) for f in strikes.fault} - known)
    called = labels(faults)
    rows = [_fault_row(f, called[f.id], strikes, bad, load_s) for f in faults]
    rows += [_counted(FaultRow(s, s, s, s, "", False, 0.0, None, 0, 0, 0, 0), strikes, bad) for s in strangers]
    return Struck(rows, _hop_rows([row.id for row in rows], bad), signed)


def _fault_row(fault: FaultPlan, called: Label, strikes: Strikes, bad: Bad, load_s: float | None) -> FaultRow:
    start, end = (float(fault.window.low), float(fault.window.high)) if fault.window else (0.0, load_s)
    if end is not None and load_s is not None:
        end = min(end, load_s)
    row = FaultRow(
        fault.id,
        fault.fault,
        called.en,
        called.zh,
        fault.cause,
        fault.is_exposure,
        start,
        end,
        0,
        0,
        0,
        0,
    )
    return _counted(row, strikes, bad)


def _counted(row: FaultRow, strikes: Strikes, bad: Bad) -> FaultRow:
    mine = strikes.fault == row.id
    orders = np.unique(strikes.i[mine])
    return msgspec.structs.replace(
        row,
        strikes=int(np.sum(mine)),
        orders=len(orders),
        stuck=int(bad.stuck[orders].sum()),
        lost=int(bad.lost[orders].sum()),
    )


def _hop_rows(faults: list[str], bad: Bad) -> list[HopRow]:
    made = []
    for hop, name in enumerate(HOPS):
        orders = np.flatnonzero((bad.stuck | bad.lost) & (bad.hop == hop)).tolist()
        if not orders:
            continue
        by = {fault: sum(fault in bad.struck.get(i, []) for i in orders) for fault in faults}
        made.append(HopRow(name, len(orders), by, sum(not bad.struck.get(i) for i in orders)))
    return made

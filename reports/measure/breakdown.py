"""Every number by channel, supplier, product, region, buyer and error code."""

import msgspec
import numpy as np
import numpy.typing as npt

from plan.gates import Unit
from reports.findings import Group
from reports.measure.intervals import clopper_pearson_upper, share
from reports.measure.survival import kaplan_meier, quantile
from reports.orders import Orders, Texts

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

FEW = 30
"""Paid orders below which a group tells little."""
NONE_ASKED = "none asked"
NO_CODE = "no code"
CODE = "code"


class Became(msgspec.Struct, frozen=True, kw_only=True):
    """By order: whether it was stuck, open at the end or lost, business seconds to its end or as far as it was
    followed, whether it had ended, its excess, and the order-time that honesty judged, with the honest part of it (any
    unit). `deadline_s`: the plan's own; `is_complete` false: of a run that was cut nobody knows who else had paid."""

    is_stuck: Bools
    is_open: Bools
    is_lost: Bools
    waited_s: Floats
    ended: Bools
    excess_s: Floats
    judged: Floats
    honest: Floats
    deadline_s: float
    is_complete: bool

    def late(self, mine: Bools) -> int | None:
        """Orders without an end by the deadline; None where not all of them were followed so long."""
        waited, ended = self.waited_s[mine], self.ended[mine]
        if not (self.is_complete and bool(np.all(ended | (waited >= self.deadline_s)))):
            return None
        return int(np.sum(~ended | (waited > self.deadline_s)))


def breakdown(orders: Orders, became: Became) -> dict[str, list[Group]]:
    """Groups by dimension. Codes are looked at for orders that were stuck or ended badly alone, so their share of stuck
    ones, and what it rules out, says nothing and is left out."""
    asked = np.where(np.isfinite(orders.requested_t), orders.supplier, NONE_ASKED)
    by = {
        "channel": orders.channel,
        "supplier": _texts(asked),
        "product": orders.product,
        "region": orders.region,
        "buyer": orders.buyer,
    }
    if not orders.is_vouched.any():
        del by["supplier"]
    found = {name: _groups(values, orders.paid, orders, became) for name, values in by.items()}
    bad = orders.paid & (became.is_stuck | became.is_lost)
    codes = _texts(np.where(orders.code != "", orders.code, NO_CODE))
    plain = [
        msgspec.structs.replace(group, rate=None, lo=None, hi=None, is_few=False, stuck_upper=None, lost_upper=None)
        for group in _groups(codes, bad, orders, became)
    ]
    return {**found, CODE: sorted(plain, key=lambda group: (-group.paid, group.name))}


def _texts(values: npt.NDArray[np.generic]) -> Texts:
    return np.asarray(values, dtype=object)


def _groups(values: Texts, rows: Bools, orders: Orders, became: Became) -> list[Group]:
    return [_group(str(name), rows & (values == name), orders, became) for name in sorted(set(values[rows]))]


def _group(name: str, mine: Bools, orders: Orders, became: Became) -> Group:
    paid, stuck = int(mine.sum()), int((mine & became.is_stuck).sum())
    lost, judged = int((mine & became.is_lost).sum()), float(became.judged[mine].sum())
    found = share(stuck, paid, Unit.SHARE)
    return Group(
        name,
        paid=paid,
        stuck=stuck,
        rate=found.value,
        lo=found.lo,
        hi=found.hi,
        open=int((mine & became.is_open).sum()),
        delivered=int((mine & (orders.goods > 0)).sum()),
        refunded=int((mine & orders.is_refunded).sum()),
        lost=lost,
        end_median_s=quantile(kaplan_meier(became.waited_s[mine], became.ended[mine]), 0.5),
        excess_s=round(float(became.excess_s[mine].sum()), 3),
        is_few=paid < FEW,
        late=became.late(mine),
        honest=float(became.honest[mine].sum()) / judged if judged > 0 else None,
        stuck_upper=clopper_pearson_upper(stuck, paid),
        lost_upper=clopper_pearson_upper(lost, paid),
    )

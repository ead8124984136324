"""db_slow: the shop's database is locked for a part of the time."""

import msgspec

from faults.catalog import Cause, Fault
from faults.verdict import LockDatabase
from ledger.states import Hop, Operation
from plan.faults import Label
from plan.units import WireTime, by_default


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The write lock is held for `held` of every `every` (wire time) while the window lasts."""

    held: WireTime = by_default(WireTime(0.2))
    every: WireTime = by_default(WireTime(0.5))

    def __post_init__(self) -> None:
        if not 0 < self.held < self.every <= 600:
            raise ValueError(f"legal: 0 s < held < every <= 10 min (given: {self.held.text()} of {self.every.text()})")


FAULT = Fault(
    name="db_slow",
    label=Label("database slow", "数据库变慢"),
    hops=(Hop.SHOP_DB,),
    operations=(Operation.HOUSE,),
    params=Params,
    effect=lambda p: LockDatabase(p.held, p.every),
    layer="house",
    by_exposure=True,
    needs="lock",
    cause=Cause.DATABASE,
    imitates="a database at its limit: writers wait in line, and the line grows at the peak",
    source="family 6 of the causes: database read/write limits; database latency, locks and cuts",
)

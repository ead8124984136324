"""db_lock: a write lock on the shop's database is held."""

import msgspec

from faults.catalog import Cause, Fault
from faults.verdict import LockDatabase
from ledger.states import Hop, Operation
from plan.faults import Label
from plan.units import WireTime, by_default

ONCE_S = 86_400.0
"""No load lasts a day, so the lock is held once."""


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`held`: wire time for which the lock is held, once, from the beginning of the window on."""

    held: WireTime = by_default(WireTime(5.0))

    def __post_init__(self) -> None:
        if not 0 < self.held <= 600:
            raise ValueError(f"held must be above 0 s and at most 10 min (given: {self.held.text()})")


FAULT = Fault(
    name="db_lock",
    label=Label("database locked", "数据库被锁"),
    hops=(Hop.SHOP_DB,),
    operations=(Operation.HOUSE,),
    params=Params,
    effect=lambda p: LockDatabase(p.held, ONCE_S),
    layer="house",
    by_exposure=True,
    needs="lock",
    cause=Cause.DATABASE,
    imitates="a migration, a backup or a forgotten transaction that keeps every writer waiting",
    source="stalls seen in real shops: its database is locked after it has acknowledged: no goods, channel content",
)

"""Where a run needs a proxy: at the hops that its faults on the wire are for."""

import msgspec

from faults.catalog import NOTICES, ON_THE_WIRE, TO_MOCKS, is_legal
from ledger.states import Hop
from plan.faults import FaultPlan
from plan.run import Plan


class Place(msgspec.Struct, frozen=True):
    """One hop, or its way to or from one instance, that faults on the wire are for."""

    hop: Hop
    upstream: str | None = None

    @property
    def at(self) -> str:
        """As faults write it: shop>payment/epay."""
        return f"{self.hop}/{self.upstream}" if self.upstream else str(self.hop)

    @property
    def name(self) -> str:
        """As a name in a path: shop-payment-epay."""
        return self.at.replace(">", "-").replace("/", "-")

    @property
    def tells_the_shop(self) -> bool:
        return self.hop in NOTICES

    @property
    def asks_a_mock(self) -> bool:
        return self.hop in TO_MOCKS

    def has(self, fault: FaultPlan) -> bool:
        return self.hop in fault.hops and fault.upstream in (None, self.upstream)


def places(plan: Plan) -> list[Place]:
    """Where a proxy must stand: at every instance that a fault on the wire is for, and nowhere else."""
    found: dict[Place, None] = {}
    for fault in plan.faults:
        for hop in fault.hops if fault.layer in ON_THE_WIRE else ():
            if hop in (Hop.BUYER_SHOP, Hop.SHOP_DB):
                found[Place(hop)] = None
                continue
            for name, upstream in plan.upstreams.items():
                if is_legal({}, upstream.dialect, hop) and fault.upstream in (None, name):
                    found[Place(hop, name)] = None
    return list(found)

"""What every dialect of a supplier is given: who it is, who buys there, and what stands behind the counter."""

import msgspec

from ledger.clock import SECOND_NS, Clock
from mocks.apply import Injector
from mocks.call import Append
from mocks.notices import Ladder, Notices
from mocks.supplier.stock import Purchase, Stock
from mocks.supplier.works import Works
from mocks.upstreams import Keys
from plan.run import Plan, UpstreamPlan


class Counter(msgspec.Struct, frozen=True):
    """One instance of a supplier, before a dialect speaks for it. `wall_ns` is the wall clock at the beginning of the
    axis."""

    name: str
    keys: Keys
    plan: Plan
    upstream: UpstreamPlan
    ladder: Ladder
    clock: Clock
    wall_ns: int
    append: Append
    injector: Injector
    stock: Stock
    works: Works
    notices: Notices[Purchase]

    def wall_s(self, t: int | None = None) -> int:
        """Whole seconds since 1970 at a moment of the run's axis, or now."""
        return (self.wall_ns + (self.clock.t() if t is None else t)) // SECOND_NS

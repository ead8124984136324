"""What every payment dialect works with: its merchant, the books, the notices, the end of what nobody pays,
and complaints about what was paid."""

import msgspec

from ledger.clock import SECOND_NS, Clock
from mocks.apply import Injector
from mocks.call import Append
from mocks.notices import Notices
from mocks.payment.disputes import Disputes
from mocks.payment.expiry import Expiry
from mocks.payment.trades import Trade, Trades
from mocks.upstreams import Keys
from plan.run import Plan, UpstreamPlan


class Desk(msgspec.Struct, frozen=True):
    """One named instance, before a dialect speaks for it. `wall_ns` is the wall clock at the beginning of the axis."""

    name: str
    keys: Keys
    plan: Plan
    upstream: UpstreamPlan
    clock: Clock
    wall_ns: int
    append: Append
    injector: Injector
    trades: Trades
    notices: Notices[Trade]
    expiry: Expiry
    disputes: Disputes

    def wall_s(self, t: int) -> float:
        """Seconds since 1970 at a moment of the run's axis."""
        return (self.wall_ns + t) / SECOND_NS

    def t_of(self, wall_s: float) -> int:
        """The moment of the run's axis at which the wall clock shows so many seconds since 1970."""
        return int(wall_s * SECOND_NS) - self.wall_ns

    def after_t(self, business_s: float) -> int:
        """The moment so much business time from now: for limits that a shop gives as a length, which it cannot compress
        itself. Limits that it gives as a time of day stand as they are."""
        return self.clock.t() + int(self.plan.wire_s(business_s) * SECOND_NS)

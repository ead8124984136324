"""Stops the load early when what a scenario will not put up with has come about: `abort_when`."""

import asyncio
from collections.abc import Callable, Sequence

from ledger.status import DriverStatus
from plan.gates import ABORTS, Abort

LOOK_EVERY_S = 0.25

COUNTED_AS = {
    "lost_orders": "lost",
    "overdue_orders": "overdue",
    "open_orders": "open",
    "failed_requests": "errors",
}
"""What each count of a condition is called in a driver's status."""
assert COUNTED_AS.keys() == ABORTS.keys()


class Watchman:
    """The conditions of a run. `why` says which one stopped it, with its count; empty as long as none has."""

    def __init__(self, conditions: Sequence[Abort]) -> None:
        self._conditions = conditions
        self.why = ""

    def counts(self, totals: DriverStatus) -> list[str]:
        """How far each condition is: lost_orders 3/50."""
        return [f"{c.count} {_count(c, totals)}/{c.limit}" for c in self._conditions]

    def judge(self, totals: DriverStatus) -> bool:
        """Whether the run must be stopped."""
        met = next((c for c in self._conditions if _count(c, totals) >= c.limit), None)
        if met is not None:
            self.why = f"stopped early: {met.text} ({_count(met, totals)} {ABORTS[met.count]})"
        return met is not None

    async def watch(self, totals: Callable[[], DriverStatus], stop: asyncio.Event) -> None:
        """Sets `stop` when a condition is met; returns then, or at once where there is none."""
        while self._conditions and not stop.is_set():
            if self.judge(totals()):
                stop.set()
            else:
                await asyncio.sleep(LOOK_EVERY_S)


def _count(condition: Abort, totals: DriverStatus) -> int:
    return int(getattr(totals, COUNTED_AS[condition.count]))

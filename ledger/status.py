"""What a process of the load generator says of itself while it runs, in a file that is replaced twice a second."""

import msgspec


class DriverStatus(msgspec.Struct):
    """How far a driver process is. Its counts leave the warm-up out; `lag_ms` and `late_p99_ms` are wire time.

    `planned`, `sent`, `unsent` and `placed` are planned orders; `again` further orders of the same wish that the shop
    took, which all counts after it hold as well. `open` are paid, or perhaps paid (nobody heard the answer to the
    payment), and not ended; `overdue` those paid that show one unfinished state for longer than they may; `lost` those
    paid whose page has ended without goods or refund, until it shows either. `errors` are requests without a good
    answer. `faults`: the ids of the buyer faults in force.
    """

    ready: bool = False
    warm: bool = False
    done: bool = False
    planned: int = 0
    sent: int = 0
    unsent: int = 0
    placed: int = 0
    again: int = 0
    paid: int = 0
    open: int = 0
    ended: int = 0
    by_state: dict[str, int] = {}
    overdue: int = 0
    lost: int = 0
    faults: list[str] = []
    lag_ms: float = 0.0
    late_p99_ms: float = 0.0
    requests: int = 0
    errors: int = 0

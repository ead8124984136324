"""What a process of the load generator says of itself while it runs, in a file that is replaced twice a second."""

import msgspec


class DriverStatus(msgspec.Struct):
    """How far a driver process is. Its counts leave the warm-up out; `open` are paid and not ended, `lag_ms` and
    `late_p99_ms` wire time."""

    ready: bool = False
    warm: bool = False
    done: bool = False
    planned: int = 0
    sent: int = 0
    unsent: int = 0
    placed: int = 0
    paid: int = 0
    open: int = 0
    ended: int = 0
    by_state: dict[str, int] = {}
    overdue: int = 0
    lag_ms: float = 0.0
    late_p99_ms: float = 0.0
    requests: int = 0
    errors: int = 0

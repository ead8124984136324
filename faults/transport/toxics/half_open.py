"""half_open: after `after` ms the other side reads nothing, sends nothing and never closes."""

from typing import ClassVar

from faults.transport.toxic import Toxic


class HalfOpen(Toxic, frozen=True):
    """After `after` ms the other side reads nothing, sends nothing and never closes."""

    kind: ClassVar[str] = "half_open"
    is_ours: ClassVar[bool] = True
    after: int = 0


TOXIC = HalfOpen

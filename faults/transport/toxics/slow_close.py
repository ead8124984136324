"""slow_close: the end of a connection is passed on `delay` ms late."""

from typing import ClassVar

from faults.transport.toxic import Toxic


class SlowClose(Toxic, frozen=True):
    """The end of a connection is passed on `delay` ms late."""

    kind: ClassVar[str] = "slow_close"
    delay: int = 0


TOXIC = SlowClose

"""limit_data: after `bytes` the connection is closed."""

from typing import ClassVar

from faults.transport.toxic import Toxic


class LimitData(Toxic, frozen=True):
    """After `bytes` the connection is closed."""

    kind: ClassVar[str] = "limit_data"
    bytes: int = 0


TOXIC = LimitData

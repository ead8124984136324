"""timeout: all data vanishes; after `timeout` ms the connection is closed (0: never)."""

from typing import ClassVar

from faults.transport.toxic import Toxic


class Timeout(Toxic, frozen=True):
    """All data vanishes; after `timeout` ms the connection is closed (0: never)."""

    kind: ClassVar[str] = "timeout"
    timeout: int = 0


TOXIC = Timeout

"""bandwidth: no more than `rate` KB pass a second."""

from typing import ClassVar

from faults.transport.toxic import Toxic


class Bandwidth(Toxic, frozen=True):
    """No more than `rate` KB pass a second."""

    kind: ClassVar[str] = "bandwidth"
    rate: int = 0


TOXIC = Bandwidth

"""loss: of the segments `share` are lost, `burst` in a row on the average, and sent again by TCP."""

from typing import ClassVar

from faults.transport.toxic import Toxic


class Loss(Toxic, frozen=True):
    """Of the segments `share` are lost, `burst` in a row on the average, and sent again by TCP."""

    kind: ClassVar[str] = "loss"
    is_ours: ClassVar[bool] = True
    share: float = 0.0
    burst: float = 1.0


TOXIC = Loss

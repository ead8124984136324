"""corrupt: of a million bytes `per_mb` are flipped, on the average."""

from typing import ClassVar

from faults.transport.toxic import Toxic


class Corrupt(Toxic, frozen=True):
    """Of a million bytes `per_mb` are flipped, on the average."""

    kind: ClassVar[str] = "corrupt"
    is_ours: ClassVar[bool] = True
    per_mb: float = 0.0


TOXIC = Corrupt

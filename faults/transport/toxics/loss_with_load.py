"""loss_with_load: the same, with a share that a curve gives: (requests a second at the hop, share) points."""

from typing import ClassVar

from faults.transport.toxic import Toxic


class LossWithLoad(Toxic, frozen=True):
    """The same, with a share that a curve gives: (requests a second at the hop, share) points."""

    kind: ClassVar[str] = "loss_with_load"
    is_ours: ClassVar[bool] = True
    curve: tuple[tuple[float, float], ...] = ()
    burst: float = 1.0


TOXIC = LossWithLoad

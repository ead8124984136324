"""noop: passes everything on."""

from faults.transport.stage import Stage
from faults.transport.toxic import Toxic


class Noop(Toxic, frozen=True):
    """Nothing to set."""

    kind = "noop"
    stage = Stage


TOXIC = Noop

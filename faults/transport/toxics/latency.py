"""latency: all data is late by `latency` ms, up to `jitter` more or less."""

from typing import ClassVar

from faults.transport.toxic import Toxic


class Latency(Toxic, frozen=True):
    """All data is late by `latency` ms, up to `jitter` more or less."""

    kind: ClassVar[str] = "latency"
    latency: int = 0
    jitter: int = 0


TOXIC = Latency

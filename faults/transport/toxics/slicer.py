"""slicer: data is cut into pieces of `average_size` bytes, `size_variation` more or less, `delay` µs apart."""

from typing import ClassVar

from faults.transport.toxic import Toxic


class Slicer(Toxic, frozen=True):
    """Data is cut into pieces of `average_size` bytes, `size_variation` more or less, `delay` µs apart."""

    kind: ClassVar[str] = "slicer"
    average_size: int = 0
    size_variation: int = 0
    delay: int = 0


TOXIC = Slicer

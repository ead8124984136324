"""corrupt: of a million bytes `per_mb` arrive as others, on the average."""

from math import log1p
from typing import ClassVar

from faults.transport.resend import Draw
from faults.transport.toxic import Toxic

MB = 1_000_000


class Corrupt(Toxic, frozen=True):
    """`per_mb`: how many bytes of each million are flipped, on the average."""

    kind: ClassVar[str] = "corrupt"
    is_ours: ClassVar[bool] = True
    per_mb: float = 0.0


class Flips:
    """Which bytes of one direction of one exchange are flipped, and by what. The gaps between them are drawn, so that
    it does not matter in how many pieces the bytes come, and bytes that stay as they are cost nothing."""

    def __init__(self, draw: Draw, per_mb: float) -> None:
        self._draw, self._share = draw, min(per_mb / MB, 1.0)
        self._n = 0
        self._left = self._gap()

    def flip(self, data: bytes) -> tuple[bytes, int]:
        """The bytes as they arrive, and how many of them are others."""
        if self._left >= len(data):
            self._left -= len(data)
            return data, 0
        flipped, at, count = bytearray(data), self._left, 0
        while at < len(data):
            flipped[at] ^= 1 + int(self._draw(2 * self._n + 1) * 255)
            self._n, count = self._n + 1, count + 1
            at += 1 + self._gap()
        self._left = at - len(data)
        return bytes(flipped), count

    def _gap(self) -> int:
        """How many bytes stay as they are before the next (geometric)."""
        if self._share >= 1.0:
            return 0
        if self._share <= 0.0:
            return 1 << 62
        return min(int(log1p(-self._draw(2 * self._n)) / log1p(-self._share)), 1 << 62)


TOXIC = Corrupt

"""corrupt: of a million bytes `per_mb` arrive as others, on the average."""

from functools import partial
from math import log1p
from typing import Annotated

import msgspec

from faults.transport.resend import Draw
from faults.transport.stage import Chunk, Stage
from faults.transport.toxic import Exchange, Placed, Toxic

MB = 1_000_000


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


class CorruptStage(Stage["Corrupt"]):
    """Lengths stay as they are."""

    _of: Exchange | None = None
    _flips: Flips | None = None

    def push(self, chunk: Chunk) -> None:
        if not self.is_for(chunk.exchange):
            self.after.push(chunk)
            return
        if self._flips is None or chunk.exchange is not self._of:
            self._of, self._flips = chunk.exchange, Flips(partial(self.draw, chunk.exchange), self.toxic.per_mb)
        data, flipped = self._flips.flip(chunk.data)
        if flipped:
            self.changed(chunk.exchange, f"bytes of the {self.what} flipped", flipped)
        self.after.push(Chunk(data, chunk.stamp, chunk.exchange))

    def changed_to(self, placed: Placed) -> None:
        self._flips = None
        super().changed_to(placed)


class Corrupt(Toxic, frozen=True):
    """`per_mb`: how many bytes of each million are flipped, on the average."""

    kind = "corrupt"
    stage = CorruptStage
    is_ours = True
    per_mb: Annotated[float, msgspec.Meta(ge=0, le=MB)] = 0.0


TOXIC = Corrupt

"""bandwidth: no more than `rate` passes."""

from math import inf

from faults.transport.stage import Chunk, Delaying
from faults.transport.toxic import Placed, Toxic

PIECE_S = 0.1
"""What takes longer than this is sent in pieces that take as long."""


class BandwidthStage(Delaying["Bandwidth"]):
    """The line is free again when the last byte has left it; a piece arrives when its own last byte does."""

    _free_at = 0.0

    def push(self, chunk: Chunk) -> None:
        if not self.is_for(chunk.exchange):
            self.pass_on(chunk)
            return
        self.changed(chunk.exchange, f"{self.what} slowed to {self.toxic.rate} KB/s", len(chunk.data))
        if self.toxic.rate <= 0:
            self.until(inf, chunk)
            return
        bytes_s = self.toxic.rate * 1000
        piece = int(bytes_s * PIECE_S)
        self._free_at = max(self._free_at, chunk.stamp)
        for at in range(0, len(chunk.data), piece):
            part = chunk.data[at : at + piece] if len(chunk.data) > piece else chunk.data
            self._free_at += len(part) / bytes_s
            self.until(self._free_at, Chunk(part, self._free_at, chunk.exchange))

    def changed_to(self, placed: Placed) -> None:
        super().changed_to(placed)
        self._free_at, now = 0.0, self.side.timers.now()
        for chunk in self.taken():
            if chunk is None:
                self.end()
            else:
                chunk.stamp = now
                self.push(chunk)


class Bandwidth(Toxic, frozen=True):
    """`rate` in KB/s, 1 KB being 1,000 bytes; with 0 nothing passes."""

    kind = "bandwidth"
    stage = BandwidthStage
    rate: int = 0


TOXIC = Bandwidth

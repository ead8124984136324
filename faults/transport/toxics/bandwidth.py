"""bandwidth: no more than `rate` passes."""

from math import inf

from faults.transport.stage import HELD_MAX, Chunk, Delaying
from faults.transport.toxic import Placed, Toxic

PIECE_S, PIECE_MAX = 0.1, 32 * 1024
"""What takes longer than this, or is more, is sent in pieces."""
AHEAD_S = 0.01
"""So long a line has bytes to carry although none are read: a busy machine comes back later than it wants."""


class BandwidthStage(Delaying["Bandwidth"]):
    """The line is free again when the last byte has left it; a piece arrives when its own last byte does."""

    _free_at = 0.0
    _late_s = 0.0
    """How late the last piece left; what comes next has waited for that, not the line for it."""

    def _place(self, placed: Placed) -> None:
        super()._place(placed)
        self.held_max = min(max(int(self.toxic.rate * 1000 * AHEAD_S), 2 * PIECE_MAX), 16 * HELD_MAX)

    def push(self, chunk: Chunk) -> None:
        if not self.is_for(chunk.exchange):
            self.pass_on(chunk)
            return
        self.changed(chunk.exchange, f"{self.what} slowed to {self.toxic.rate} KB/s", len(chunk.data))
        if self.toxic.rate <= 0:
            self.until(inf, chunk)
            return
        bytes_s = self.toxic.rate * 1000
        piece = min(int(bytes_s * PIECE_S), PIECE_MAX)
        self._free_at, self._late_s = max(self._free_at, chunk.stamp - self._late_s), 0.0
        for at in range(0, len(chunk.data), piece):
            part = chunk.data[at : at + piece]
            self._free_at += len(part) / bytes_s
            self.until(self._free_at, Chunk(part, chunk.stamp, chunk.exchange))

    def _leave(self, due_s: float, chunk: Chunk) -> None:
        self._late_s = max(self.side.timers.now() - due_s, 0.0)
        super()._leave(due_s, chunk)

    def changed_to(self, placed: Placed) -> None:
        super().changed_to(placed)
        self._free_at = self.side.timers.now()
        self.again()


class Bandwidth(Toxic, frozen=True):
    """`rate` in KB/s, 1 KB being 1,000 bytes; with 0 nothing passes."""

    kind = "bandwidth"
    stage = BandwidthStage
    rate: int = 0


TOXIC = Bandwidth

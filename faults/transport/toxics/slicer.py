"""slicer: bytes come in small pieces, with a pause between them."""

from faults.transport.stage import Chunk, Delaying
from faults.transport.toxic import Exchange, Toxic


class SlicerStage(Delaying["Slicer"]):
    """A chunk is halved, off the middle by up to the variation, until its pieces are small enough."""

    _ready_at = 0.0

    def push(self, chunk: Chunk) -> None:
        if not self.is_for(chunk.exchange):
            self.pass_on(chunk)
            return
        ends = self._ends(chunk.exchange, len(chunk.data))
        pause_s = max(self.toxic.delay, 0) / 1_000_000
        if len(ends) > 1 or pause_s:
            self.changed(chunk.exchange, f"{self.what} cut into {len(ends)} pieces", len(chunk.data))
        due_s, at = max(self._ready_at, self.side.timers.now()), 0
        for end in ends:
            self.until(due_s, Chunk(chunk.data[at:end], due_s, chunk.exchange))
            due_s, at = due_s + pause_s, end
        self._ready_at = due_s

    def _ends(self, exchange: Exchange | None, size: int) -> list[int]:
        """Where each piece ends."""
        average, variation = self.toxic.average_size, max(self.toxic.size_variation, 0)
        ends: list[int] = []
        rest = [(0, size)]
        while rest:
            begin, end = rest.pop()
            if end - begin - average <= variation or end - begin < 2:
                ends.append(end)
                continue
            middle = begin + (end - begin) // 2
            if variation:
                middle += int(self.next_draw(exchange) * 2 * variation) - variation
            middle = min(max(middle, begin + 1), end - 1)
            rest += [(middle, end), (begin, middle)]
        return ends


class Slicer(Toxic, frozen=True):
    """`average_size` and `size_variation` in bytes, `delay` in microseconds."""

    kind = "slicer"
    stage = SlicerStage
    average_size: int = 0
    size_variation: int = 0
    delay: int = 0


TOXIC = Slicer

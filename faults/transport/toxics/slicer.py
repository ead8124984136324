"""slicer: bytes come in small pieces, with a pause between them."""

from collections import deque
from collections.abc import Iterator

from faults.transport.stage import Chunk, Direction, Stage
from faults.transport.toxic import Exchange, Placed, Toxic

AT_ONCE = 64
"""So many pieces without a pause, and other connections have their turn."""


class SlicerStage(Stage["Slicer"]):
    """A chunk is halved, off the middle by up to the variation, until its pieces are small enough: each piece only when
    it is to go, for there may be as many as bytes."""

    def __init__(self, side: Direction, placed: Placed) -> None:
        self._waiting: deque[Chunk | None] = deque()
        self._ends: Iterator[int] | None = None
        self._cut_to = 0
        self._due_s = 0.0
        super().__init__(side, placed)

    def push(self, chunk: Chunk) -> None:
        self._waiting.append(chunk)
        self.side.hold(len(chunk.data))
        if self._timer is None and len(self._waiting) == 1:
            self._due_s = self.side.timers.now()
            self._go_on()

    def end(self) -> None:
        if self._waiting or self._timer is not None:
            self._waiting.append(None)
        else:
            self.after.end()

    def changed_to(self, placed: Placed) -> None:
        super().changed_to(placed)
        self._uncut()
        if self._waiting:
            self._due_s = self.side.timers.now()
            self._go_on()

    def removed(self) -> None:
        self._uncut()
        self.stop_waiting()
        while self._waiting:
            if (chunk := self._waiting.popleft()) is None:
                self.after.end()
            else:
                self.side.hold(-len(chunk.data))
                self.after.push(chunk)

    def closed(self) -> None:
        super().closed()
        self._waiting.clear()

    def _go_on(self) -> None:
        self.stop_waiting()
        for _ in range(AT_ONCE):
            if not self._waiting:
                return
            if self._is_sliced(self._waiting[0]) and self.toxic.delay > 0:
                self._pause()
                return
        self.wait_until(self.side.timers.now(), self._go_on)

    def _is_sliced(self, chunk: Chunk | None) -> bool:
        """Passes on a piece of it, or all; whether it is struck."""
        if chunk is None or not self.is_for(chunk.exchange):
            self._waiting.popleft()
            if chunk is None:
                self.after.end()
            else:
                self.side.hold(-len(chunk.data))
                self.after.push(chunk)
            return False
        begin, size = self._cut_to, len(chunk.data)
        if self._ends is None:
            self._ends = self._cuts(chunk.exchange, size)
        end = self._cut_to = next(self._ends)
        if not begin and (end < size or self.toxic.delay > 0):
            self.changed(chunk.exchange, f"{self.what} in pieces, the first of {end} bytes", size)
        if end == size:
            self._waiting.popleft()
            self._ends, self._cut_to = None, 0
            self.side.hold(-size)
        self.after.push(Chunk(chunk.data[begin:end], max(chunk.stamp, self._due_s), chunk.exchange))
        return True

    def _pause(self) -> None:
        """Pauses count from when the piece was due: one that came late by less than a pause delays no other."""
        now, pause_s = self.side.timers.now(), self.toxic.delay / 1_000_000
        self._due_s = (self._due_s if now - self._due_s < pause_s else now) + pause_s
        self.wait_until(self._due_s, self._go_on)

    def _uncut(self) -> None:
        """What is left of a chunk is a chunk."""
        if self._cut_to and (chunk := self._waiting.popleft()) is not None:
            self.side.hold(-len(chunk.data))
            left = Chunk(chunk.data[self._cut_to :], chunk.stamp, chunk.exchange)
            self.side.hold(len(left.data))
            self._waiting.appendleft(left)
        self._ends, self._cut_to = None, 0

    def _cuts(self, exchange: Exchange | None, size: int) -> Iterator[int]:
        """Where each piece ends."""
        average, variation = self.toxic.average_size, max(self.toxic.size_variation, 0)
        rest = [(0, size)]
        while rest:
            begin, end = rest.pop()
            if end - begin - average <= variation or end - begin < 2:
                yield end
                continue
            middle = begin + (end - begin) // 2
            if variation:
                middle += int(self.next_draw(exchange) * 2 * variation) - variation
            middle = min(max(middle, begin + 1), end - 1)
            rest += [(middle, end), (begin, middle)]


class Slicer(Toxic, frozen=True):
    """`average_size` and `size_variation` in bytes, `delay` in microseconds."""

    kind = "slicer"
    stage = SlicerStage
    average_size: int = 0
    size_variation: int = 0
    delay: int = 0


TOXIC = Slicer

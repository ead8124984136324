"""loss: segments of TCP are lost, and come later, as TCP sends them again: a model (faults/transport/resend.py)."""

from functools import partial
from typing import Annotated, TypeVar

import msgspec

from faults.transport.resend import Line, waits_s
from faults.transport.stage import Chunk, Delaying
from faults.transport.toxic import Exchange, Placed, Stream, Toxic

T = TypeVar("T", bound="Lossy")


class Lossy(Toxic, frozen=True):
    """`burst`: how many segments are lost in a row, on the average. `rtt_ms`: of the line that is imitated."""

    burst: Annotated[float, msgspec.Meta(ge=1)] = 1.0
    rtt_ms: Annotated[float, msgspec.Meta(ge=0, le=10_000)] = 1.0

    def share_of(self, exchange: Exchange | None) -> float:
        """The share of segments that is lost now."""
        raise NotImplementedError


class LossyStage(Delaying[T]):
    """What comes at once is one flight of segments; a lost one holds back all behind it. Where requests are told apart,
    a connection is nobody's and its SYN is not lost."""

    _of: Exchange | None = None
    _line: Line | None = None

    def push(self, chunk: Chunk) -> None:
        exchange = chunk.exchange
        if not self.is_for(exchange):
            self.pass_on(chunk)
            return
        cut = self._line_of(exchange).cut(chunk.data, self.toxic.share_of(exchange))
        lost = [times for _, times in cut]
        if not any(lost):
            self.pass_on(chunk)
            return
        due_s, waiting = max(chunk.stamp, self.last_due_s), bytearray()
        begun_s = due_s
        for (piece, _), wait_s in zip(cut, waits_s(lost, self.toxic.rtt_ms / 1000), strict=True):
            if chunk.stamp + wait_s > due_s:
                self._send(waiting, due_s, exchange)
                due_s, waiting = chunk.stamp + wait_s, bytearray()
            waiting += piece
        held_ms, n = (due_s - begun_s) * 1000, sum(map(bool, lost))
        words = f"{n} of {len(cut)} segments of the {self.what} lost, held up {held_ms:.0f} ms"
        self.changed(exchange, words, sum(len(piece) for piece, times in cut if times))
        self._send(waiting, due_s, exchange)

    def changed_to(self, placed: Placed) -> None:
        self._line = None
        super().changed_to(placed)

    def connects_after_s(self, exchange: Exchange | None) -> float:
        if self.side.stream is not Stream.UPSTREAM or not self.is_for(exchange):
            return 0.0
        later_s = self._line_of(exchange).syn_s(self.toxic.share_of(exchange))
        if later_s:
            self.changed(exchange, f"SYN lost, connected {later_s:.0f} s later")
        return later_s

    def _line_of(self, exchange: Exchange | None) -> Line:
        if self._line is None or exchange is not self._of:
            self._of, self._line = exchange, Line(partial(self.draw, exchange), self.toxic.burst)
        return self._line

    def _send(self, data: bytearray, due_s: float, exchange: Exchange | None) -> None:
        if data:
            self.until(due_s, Chunk(bytes(data), due_s, exchange))


class LossStage(LossyStage["Loss"]):
    """Of a share that stays as it is."""


class Loss(Lossy, frozen=True):
    """`share` of the segments are lost."""

    kind = "loss"
    stage = LossStage
    is_ours = True
    share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0

    def share_of(self, exchange: Exchange | None) -> float:
        return self.share


TOXIC = Loss

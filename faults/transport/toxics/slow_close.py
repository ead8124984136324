"""slow_close: the connection's end comes later."""

from faults.transport.stage import Chunk, Stage
from faults.transport.toxic import Exchange, Placed, Toxic


class SlowCloseStage(Stage["SlowClose"]):
    """Bytes pass; their end waits. The last exchange tells whether it is struck."""

    _last: Exchange | None = None
    _ended_s: float | None = None

    def push(self, chunk: Chunk) -> None:
        self._last = chunk.exchange
        self.after.push(chunk)

    def end(self) -> None:
        self._ended_s = self.side.timers.now()
        self._end_later(self._ended_s)

    def changed_to(self, placed: Placed) -> None:
        super().changed_to(placed)
        if self._timer is not None and self._ended_s is not None:
            self.stop_waiting()
            self._end_later(self._ended_s)

    def removed(self) -> None:
        if self._timer is not None:
            self.stop_waiting()
            self.after.end()

    def _end_later(self, since_s: float) -> None:
        if not self.is_for(self._last) or self.toxic.delay <= 0:
            self.after.end()
            return
        self.changed(self._last, f"end of the {self.what} delayed by {self.toxic.delay} ms")
        self.wait_until(since_s + self.toxic.delay / 1000, self.removed)


class SlowClose(Toxic, frozen=True):
    """`delay` in milliseconds."""

    kind = "slow_close"
    stage = SlowCloseStage
    delay: int = 0


TOXIC = SlowClose

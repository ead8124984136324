"""slow_close: the connection's end comes later."""

from faults.transport.stage import Chunk, Stage
from faults.transport.timer import Timer
from faults.transport.toxic import Exchange, Toxic


class SlowCloseStage(Stage["SlowClose"]):
    """Bytes pass; their end waits. The last exchange tells whether it is struck."""

    _last: Exchange | None = None
    _timer: Timer | None = None

    def push(self, chunk: Chunk) -> None:
        self._last = chunk.exchange
        self.after.push(chunk)

    def end(self) -> None:
        if not self.is_for(self._last) or self.toxic.delay <= 0:
            self.after.end()
            return
        self.changed(self._last, f"end of the {self.what} delayed by {self.toxic.delay} ms")
        timers = self.side.timers
        self._timer = timers.at(timers.now() + self.toxic.delay / 1000, self.removed)

    def removed(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.after.end()


class SlowClose(Toxic, frozen=True):
    """`delay` in milliseconds."""

    kind = "slow_close"
    stage = SlowCloseStage
    delay: int = 0


TOXIC = SlowClose

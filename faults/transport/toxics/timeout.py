"""timeout: bytes vanish, and after `timeout` without any the connection is closed."""

from faults.transport.stage import Chunk, Stage
from faults.transport.timer import Timer
from faults.transport.toxic import Exchange, Toxic


class TimeoutStage(Stage["Timeout"]):
    """What was dropped is lost for good: taken away, the toxic closes the connections that it has struck."""

    _timer: Timer | None = None
    _struck: Exchange | None = None
    _has_struck = False

    def began(self) -> None:
        if self.is_on:
            self._has_struck = True
            self._wait()

    def push(self, chunk: Chunk) -> None:
        if not self.is_for(chunk.exchange):
            self.after.push(chunk)
            return
        if not self._has_struck:
            self._has_struck = True
            self.side.hold(1)  # an exchange without toxics must not go round this one
        self._struck = chunk.exchange
        self.changed(chunk.exchange, f"{self.what} dropped", len(chunk.data))
        self._wait()

    def removed(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._has_struck:
            self.side.close()

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self.toxic.timeout > 0:
            timers = self.side.timers
            self._timer = timers.at(timers.now() + self.toxic.timeout / 1000, self._give_up)

    def _give_up(self) -> None:
        self.changed(self._struck, f"closed after {self.toxic.timeout} ms")
        self.side.close()


class Timeout(Toxic, frozen=True):
    """`timeout` in milliseconds; with 0 the connection is never closed."""

    kind = "timeout"
    stage = TimeoutStage
    timeout: int = 0


TOXIC = Timeout

"""timeout: bytes vanish, and after `timeout` without any the connection is closed."""

from faults.transport.stage import Chunk, Stage
from faults.transport.toxic import Exchange, Placed, Toxic


class TimeoutStage(Stage["Timeout"]):
    """What was dropped is lost for good: taken away, the toxic closes the connections that it has struck."""

    _struck: Exchange | None = None
    _has_struck = False
    _gives_up_at = 0.0

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

    def end(self) -> None:
        self.stop_waiting()
        self.after.end()

    def changed_to(self, placed: Placed) -> None:
        self.stop_waiting()
        super().changed_to(placed)
        if self.by_exchange and self._has_struck:
            self._wait()

    def removed(self) -> None:
        self.stop_waiting()
        if self._has_struck:
            self.cut()

    def _wait(self) -> None:
        """From now on. A timer that stands is let stand: there may be many chunks."""
        if self.toxic.timeout > 0:
            self._gives_up_at = self.side.timers.now() + self.toxic.timeout / 1000
            if self._timer is None:
                self.wait_until(self._gives_up_at, self._look)

    def _look(self) -> None:
        self._timer = None
        if self.side.timers.now() < self._gives_up_at:
            self.wait_until(self._gives_up_at, self._look)
            return
        self.changed(self._struck, f"closed after {self.toxic.timeout} ms")
        self.cut()


class Timeout(Toxic, frozen=True):
    """`timeout` in milliseconds; with 0 the connection is never closed."""

    kind = "timeout"
    stage = TimeoutStage
    timeout: int = 0


TOXIC = Timeout

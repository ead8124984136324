"""reset_peer: the connection is reset (RST), `timeout` after its first byte."""

from faults.transport.stage import Chunk, Stage
from faults.transport.toxic import Exchange, Placed, Toxic


class ResetPeerStage(Stage["ResetPeer"]):
    """From the first byte, or the end, that it is for nothing passes any more."""

    _since_s: float | None = None
    _last: Exchange | None = None

    def push(self, chunk: Chunk) -> None:
        if self._since_s is not None:
            return
        self._last = chunk.exchange
        if self.is_for(chunk.exchange):
            self._strike()
        else:
            self.after.push(chunk)

    def end(self) -> None:
        if self._since_s is not None:
            return
        if self.is_for(self._last):
            self._strike()
        else:
            self.after.end()

    def changed_to(self, placed: Placed) -> None:
        super().changed_to(placed)
        self._wait()

    def removed(self) -> None:
        if self._since_s is not None:
            self._reset()

    def _strike(self) -> None:
        self.side.hold(1)  # an exchange without toxics must not go round this one
        self._since_s = self.side.timers.now()
        self._wait()

    def _wait(self) -> None:
        if self._since_s is not None:
            self.wait_until(self._since_s + self.toxic.timeout / 1000, self._reset)

    def _reset(self) -> None:
        self.changed(self._last, f"connection reset {self.toxic.timeout} ms into the {self.what}")
        self.side.reset()


class ResetPeer(Toxic, frozen=True):
    """`timeout` in milliseconds; with 0 at once."""

    kind = "reset_peer"
    stage = ResetPeerStage
    timeout: int = 0


TOXIC = ResetPeer

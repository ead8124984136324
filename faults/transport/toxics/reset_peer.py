"""reset_peer: the connection is reset (RST), `timeout` after its first byte."""

from faults.transport.stage import Chunk, Stage
from faults.transport.timer import Timer
from faults.transport.toxic import Exchange, Toxic


class ResetPeerStage(Stage["ResetPeer"]):
    """From the first byte, or the end, that it is for nothing passes any more."""

    _timer: Timer | None = None
    _last: Exchange | None = None

    def push(self, chunk: Chunk) -> None:
        self._last = chunk.exchange
        if self._timer is None and not self.is_for(chunk.exchange):
            self.after.push(chunk)
        else:
            self._arm()

    def end(self) -> None:
        if self._timer is None and not (self.is_on or (self.by_exchange and self.is_for(self._last))):
            self.after.end()
        else:
            self._arm()

    def removed(self) -> None:
        if self._timer is not None:
            self._timer.fire()

    def _arm(self) -> None:
        if self._timer is None:
            self.side.hold(1)  # an exchange without toxics must not go round this one
            timers = self.side.timers
            self._timer = timers.at(timers.now() + max(self.toxic.timeout, 0) / 1000, self._reset)

    def _reset(self) -> None:
        self.changed(self._last, f"connection reset {self.toxic.timeout} ms into the {self.what}")
        self.side.reset()


class ResetPeer(Toxic, frozen=True):
    """`timeout` in milliseconds; with 0 at once."""

    kind = "reset_peer"
    stage = ResetPeerStage
    timeout: int = 0


TOXIC = ResetPeer

"""half_open: the other side falls silent: it reads nothing, sends nothing and never closes."""

from typing import Annotated

import msgspec

from faults.transport.stage import Chunk, Stage
from faults.transport.timer import Timer
from faults.transport.toxic import Exchange, Toxic


class HalfOpenStage(Stage["HalfOpen"]):
    """The kernel goes on acknowledging until its buffer is full, as that of a process that hangs does. Nobody reads any
    more, so that a client that gives up is not noticed: the connection is closed when the toxic is taken away, or its
    fault is over."""

    _timer: Timer | None = None
    _is_silent = False

    def began(self) -> None:
        if self.is_on:
            self._silence_later(None)

    def push(self, chunk: Chunk) -> None:
        if self._timer is None and not self._is_silent and self.is_for(chunk.exchange):
            self._silence_later(chunk.exchange)
        if not self._is_silent:
            self.after.push(chunk)

    def removed(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._is_silent:
            self.side.close()

    def _silence_later(self, exchange: Exchange | None) -> None:
        if self.toxic.after > 0:
            timers = self.side.timers
            self._timer = timers.at(timers.now() + self.toxic.after / 1000, lambda: self._silence(exchange))
        else:
            self._silence(exchange)

    def _silence(self, exchange: Exchange | None) -> None:
        self._timer, self._is_silent = None, True
        self.changed(exchange, f"silent {self.toxic.after} ms into the {self.what}")
        self.side.fall_silent()


class HalfOpen(Toxic, frozen=True):
    """`after` in milliseconds from the first byte that it is for, or from the beginning of the connection."""

    kind = "half_open"
    stage = HalfOpenStage
    is_ours = True
    after: Annotated[int, msgspec.Meta(ge=0)] = 0


TOXIC = HalfOpen

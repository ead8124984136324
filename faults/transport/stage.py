"""One toxic at work on one direction of one connection: chunks go in by `push` and out to what stands behind it."""

from collections import deque
from collections.abc import Iterable
from math import inf
from typing import Any, Generic, Protocol, TypeVar

from faults.transport.timer import Callback, Timer, Timers
from faults.transport.toxic import Exchange, Placed, Stream, Toxic

T = TypeVar("T", bound=Toxic)

HELD_MAX = 256 * 1024
"""Bytes that one direction of a connection holds before its source is read no further."""


class Chunk:
    """Bytes that came together. `stamp`: when they came, or left the last toxic that delayed them."""

    __slots__ = ("data", "exchange", "stamp")

    def __init__(self, data: bytes, stamp: float, exchange: Exchange | None = None) -> None:
        self.data, self.stamp, self.exchange = data, stamp, exchange


class Onward(Protocol):
    """What stands behind a stage: the next one, or the way out."""

    def push(self, chunk: Chunk) -> None: ...

    def end(self) -> None:
        """No more will come."""
        ...


class Direction(Onward, Protocol):
    """What a stage may do to its direction of the connection, and to the connection."""

    stream: Stream
    timers: Timers

    def draw(self, toxic: str, *parts: int) -> float:
        """A number in [0, 1) of this connection and toxic."""
        ...

    def hold(self, size: int) -> None:
        """So many bytes wait in a stage (below 0: they left it); the source is read no further when they are many."""
        ...

    def close(self) -> None:
        """The source is read no further, and when this direction ends, so does the whole connection; at once where it
        has fallen silent."""
        ...

    def reset(self) -> None:
        """Breaks the whole connection off (RST) at once."""
        ...

    def fall_silent(self) -> None:
        """Reads and sends nothing any more, in either direction, and closes nothing."""
        ...


class Stage(Generic[T]):
    """Passes everything on. A toxic's own stage says otherwise."""

    held_max = HELD_MAX
    _timer: Timer | None = None

    def __init__(self, side: Direction, placed: Placed) -> None:
        self.side, self.after = side, _as_onward(side)
        self._times_placed = 0
        self._drawn_for: Exchange | None = None
        self._drawn = 0
        self._place(placed)

    def _place(self, placed: Placed) -> None:
        self.placed, self.name = placed, placed.name
        self.toxic: T = placed.toxic  # type: ignore[assignment]  # its class names this stage as its own
        self.by_exchange = bool(placed.fault) or placed.match is not None
        self.is_on = not self.by_exchange and self.side.draw(self.name, self._times_placed) < placed.toxicity
        self._times_placed += 1

    # --- what a toxic may say otherwise ----------------------------------------------------------------------------
    def began(self) -> None:
        """It stands in its place: when the connection begins, or when the toxic is added or changed."""

    def push(self, chunk: Chunk) -> None:
        self.after.push(chunk)

    def end(self) -> None:
        self.after.end()

    def changed_to(self, placed: Placed) -> None:
        """The toxic has other attributes from now on."""
        self._place(placed)
        self.began()

    def removed(self) -> None:
        """The toxic is taken away: what it holds goes on."""

    def released(self) -> None:
        """All faults are over, though the toxic stays: what it holds of struck exchanges goes on."""
        self.removed()

    def closed(self) -> None:
        """The connection is over, and nothing of it may be kept."""
        self.stop_waiting()

    def connects_after_s(self, exchange: Exchange | None) -> float:
        """Seconds by which the upstream is dialled later; asked before anything is read."""
        return 0.0

    # --- what a toxic needs ----------------------------------------------------------------------------------------
    def is_for(self, exchange: Exchange | None) -> bool:
        """Whether the toxic is for what belongs to this exchange."""
        if self.by_exchange:
            return exchange is not None and self.name in exchange.struck
        return self.is_on

    def next_draw(self, exchange: Exchange | None) -> float:
        """The next number in [0, 1) of this exchange, or of the connection where there is none."""
        if exchange is not self._drawn_for:
            self._drawn_for, self._drawn = exchange, 0
        n, self._drawn = self._drawn, self._drawn + 1
        return self.draw(exchange, n)

    def draw(self, exchange: Exchange | None, n: int) -> float:
        """The n-th number in [0, 1) of this exchange, or of the connection where there is none."""
        return exchange.draw(self.name, n) if exchange is not None else self.side.draw(self.name, -1, n)

    def changed(self, exchange: Exchange | None, words: str, size: int = 0) -> None:
        """Tells the exchange what was really done to it."""
        if exchange is not None and self.by_exchange:
            exchange.changed(self.name, words, size)

    def wait_until(self, when_s: float, callback: Callback) -> None:
        """Calls back at that moment, and at no other that it was told before."""
        self.stop_waiting()
        self._timer = self.side.timers.at(when_s, callback)

    def stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def cut(self) -> None:
        """Ends the whole connection, behind what has passed this stage."""
        self.side.close()
        self.after.end()

    @property
    def what(self) -> str:
        """What passes here, in a word."""
        return "request" if self.side.stream is Stream.UPSTREAM else "answer"


def _as_onward(side: Direction) -> Onward:
    return side


class Delaying(Stage[T]):
    """Holds chunks until their moments, in their order; what is not struck waits for what stands before it."""

    def __init__(self, side: Direction, placed: Placed) -> None:
        self._waiting: deque[tuple[float, Chunk | None]] = deque()
        super().__init__(side, placed)

    def until(self, due_s: float, chunk: Chunk) -> None:
        """The chunk goes on at that moment, and not before what came before it. Infinity: not before it is told."""
        if not self._waiting and due_s <= self.side.timers.now():
            self._leave(due_s, chunk)
        else:
            self._wait(due_s, chunk)

    def pass_on(self, chunk: Chunk) -> None:
        """The chunk goes on as soon as all that came before it has."""
        if self._waiting:
            self._wait(self.last_due_s, chunk)
        else:
            self.after.push(chunk)

    def end(self) -> None:
        if self._waiting:
            self._wait(self.last_due_s, None)
        else:
            self.after.end()

    def removed(self) -> None:
        for chunk in self.taken():
            self.after.push(chunk) if chunk is not None else self.after.end()

    def closed(self) -> None:
        super().closed()
        self._waiting.clear()

    def taken(self) -> Iterable[Chunk | None]:
        """All that waits, taken out, as it came; None stands for the end."""
        waiting, self._waiting = self._waiting, deque()
        self.stop_waiting()
        for _, chunk in waiting:
            if chunk is not None:
                self.side.hold(-len(chunk.data))
        return [chunk for _, chunk in waiting]

    def again(self) -> None:
        """All that waits comes as if it came now, its stamps as they are: to another toxic."""
        for chunk in self.taken():
            self.push(chunk) if chunk is not None else self.end()

    @property
    def last_due_s(self) -> float:
        """When the last of what waits goes on; long ago where nothing waits."""
        return self._waiting[-1][0] if self._waiting else 0.0

    def _leave(self, due_s: float, chunk: Chunk) -> None:
        if due_s > chunk.stamp:
            chunk.stamp = due_s  # and not now: what is late here is not to be later behind the next toxic
        self.after.push(chunk)

    def _wait(self, due_s: float, chunk: Chunk | None) -> None:
        due_s = max(due_s, self.last_due_s)
        self._waiting.append((due_s, chunk))
        if chunk is not None:
            self.side.hold(len(chunk.data))
        if len(self._waiting) == 1:
            self._arm(due_s)

    def _arm(self, due_s: float) -> None:
        if due_s < inf:
            self.wait_until(due_s, self._go_on)

    def _go_on(self) -> None:
        self._timer = None
        now = self.side.timers.now()
        while self._waiting and self._waiting[0][0] <= now:
            due_s, chunk = self._waiting.popleft()
            if chunk is None:
                self.after.end()
            else:
                self.side.hold(-len(chunk.data))
                self._leave(due_s, chunk)
        if self._waiting and self._timer is None:
            self._arm(self._waiting[0][0])


def stage_of(side: Direction, placed: Placed) -> Stage[Any]:
    """A new stage for a toxic."""
    made: Stage[Any] = placed.toxic.stage(side, placed)
    return made

"""One toxic at work on one direction of one connection: chunks go in by `push` and out to what stands behind it."""

from collections import deque
from collections.abc import Iterable
from math import inf
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from faults.transport.timer import Timer, Timers
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
        """Ends the whole connection, once what has passed the toxics is written."""
        ...

    def reset(self) -> None:
        """Breaks the whole connection off (RST) at once."""
        ...

    def fall_silent(self) -> None:
        """Reads and sends nothing any more, in either direction, and closes nothing."""
        ...


class Stage(Generic[T]):
    """Passes everything on. A toxic's own stage says otherwise."""

    held_max: ClassVar[int] = HELD_MAX

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
        self._timer: Timer | None = None
        super().__init__(side, placed)

    def until(self, due_s: float, chunk: Chunk) -> None:
        """The chunk goes on at that moment, and not before what came before it. Infinity: not before it is told."""
        if not self._waiting and due_s <= self.side.timers.now():
            self.after.push(chunk)
            return
        self._wait(due_s, chunk)

    def pass_on(self, chunk: Chunk) -> None:
        """The chunk goes on as soon as all that came before it has."""
        if self._waiting:
            self._wait(self._waiting[-1][0], chunk)
        else:
            self.after.push(chunk)

    def end(self) -> None:
        if self._waiting:
            self._wait(self._waiting[-1][0], None)
        else:
            self.after.end()

    def removed(self) -> None:
        for chunk in self.taken():
            self.after.push(chunk) if chunk is not None else self.after.end()

    def taken(self) -> Iterable[Chunk | None]:
        """All that waits, taken out; None stands for the end."""
        waiting, self._waiting = self._waiting, deque()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for _, chunk in waiting:
            if chunk is not None:
                self.side.hold(-len(chunk.data))
        return [chunk for _, chunk in waiting]

    @property
    def last_due_s(self) -> float:
        """When the last of what waits goes on; long ago where nothing waits."""
        return self._waiting[-1][0] if self._waiting else 0.0

    def _wait(self, due_s: float, chunk: Chunk | None) -> None:
        due_s = max(due_s, self.last_due_s)
        self._waiting.append((due_s, chunk))
        if chunk is not None:
            self.side.hold(len(chunk.data))
        if len(self._waiting) == 1:
            self._arm(due_s)

    def _arm(self, due_s: float) -> None:
        if due_s < inf:
            self._timer = self.side.timers.at(due_s, self._go_on)

    def _go_on(self) -> None:
        self._timer = None
        waiting, now = self._waiting, self.side.timers.now()
        while waiting and waiting[0][0] <= now:
            _, chunk = waiting.popleft()
            if chunk is None:
                self.after.end()
            else:
                self.side.hold(-len(chunk.data))
                self.after.push(chunk)
        if waiting and self._timer is None:
            self._arm(waiting[0][0])


def stage_of(side: Direction, placed: Placed) -> Stage[Any]:
    """A new stage for a toxic."""
    made: Stage[Any] = placed.toxic.stage(side, placed)
    return made

"""One direction of a connection whose time stands still, and exchanges that a test decides about."""

from collections.abc import Callable

from faults.transport.stage import Chunk, Stage, stage_of
from faults.transport.timer import Timer
from faults.transport.toxic import Placed, Stream, Toxic
from plan.chance import draw


class Moments:
    """Timers that a test moves."""

    def __init__(self) -> None:
        self.s = 100.0
        self.set: list[tuple[float, Timer]] = []

    def now(self) -> float:
        return self.s

    def at(self, when_s: float, callback: Callable[[], None]) -> Timer:
        self.set.append((when_s, Timer(callback)))
        return self.set[-1][1]

    def move_s(self, seconds: float) -> None:
        until = self.s + seconds
        while due := [one for one in self.set if one[0] <= until]:
            first = min(due, key=lambda one: one[0])
            self.set.remove(first)
            self.s = max(self.s, first[0])
            first[1].fire()
        self.s = until


class Way:
    """One direction, and what came out of it: (ms since the beginning, bytes)."""

    def __init__(self, stream: Stream = Stream.DOWNSTREAM) -> None:
        self.stream, self.timers = stream, Moments()
        self.out: list[tuple[float, bytes]] = []
        self.told: list[str] = []
        self.held = self.connection = 0

    def draw(self, toxic: str, *parts: int) -> float:
        return draw(3, toxic, self.connection, *parts)

    def hold(self, size: int) -> None:
        self.held += size

    def push(self, chunk: Chunk) -> None:
        self.out.append((round((self.timers.s - 100.0) * 1000, 3), chunk.data))

    def end(self) -> None:
        self.told.append("end")

    def close(self) -> None:
        self.told.append("close")

    def reset(self) -> None:
        self.told.append("reset")

    def fall_silent(self) -> None:
        self.told.append("silent")


class Keyed:
    """An exchange that some toxics are for; it loses what its draws say."""

    def __init__(self, draws: dict[int, float] | None = None, *, struck: bool = True, rate: float = 0.0) -> None:
        self.struck = frozenset({"toxic"} if struck else ())
        self.draws, self.rate = draws or {}, rate
        self.noted: list[tuple[str, int]] = []

    def draw(self, toxic: str, n: int) -> float:
        return self.draws.get(n, 0.99)

    def changed(self, toxic: str, words: str, size: int) -> None:
        self.noted.append((words, size))

    def end(self) -> None: ...


def staged(toxic: Toxic, way: Way, *, fault: str = "fault", toxicity: float = 1.0) -> Stage[Toxic]:
    placed = Placed("toxic", way.stream, toxic, toxicity, fault=fault)
    stage: Stage[Toxic] = stage_of(way, placed)  # type: ignore[arg-type]
    stage.began()
    return stage


def say(stage: Stage[Toxic], way: Way, data: bytes, exchange: Keyed | None = None) -> None:
    stage.push(Chunk(data, way.timers.now(), exchange))

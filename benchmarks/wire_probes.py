"""Every toxic asked against got: one probe each, through a server that stands, by its API and from outside.

A probe takes a `Standing` and gives, for each value that it asked for, what it got in the same unit. It leaves no toxic
behind, also when it fails.
"""

import selectors
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from benchmarks.wire_load import GET, READ_SIZE, connected, percentile, round_trip_us, take
from benchmarks.wire_servers import Standing
from benchmarks.wire_upstream import ANSWER, COUNT_SIZE, PIECE

Got = dict[float, list[float]]
"""Samples by what was asked for."""


@contextmanager
def struck(
    one: Standing, service: str, kind: str, *, stream: str = "downstream", toxicity: float = 1.0, **of: object
) -> Iterator[None]:
    """A toxic, for as long as the context is open."""
    one.place(service, kind, stream=stream, toxicity=toxicity, **of)
    try:
        yield
    finally:
        one.heal(service, kind)


@contextmanager
def pouring(one: Standing, size: int) -> Iterator[socket.socket]:
    """A connection to the source that was just asked for so many bytes."""
    with connected(one.ports["source"]) as line:
        line.sendall(size.to_bytes(COUNT_SIZE, "big"))
        yield line


def pieces(line: socket.socket) -> Iterator[tuple[float, bytes]]:
    """What comes, and when (s), until the other end closes."""
    while piece := line.recv(READ_SIZE):
        yield time.perf_counter(), piece


def round_trip_floor_ms(none: Standing) -> float:
    """The median round trip without a proxy."""
    with connected(none.ports["http"]) as line:
        return percentile([round_trip_us(line) / 1e3 for _ in range(500)], 0.5)


# --- delays and rates ----------------------------------------------------------------------------------------------
def latency(one: Standing) -> Got:
    """ms by which round trips became longer than those without a proxy."""
    return {ms: _trips_ms(one, ms, count) for ms, count in ((1, 150), (5, 100), (50, 20), (500, 5))}


def _trips_ms(one: Standing, ms: float, count: int) -> list[float]:
    with struck(one, "http", "latency", latency=ms, jitter=0), connected(one.ports["http"]) as line:
        return [round_trip_us(line) / 1e3 for _ in range(count)]


JITTER_MS, ABOUT_MS = 15, 20
LINES, TURNS = 25, 60


def jitter(one: Standing) -> Got:
    """Quantiles (ms) of round trips under latency 20 ± 15 ms, beside those of the even distribution."""
    with struck(one, "http", "latency", latency=ABOUT_MS, jitter=JITTER_MS), ExitStack() as stack:
        lines = [stack.enter_context(connected(one.ports["http"])) for _ in range(LINES)]
        spent = [ms for _ in range(TURNS) for ms in _together_ms(lines)]
    low = ABOUT_MS - JITTER_MS
    shares = (0.1, 0.3, 0.5, 0.7, 0.9)
    return {round(low + 2 * JITTER_MS * share, 3): [percentile(spent, share)] for share in shares}


def _together_ms(lines: list[socket.socket]) -> list[float]:
    """One round trip on each line, all begun at once."""
    spent: list[float] = []
    with selectors.DefaultSelector() as waiting:
        begun: dict[object, float] = {}
        for line in lines:
            waiting.register(line, selectors.EVENT_READ)
            begun[line] = time.perf_counter()
            line.sendall(GET)
        while len(spent) < len(lines):
            ready = waiting.select(10)
            assert ready, "no answer within 10 s"
            now = time.perf_counter()
            for key, _ in ready:
                ready_line = key.fileobj
                assert isinstance(ready_line, socket.socket)
                assert take(ready_line, len(ANSWER)) == ANSWER
                spent.append((now - begun[ready_line]) * 1e3)
    return spent


def bandwidth(one: Standing) -> Got:
    """KB/s (1,000 bytes) that the source's bytes came with."""
    return {rate: _rates(one, rate, seconds) for rate, seconds in ((10, 2), (100, 2), (1000, 2), (10_000, 2), (1e5, 2))}


def _rates(one: Standing, rate: float, seconds: float) -> list[float]:
    size = int(rate * 1000 * seconds)
    with struck(one, "source", "bandwidth", rate=int(rate)):
        begun = time.perf_counter()
        with pouring(one, size) as line:
            came = sum(len(piece) for _, piece in pieces(line))
        assert came == size, f"{came} bytes came of {size}"
        return [size / (time.perf_counter() - begun) / 1e3]


# --- whom it strikes -----------------------------------------------------------------------------------------------
AT_ONCE = 100
TOXIC_TURNS = 15
TOXIC_TRIES = TOXIC_TURNS * AT_ONCE
STRUCK_MS = 150


def toxicity(one: Standing) -> Got:
    """Percent of connections that a latency toxic of this toxicity was for."""
    return {percent: [_struck_percent(one, percent)] for percent in (1, 10, 50)}


def _struck_percent(one: Standing, percent: float) -> float:
    with struck(one, "http", "latency", toxicity=percent / 100, latency=STRUCK_MS, jitter=0):
        return 100 * sum(_late(one, STRUCK_MS / 2) for _ in range(TOXIC_TURNS)) / TOXIC_TRIES


def _late(one: Standing, by_ms: float) -> int:
    """How many first trips of AT_ONCE new connections took so much longer than the quickest of them: where the whole
    machine stood still they are all as late."""
    with ExitStack() as stack:
        trips_ms = _together_ms([stack.enter_context(connected(one.ports["http"])) for _ in range(AT_ONCE)])
    return sum(ms > min(trips_ms) + by_ms for ms in trips_ms)


# --- slices --------------------------------------------------------------------------------------------------------
SLICES = 16


def slice_sizes(one: Standing) -> Got:
    """Mean bytes of a slice of one answer that is 16 slices long, varied by a fifth, 3 ms apart."""
    found: Got = {}
    for size in (100, 500, 2000):
        with struck(one, "source", "slicer", average_size=size, size_variation=size // 5, delay=3000):
            found[size] = [sum(sizes) / len(sizes) for sizes, _ in (_sliced(one, SLICES * size) for _ in range(5))]
    return found


def slice_gaps(one: Standing) -> Got:
    """ms between slices of 1,000 bytes."""
    found: Got = {}
    for gap_ms in (1, 5, 20):
        with struck(one, "source", "slicer", average_size=1000, size_variation=0, delay=gap_ms * 1000):
            found[gap_ms] = [gap for _ in range(5) for gap in _sliced(one, SLICES * 1000)[1]]
    return found


def _sliced(one: Standing, size: int) -> tuple[list[int], list[float]]:
    """Sizes of what was read at once, and the ms between."""
    with pouring(one, size) as line:
        seen = list(pieces(line))
    gaps = [(later - sooner) * 1e3 for (sooner, _), (later, _) in pairwise(seen)]
    return [len(piece) for _, piece in seen], gaps


# --- ends ----------------------------------------------------------------------------------------------------------
ENDS = ((50, 8), (200, 4), (1000, 2))
"""ms, and how often."""


def timeout(one: Standing) -> Got:
    """ms until a connection that carried nothing is closed."""
    found: Got = {}
    for ms, count in ENDS:
        with struck(one, "echo", "timeout", timeout=ms):
            found[ms] = [_silent_ms(one) for _ in range(count)]
    return found


def _silent_ms(one: Standing) -> float:
    begun = time.perf_counter()
    with connected(one.ports["echo"]) as line:
        assert line.recv(1) == b""
        return (time.perf_counter() - begun) * 1e3


def reset_peer(one: Standing) -> Got:
    """ms from the first byte of the client until its connection is reset."""
    found: Got = {}
    for ms, count in ((0, 20), *ENDS):
        with struck(one, "echo", "reset_peer", stream="upstream", timeout=ms):
            found[ms] = [_reset_ms(one) for _ in range(count)]
    return found


def _reset_ms(one: Standing) -> float:
    with connected(one.ports["echo"]) as line:
        begun = time.perf_counter()
        line.sendall(b"?")
        try:
            came = line.recv(1)
        except ConnectionResetError:
            return (time.perf_counter() - begun) * 1e3
        raise AssertionError(f"{one.name}: not reset, but {came!r} came")


def slow_close(one: Standing) -> Got:
    """ms between the last byte and the end of the connection."""
    found: Got = {}
    for ms, count in ENDS:
        with struck(one, "source", "slow_close", delay=ms):
            found[ms] = [_close_ms(one) for _ in range(count)]
    return found


def _close_ms(one: Standing) -> float:
    with pouring(one, 1000) as line:
        *_, (last, _) = pieces(line)
        return (time.perf_counter() - last) * 1e3


def limit_data(one: Standing) -> Got:
    """Bytes that came before the end, of twice as many."""
    found: Got = {}
    for limit in (100, 10_000, 1_000_000):
        with struck(one, "source", "limit_data", bytes=limit), pouring(one, 2 * limit) as line:
            found[limit] = [sum(len(piece) for _, piece in pieces(line))]
    return found


# --- changes -------------------------------------------------------------------------------------------------------
CHANGES = 15
CHANGE_MS = 30


def in_force(one: Standing) -> Got:
    """ms after the API's answer until an open connection feels the change; asked: 1 a toxic is added, 2 it is changed,
    3 it is removed, 4 the proxy is disabled (the connection ends)."""
    found: Got = {1: [], 2: [], 3: [], 4: []}
    for _ in range(CHANGES):
        with connected(one.ports["http"]) as line:
            round_trip_us(line)
            one.place("http", "latency", latency=CHANGE_MS, jitter=0)
            found[1].append(_until_ms(line, lambda ms: ms > CHANGE_MS / 2))
            one.change("http", "latency", latency=3 * CHANGE_MS, jitter=0)
            found[2].append(_until_ms(line, lambda ms: ms > 2 * CHANGE_MS))
            one.heal("http", "latency")
            found[3].append(_until_ms(line, lambda ms: ms < CHANGE_MS / 2))
            one.tell("POST", "/proxies/http", {"enabled": False})
            found[4].append(_until_closed_ms(line))
            one.tell("POST", "/proxies/http", {"enabled": True})
    return found


def _until_ms(line: socket.socket, is_changed: Callable[[float], bool]) -> float:
    """ms from now until the first round trip that feels it is sent."""
    begun = time.perf_counter()
    while True:
        sent = time.perf_counter()
        if is_changed(round_trip_us(line) / 1e3):
            return (sent - begun) * 1e3
        assert sent - begun < 5, "the change is not felt within 5 s"


def _until_closed_ms(line: socket.socket) -> float:
    begun = time.perf_counter()
    with suppress(ConnectionResetError):
        assert line.recv(1) == b""
    return (time.perf_counter() - begun) * 1e3


# --- of our own ----------------------------------------------------------------------------------------------------
CORRUPT_BYTES = 20_000_000
LOSS_TURNS = 10
LOSS_TRIES = LOSS_TURNS * AT_ONCE
LATE_MS = 150
"""A lost segment that was alone is sent again after 200 ms at the least."""


def corrupt(one: Standing) -> Got:
    """Bytes in a megabyte (10^6) that are not what the source sent."""
    found: Got = {}
    for flips in (1, 10, 100):
        with struck(one, "source", "corrupt", per_mb=flips), pouring(one, CORRUPT_BYTES) as line:
            came = b"".join(piece for _, piece in pieces(line))
        assert len(came) == CORRUPT_BYTES
        meant = (PIECE * (CORRUPT_BYTES // len(PIECE) + 1))[:CORRUPT_BYTES]
        wrong = int(np.count_nonzero(np.frombuffer(came, np.uint8) != np.frombuffer(meant, np.uint8)))
        found[flips] = [wrong / (CORRUPT_BYTES / 1e6)]
    return found


def loss(one: Standing) -> Got:
    """Percent of short answers, each the first of its connection, that came as late as if sent again."""
    found: Got = {}
    for percent in (1, 5, 20):
        with struck(one, "http", "loss", share=percent / 100):
            found[percent] = [100 * sum(_late(one, LATE_MS) for _ in range(LOSS_TURNS)) / LOSS_TRIES]
    return found


CURVE = ((0, 0.0), (200, 0.4))
LOAD_TRIES, RATES = 300, (50, 100)
WARM_S = 1.2
"""Until a hop knows its own rate, of the last second."""


def loss_with_load(one: Standing) -> Got:
    """The same at an even pace of new connections; asked is what the curve says at that pace."""
    found: Got = {}
    for rate in RATES:
        with struck(one, "http", "loss_with_load", curve=CURVE):
            late = _paced_late(one, rate, int(rate * WARM_S))
        found[100 * CURVE[1][1] * rate / CURVE[1][0]] = [100 * late / LOAD_TRIES]
    return found


def _paced_late(one: Standing, rate: float, warm: int) -> int:
    """How many of LOAD_TRIES first trips were late, each of a connection of its own, after so many for warmth."""
    late = opened = answered = 0
    due_s = time.perf_counter()
    with ExitStack() as stack, selectors.DefaultSelector() as waiting:
        while answered < warm + LOAD_TRIES:
            is_opening = opened < warm + LOAD_TRIES
            ready = waiting.select(max(0.0, due_s - time.perf_counter()) if is_opening else 10)
            now = time.perf_counter()
            for key, _ in ready:
                waiting.unregister(key.fileobj)
                n, begun = key.data
                answered += 1
                late += n >= warm and (now - begun) * 1e3 > LATE_MS
            assert ready or is_opening, "no answer within 10 s"
            if is_opening and now >= due_s:
                line = stack.enter_context(connected(one.ports["http"]))
                waiting.register(line, selectors.EVENT_READ, (opened, time.perf_counter()))
                line.sendall(GET)
                opened, due_s = opened + 1, due_s + 1 / rate
    return late


SILENT_S = 0.3


def half_open(one: Standing) -> Got:
    """ms from the beginning of a connection to the first request that nobody answered, nor refused."""
    found: Got = {}
    for ms, count in ENDS:
        with struck(one, "http", "half_open", after=ms):
            found[ms] = [_answered_ms(one) for _ in range(count)]
    return found


def _answered_ms(one: Standing) -> float:
    begun = time.perf_counter()
    with connected(one.ports["http"], timeout_s=SILENT_S) as line:
        while True:
            sent = time.perf_counter()
            try:
                round_trip_us(line)
            except TimeoutError:
                return (sent - begun) * 1e3


@dataclass(frozen=True)
class Panel:
    """One toxic in the picture: how far off, by what was asked."""

    name: str
    en: str
    zh: str
    unit: str
    off: str
    """How the error is told: "ms", "%" of what was asked, or "points" of percent."""
    probe: Callable[[Standing], Got]
    is_ours: bool = False
    is_round_trip: bool = False
    """Whether what was got still holds what a round trip takes without any proxy."""


PANELS = (
    Panel("latency", "latency", "延迟", "ms", "ms", latency, is_round_trip=True),
    Panel(
        "jitter", "latency 20 ± 15 ms, quantiles", "延迟 20 ± 15 ms 的分位数", "ms", "ms", jitter, is_round_trip=True
    ),
    Panel("bandwidth", "bandwidth", "带宽", "KB/s", "%", bandwidth),
    Panel("toxicity", "toxicity", "命中比例", "%", "points", toxicity),
    Panel("slice_sizes", "slicer: mean size", "切片：平均大小", "bytes", "%", slice_sizes),
    Panel("slice_gaps", "slicer: gap", "切片：间隔", "ms", "ms", slice_gaps),
    Panel("timeout", "timeout: moment of the end", "timeout：断开时刻", "ms", "ms", timeout),
    Panel("reset_peer", "reset_peer: moment of the reset", "reset_peer：重置时刻", "ms", "ms", reset_peer),
    Panel("slow_close", "slow_close", "延迟关闭", "ms", "ms", slow_close),
    Panel("limit_data", "limit_data", "限制字节数", "bytes", "%", limit_data),
    Panel("in_force", "a change is in force after", "改动生效时刻", "", "ms", in_force),
    Panel("corrupt", "corrupt (ours)", "字节损坏（自有）", "bytes/MB", "%", corrupt, is_ours=True),
    Panel(
        "half_open",
        "half_open (ours): silence",
        "half_open（自有）：沉默",
        "ms",
        "ms",
        half_open,
        is_ours=True,
    ),
    Panel("loss", "loss, modelled (ours)", "丢包模型（自有）", "%", "points", loss, is_ours=True),
    Panel(
        "loss_with_load", "loss with load (ours)", "随负载的丢包（自有）", "%", "points", loss_with_load, is_ours=True
    ),
)
CHANGE_WORDS = {1: ("added", "添加"), 2: ("changed", "修改"), 3: ("removed", "移除"), 4: ("disabled", "停用")}

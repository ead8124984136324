"""Load for the servers of the wire, and what it saw: round trips, streams, wrk, idle connections."""

import re
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from benchmarks.wire_upstream import ANSWER, COUNT_SIZE, DONE

GET = b"GET /pay?n=1 HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nUser-Agent: bench\r\n\r\n"
READ_SIZE = 1 << 18


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of them do not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, max(0, -int(-len(ranked) * share // 1) - 1))]


def median(values: Sequence[float]) -> float:
    """The middle one; of an even number the mean of the two."""
    ranked = sorted(values)
    return (ranked[(len(ranked) - 1) // 2] + ranked[len(ranked) // 2]) / 2


@contextmanager
def connected(port: int, *, timeout_s: float = 30.0) -> Iterator[socket.socket]:
    """A connection that does not wait to fill packets."""
    with socket.create_connection(("127.0.0.1", port), timeout_s) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield line


def take(line: socket.socket, size: int) -> bytes:
    """Exactly so many bytes; fewer where the other end closed."""
    taken = b""
    while len(taken) < size and (piece := line.recv(size - len(taken))):
        taken += piece
    return taken


def round_trip_us(line: socket.socket) -> float:
    """One request and its answer on an open connection to the http service."""
    begun = time.perf_counter()
    line.sendall(GET)
    answer = take(line, len(ANSWER))
    spent = (time.perf_counter() - begun) * 1e6
    assert answer == ANSWER, answer
    return spent


def round_trips_us(port: int, count: int) -> list[float]:
    """So many, one after the other, the first hundred beside them left out."""
    with connected(port) as line:
        for _ in range(100):
            round_trip_us(line)
        return [round_trip_us(line) for _ in range(count)]


def down_mb_s(port: int, size: int) -> float:
    """Megabytes (10^6) a second that one big answer of the source came with."""
    room = bytearray(READ_SIZE)
    with connected(port) as line:
        begun = time.perf_counter()
        line.sendall(size.to_bytes(COUNT_SIZE, "big"))
        got = 0
        while piece := line.recv_into(room):
            got += piece
        assert got == size, f"{got} bytes came of {size}"
        return size / (time.perf_counter() - begun) / 1e6


def up_mb_s(port: int, size: int) -> float:
    """The same towards the sink, until it said that it has all."""
    piece = bytes(READ_SIZE)
    with connected(port) as line:
        begun = time.perf_counter()
        line.sendall(size.to_bytes(COUNT_SIZE, "big"))
        for _ in range(size // READ_SIZE):
            line.sendall(piece)
        line.sendall(piece[: size % READ_SIZE])
        assert take(line, 1) == DONE
        return size / (time.perf_counter() - begun) / 1e6


def requests_per_s(port: int, *, connections: int, seconds: int, script: Path | None = None) -> float:
    """Answers a second, by wrk with one thread; fails if any answer is an error."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    command += ["-s", str(script)] if script else []
    said = subprocess.run(
        [*command, f"http://127.0.0.1:{port}/pay?n=1"], capture_output=True, text=True, check=True
    ).stdout
    assert "Non-2xx" not in said, said
    assert "Socket errors" not in said, said
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert rate, said
    return float(rate[1])


def rss_kb(pid: int) -> float:
    """Memory of a process in units of 1,000 bytes."""
    return float(psutil.Process(pid).memory_info().rss) / 1e3


def idle_kb(pid: int, port: int, count: int) -> float:
    """Memory that one open connection costs a server, after one request on each; in units of 1,000 bytes."""
    with ExitStack() as lines:
        for _ in range(count // 20):  # What the first connections of all cost stays out.
            round_trip_us(lines.enter_context(connected(port)))
        before = rss_kb(pid)
        for _ in range(count):
            round_trip_us(lines.enter_context(connected(port)))
        return (rss_kb(pid) - before) / count

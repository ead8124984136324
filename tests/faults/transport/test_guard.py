"""The guard of a server that is not ours: what it is told to take away, when, and nothing else."""

import os
import signal
import subprocess
import sys

import pytest

from faults.transport import guard
from tests.faults.transport.servers import WITHIN_S, Server


def told(*lines: bytes, ends: bool = True, lease_s: float = 5.0) -> list[str]:
    reading, writing = os.pipe()
    os.write(writing, b"".join(lines))
    if ends:
        os.close(writing)
    try:
        return guard.watch(reading, lease_s)
    finally:
        os.close(reading)
        if not ends:
            os.close(writing)


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        ((), []),
        ((b"beat\n", b"beat\n"), []),
        ((b"+ a\n", b"beat\n", b"+ b-1\n"), ["a", "b-1"]),
        ((b"+ a\n+ b\nbea", b"t\n+ c\n"), ["a", "b", "c"]),
        ((b"+ a\n", b"+ half of a na"), ["a"]),  # it was never made: its name came before it
    ],
)
def test_it_knows_the_names_that_it_was_told_when_the_harness_has_gone(
    lines: tuple[bytes, ...], names: list[str]
) -> None:
    assert told(*lines) == names


def test_a_harness_that_is_silent_for_a_lease_has_gone() -> None:
    assert told(b"+ a\n", ends=False, lease_s=0.02) == ["a"]


def test_only_what_was_named_is_taken_away_even_with_signals_and_names_that_are_gone(server: Server) -> None:
    for name in ("mine-1", "mine-2", "another's"):
        server.proxy(9, {"type": "latency", "attributes": {"latency": 5}}, name=name)
    command = [sys.executable, "-P", "-m", "faults.transport.guard", "127.0.0.1", str(server.port)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(b"+ mine-1\n+ never-made\n+ mine-2\nbeat\n")
    process.stdin.flush()
    process.send_signal(signal.SIGSTOP)
    process.send_signal(signal.SIGCONT)
    _, said = process.communicate(timeout=WITHIN_S)  # the pipe ends
    assert (process.returncode, said) == (0, b"")
    assert list(server.done("GET", "/proxies")) == ["another's"]


def test_a_server_that_has_gone_keeps_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    guard.remove("127.0.0.1", 9, ["one", "two"])
    assert capfd.readouterr().err == "guard: one: ConnectionRefusedError\nguard: two: ConnectionRefusedError\n"

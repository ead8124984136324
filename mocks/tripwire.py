"""Tells the harness, through a pipe given at start, that the shop has just acknowledged a struck notice."""

import os
from contextlib import suppress

import msgspec

from faults.decide import Exchange
from faults.verdict import Strike


class Tripped(msgspec.Struct, frozen=True):
    """One line of the pipe, as JSON: the fault, and whose notice it was."""

    fault: str
    o: str | None
    hop: str
    attempt: int


class Tripwire:
    """The writing end. Never waits: a pipe that is full or has no reader left loses the line, for then the harness is
    killing the shop already, or has gone itself."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd

    def __call__(self, strike: Strike, exchange: Exchange, o: str | None) -> None:
        line = msgspec.json.encode(Tripped(strike.fault_id, o, exchange.hop, exchange.attempt)) + b"\n"
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(self._fd, line)

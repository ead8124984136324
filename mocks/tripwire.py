"""Tells the harness, through a pipe given at start, that the shop has just acknowledged a struck notice."""

import os
from contextlib import suppress

import msgspec

from faults.decide import Exchange
from faults.verdict import Kill, Strike


class Tripped(msgspec.Struct, frozen=True):
    """One line of the pipe, as JSON: the fault, whose notice it was, and in how many wire seconds the shop is to be
    killed, as drawn for this notice."""

    fault: str
    o: str | None
    hop: str
    attempt: int
    after_ack_s: float


class Tripwire:
    """The writing end. Never waits: a pipe that is full or has no reader left loses the line, for then the harness is
    killing the shop already, or has gone itself."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd

    def __call__(self, strike: Strike, exchange: Exchange, o: str | None) -> None:
        assert isinstance(strike.effect, Kill)
        after_ack_s = strike.effect.after_ack_s or 0.0
        line = msgspec.json.encode(Tripped(strike.fault_id, o, exchange.hop, exchange.attempt, after_ack_s)) + b"\n"
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(self._fd, line)

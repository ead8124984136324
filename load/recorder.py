"""What the driver says: its journal, its requests by the second, and its live status."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from ledger.clock import SECOND_NS
from ledger.events import Event, Requests
from ledger.journal import JournalError, Voice
from ledger.rundir import write_atomically
from ledger.status import DriverStatus
from load.tally import Quantiles, Second

EXIT_BROKEN = 5

Fire = Callable[..., None]
"""Locust's request event."""


class Recorder:
    """The one way to the journal. Greenlets of one thread call it; a journal that fails ends the process at once,
    for a lost event makes the report a lie."""

    def __init__(self, voice: Voice, status_file: Path, now: Callable[[], int]) -> None:
        self.status = DriverStatus()
        self.fire: Fire | None = None
        self._voice = voice
        self._status_file = status_file
        self._now = now
        self._second: dict[str, Second] = {}
        self._second_end = 0
        self._lateness = Quantiles()
        self._is_closed = False

    def append(self, event: Event) -> None:
        if self._is_closed:
            return
        try:
            self._voice.append(event)
        except JournalError as error:
            _end_broken(error)

    def flush(self) -> None:
        """Puts on disk what is pending, and the seconds of requests that have passed."""
        self._end_seconds(self._now())
        try:
            self._voice.flush()
        except JournalError as error:
            _end_broken(error)

    def close(self) -> None:
        """Seals the journal. An answer that comes after this is nobody's any more: its request was recorded as one
        that nobody will hear the answer of."""
        self._write_second(self._now())
        self._is_closed = True
        try:
            self._voice.close()
        except JournalError as error:
            _end_broken(error)

    def was_late(self, ns: int) -> None:
        """An order was sent so long after it was due."""
        self._lateness.add(ns / 1e6)

    def answered(self, name: str, method: str, *, ms: float, size: int, why: str) -> None:
        """A request of the measured load ended; `why` is empty for a good answer."""
        second = self._of(name)
        second.add(ms, why)
        self.status.requests += 1
        if why:
            self.status.errors += 1
        if self.fire is not None:
            self.fire(
                request_type=method,
                name=name,
                response_time=ms,
                response_length=size,
                exception=why or None,
                context={},
            )

    def polled_late(self) -> None:
        """A page was read more than an interval after its turn."""
        self._of("poll").late += 1

    def write_status(self) -> None:
        self.status.late_p99_ms = round(self._lateness.at(0.99), 3)
        write_atomically(self._status_file, msgspec.json.encode(self.status))

    def _of(self, name: str) -> Second:
        t = self._now()
        if t >= self._second_end:
            self._end_seconds(t)
        second = self._second.get(name)
        if second is None:
            second = self._second[name] = Second()
        return second

    def _end_seconds(self, t: int) -> None:
        if t >= self._second_end:
            self._write_second(self._second_end)
            self._second_end = (t // SECOND_NS + 1) * SECOND_NS

    def _write_second(self, t: int) -> None:
        done, self._second = self._second, {}
        for name, second in sorted(done.items()):
            self.append(
                Requests(
                    t=t,
                    name=name,
                    count=second.count,
                    errors=second.errors,
                    late=second.late,
                    histogram=second.histogram,
                    why=second.why,
                )
            )


def _end_broken(error: JournalError) -> None:
    print(f"orderjam load: {error}", file=sys.stderr, flush=True)
    os._exit(EXIT_BROKEN)

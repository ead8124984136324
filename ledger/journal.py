"""Append-only NDJSON: one writer a file, sealed blocks, read back in order.

Each flush ends with a seal line ``{"k":"seal","n":…,"sha256":…,"closed":…}``: SHA-256 over the seal before it (64 zeros
at the start) and the bytes of the block, so that a changed, removed or inserted block shows. The seals show accidents
and careless edits, not a forger who recomputes them.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from ledger.clock import SECOND_NS, Clock
from ledger.events import Event, Exchanged, Struck

FLUSH_EVERY_NS = SECOND_NS // 4
"""Half of the half second that a killed writer may lose."""
NO_SEAL = "0" * 64
PIECE_BYTES = 1 << 22
"""As much of a journal as is read at once to check it."""
SUFFIX = ".ndjson"
STRUCK_PREFIX = "struck-"
BYTES_PREFIX = f"{STRUCK_PREFIX}bytes-"


class JournalError(Exception):
    """A journal could not be written or read: its file and the reason. A lost event makes the report a lie."""


class Seal(msgspec.Struct, frozen=True, tag_field="k", tag="seal"):
    """The line that ends a block: its count of events and the chained digest."""

    n: int
    sha256: str
    closed: bool = False


_Line = Event | Seal
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Line).decode


def _digest(before: str, block: bytes | bytearray) -> str:
    digest = hashlib.sha256(before.encode())
    digest.update(block)
    return digest.hexdigest()


class Journal:
    """One writer's file. `append` costs microseconds and does no I/O between flushes; not for several threads.

    Raises JournalError as soon as a block cannot be written whole; what was sealed before stays readable.
    """

    def __init__(self, path: Path, writer: str) -> None:
        self.path = path
        self._head = b'{"w":' + _encode(writer) + b","
        self._block = bytearray()
        self._n = 0
        self._seal = NO_SEAL
        self._flush_t = 0
        try:
            self._fd: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        except OSError as error:
            raise JournalError(f"{path}: cannot start this journal: {error.strerror}") from error

    def append(self, event: Event) -> None:
        """Takes the event; it is on disk at the latest FLUSH_EVERY_NS after, if the owner calls `flush` when idle."""
        if self._fd is None:
            raise JournalError(f"{self.path}: this journal is closed")
        line = _encode(event)  # before anything is added: an event that cannot be encoded must not leave half a line
        self._block += self._head
        self._block += line[1:]
        self._block += b"\n"
        self._n += 1
        if event.t - self._flush_t >= FLUSH_EVERY_NS:
            self._flush_t = event.t
            self.flush()

    def flush(self, *, closed: bool = False) -> None:
        """Writes the pending events and their seal; does nothing where nothing is pending."""
        if not self._n and not closed:
            return
        if self._fd is None:
            raise JournalError(f"{self.path}: this journal is closed")
        self._seal = _digest(self._seal, self._block)
        self._block += _encode(Seal(self._n, self._seal, closed)) + b"\n"
        try:
            self._write(self._fd)
        except OSError as error:
            os.close(self._fd)
            self._fd = None
            raise JournalError(f"{self.path}: {self._n} events lost: {error.strerror}") from error
        self._block.clear()
        self._n = 0

    def _write(self, fd: int) -> None:
        left = memoryview(self._block)
        try:
            while left:
                left = left[os.write(fd, left) :]
        finally:
            left.release()

    def close(self) -> None:
        """Seals the file as complete. A journal that was never closed tells that its writer was killed."""
        if self._fd is None:
            return
        self.flush(closed=True)
        assert self._fd is not None
        os.close(self._fd)
        self._fd = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Voice:
    """A writer's files: its facts, and apart from them what it struck, so that analysis can be run blind; and in a
    third one, if there are any, the bytes of what was struck."""

    def __init__(self, events_dir: Path, writer: str) -> None:
        self.writer = writer
        self.facts = Journal(events_dir / f"{writer}{SUFFIX}", writer)
        self.struck = Journal(events_dir / f"{STRUCK_PREFIX}{writer}{SUFFIX}", writer)
        self._bytes_path = events_dir / f"{BYTES_PREFIX}{writer}{SUFFIX}"
        self._bytes: Journal | None = None

    def append(self, event: Event) -> None:
        match event:
            case Struck():
                self.struck.append(event)
            case Exchanged():
                self._bytes = self._bytes or Journal(self._bytes_path, self.writer)
                self._bytes.append(event)
            case _:
                self.facts.append(event)

    def flush(self) -> None:
        self.facts.flush()
        self.struck.flush()
        if self._bytes is not None:
            self._bytes.flush()

    def close(self) -> None:
        with ExitStack() as last:
            last.callback(self.facts.close)
            last.callback(self.struck.close)
            if self._bytes is not None:
                last.callback(self._bytes.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


async def keep_sealing(voice: Voice, clock: Clock) -> None:
    """Seals what is pending five times a second, until cancelled; JournalError as soon as it cannot."""
    while True:
        await clock.wait_until(clock.t() + SECOND_NS // 5)
        voice.flush()


class Wholeness(StrEnum):
    """What can be said of a journal, or of a set of them."""

    CLOSED = "closed"
    UNCLOSED = "unclosed"
    BROKEN = "broken"


class FileCheck(msgspec.Struct, frozen=True):
    """One journal after checking: `events` sealed, `unsealed` complete lines after the last seal, `why` if broken."""

    file: str
    wholeness: Wholeness
    events: int
    unsealed: int
    bytes: int
    seal: str
    why: str = ""


def check(path: Path) -> FileCheck:
    """Recomputes every seal of a journal. Never raises for its content; JournalError if it cannot be read at all.

    Lets other threads run while it hashes and reads; holds two pieces of the file in memory, or one block if longer.
    """
    seal, events, in_block, closed, size = NO_SEAL, 0, 0, False, 0
    for block, line in _blocks(path):
        if closed:
            return _broken(path, events, size, seal, "goes on after its closing seal")
        size += len(block) + len(line)
        in_block = block.count(b"\n")
        if not line.endswith(b"\n"):  # its writer was cut off here, perhaps in the middle of a seal
            break
        try:
            found = msgspec.json.decode(line, type=Seal)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _broken(path, events, size, seal, f"unreadable seal after event {events}: {error}")
        if line != _encode(found) + b"\n":
            return _broken(path, events, size, seal, f"the seal after event {events} was edited")
        seal = _digest(seal, block)
        if (found.sha256, found.n) != (seal, in_block):
            return _broken(
                path, events, size, seal, f"the block of events {events + 1}..{events + found.n} was changed"
            )
        events, in_block, closed = events + in_block, 0, found.closed
    wholeness = Wholeness.CLOSED if closed else Wholeness.UNCLOSED
    return FileCheck(path.name, wholeness, events, in_block, size, seal)


def _blocks(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Each block with the seal line that ends it; what is left behind the last seal with a line that does not end."""
    rest, looked = b"", 0
    for piece in _pieces(path):
        data, begin = rest + piece, 0
        while (head := _seal_at(data, begin, looked)) >= 0 and (end := data.find(b"\n", head) + 1):
            yield data[begin:head], data[head:end]
            begin = looked = end
        rest = data[begin:]
        looked = max((head - begin if head >= 0 else len(rest)) - len(_SEAL_HEAD), 0)
    if rest:
        head = _seal_at(rest, 0, 0)
        yield (rest, b"") if head < 0 else (rest[:head], rest[head:])


_SEAL_HEAD = b'\n{"k":"seal"'


def _seal_at(data: bytes, begin: int, looked: int) -> int:
    """Where the next seal line begins: at `begin`, or behind a line's end that is not before `looked`; else -1."""
    if data.startswith(_SEAL_HEAD[1:], begin):
        return begin
    return data.find(_SEAL_HEAD, looked) + 1 or -1


def _broken(path: Path, events: int, size: int, seal: str, why: str) -> FileCheck:
    return FileCheck(path.name, Wholeness.BROKEN, events, 0, size, seal, why)


def _pieces(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                yield piece
    except OSError as error:
        raise JournalError(f"{path}: cannot read this journal: {error.strerror}") from error


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        raise JournalError(f"{path}: cannot read this journal: {error.strerror}") from error


def read(path: Path) -> Iterator[Event]:
    """The events of a journal in the order they were written, also of one whose writer was killed.

    A cut last line is left out; any other line that is no event raises JournalError naming file and line.
    """
    for number, line in enumerate(_lines(path), 1):
        if not line.endswith(b"\n"):
            return
        try:
            event = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise JournalError(f"{path}:{number}: not an event: {error}") from error
        if not isinstance(event, Seal):
            yield event

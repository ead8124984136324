"""What every voice told of single orders, and the frame of their run: read from the journals by looking for names, so
that one order of a million is found in a second or two."""

import mmap
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ledger.journal import BYTES_PREFIX, SUFFIX
from ledger.rundir import RunDir
from ledger.states import Phase

_VOICES = {
    "driver": ("planned", "sent", "unsent", "placed", "paid_at_cashier", "cancel_asked"),
    "page": ("seen", "poll_failed"),
    "books": ("booked",),
    "struck": ("struck",),
    "raw": ("exchanged",),
}
_VOICE_OF = {kind: voice for voice, kinds in _VOICES.items() for kind in kinds}
TRUTH, STRUCK, RAW = "truth", "struck", "raw"
_OWNER = '"o":'
"""How a journal writes whose a fact is: `ledger.journal` is the one writer, and writes no spaces."""
_HEAD = {"t", "w", "k", "o"}
_TAIL = 1 << 16
_PHASE = re.compile(rb'"phase"')
_HARNESS = f"harness{SUFFIX}"
"""Who alone tells of phases."""


class Event(msgspec.Struct, frozen=True):
    """A fact about an order: when (ns on the run's axis), who wrote it, its kind, and the kind's own fields."""

    t: int
    writer: str
    kind: str
    fields: dict[str, Any]

    @property
    def voice(self) -> str:
        """driver, page, truth, books, struck, or raw: the bytes of a struck exchange, masked by who wrote them."""
        return _VOICE_OF.get(self.kind, TRUTH)

    def text(self, name: str) -> str:
        """A field as text; empty where there is none."""
        value = self.fields.get(name)
        return "" if value is None else str(value)

    def number(self, name: str) -> int:
        """A field as a whole number; 0 where there is none."""
        value = self.fields.get(name)
        return int(value) if isinstance(value, int | float) else 0


class Frame(msgspec.Struct, frozen=True):
    """The run around an order, ns on its axis: the heal (None if never) and the end of the observation; `wall_ns` is
    the wall clock's time at the beginning of the axis, None where nobody wrote it down."""

    heal_t: int | None
    end_t: int
    wall_ns: int | None


def told(files: Iterable[Path], names: Mapping[str, str]) -> dict[str, list[Event]]:
    """All that stands under these names, in time order, by the order they mean: `names` leads from what journals
    call an order (its key, or the shop's own number) to what the answer calls it. Lines that cannot be read do no
    harm."""
    found: dict[str, list[Event]] = {order: [] for order in names.values()}
    if not names:
        return found
    pattern = re.compile(f'{_OWNER}"{_any_of(sorted(names))}"'.encode())
    for file in files:
        for line in _lines(file, pattern):
            if line.get("o") in names:
                found[names[line["o"]]].append(_event(line))
    return {order: sorted(events, key=lambda e: e.t) for order, events in found.items()}


def owners(files: Iterable[Path], text: str) -> set[str]:
    """What journals call the orders (`o`) of which some fact holds this very text in a field of its own: a trade
    number, a request number, a number that the shop gave."""
    pattern = re.compile(f'"{re.escape(text)}"'.encode())
    lines = (line for file in files for line in _lines(file, pattern))
    return {line["o"] for line in lines if isinstance(line.get("o"), str) and text in line.values()}


def facts(run: RunDir, *, raw: bool = False) -> list[Path]:
    """The journals that tell of orders; `raw` with those of struck exchanges' bytes."""
    return [file for file in run.journals() if raw or not file.name.startswith(BYTES_PREFIX)]


def frame(run: RunDir) -> Frame:
    """When the run healed and ended, from the phases that its journals tell of."""
    files = run.journals(struck=False)
    of_harness = (line for file in files if file.name == _HARNESS for line in _lines(file, _PHASE))
    phases = [line for line in of_harness if line["k"] == "phase"]
    began = {line.get("phase"): line["t"] for line in sorted(phases, key=lambda p: -int(p["t"]))}
    walls = [line["wall_ns"] for line in phases if isinstance(line.get("wall_ns"), int)]
    last_t = max((_last_t(file) for file in files), default=0)
    return Frame(began.get(Phase.HEAL), began.get(Phase.COLLECT, last_t), min(walls, default=None))


def _any_of(names: list[str]) -> str:
    """A pattern for any of the names, branching where they differ, so that it fails at the first wrong letter."""
    tree: dict[str, Any] = {}
    for name in names:
        node = tree
        for letter in name:
            node = node.setdefault(letter, {})
        node[""] = {}

    def pattern(node: dict[str, Any]) -> str:
        parts = [re.escape(letter) + pattern(rest) for letter, rest in node.items()]
        return parts[0] if len(parts) == 1 else f"(?:{'|'.join(parts)})" if parts else ""

    return pattern(tree)


def _lines(file: Path, pattern: re.Pattern[bytes]) -> Iterator[dict[str, Any]]:
    """The readable facts in whose line the pattern is found."""
    if not file.stat().st_size:
        return
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as text:
        at = 0
        while match := pattern.search(text, at):
            start = text.rfind(b"\n", 0, match.start()) + 1
            at = text.find(b"\n", match.end()) + 1 or len(text)
            if fact := _fact(text[start:at]):
                yield fact


def _fact(line: bytes) -> dict[str, Any] | None:
    try:
        fact = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    is_fact = isinstance(fact, dict) and isinstance(fact.get("t"), int) and isinstance(fact.get("k"), str)
    return fact if is_fact else None


def _event(line: dict[str, Any]) -> Event:
    return Event(line["t"], str(line.get("w", "")), line["k"], {n: v for n, v in line.items() if n not in _HEAD})


def _last_t(file: Path) -> int:
    """The time of the last fact at the end of a journal."""
    with file.open("rb") as opened:
        opened.seek(max(file.stat().st_size - _TAIL, 0))
        facts = [fact for line in opened.read().splitlines() if (fact := _fact(line))]
    return max((int(fact["t"]) for fact in facts), default=0)

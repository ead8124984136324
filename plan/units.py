"""Values with a unit as people write them in YAML: durations, shares, rates and ranges of them.

Each is a subclass of float (seconds, a share of 1, per second) or a pair of those; `parse` takes the text,
`text` writes it back so that plan.yaml reads as a scenario does, and the very same number comes out of it again:
scaling is done on decimal digits, because a float divided by 100 is often another float.
"""

import re
from decimal import Decimal
from math import isfinite
from typing import Any, ClassVar, Self, TypeVar

import msgspec

_NUMBER = r"(\d+(?:\.\d+)?)"
_DURATION = re.compile(_NUMBER + r"\s*(ms|s|min|h|d)", re.ASCII)
_SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "min": Decimal(60), "h": Decimal(3600), "d": Decimal(86400)}
_SHARE = re.compile(_NUMBER + r"\s*%", re.ASCII)
_RATE = re.compile(_NUMBER + r"\s*/\s*(s|min|h)", re.ASCII)


def plain(number: float) -> str:
    """A number without exponent or needless fraction, exact when read back: 8 for 8.0, 0.4 for 0.4."""
    return _digits(_decimal(number))


def _decimal(number: float) -> Decimal:
    return Decimal(repr(float(number)))


def _digits(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class Quantity(float):
    """A float that is read from, and written as, a text with a unit."""

    legal: ClassVar[str]

    @classmethod
    def parse(cls, value: object) -> Self:
        """The quantity in its base unit; ValueError telling what is legal."""
        number = cls._read(value)
        if number is None or not isfinite(number):
            raise ValueError(f"{value!r} is not legal here; legal: {cls.legal}")
        return cls(number)

    @classmethod
    def _read(cls, value: object) -> float | None:
        raise NotImplementedError

    def text(self) -> str:
        raise NotImplementedError


class Duration(Quantity):
    """Seconds. Never used itself: a duration is either wire or business time."""

    legal = "a duration with its unit, such as 400 ms, 8 s, 3 min, 1 h"

    @classmethod
    def _read(cls, value: object) -> float | None:
        match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
        return float(Decimal(match[1]) * _SECONDS[match[2]]) if match else None

    def text(self) -> str:
        seconds = _decimal(self)
        if 0 < seconds < 1:
            return f"{_digits(seconds * 1000)} ms"
        for unit in ("h", "min"):
            if seconds and seconds % _SECONDS[unit] == 0:
                return f"{_digits(seconds / _SECONDS[unit])} {unit}"
        return f"{_digits(seconds)} s"


Q = TypeVar("Q", bound=Quantity)


class WireTime(Duration):
    """Real seconds: latency, timeouts, windows of the load, leases. Not touched by `compress`."""


class BusinessTime(Duration):
    """Seconds of the order's life: pay delay, ladders, deadlines, thresholds. Divided by `compress` in a run."""


class Share(Quantity):
    """A share of 1."""

    legal = "a share such as 30% (0%..100%)"

    @classmethod
    def _read(cls, value: object) -> float | None:
        if isinstance(value, str) and (match := _SHARE.fullmatch(value.strip())):
            share = float(Decimal(match[1]) / 100)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            share = float(value)
        else:
            return None
        return share if 0.0 <= share <= 1.0 else None

    def text(self) -> str:
        return f"{_digits(_decimal(self) * 100)}%"


class Rate(Quantity):
    """Per second."""

    legal = "a rate such as 12/s or 600/min"

    @classmethod
    def _read(cls, value: object) -> float | None:
        match = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
        return float(Decimal(match[1]) / _SECONDS[match[2]]) if match else None

    def text(self) -> str:
        return f"{plain(self)}/s"


class _Range:
    """Two quantities, written `low..high`; the end does not belong to it. A plain class, so that msgspec asks us."""

    __slots__ = ("high", "low")

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def __contains__(self, value: float) -> bool:
        return self.low <= value < self.high

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Range) and (self.low, self.high) == (other.low, other.high)

    def __hash__(self) -> int:
        return hash((self.low, self.high))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.low}, {self.high})"

    def text(self) -> str:
        raise NotImplementedError

    @classmethod
    def _parse(cls, value: object, kind: type[Quantity]) -> Self:
        low, dots, high = value.partition("..") if isinstance(value, str) else ("", "", "")
        if not dots:
            raise ValueError(f"{value!r} is not a range; legal: low..high, each {kind.legal}")
        pair = cls(float(kind.parse(low.strip())), float(kind.parse(high.strip())))
        if pair.low >= pair.high:
            raise ValueError(f"{value!r} is empty: its start must come before its end")
        return pair


class ShareRange(_Range):
    """Part of the planned orders, such as 25%..50%."""

    @classmethod
    def parse(cls, value: object) -> Self:
        return cls._parse(value, Share)

    def text(self) -> str:
        return f"{Share(self.low).text()}..{Share(self.high).text()}"


class Window(_Range):
    """A window of the load in wire time, such as 10 s..25 s."""

    @classmethod
    def parse(cls, value: object) -> Self:
        return cls._parse(value, WireTime)

    def text(self) -> str:
        return f"{WireTime(self.low).text()}..{WireTime(self.high).text()}"


class WireSpan(_Range):
    """A wire time, or any between two: 20 ms, or 0 ms..50 ms."""

    @classmethod
    def parse(cls, value: object) -> Self:
        if isinstance(value, str) and ".." not in value:
            only = float(WireTime.parse(value))
            return cls(only, only)
        return cls._parse(value, WireTime)

    def at(self, u: float) -> float:
        """The wire seconds that a share u of draws stays under."""
        return self.low + u * (self.high - self.low)

    def text(self) -> str:
        low, high = WireTime(self.low).text(), WireTime(self.high).text()
        return low if self.low == self.high else f"{low}..{high}"


UNIT_TYPES = (WireTime, BusinessTime, Share, Rate, ShareRange, Window, WireSpan)


def from_text(kind: type[Any], value: object) -> Any:
    """msgspec's decoding hook for every type of this module."""
    if kind in UNIT_TYPES:
        return kind.parse(value)
    if kind is object:
        return value
    raise NotImplementedError(kind)


def to_text(value: object) -> object:
    """msgspec's encoding hook for every type of this module."""
    if isinstance(value, Quantity | _Range):
        return value.text()
    raise NotImplementedError(type(value))


def schema_of(kind: type[Any]) -> dict[str, Any]:
    """JSON Schema of a type of this module, for editors that check scenarios while they are written."""
    patterns = {Share: _SHARE, Rate: _RATE}
    if kind is Share:
        return {"anyOf": [{"type": "string", "pattern": f"^{_SHARE.pattern}$"}, {"type": "number", "maximum": 1}]}
    if issubclass(kind, Quantity):
        return {"type": "string", "pattern": f"^{patterns.get(kind, _DURATION).pattern}$", "description": kind.legal}
    if kind is WireSpan:
        return {"type": "string"}
    if issubclass(kind, _Range):
        return {"type": "string", "pattern": r"^.+\.\..+$"}
    raise NotImplementedError(kind)


def by_default(value: Q) -> Q:
    """A struct's default in a unit, made so that JSON Schema leaves it out: msgspec cannot write it there."""
    made: Q = msgspec.field(default_factory=lambda: value)
    return made

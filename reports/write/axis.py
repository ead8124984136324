"""What the two drawings of an order's lanes share: where ticks stand, how times are written, how wide text is."""

from math import ceil
from unicodedata import east_asian_width

import msgspec

from reports.lanes import Picture
from reports.write.words import seconds

_STEPS_S = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 14400, 43200, 86400, 172800, 604800),
)


class Tick(msgspec.Struct, frozen=True):
    """A place on the axis (wire s), in business and in wire time."""

    at: float
    business: str
    wire: str


def ticks(p: Picture, most: int = 8) -> list[Tick]:
    """At round business times, 0 among them."""
    low, high = p.low * p.compress, p.high * p.compress
    step = next((s for s in _STEPS_S if (high - low) / s <= most), _STEPS_S[-1])
    places = [n * step for n in range(ceil(low / step), int(high // step) + 1)]
    return [Tick(s / p.compress, _short(s), _short(s / p.compress)) for s in places]


def _short(s: float) -> str:
    return "0" if s == 0 else f"{s:.3g} s" if abs(s) < 1 else seconds(s)


def business(p: Picture, at: float) -> str:
    """A moment of the picture as business time."""
    return _short(round(at * p.compress, 1))


def columns(text: str) -> int:
    """How wide a terminal shows it: Chinese characters take two columns."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)

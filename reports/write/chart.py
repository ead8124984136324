"""What all figures share: the sheet they are drawn on, colours, words in both languages, and what a mark says."""

import itertools
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ledger.states import State
from reports.findings import FaultRow, Words
from reports.write.words import seconds, state_zh

WIDTH_IN = 9.0
POINTS = 72
"""To the inch; the unit of the SVG's coordinates."""
INK = "#000000"
"""Becomes the reader's own text colour in SVG."""
GREY = "#888888"
GOOD, BAD, UNSURE = "#009E73", "#D55E00", "#E69F00"
VERDICT_COLOUR = {"pass": GOOD, "fail": BAD, "inconclusive": UNSURE}
LINES = ("#3391CE", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
STATE_COLOUR = {
    State.CREATED: "#F0E442",
    State.PAYING: "#E69F00",
    State.PAID: "#56B4E9",
    State.SUBMITTED: "#0072B2",
    State.RECHARGING: "#009E73",
    State.DELAYED: "#D55E00",
    State.REFUNDING: "#CC79A7",
    State.HELD: "#777777",
    State.MANUAL: "#AAAAAA",
    State.UNKNOWN: "#CCCCCC",
}
"""Okabe and Ito's palette, told apart by all kinds of colour vision; yellow always has an outline."""
ON_COLOUR = "#111111"
"""Dark on every tint, in both themes."""
SMALL = 8.5
SAME = "\u200b"
"""Tells apart two English labels that are alike and are not so in Chinese; nobody sees it."""
LABEL_MAX = 34
"""As many letters of a fault's name as fit beside a lane; a Chinese one takes the width of two."""
WIRE_AXIS = Words("seconds on the wire since the start of load", "负载开始后的线上秒数")
Cell: TypeAlias = str | int | float | None
Points: TypeAlias = Sequence[tuple[float, float]]


class Table(NamedTuple):
    """The numbers of a figure: a header with units, and rows as long."""

    header: tuple[str, ...]
    rows: list[tuple[Cell, ...]]


class Mark(NamedTuple):
    """A part of a drawing that tells its numbers when pointed at: its outline in data of the axes."""

    ax: Axes
    outline: Points
    text: Words


class Chart(Figure):
    """A drawing with English labels, what each is in Chinese, and what its parts say. Sizes are inches."""

    def __init__(self, height: float) -> None:
        super().__init__(figsize=(WIDTH_IN, height), dpi=POINTS)
        self.patch.set_alpha(0)
        self.height = height
        self.chinese: dict[str, str] = {}
        self.marks: list[Mark] = []

    def panel(self, left: float, bottom: float, width: float, height: float, *, share: Axes | None = None) -> Axes:
        """Axes at a place of the sheet, see-through; `share` is whose x they take."""
        box = (left / WIDTH_IN, bottom / self.height, width / WIDTH_IN, height / self.height)
        ax = self.add_axes(box, sharex=share)
        ax.patch.set_alpha(0)
        return ax

    def say(self, en: str, zh: str) -> str:
        """The English label to draw; the Chinese one is put in its place afterwards, so it must stay as it is,
        on one line."""
        while self.chinese.setdefault(en, zh) != zh:
            en += SAME
        return en

    def words(self, pair: Words) -> str:
        return self.say(pair.en, pair.zh)

    def box(self, ax: Axes, x: tuple[float, float], y: tuple[float, float], en: str, zh: str) -> None:
        """A part from x to x and y to y that says this."""
        self.outline(ax, ((x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1])), en, zh)

    def outline(self, ax: Axes, points: Points, en: str, zh: str) -> None:
        """A part of any shape that says this."""
        self.marks.append(Mark(ax, points, Words(en, zh)))

    def places(self, mark: Mark) -> list[tuple[float, float]]:
        """The outline on the sheet: points from its upper left corner. Axes must have their limits by now."""
        placed = mark.ax.transData.transform(np.asarray(mark.outline, dtype=float))
        return [(float(x), self.height * POINTS - float(y)) for x, y in placed]


def pick(language: str, en: str, zh: str) -> str:
    """The words in a language."""
    return zh if language == "zh" else en


def tint(colour: str, white: float = 0.3) -> str:
    """The colour with so much white in it."""
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(part + (255 - part) * white):02x}" for part in parts)


def state_words(state: str) -> Words:
    return Words(state, state_zh(state))


def quiet(ax: Axes, sides: Iterable[str] = ("left", "bottom")) -> None:
    """Takes spines and tick marks away."""
    for side in sides:
        ax.spines[side].set_visible(False)
    ax.tick_params(length=0)


def short_s(value: float) -> str:
    """A duration as a tick label: 30 s, 2 min, 1 h."""
    if value >= 3600 and value % 3600 == 0:
        return f"{value / 3600:g} h"
    if value >= 60 and value % 60 == 0:
        return f"{value / 60:g} min"
    return f"{value:g} s" if value < 100 else seconds(value)


def fault_label(fault: FaultRow) -> Words:
    """The fault's name, cut to what fits beside a lane."""
    return Words(cut(fault.en, LABEL_MAX), cut(fault.zh, LABEL_MAX // 2))


def cut(label: str, most: int) -> str:
    """The label in at most so many letters; an id in brackets at its end is kept, for it tells two of a name apart."""
    if len(label) <= most:
        return label
    start = label.rfind(" (")
    tail = label[start:] if label.endswith(")") and 0 < len(label) - start < most - 6 else ""
    return f"{label[: most - 1 - len(tail)].rstrip()}…{tail}"


def held(times: Sequence[float], values: Sequence[float], t: float, before: float) -> float:
    """A step curve at a time; `before` its first step."""
    at = bisect_right(times, t)
    return values[at - 1] if at else before


def spread(first: float, last: float, n: int, also: Iterable[float] = ()) -> list[float]:
    """About n moments from first to last, evenly on a log axis, with others among them."""
    even = [float(t) for t in np.geomspace(first, last, n)]
    kept = [t for t in also if first <= t <= last]
    near = (last / first) ** (0.4 / n)
    return sorted([*kept, *(t for t in even if all(max(t / k, k / t) > near for k in kept))])


def strips(at: Sequence[float], first: float, last: float, *, log: bool) -> list[tuple[float, float]]:
    """From where to where each of some moments is the nearest one; none where there is no moment."""
    if not at:
        return []
    between = [(a * b) ** 0.5 if log else (a + b) / 2 for a, b in itertools.pairwise(at)]
    edges = [first, *between, last]
    return list(itertools.pairwise(edges))


def turns(columns: Sequence[Sequence[float]]) -> list[int]:
    """The samples at which any column changes on either side: all that a line through them needs."""
    values = np.asarray(columns, dtype=float)
    changed = (np.diff(values, axis=1) != 0).any(axis=0)
    keep = np.ones(values.shape[1], dtype=bool)
    keep[1:-1] = changed[:-1] | changed[1:]
    return [int(i) for i in np.flatnonzero(keep)]

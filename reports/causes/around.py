"""What happened to everybody else at the same time: was the shop there, were notices taken, did requests pass."""

import msgspec
import numpy as np

from ledger.clock import SECOND_NS
from reports.measure.load import Requests
from reports.orders import Bools, Floats, Ints, Texts

AWAY = 0.2
"""The shop counts as away in a second in which so large a share of requests was not answered."""


class Times(msgspec.Struct, frozen=True):
    """Sorted moments; how many lie within [low, high], for many such spans at once."""

    t: Floats

    def within(self, low: Floats, high: Floats) -> Ints:
        found = np.searchsorted(self.t, high, side="right") - np.searchsorted(self.t, low, side="left")
        return np.fmax(np.where(np.isnan(low) | np.isnan(high), 0, found), 0)


class Buyers(msgspec.Struct, frozen=True):
    """How the shop answered its buyers, second by second: answers of any kind to reading a page and to placing an
    order, those of them by which it said that it had failed itself (HTTP 5xx), and requests that got no answer."""

    first: int
    read: Ints
    read_failed: Ints
    placed: Ints
    place_failed: Ints
    unreached: Ints

    @classmethod
    def of(cls, requests: Requests, start_t: float, end_t: float) -> "Buyers":
        first, last = _second(np.array([start_t, end_t]))
        found = {name: np.zeros(max(last - first, 0) + 2, dtype=np.int64) for name in cls.__struct_fields__[1:]}
        at = np.clip(_second(requests.t) - first, 0, max(last - first, 0) + 1)
        for row, name in enumerate(requests.name):
            if name in ("poll", "place"):
                failed, unreached = _errors(requests.why[row])
                said = "read" if name == "poll" else "placed"
                found["unreached"][at[row]] += unreached
                found[said][at[row]] += int(requests.count[row]) - unreached
                found["read_failed" if name == "poll" else "place_failed"][at[row]] += failed
        return cls(int(first), **found)

    @property
    def down(self) -> Ints:
        """1 for each second in which the shop was away: nobody got an answer, or many could not reach it."""
        answers = self.read + self.placed
        return np.asarray((answers == 0) | (self.unreached >= AWAY * (answers + self.unreached))).astype(np.int64)

    def count(self, what: Ints, low: Floats, high: Floats) -> Ints:
        """The sum of a kind over the seconds that touch [low, high]."""
        total = np.append(0, np.cumsum(what))
        first, last = (np.clip(_second(t) - self.first, 0, len(what) - 1) for t in (low, high))
        return np.asarray(np.where(np.isnan(low) | np.isnan(high), 0, np.fmax(total[last + 1] - total[first], 0)))


def _second(t: Floats) -> Ints:
    """The second (counted from the beginning of the run's axis, by its end) that a moment lies in."""
    return np.ceil(np.nan_to_num(t) / SECOND_NS - 1e-6).astype(np.int64)


def _errors(why: dict[str, int]) -> tuple[int, int]:
    """Answers with a status of 500 or more, and requests that were not answered."""
    failed = sum(n for words, n in why.items() if words.startswith("status 5"))
    return failed, sum(n for words, n in why.items() if not words.startswith("status"))


def streaks(t: Floats, ok: Bools) -> Ints:
    """For each attempt how many in a row, this one included, failed as it did; 0 where it did not fail."""
    order = np.argsort(t, kind="stable")
    failed = ~ok[order]
    group = np.cumsum(~failed)
    length = np.bincount(group[failed], minlength=int(group[-1]) + 1 if len(group) else 1)
    found = np.zeros(len(t), dtype=np.int64)
    found[order] = np.where(failed, length[group] if len(group) else 0, 0)
    return found


class Queue(msgspec.Struct, frozen=True):
    """The requests for goods of all products, each in turn; for those who waited, how many came before them and for how
    long nobody at all was served."""

    product: Texts
    asked_t: Floats

    def ahead(self, product: Texts, low: Floats, high: Floats) -> Ints:
        """Requests of the same product between two moments."""
        return self._each(product, low, high)[0]

    def pause(self, product: Texts, low: Floats, high: Floats) -> Floats:
        """The longest time (ns) within [low, high] in which nothing of the product was asked for."""
        return self._each(product, low, high)[1]

    def _each(self, product: Texts, low: Floats, high: Floats) -> tuple[Ints, Floats]:
        count, longest = np.zeros(len(low), dtype=np.int64), np.zeros(len(low))
        for name in sorted(set(product)):
            mine = product == name
            t = np.sort(self.asked_t[(self.product == name) & np.isfinite(self.asked_t)])
            count[mine] = Times(t).within(low[mine], high[mine])
            longest[mine] = _longest_gap(t, low[mine], high[mine])
        return count, longest


def _longest_gap(t: Floats, low: Floats, high: Floats) -> Floats:
    """The longest stretch within each [low, high] without any of the sorted moments."""
    first = np.searchsorted(t, low, side="left")
    last = np.searchsorted(t, high, side="right")
    edges = np.append(t, np.inf)
    head = np.fmin(edges[first], high) - low
    tail = high - np.fmax(np.append(-np.inf, t)[last], low)
    between = _range_max(np.diff(t), first, np.fmax(last - 1, first)) if len(t) else np.zeros(len(low))
    return np.asarray(np.fmax(np.fmax(head, tail), between))


def _range_max(values: Floats, first: Ints, last: Ints) -> Floats:
    """The largest of values[first:last] of each pair, 0 where there are none: by a table of powers of two."""
    if not len(values):
        return np.zeros(len(first))
    table, span = [values], 1
    while 2 * span <= len(values):
        before = table[-1]
        table.append(np.fmax(before[:-span], before[span:]))
        span *= 2
    length = last - first
    found = np.zeros(len(first))
    for power, level in enumerate(table):
        mine = (length >= 1 << power) & (length < 2 << power)
        found[mine] = np.fmax(level[first[mine]], level[last[mine] - (1 << power)])
    return found

"""What happened to everybody else at the same time: was the shop there, were notices taken, did requests pass."""

import msgspec
import numpy as np

from ledger.clock import SECOND_NS
from reports.measure.load import Requests
from reports.orders import Bools, Floats, Ints, Texts

AWAY = 0.2
"""The shop counts as away in a second in which so large a share of requests was not answered."""
QUIET_S = 2
"""Pages of open orders are read at least once a second: so many seconds without one are more than chance."""


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
        """1 for each second in which the shop was away: many could not reach it, or for some seconds nobody got any
        answer, who had got some before and got some again."""
        answers = self.read + self.placed
        unreached = (self.unreached > 0) & (self.unreached >= AWAY * (answers + self.unreached))
        heard = np.flatnonzero(answers + self.unreached)
        quiet = np.zeros(len(answers), dtype=bool)
        for end in np.flatnonzero(np.diff(heard) > QUIET_S):
            quiet[heard[end] + 1 : heard[end + 1]] = True
        return np.asarray(unreached | quiet).astype(np.int64)

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


class Waits(msgspec.Struct, frozen=True):
    """Of each wait for goods: `ahead`, how many requests for the same product came meanwhile; the longest time (ns) in
    which none did, and how long such a time was on the average of the wait, which is as long where all are alike;
    `beside`, how many other orders of the product waited at its end; `overtaken`, how many that the shop knew of later
    were asked for at all."""

    ahead: Ints
    longest: Floats
    typical: Floats
    beside: Ints
    overtaken: Ints


class Queue(msgspec.Struct, frozen=True):
    """By order: its product, when the shop knew that it was paid, and when its goods were first asked for."""

    product: Texts
    known_t: Floats
    asked_t: Floats

    def waits(self, product: Texts, low: Floats, high: Floats) -> Waits:
        """What those saw who waited for the goods from `low` to `high`."""
        n = len(low)
        made = Waits(
            *(np.zeros(n, dtype=np.int64 if kind is Ints else float) for kind in Waits.__annotations__.values())
        )
        for name in sorted(set(product)):
            mine, of = product == name, (self.product == name) & np.isfinite(self.known_t)
            asked = of & np.isfinite(self.asked_t)
            t, known, served = (
                np.sort(column) for column in (self.asked_t[asked], self.known_t[of], self.known_t[asked])
            )
            made.ahead[mine] = Times(t).within(low[mine], high[mine])
            made.longest[mine], made.typical[mine] = _gaps(t, low[mine], high[mine])
            known_by, asked_by = (np.searchsorted(moments, high[mine], side="right") for moments in (known, t))
            made.beside[mine] = np.fmax(known_by - asked_by - 1, 0)
            made.overtaken[mine] = len(served) - np.searchsorted(served, low[mine], side="right")
        return made


def _gaps(t: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """The longest stretch within each [low, high] without any of the sorted moments, and the mean length of the stretch
    that a moment of it lies in."""
    first = np.searchsorted(t, low, side="left")
    last = np.fmax(np.searchsorted(t, high, side="right"), first)
    head = np.fmin(np.append(t, np.inf)[first], high) - low
    tail = np.where(last > first, high - np.append(-np.inf, t)[last], 0.0)
    between, inner = np.diff(t), np.fmax(last - 1, first)
    longest = np.fmax(np.fmax(head, tail), _range_max(between, first, inner))
    squares = np.append(0.0, np.cumsum((between / SECOND_NS) ** 2)) if len(t) else np.zeros(1)
    top = len(squares) - 1
    total = (head / SECOND_NS) ** 2 + (tail / SECOND_NS) ** 2
    total += squares[np.fmin(inner, top)] - squares[np.fmin(first, top)]
    with np.errstate(divide="ignore", invalid="ignore"):
        typical = np.nan_to_num(total / ((high - low) / SECOND_NS)) * SECOND_NS
    return longest, typical


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

"""Sorting of many facts by their order: stable, and several times as fast as sorting by several keys."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_LOW = 32
"""Bits of a row's own number beside that of its order: numbers without equals can be sorted by any algorithm."""


def by_order(i: Ints) -> Ints:
    """The rows sorted by i (from 0); those of the same i stay as they stand."""
    return _ranked(i, np.arange(len(i)))


def by_order_and_time(i: Ints, t: Floats) -> Ints:
    """The rows sorted by i (from 0), then by t; those of the same i and t stay as they stand."""
    rows = by_order(i)
    again, at = i[rows][1:] == i[rows][:-1], t[rows]
    with np.errstate(invalid="ignore"):
        is_sorted = not np.any(again & ~(at[1:] >= at[:-1]))
    return rows if is_sorted else _ranked(i, np.argsort(t, kind="stable"))


def distinct(i: Ints) -> int:
    """How many different ones there are among numbers from 0."""
    return int(np.count_nonzero(np.bincount(i)))


def _ranked(i: Ints, rows: Ints) -> Ints:
    """Rows that are sorted already, sorted by i."""
    key = (i[rows] << _LOW) | np.arange(len(rows))
    key.sort()
    return np.asarray(rows[key & ((1 << _LOW) - 1)])

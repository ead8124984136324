"""Goods by order: what upstreams were asked for, sold and credited, and what the buyer really has."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from reports.orders import Bools, Floats, Ints, Texts

Columns: TypeAlias = dict[str, npt.NDArray[Any]]


class Query(Protocol):
    """A query over the journals of a run, with its values, to columns."""

    def __call__(self, sql: str, values: Sequence[object] = ()) -> Columns: ...


SUPPLIER = "supplier"
"""The role that sells what needs no other: cards."""
SOURCES = (SUPPLIER, "game")

SHOWN_SQL = """CREATE TABLE shown AS SELECT i, g, min(t) FILTER (on_page) AS page_t FROM (
  SELECT i, k = 'seen' AS on_page, CASE WHEN last_old_t <= t THEN (last_old_t + t) / 2 ELSE t END AS t,
    unnest(from_json(goods, '["VARCHAR"]')) AS g FROM told
  WHERE k IN ('seen', 'booked') AND json_type(goods) = 'ARRAY') GROUP BY i, g"""
"""Every good that stands on an order's page or in the books, and when its page first showed it: in the middle between
the polls, as all changes."""

_HAD_SQL = """WITH sales AS (
  SELECT i, json_extract_string(goods, '$') AS g, min(t) AS sale_t FROM told WHERE k = 'goods_sold' GROUP BY i, g)
SELECT i, count(g) AS any, count(sale_t) AS sold, min(page_t) AS any_t,
  min(page_t) FILTER (sale_t IS NOT NULL) AS sold_t, min(coalesce(page_t, sale_t)) FILTER (sale_t IS NOT NULL) AS held_t
FROM shown LEFT JOIN sales USING (i, g) GROUP BY i ORDER BY i"""

_SOLD_SQL = """SELECT i, count(DISTINCT json_extract_string(goods, '$')) FILTER (k = 'goods_sold') AS cards,
  count(DISTINCT credit) FILTER (k = 'credited') AS credits, min(t) FILTER (k = 'credited') AS credited_t
FROM told WHERE k IN ('goods_sold', 'credited') GROUP BY i ORDER BY i"""

_WORK_SQL = """WITH told_of AS (
  SELECT i, t, seq, k, upstream, coalesce(last_value(nullif(request_no, '') IGNORE NULLS)
    OVER (PARTITION BY i, upstream ORDER BY t, seq), '') AS no
  FROM told WHERE k IN ('goods_requested', 'goods_accepted', 'goods_sold', 'credited', 'goods_refused')),
beside AS (
  SELECT *, lag(k) OVER same AS before, lead(k) OVER same AS after,
    bool_or(k = 'goods_accepted') OVER same AND NOT list_contains(?, upstream) AS rejects
  FROM told_of WINDOW same AS (PARTITION BY i, upstream, no ORDER BY t, seq)),
at_work AS (
  SELECT i, t, seq, upstream, no, (k <> 'goods_refused'
    OR bool_or(k IN ('goods_sold', 'credited')) OVER (PARTITION BY i, upstream, no ORDER BY t, seq))::INTEGER AS busy
  FROM beside WHERE NOT (rejects AND (
    k = 'goods_refused' AND before = 'goods_requested' OR k = 'goods_requested' AND after = 'goods_refused')))
SELECT i, t, change FROM (
  SELECT i, t, seq, busy - lag(busy, 1, 0) OVER (PARTITION BY i, upstream, no ORDER BY t, seq) AS change FROM at_work)
WHERE change <> 0 ORDER BY i, t, seq"""


class Work(msgspec.Struct, frozen=True):
    """When upstreams began or ceased to be at work for an order, sorted by order and time: from then on one of them has
    been asked and has not refused (`busy`), or none."""

    i: Ints
    t: Floats
    busy: Bools


def vouched(query: Query, products: Texts, needs: dict[str, str], roles: set[str]) -> Bools:
    """By order, whether an upstream can vouch for its goods: the plan has one of the role that its product needs, or
    one was heard to sell."""
    heard = query("SELECT DISTINCT k FROM told WHERE k IN ('goods_sold', 'credited')")["k"].tolist()
    present = roles & set(SOURCES) | ({SUPPLIER} if "goods_sold" in heard else set())
    able = {product for product in set(products) if needs.get(product, SUPPLIER) in present}
    found = np.array([product in able for product in products], dtype=bool)
    found[query("SELECT DISTINCT i FROM told WHERE k IN ('goods_sold', 'credited')")["i"].astype(np.int64)] = True
    return found


def columns(query: Query, is_vouched: Bools) -> dict[str, Any]:
    """What `Orders` holds of goods. A card that stands on page or in the books counts if an upstream sold it for this
    order, or if nobody can vouch; a credit always does."""
    n = len(is_vouched)
    had, sold = query(_HAD_SQL), query(_SOLD_SQL)
    rows, sold_rows = had.pop("i").astype(np.int64), sold.pop("i").astype(np.int64)
    by = {name: _spread(column, rows, n) for name, column in had.items()}
    of = {name: _spread(column, sold_rows, n) for name, column in sold.items()}
    cards, credits = _counts(of["cards"]), _counts(of["credits"])
    page_t = np.where(is_vouched, by["sold_t"], by["any_t"])
    return {
        "is_vouched": is_vouched,
        "sold": cards + credits,
        "goods": np.where(is_vouched, _counts(by["sold"]), _counts(by["any"])) + credits,
        "goods_t": page_t,
        "credited_t": of["credited_t"],
        "held_t": np.fmin(np.where(is_vouched, by["held_t"], by["any_t"]), of["credited_t"]),
    }


def shared(query: Query) -> int:
    """Goods that stand on the pages of several orders: at most one of their buyers has them."""
    return int(query("SELECT count(*) AS n FROM (SELECT g FROM shown GROUP BY g HAVING count(*) > 1)")["n"][0])


def work(query: Query, replaying: list[str]) -> Work:
    """When upstreams were at work, for all orders. A request stays so until it is refused; one that was sold or
    credited for good, whatever a repeat of it is told. `replaying`: the upstreams that answer a repeat of a request as
    they answered it first; what others refuse of one they have taken on is its repeat."""
    found = query(_WORK_SQL, [replaying])
    i, change = found["i"].astype(np.int64), found["change"].astype(np.int64)
    total = np.cumsum(change)
    first = np.searchsorted(i, i, side="left")  # of each row the first row of its order
    before = np.where(first > 0, total[first - 1], 0) if len(i) else total
    busy = total - before > 0
    return Work(i, found["t"].astype(np.float64), busy)


def _spread(column: npt.NDArray[Any], rows: Ints, n: int) -> Floats:
    full = np.full(n, np.nan)
    full[rows] = column
    return full


def _counts(column: Floats) -> Ints:
    return np.nan_to_num(column).astype(np.int64)

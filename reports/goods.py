"""Goods by order: what upstreams were asked for, sold and credited, and what the buyer really has."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from reports.measure.sorting import by_order
from reports.orders import Bools, Floats, Ints, Texts

Columns: TypeAlias = dict[str, npt.NDArray[Any]]


class Query(Protocol):
    """A query over the journals of a run, with its values, to columns."""

    def __call__(self, sql: str, values: Sequence[object] = ()) -> Columns: ...


SUPPLIER = "supplier"
"""The role that sells what needs no other: cards."""
SOURCES = (SUPPLIER, "game")

SHOWN_SQL = """CREATE TABLE shown AS SELECT i, hash(g) AS g, min(t) FILTER (on_page) AS page_t FROM (
  SELECT i, k = 'seen' AS on_page, CASE WHEN last_old_t <= t THEN (last_old_t + t) / 2 ELSE t END AS t,
    unnest(CASE WHEN contains(goods, ',') THEN json_extract(goods, '$[*]')::VARCHAR[]
      ELSE [substr(goods, 2, strlen(goods) - 2)] END) AS g
  FROM told WHERE k IN ('seen', 'booked') AND starts_with(goods, '["')) GROUP BY ALL"""
"""Every good (the hash of its JSON text) that stands on an order's page or in the books, and when its page first showed
it: in the middle between the polls, as all changes."""

SALES_SQL = """CREATE TABLE sales AS SELECT i, hash(goods) AS g, min(t) AS sale_t FROM told
WHERE k = 'goods_sold' AND goods IS NOT NULL GROUP BY ALL"""
"""Every card that was sold for an order, and when first."""

_HAD_SQL = """SELECT i, count(*) AS any, count(sale_t) AS sold, min(page_t) AS any_t,
  min(page_t) FILTER (sale_t IS NOT NULL) AS sold_t, min(coalesce(page_t, sale_t)) FILTER (sale_t IS NOT NULL) AS held_t
FROM shown LEFT JOIN sales USING (i, g) GROUP BY i"""

_SOLD_SQL = "SELECT i, count(*) AS cards FROM sales GROUP BY i"
_CREDITED_SQL = """SELECT i, count(DISTINCT credit) AS credits, min(t) AS credited_t FROM told WHERE k = 'credited'
GROUP BY i"""

_FIRST_ASKED_SQL = """SELECT i, min(t) AS t FROM told
WHERE k IN ('goods_requested', 'goods_accepted', 'goods_sold', 'credited')
  AND i NOT IN (SELECT i FROM told WHERE k = 'goods_refused') GROUP BY i"""

_WORK_SQL = """WITH told_of AS (
  SELECT i, t, seq, k, upstream, coalesce(last_value(nullif(request_no, '') IGNORE NULLS)
    OVER (PARTITION BY i, upstream ORDER BY t, seq), '') AS no
  FROM told WHERE k IN ('goods_requested', 'goods_accepted', 'goods_sold', 'credited', 'goods_refused')
    AND i IN (SELECT i FROM told WHERE k = 'goods_refused')),
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
    found = np.array([product in able for product in products.tolist()], dtype=bool)
    found[query("SELECT i FROM told WHERE k IN ('goods_sold', 'credited')")["i"].astype(np.int64)] = True
    return found


def columns(query: Query, is_vouched: Bools) -> dict[str, Any]:
    """What `Orders` holds of goods. A card that stands on page or in the books counts if an upstream sold it for this
    order, or if nobody can vouch; a credit always does."""
    had, sold, credited = (_by_order(query(sql), len(is_vouched)) for sql in (_HAD_SQL, _SOLD_SQL, _CREDITED_SQL))
    cards, credits, credited_t = _counts(sold["cards"]), _counts(credited["credits"]), credited["credited_t"]
    page_t = np.where(is_vouched, had["sold_t"], had["any_t"])
    return {
        "is_vouched": is_vouched,
        "sold": cards + credits,
        "goods": np.where(is_vouched, _counts(had["sold"]), _counts(had["any"])) + credits,
        "goods_t": page_t,
        "credited_t": credited_t,
        "held_t": np.fmin(np.where(is_vouched, had["held_t"], had["any_t"]), credited_t),
    }


def shared(query: Query) -> int:
    """Goods that stand on the pages of several orders: at most one of their buyers has them."""
    return int(query("SELECT count(*) AS n FROM (SELECT g FROM shown GROUP BY g HAVING count(*) > 1)")["n"][0])


def work(query: Query, replaying: list[str]) -> Work:
    """When upstreams were at work, for all orders. A request stays so until it is refused; one that was sold or
    credited for good, whatever a repeat of it is told. `replaying`: the upstreams that answer a repeat of a request as
    they answered it first; what others refuse of one they have taken on is its repeat."""
    refused, others = query(_WORK_SQL, [replaying]), query(_FIRST_ASKED_SQL)
    i, change = refused["i"].astype(np.int64), refused["change"].astype(np.int64)
    total = np.cumsum(change)
    first = np.searchsorted(i, i, side="left")  # of each row the first row of its order
    before = np.where(first > 0, total[first - 1], 0) if len(i) else total
    i = np.concatenate([i, others["i"].astype(np.int64)])
    t = np.concatenate([refused["t"], others["t"]])
    busy = np.concatenate([total - before > 0, np.ones(len(others["i"]), dtype=bool)])
    by = by_order(i)
    return Work(i[by], t[by], busy[by])


def _by_order(found: Columns, n: int) -> Columns:
    """Columns with an entry for each of n orders, NaN where nothing was found."""
    rows, made = found["i"].astype(np.int64), {}
    for name, column in found.items():
        made[name] = np.full(n, np.nan)
        made[name][rows] = column
    return made


def _counts(column: Floats) -> Ints:
    return np.nan_to_num(column).astype(np.int64)

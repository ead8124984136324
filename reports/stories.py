"""Joins the voices by order: journals in, numpy columns out, and orders.parquet.

DuckDB reads the journals with explicit columns, so that missing kinds, absent fields, seals and cut lines do no harm.
Times are ns on the run's axis as float64 (exact below 104 days), NaN where the thing did not happen.
"""

import tempfile
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np
import numpy.typing as npt

from ledger.journal import STRUCK_PREFIX
from ledger.rundir import RunDir, RunDirError
from ledger.states import BEFORE_PAID, Code, State
from plan.orders import number_of, order_key, wish
from plan.run import Plan
from reports.measure.stuck import INDEX, STATES, UNKNOWN, Seen

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]

_INTEGERS = (
    *("t", "due_t", "n", "late_ns", "last_old_t", "status", "count", "errors", "late", "amount_fen", "copy", "shop_t"),
    *("attempt", "l0_t"),
)
_TEXTS = (
    *("w", "k", "o", "order_no", "channel", "name", "state", "words", "code", "operation", "upstream", "trade_no"),
    *("out_trade_no", "way", "keyed_by", "method", "path", "nearest", "outcome", "product", "request_no", "credit"),
    *("fault", "hop", "changed", "child", "phase", "note"),
)
_NUMBERS = ("ms", "cpu", "rss_mb", "lag_ms")
_OTHERS = {"histogram": "JSON", "why": "JSON", "goods": "JSON", "final": "BOOLEAN"}
COLUMNS = (
    dict.fromkeys(_INTEGERS, "BIGINT") | dict.fromkeys(_TEXTS, "VARCHAR") | dict.fromkeys(_NUMBERS, "DOUBLE") | _OTHERS
)
_KEY = r"^b[0-9]{8}(\.[0-9]+)?$"
_ANY_KEY = r"^[bw][0-9]{8}(\.[0-9]+)?$"

PAID_STATES = (
    State.PAID, State.SUBMITTED, State.RECHARGING, State.COMPLETED, State.REFUNDING, State.REFUNDED, State.DELAYED
)  # fmt: skip
UNPAID_BOOKS = (*sorted(BEFORE_PAID), State.EXPIRED, State.CANCELLED, State.UNKNOWN)


class Orders(msgspec.Struct, frozen=True):
    """One entry per planned order, and per order of ours that money was asked for beside the plan."""

    keys: list[str]
    is_planned: Bools
    product: Texts
    channel: Texts
    region: Texts
    buyer: Texts
    unsent_why: Texts
    order_no: Texts
    trade_no: Texts
    way: Texts
    due_t: Floats
    sent_t: Floats
    late_ns: Floats
    placed_t: Floats
    cashier_t: Floats
    trade_t: Floats
    captured_t: Floats
    accepted_t: Floats
    refunded_t: Floats
    page_paid_t: Floats
    last_seen_t: Floats
    final_t: Floats
    last_failed_t: Floats
    gone_t: Floats
    written_t: Floats
    goods_t: Floats
    credited_t: Floats
    price_fen: Ints
    captured_fen: Ints
    refunded_fen: Ints
    notices: Ints
    goods: Ints
    polls_seen: Ints
    books: Ints
    booked_paid: Bools
    booked_holds: Bools
    booked_state: Texts

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def paid(self) -> Bools:
        return np.isfinite(self.captured_t)

    @property
    def is_refunded(self) -> Bools:
        """All the money was given back."""
        return (self.captured_fen > 0) & (self.refunded_fen >= self.captured_fen)


class Stories:
    """The journals of one run in a DuckDB of its own; `strikes` apart, so that all else can be read blind."""

    def __init__(self, run: RunDir, plan: Plan) -> None:
        self.run, self.plan = run, plan
        self._db = duckdb.connect(":memory:")
        self._db.execute("SET threads = 2")
        self._read("raw", run.journals(struck=False))
        self._read("struck_raw", [f for f in run.journals() if f.name.startswith(STRUCK_PREFIX)])
        self._name_orders()

    def close(self) -> None:
        self._db.close()

    def query(self, sql: str) -> dict[str, npt.NDArray[Any]]:
        """Columns of a query; NULL becomes NaN in numbers and None in texts."""
        columns = self._db.execute(sql).fetchnumpy()
        return {name: _plain(column) for name, column in columns.items()}

    def _read(self, table: str, files: list[Path]) -> None:
        columns = "{" + ", ".join(f"{name}: '{kind}'" for name, kind in COLUMNS.items()) + "}"
        if not files:
            self._db.execute(f"CREATE TABLE {table} ({', '.join(f'{c} {k}' for c, k in COLUMNS.items())})")
            return
        sql = (
            f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM read_json(?, format = 'newline_delimited',"
            f" columns = {columns}, ignore_errors = true, maximum_object_size = 16777216)"
            " WHERE k IS NOT NULL AND k <> 'seal' AND t IS NOT NULL"
        )
        try:
            self._db.execute(sql, [[str(f) for f in files]])
        except duckdb.Error:  # bytes that are no text at all: keep the lines that are
            with tempfile.TemporaryDirectory(prefix="orderjam-") as folder:
                self._db.execute(sql, [[str(_cleaned(f, Path(folder))) for f in files]])

    def _name_orders(self) -> None:
        """Gives facts that were keyed by the shop's number the key of their order, and every order its index."""
        self._db.execute(
            f"""CREATE TABLE names AS SELECT order_no, min(o) AS key FROM raw
            WHERE k = 'placed' AND order_no <> '' AND regexp_matches(o, '{_ANY_KEY}') GROUP BY order_no"""
        )
        for table in ("raw", "struck_raw"):
            self._db.execute(
                f"""UPDATE {table} SET o = names.key FROM names
                WHERE {table}.o = names.order_no AND NOT regexp_matches({table}.o, '{_ANY_KEY}')"""
            )
        found = self.query(f"SELECT DISTINCT o FROM raw WHERE regexp_matches(o, '{_KEY}') ORDER BY o")["o"].tolist()
        planned = [order_key(n) for n in range(self.plan.load.orders)]
        self.keys: list[str] = sorted({*planned, *found})
        self.n_planned = len(planned)
        self._db.execute("CREATE TABLE orders (i BIGINT, o VARCHAR)")
        self._db.execute(
            "INSERT INTO orders SELECT i - 1, o FROM (SELECT unnest(?) AS o, generate_subscripts(?, 1) AS i)",
            [self.keys, self.keys],
        )
        self._db.execute("CREATE TABLE told AS SELECT i, raw.*, raw.rowid AS seq FROM raw JOIN orders USING (o)")

    def orders(self) -> Orders:
        """One row per order."""
        found = self.query(_ORDERS_SQL)
        n, rows = len(self.keys), found.pop("i").astype(np.int64)
        columns: dict[str, Any] = {name: _scattered(column, rows, n) for name, column in found.items()}
        for name in ("price_fen", "captured_fen", "refunded_fen", "notices", "polls_seen", "books"):
            columns[name] = np.nan_to_num(columns[name]).astype(np.int64)
        for name in ("booked_paid", "booked_holds"):
            columns[name] = np.nan_to_num(columns[name]).astype(bool)
        for name in ("unsent_why", "order_no", "trade_no", "way", "booked_state"):
            columns[name] = _texts(columns[name])
        booked_price = np.nan_to_num(columns.pop("booked_fen")).astype(np.int64)
        columns["price_fen"] = np.where(columns["price_fen"] > 0, columns["price_fen"], booked_price)
        return Orders(keys=self.keys, **self._wishes(), **self._goods(n), **columns)

    def _wishes(self) -> dict[str, Any]:
        """What each order was to be, by the plan."""
        numbers = [number_of(key) or 0 for key in self.keys]
        wishes = [wish(self.plan.seed, n, self.plan.mix) for n in numbers]
        parts = {name: _texts([getattr(w, name) for w in wishes]) for name in ("product", "channel", "region", "buyer")}
        planned = [n < self.n_planned and len(key) == 9 for n, key in zip(numbers, self.keys, strict=True)]
        return {**parts, "is_planned": np.array(planned, dtype=bool)}

    @property
    def has_upstream_goods(self) -> bool:
        """Whether an upstream sold or credited anything, so that delivery has a witness beside the shop."""
        return bool(self.query("SELECT count(*) AS n FROM told WHERE k IN ('goods_sold', 'credited')")["n"][0])

    def _goods(self, n: int) -> dict[str, Any]:
        """Distinct goods that each buyer really has, and when the page first showed one."""
        vouched = ""
        if self.has_upstream_goods:
            vouched = (
                "WHERE (i, g) IN (SELECT i, json_extract_string(goods, '$') FROM told WHERE k = 'goods_sold') OR credit"
            )
        found = self.query(
            f"""WITH shown AS (
              SELECT i, k = 'seen' AS on_page, false AS credit, t,
                unnest(from_json(goods, '["VARCHAR"]')) AS g FROM told
                WHERE k IN ('seen', 'booked') AND json_type(goods) = 'ARRAY'
              UNION ALL SELECT i, false, true, t, credit FROM told WHERE k = 'credited')
            SELECT i, count(DISTINCT g) AS goods, min(t) FILTER (on_page) AS goods_t,
              min(t) FILTER (credit) AS credited_t
            FROM shown {vouched} GROUP BY i ORDER BY i"""
        )
        rows = found["i"].astype(np.int64)
        return {
            "goods": np.nan_to_num(_scattered(found["goods"], rows, n)).astype(np.int64),
            "goods_t": _scattered(found["goods_t"], rows, n),
            "credited_t": _scattered(found["credited_t"], rows, n),
        }

    def goods_shared(self) -> int:
        """Goods that more than one order shows on its page: at most one of their buyers has them."""
        found = self.query(
            """SELECT count(*) AS n FROM (SELECT g FROM (
              SELECT i, unnest(from_json(goods, '["VARCHAR"]')) AS g FROM told
              WHERE k IN ('seen', 'booked') AND json_type(goods) = 'ARRAY')
            GROUP BY g HAVING count(DISTINCT i) > 1)"""
        )
        return int(found["n"][0])

    def seen(self) -> Seen:
        """What pages showed, sorted by order and time; the closing row of an open order is in Orders.final_t."""
        states = ", ".join(f"'{state}'" for state in STATES)
        found = self.query(
            f"""SELECT i, t, last_old_t, coalesce(list_position([{states}], state), {UNKNOWN + 1}) - 1 AS state
            FROM told WHERE k = 'seen' AND NOT coalesce(final, false) ORDER BY i, t, seq"""
        )
        return Seen(
            found["i"].astype(np.int64),
            _floats(found["t"]),
            _floats(found["last_old_t"]),
            found["state"].astype(np.int64),
        )

    def shown(self, state: State) -> tuple[Ints, Floats]:
        """Orders whose page showed a state, and when that was first read."""
        found = self.query(
            f"SELECT i, min(t) AS t FROM told WHERE k = 'seen' AND state = '{state}' GROUP BY i ORDER BY i"
        )
        return found["i"].astype(np.int64), _floats(found["t"])

    def phases(self) -> list[tuple[str, float, float, str]]:
        """Phase, its beginning, the start of load if known, and the harness's note."""
        found = self.query(
            "SELECT phase, t, l0_t, note FROM raw WHERE k = 'phase' AND phase IS NOT NULL ORDER BY t, rowid"
        )
        notes = [note or "" for note in found["note"]]
        return list(
            zip(
                found["phase"].tolist(),
                _floats(found["t"]).tolist(),
                _floats(found["l0_t"]).tolist(),
                notes,
                strict=True,
            )
        )

    def last_t(self) -> float:
        """The last moment anybody recorded; 0 for a run without events."""
        return float(np.nan_to_num(_floats(self.query("SELECT max(t) AS t FROM raw")["t"]))[0])

    def requests(self) -> dict[str, npt.NDArray[Any]]:
        """Every second of requests: name, t, count, errors, late, and the histogram and errors by reason as JSON."""
        return self.query(
            """SELECT name, t, count, errors, late, histogram::VARCHAR AS histogram, why::VARCHAR AS why
            FROM raw WHERE k = 'requests' AND name IS NOT NULL ORDER BY name, t, w, rowid"""
        )

    def health(self) -> dict[str, npt.NDArray[Any]]:
        """Samples of every child, by child."""
        return self.query(
            """SELECT child, count(*) AS samples, max(cpu) AS cpu_max, avg(cpu) AS cpu_mean, max(rss_mb) AS rss_max,
            max(lag_ms) AS lag_max FROM raw WHERE k = 'health' AND child IS NOT NULL GROUP BY child ORDER BY child"""
        )

    def open_notices(self) -> dict[str, npt.NDArray[Any]]:
        """Captured trades whose notice was never accepted: attempts sent, and when the last of them ended."""
        return self.query(
            """SELECT trade_no, min(upstream) AS upstream,
              coalesce(max(n) FILTER (k = 'notice_sent'), 0) AS sent,
              coalesce(max(n) FILTER (k = 'notice_answered'), 0) AS answered,
              max(t) FILTER (k = 'notice_answered') AS answered_t
            FROM told WHERE k IN ('captured', 'notice_sent', 'notice_answered') AND trade_no IS NOT NULL
            GROUP BY trade_no
            HAVING bool_or(k = 'captured') AND NOT coalesce(bool_or(outcome = 'accepted'), false) ORDER BY trade_no"""
        )

    def strikes(self) -> dict[str, npt.NDArray[Any]]:
        """The injectors' voice, which nothing but the struck tables may use: order index, fault, time."""
        return self.query(
            """SELECT i, fault, t FROM struck_raw JOIN orders USING (o)
            WHERE k = 'struck' AND fault IS NOT NULL ORDER BY i, t, fault, struck_raw.rowid"""
        )

    def write_parquet(self, path: Path, columns: dict[str, npt.NDArray[Any]]) -> None:
        """One row per order, byte for byte the same for the same columns; RunDirError if it cannot be written."""
        self._db.execute("SET threads = 1")
        temporary = path.with_name(f".{path.name}.new")
        self._db.register("table_of_orders", columns)
        try:
            self._db.execute(f"COPY (SELECT * FROM table_of_orders) TO '{_quoted(temporary)}' (FORMAT parquet)")
        except duckdb.IOException as error:
            temporary.unlink(missing_ok=True)
            raise RunDirError(f"{path}: cannot be written: {str(error).splitlines()[0]}") from error
        self._db.unregister("table_of_orders")
        temporary.replace(path)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


_PAGE_PAID = ", ".join(f"'{s}'" for s in (*PAID_STATES, State.FAILED, State.HELD, State.MANUAL))
_BOOKED_PAID = ", ".join(f"'{s}'" for s in PAID_STATES)
_NOT_BOOKED_PAID = ", ".join(f"'{s}'" for s in UNPAID_BOOKS)
_ORDERS_SQL = f"""
WITH per_writer AS (SELECT w, max(t) AS end_t FROM raw GROUP BY w)
SELECT i,
  min(json_extract_string(why, '$')) FILTER (k = 'unsent') AS unsent_why,
  coalesce(min(order_no) FILTER (k = 'placed'), min(order_no) FILTER (k = 'booked')) AS order_no,
  min(trade_no) FILTER (k = 'trade_created') AS trade_no,
  min(way) FILTER (k = 'trade_created') AS way,
  min(due_t) FILTER (k = 'planned') AS due_t,
  min(t) FILTER (k = 'sent') AS sent_t,
  min(late_ns) FILTER (k = 'sent') AS late_ns,
  min(t) FILTER (k = 'placed') AS placed_t,
  min(t) FILTER (k = 'paid_at_cashier') AS cashier_t,
  min(t) FILTER (k = 'trade_created') AS trade_t,
  min(t) FILTER (k = 'captured') AS captured_t,
  min(t) FILTER (k = 'notice_answered' AND outcome = 'accepted') AS accepted_t,
  min(t) FILTER (k = 'refunded') AS refunded_t,
  min(t) FILTER (k = 'seen' AND state IN ({_PAGE_PAID})) AS page_paid_t,
  max(t) FILTER (k = 'seen') AS last_seen_t,
  max(t) FILTER (k = 'seen' AND final) AS final_t,
  max(t) FILTER (k = 'poll_failed' AND operation = 'poll') AS last_failed_t,
  max(t) FILTER (k = 'poll_failed' AND operation = 'poll' AND status = 404) AS gone_t,
  max(end_t) FILTER (k IN ('seen', 'placed')) AS written_t,
  count(*) FILTER (k = 'seen') AS polls_seen,
  min(amount_fen) FILTER (k = 'trade_created') AS price_fen,
  min(amount_fen) FILTER (k = 'booked' AND amount_fen > 0) AS booked_fen,
  sum(amount_fen) FILTER (k = 'captured')::BIGINT AS captured_fen,
  sum(amount_fen) FILTER (k = 'refunded')::BIGINT AS refunded_fen,
  max(n) FILTER (k = 'notice_sent') AS notices,
  count(*) FILTER (k = 'booked') AS books,
  coalesce(bool_or(state IN ({_BOOKED_PAID})) FILTER (k = 'booked'), false)::INTEGER AS booked_paid,
  coalesce(bool_or(state NOT IN ({_NOT_BOOKED_PAID}) AND coalesce(code, '') <> '{Code.PAY_AMOUNT_MISMATCH}')
    FILTER (k = 'booked'), false)::INTEGER AS booked_holds,
  arg_max(state, (state IN ({_BOOKED_PAID}), state)) FILTER (k = 'booked') AS booked_state
FROM told LEFT JOIN per_writer ON told.w = per_writer.w
GROUP BY i ORDER BY i
"""


def _plain(column: Any) -> npt.NDArray[Any]:
    if column.dtype.kind in "iufb":
        return _floats(column)
    return np.asarray(np.ma.filled(column.astype(object), None))


def _floats(column: Any) -> Floats:
    """Numbers as float64; NULL and what is not finite as NaN."""
    numbers: Any = column.astype(np.float64)
    return np.asarray(np.ma.filled(numbers, np.nan))


def _texts(values: Any) -> Texts:
    column = np.empty(len(values), dtype=object)
    column[:] = [value if isinstance(value, str) else "" for value in values]
    return column


def _scattered(column: npt.NDArray[Any], rows: Ints, n: int) -> npt.NDArray[Any]:
    full: npt.NDArray[Any] = np.full(n, np.nan) if column.dtype.kind == "f" else np.full(n, None, dtype=object)
    full[rows] = column
    return full


def _cleaned(file: Path, folder: Path) -> Path:
    """A copy without the lines that are no JSON objects."""
    copy = folder / file.name
    with file.open("rb") as lines, copy.open("wb") as kept:
        for line in lines:
            try:
                if isinstance(msgspec.json.decode(line), dict):
                    kept.write(line if line.endswith(b"\n") else line + b"\n")
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
    return copy


assert set(INDEX) == set(STATES)

"""Joins the voices by order: journals in, numpy columns out, and orders.parquet.

DuckDB reads the journals with explicit columns, so that missing kinds, absent fields, seals and cut lines do no harm.
Times are ns on the run's axis as float64 (exact below 104 days), NaN where the thing did not happen.
"""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np
import numpy.typing as npt

from ledger.journal import BYTES_PREFIX, STRUCK_PREFIX, SUFFIX, FileCheck, Wholeness, check
from ledger.rundir import RunDir, RunDirError
from ledger.states import State
from plan.orders import number_of, order_key, wish
from plan.run import REPLAY, Plan
from reports import goods
from reports.measure.money import Booked
from reports.measure.stuck import INDEX, STATES, UNKNOWN, Seen
from reports.orders import HOLDS_SQL, ORDERS_SQL, Floats, Ints, Orders, Texts

_INTEGERS = (
    *("t", "due_t", "n", "late_ns", "last_old_t", "status", "count", "errors", "late", "amount_fen", "copy", "shop_t"),
    *("attempt", "l0_t", "wall_ns", "quantity"),
)
_TEXTS = (
    *("w", "k", "o", "order_no", "channel", "name", "state", "words", "code", "operation", "upstream", "trade_no"),
    *("out_trade_no", "way", "keyed_by", "method", "path", "nearest", "outcome", "product", "request_no", "credit"),
    *("fault", "hop", "changed", "child", "phase", "note", "about", "notice_id", "matched", "must"),
)
_NUMBERS = ("ms", "cpu", "rss_mb", "lag_ms")
_BOOLEANS = ("final", "done", "forced")
_OTHERS = dict.fromkeys(("histogram", "why", "goods"), "JSON") | dict.fromkeys(_BOOLEANS, "BOOLEAN")
COLUMNS = (
    dict.fromkeys(_INTEGERS, "BIGINT") | dict.fromkeys(_TEXTS, "VARCHAR") | dict.fromkeys(_NUMBERS, "DOUBLE") | _OTHERS
)
_KEY = r"^b[0-9]{8}(\.[0-9]+)?$"
_ANY_KEY = r"^[bw][0-9]{8}(\.[0-9]+)?$"

_COUNTS = (
    *("price_fen", "captured_fen", "refunded_fen", "notices", "polls_seen", "books", "pay_failures", "cancel_asked"),
)


class Stories:
    """The journals of one run in a DuckDB of its own; `strikes` apart, so that all else can be read blind."""

    def __init__(self, run: RunDir, plan: Plan) -> None:
        self.run, self.plan = run, plan
        self._db = duckdb.connect(":memory:")
        self._db.execute("SET threads = 2")
        self._read("raw", run.journals(struck=False))
        struck = [f for f in run.journals() if f.name.startswith(STRUCK_PREFIX) and not f.name.startswith(BYTES_PREFIX)]
        self._read("struck_raw", struck)
        self._name_orders()

    def close(self) -> None:
        self._db.close()

    def query(self, sql: str, values: Sequence[object] = ()) -> dict[str, npt.NDArray[Any]]:
        """Columns of a query; NULL becomes NaN in numbers and None in texts."""
        columns = self._db.execute(sql, list(values)).fetchnumpy()
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
        self._db.execute(goods.SHOWN_SQL)

    def orders(self) -> Orders:
        """One row per order."""
        found = self.query(ORDERS_SQL)
        n, rows = len(self.keys), found.pop("i").astype(np.int64)
        columns: dict[str, Any] = {name: _scattered(column, rows, n) for name, column in found.items()}
        for name in _COUNTS:
            columns[name] = np.nan_to_num(columns[name]).astype(np.int64)
        for name in ("booked_paid", "booked_holds", "cancel_done"):
            columns[name] = np.nan_to_num(columns[name]).astype(bool)
        for name in ("unsent_why", "order_no", "trade_no", "way", "booked_state", "supplier", "code"):
            columns[name] = _texts(columns[name])
        booked_price = np.nan_to_num(columns.pop("booked_fen")).astype(np.int64)
        columns["price_fen"] = np.where(columns["price_fen"] > 0, columns["price_fen"], booked_price)
        wishes, roles = self._wishes(), {upstream.role for upstream in self.plan.upstreams.values()}
        vouched = goods.vouched(self.query, wishes["product"], self.plan.target.needs, roles)
        return Orders(keys=self.keys, **wishes, **goods.columns(self.query, vouched), **columns)

    def _wishes(self) -> dict[str, Any]:
        """What each order was to be, by the plan."""
        numbers = [number_of(key) or 0 for key in self.keys]
        wishes = [wish(self.plan.seed, n, self.plan.mix) for n in numbers]
        parts = {name: _texts([getattr(w, name) for w in wishes]) for name in ("product", "channel", "region", "buyer")}
        planned = [n < self.n_planned and len(key) == 9 for n, key in zip(numbers, self.keys, strict=True)]
        return {**parts, "is_planned": np.array(planned, dtype=bool)}

    def goods_shared(self) -> int:
        """Goods that more than one order shows on its page: at most one of their buyers has them."""
        return goods.shared(self.query)

    def work(self) -> goods.Work:
        """When upstreams were at work for each order."""
        replaying = [name for name, upstream in self.plan.upstreams.items() if upstream.on_repeat == REPLAY]
        return goods.work(self.query, replaying)

    def seen(self) -> Seen:
        """What pages showed, sorted by order and time; the closing row of an open order is in Orders.final_t."""
        states = ", ".join(f"'{state}'" for state in STATES)
        found = self.query(
            f"""SELECT i, t, last_old_t, coalesce(list_position([{states}], state), {UNKNOWN + 1}) - 1 AS state,
              hash(coalesce(words, ''), coalesce(code, ''))::DOUBLE AS says
            FROM told WHERE k = 'seen' AND NOT coalesce(final, false) ORDER BY i, t, seq"""
        )
        return Seen(
            found["i"].astype(np.int64),
            _floats(found["t"]),
            _floats(found["last_old_t"]),
            found["state"].astype(np.int64),
            _floats(found["says"]),
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

    def wall_ns(self) -> float | None:
        """The wall clock's time at the beginning of the run's axis, ns since 1970; None where nobody wrote it down."""
        found = _floats(self.query("SELECT min(wall_ns) AS t FROM raw WHERE k = 'phase'")["t"])[0]
        return float(found) if np.isfinite(found) else None

    def heard_t(self, writers: Iterable[str]) -> float:
        """Until when the journals of these writers are whole: for good where they were closed, else until their last
        event, and not at all where one is damaged or missing. Of what is later, absence proves nothing."""
        found = self.query("SELECT w, max(t) AS t FROM raw WHERE w IS NOT NULL GROUP BY w")
        last = dict(zip(found["w"].tolist(), _floats(found["t"]).tolist(), strict=True))
        checks = {path.name: check(path) for path in self.run.journals(struck=False)}
        return min((self._whole_t(checks.get(f"{w}{SUFFIX}"), last.get(w)) for w in writers), default=np.inf)

    @staticmethod
    def _whole_t(found: FileCheck | None, last_t: float | None) -> float:
        if found is None or found.wholeness is Wholeness.BROKEN:
            return -np.inf
        if found.wholeness is Wholeness.CLOSED:
            return np.inf
        return -np.inf if last_t is None else last_t

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

    def samples(self) -> dict[str, npt.NDArray[Any]]:
        """Every sample of a child's health: child, t, cpu (percent of a core), lag_ms."""
        return self.query(
            "SELECT child, t, cpu, lag_ms FROM raw WHERE k = 'health' AND child IS NOT NULL ORDER BY t, child"
        )

    def booked(self) -> Booked:
        """What the shop's books hold of each order, in fen."""
        found = self.query(
            f"""SELECT i, sum(amount_fen) FILTER ({HOLDS_SQL}) AS held,
              sum(amount_fen) FILTER (state = '{State.REFUNDED}') AS back,
              sum(amount_fen) FILTER (state = '{State.COMPLETED}') AS done
            FROM told WHERE k = 'booked' GROUP BY i ORDER BY i"""
        )
        rows, n = found["i"].astype(np.int64), len(self.keys)
        fen = (np.nan_to_num(_scattered(_floats(found[name]), rows, n)) for name in ("held", "back", "done"))
        return Booked(*(column.astype(np.int64) for column in fen))

    def refund_asked_t(self) -> Floats:
        """When the shop first asked for the money of each order back (ns)."""
        found = self.query("SELECT i, min(t) AS t FROM told WHERE k = 'refund_requested' GROUP BY i ORDER BY i")
        return _scattered(_floats(found["t"]), found["i"].astype(np.int64), len(self.keys))

    def open_notices(self) -> dict[str, npt.NDArray[Any]]:
        """Captured trades whose notice was never accepted: attempts sent, and when the last of them ended."""
        return self.query(
            """SELECT trade_no, min(upstream) AS upstream,
              coalesce(max(n) FILTER (k = 'notice_sent'), 0) AS sent,
              coalesce(max(n) FILTER (k = 'notice_answered'), 0) AS answered,
              max(t) FILTER (k = 'notice_answered') AS answered_t
            FROM told WHERE k IN ('captured', 'notice_sent', 'notice_answered') AND trade_no IS NOT NULL
              AND coalesce(about, 'done') = 'done'
            GROUP BY trade_no
            HAVING bool_or(k = 'captured') AND NOT coalesce(bool_or(outcome = 'accepted'), false) ORDER BY trade_no"""
        )

    def disputes(self) -> dict[str, npt.NDArray[Any]]:
        """Orders that were complained about at the channel: index, complaints ended, those ended by force, and what
        the channel gave back at these (fen)."""
        return self.query(
            """SELECT i, count(*) FILTER (k = 'disputed') AS opened, count(*) FILTER (k = 'dispute_ended') AS ended,
              count(*) FILTER (k = 'dispute_ended' AND forced) AS forced,
              coalesce(sum(amount_fen) FILTER (k = 'refunded' AND t IN
                (SELECT t FROM told AS e WHERE e.i = told.i AND e.k = 'dispute_ended' AND e.forced)), 0) AS forced_fen
            FROM told GROUP BY i HAVING opened > 0 ORDER BY i"""
        )

    def struck_at(self) -> dict[str, npt.NDArray[Any]]:
        """How often each fault struck at each hop, by what exchanges were keyed, and how many packets it dropped."""
        return self.query(
            """SELECT fault, hop, keyed_by, count(*) AS n,
              sum(coalesce(try_cast(regexp_extract(changed, '^dropped ([0-9]+) of', 1) AS BIGINT), 0)) AS packets
            FROM struck_raw WHERE k = 'struck' AND fault IS NOT NULL AND hop IS NOT NULL GROUP BY ALL ORDER BY ALL"""
        )

    def strikes(self) -> dict[str, npt.NDArray[Any]]:
        """The injectors' voice, which nothing but the struck tables may use: order index, fault, time."""
        return self.query(
            """SELECT i, fault, t FROM struck_raw JOIN orders USING (o)
            WHERE k = 'struck' AND fault IS NOT NULL ORDER BY i, t, fault, struck_raw.rowid"""
        )

    def signed(self) -> dict[str, npt.NDArray[Any]]:
        """Answers and notices that were signed oddly: order index, fault, time, operation, what a good shop must do,
        and of a notice whether it was answered and whether that was an acknowledgement."""
        return self.query(
            """SELECT s.i, s.fault, s.t, s.operation, s.must, count(a.t) > 0 AS answered,
              coalesce(bool_or(a.outcome = 'accepted'), false) AS accepted
            FROM (SELECT i, fault, t, operation, must, hop, attempt, struck_raw.rowid AS seq
                  FROM struck_raw JOIN orders USING (o) WHERE k = 'struck' AND must <> '' AND fault IS NOT NULL) s
            LEFT JOIN told a ON a.i = s.i AND a.k = 'notice_answered' AND s.operation = 'notice' AND a.n = s.attempt
              AND a.outcome IN ('accepted', 'refused') AND coalesce(a.about, 'done') = 'done'
              AND a.upstream = split_part(s.hop, '/', 2)
            GROUP BY s.i, s.fault, s.t, s.operation, s.must, s.seq ORDER BY s.i, s.t, s.seq"""
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


def _plain(column: Any) -> npt.NDArray[Any]:
    if column.dtype.kind in "iufb":
        return _floats(column)
    texts = np.ma.getdata(column).astype(object)
    texts[np.ma.getmaskarray(column)] = None  # filled(None) would write numpy's own "?"
    return np.asarray(texts)


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

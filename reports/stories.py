"""Joins the voices by order: journals in, numpy columns out, and orders.parquet.

Times are ns on the run's axis as float64 (exact below 104 days), NaN where the thing did not happen.
"""

import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from ledger.journal import BYTES_PREFIX, STRUCK_PREFIX, SUFFIX, FileCheck, Wholeness
from ledger.rundir import RunDir, RunDirError, Verdict
from ledger.states import State
from plan.orders import number_of, order_key
from plan.run import REPLAY, Plan
from reports import gather, goods
from reports.journals import EXTRA, SUFFIXES, Journals, coded, quoted
from reports.measure.money import Booked
from reports.measure.sorting import by_order_and_time
from reports.measure.stuck import INDEX, STATES, UNKNOWN, Seen
from reports.orders import Bools, Floats, Orders
from reports.wishes import wishes

MEMORY = "1GB"
"""What the database may hold at once; beyond that it writes to a temporary folder."""


class Stories:
    """The journals of one run in a DuckDB of its own; strikes apart, so that all else can be read blind.

    `told` is what was told of each order (i, seq, o and the columns of reports/journals.py), `events` everything with
    i null where it is of no order of ours, `struck` the injectors' voice, which only the struck tables may read.
    """

    def __init__(self, run: RunDir, plan: Plan) -> None:
        self.run, self.plan = run, plan
        self.n_planned = plan.load.orders
        self._folder = tempfile.TemporaryDirectory(prefix="orderjam-")
        self._db = duckdb.connect(":memory:")
        self._db.execute(f"SET threads = 2; SET memory_limit = '{MEMORY}'; SET enable_progress_bar = false")
        self._db.execute(f"SET temp_directory = '{quoted(self._folder.name)}'")
        facts = run.journals(struck=False)
        struck = [f for f in run.journals() if f.name.startswith(STRUCK_PREFIX) and not f.name.startswith(BYTES_PREFIX)]
        Journals.declare(self._db, [*facts, *struck])
        self._facts = Journals(self._db, facts, name="facts", planned=self.n_planned)
        self._strikes = Journals(self._db, struck, name="strikes", planned=self.n_planned)
        self._name_orders()

    def close(self) -> None:
        self._db.close()
        self._folder.cleanup()

    def query(self, sql: str, values: Sequence[object] = ()) -> dict[str, npt.NDArray[Any]]:
        """Columns of a query; NULL becomes NaN in numbers and None in texts. May be asked by several threads."""
        with self._db.cursor() as cursor:
            columns = cursor.execute(sql, list(values)).fetchnumpy()
        return {name: _plain(column) for name, column in columns.items()}

    @cached_property
    def verified(self) -> Verdict:
        """What the seals of the journals say."""
        return self.run.verify()

    def _name_orders(self) -> None:
        """Gives every order its index: the planned ones first, then those beside the plan by their key. What was keyed
        by the shop's number belongs to the order that was placed under it."""
        strangers = self._facts.strangers()
        placed = self._placed({number for number in {*strangers, *self._strikes.strangers()} if number < 0})
        beside = sorted((_key(number), number) for number in strangers if number >= EXTRA)
        index = {number: self.n_planned + n for n, (_, number) in enumerate(beside)}
        renamed = index | {number: index.get(order, order) for number, order in placed.items()}
        for journals in (self._facts, self._strikes):
            journals.rename(renamed)
        extra = [key for key, _ in beside]
        self.keys: list[str] = [*map(order_key, range(self.n_planned)), *extra]
        self._lay_views(extra)

    def _placed(self, numbers: set[int]) -> dict[int, int]:
        """The orders that were placed under the shop's numbers with these codes: of several the one with the least
        key."""
        if not numbers:
            return {}
        found = self._db.execute(
            f"""SELECT {coded("order_no")} AS number, i FROM facts
            WHERE k = 'placed' AND order_no <> '' AND i >= 0 AND number IN (SELECT unnest(?))""",
            [list(numbers)],
        ).fetchall()
        return dict(sorted(found, key=lambda row: _key(row[1]), reverse=True))

    def _lay_views(self, extra: list[str]) -> None:
        n = self.n_planned
        self._db.execute("CREATE TABLE extra AS SELECT ?::VARCHAR[] AS keys", [extra])
        key = f"CASE WHEN i < {n} THEN 'b' || lpad(i::VARCHAR, 8, '0') ELSE (SELECT keys FROM extra)[i - {n} + 1] END"
        for view, base in (("told", "facts"), ("struck", "strikes")):
            ours = f"FROM {base} WHERE i >= 0 AND i < {len(self.keys)}"
            self._db.execute(f"CREATE VIEW {view} AS SELECT *, {key} AS o {ours}")
        self._db.execute(goods.SHOWN_SQL)
        self._db.execute(goods.SALES_SQL)

    def orders(self) -> Orders:
        """One row per order."""
        numbers = (*range(self.n_planned), *(number_of(key) or 0 for key in self.keys[self.n_planned :]))
        with ThreadPoolExecutor() as beside:  # while one waits for the database, the other computes
            wishing = beside.submit(wishes, self.plan.seed, numbers, self.plan.mix)
            seen, final = self._shown
            made = gather.columns(self.query, seen, final, self._ends, len(self.keys))
            wished, roles = wishing.result(), {upstream.role for upstream in self.plan.upstreams.values()}
        vouched = goods.vouched(self.query, wished["product"], self.plan.target.needs, roles)
        is_planned = np.arange(len(self.keys)) < self.n_planned
        return Orders(keys=self.keys, is_planned=is_planned, **wished, **goods.columns(self.query, vouched), **made)

    def goods_shared(self) -> int:
        """Goods that more than one order shows on its page: at most one of their buyers has them."""
        return goods.shared(self.query)

    def work(self) -> goods.Work:
        """When upstreams were at work for each order."""
        replaying = [name for name, upstream in self.plan.upstreams.items() if upstream.on_repeat == REPLAY]
        return goods.work(self.query, replaying)

    def seen(self) -> Seen:
        """What pages showed, sorted by order and time; the closing row of an open order is in Orders.final_t."""
        seen, final = self._shown
        rows = ~final
        return Seen(*(getattr(seen, name)[rows] for name in Seen.__struct_fields__))

    @cached_property
    def _shown(self) -> tuple[Seen, Bools]:
        """Everything that pages showed, and which of it are closing rows."""
        found = self.query(
            f"""SELECT i, t, last_old_t, coalesce(enum_code(state), {len(STATES)}) AS state,
              hash(coalesce(words, ''), code)::DOUBLE AS says, coalesce(final, false) AS final
            FROM told WHERE k = 'seen'"""
        )
        by = by_order_and_time(found["i"].astype(np.int64), found["t"])
        at = np.array([INDEX[state] for state in sorted(STATES)] + [UNKNOWN])
        columns = {name: found.pop(name)[by] for name in list(found)}  # one by one: each is large
        i, state = columns["i"].astype(np.int64), at[columns["state"].astype(np.int64)]
        return Seen(i, columns["t"], columns["last_old_t"], state, columns["says"]), columns["final"] > 0

    def shown(self, state: State) -> Floats:
        """By order, when its page was first read to show a state."""
        seen, _ = self._shown
        mine = np.flatnonzero(seen.state == INDEX[state])[::-1]  # the first one wins
        full = np.full(len(self.keys), np.nan)
        full[seen.i[mine]] = seen.t[mine]
        return full

    def phases(self) -> list[tuple[str, float, float, str]]:
        """Phase, its beginning, the start of load if known, and the harness's note."""
        found = self.query(
            "SELECT phase, t, l0_t, note FROM facts WHERE k = 'phase' AND phase IS NOT NULL ORDER BY t, seq"
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
        found = (self.query("SELECT min(wall_ns) AS t FROM facts WHERE k = 'phase'")["t"])[0]
        return float(found) if np.isfinite(found) else None

    def heard_t(self, writers: Iterable[str]) -> float:
        """Until when the journals of these writers are whole: for good where they were closed, else until their last
        event, and not at all where one is damaged or missing. Of what is later, absence proves nothing."""
        checks = {found.file: found for found in self.verified.files}
        return min((self._whole_t(checks.get(f"{w}{SUFFIX}"), self._ends.get(w)) for w in writers), default=np.inf)

    @cached_property
    def _ends(self) -> dict[str, float]:
        """By writer, when it last told of anything."""
        found = self.query("SELECT w::VARCHAR AS w, max(t) AS t FROM facts WHERE w IS NOT NULL GROUP BY w ORDER BY w")
        return dict(zip(found["w"].tolist(), found["t"].tolist(), strict=True))

    @staticmethod
    def _whole_t(found: FileCheck | None, last_t: float | None) -> float:
        if found is None or found.wholeness is Wholeness.BROKEN:
            return -np.inf
        if found.wholeness is Wholeness.CLOSED:
            return np.inf
        return -np.inf if last_t is None else last_t

    def last_t(self) -> float:
        """The last moment anybody recorded; 0 for a run without events."""
        return float(np.nan_to_num(self.query("SELECT max(t) AS t FROM facts")["t"])[0])

    def requests(self) -> dict[str, npt.NDArray[Any]]:
        """Every second of requests: name, t, count, errors, late, and the histogram and errors by reason as JSON."""
        return self.query(
            """SELECT name, t, count, errors, late, histogram, why
            FROM facts WHERE k = 'requests' AND name IS NOT NULL ORDER BY name, t, w, seq"""
        )

    def health(self) -> dict[str, npt.NDArray[Any]]:
        """Samples of every child, by child."""
        return self.query(
            """SELECT child, count(*) AS samples, max(cpu) AS cpu_max, avg(cpu) AS cpu_mean, max(rss_mb) AS rss_max,
            max(lag_ms) AS lag_max FROM facts WHERE k = 'health' AND child IS NOT NULL GROUP BY child ORDER BY child"""
        )

    def samples(self) -> dict[str, npt.NDArray[Any]]:
        """Every sample of a child's health: child, t, cpu (percent of a core), lag_ms."""
        return self.query(
            "SELECT child, t, cpu, lag_ms FROM facts WHERE k = 'health' AND child IS NOT NULL ORDER BY t, child"
        )

    def booked(self) -> Booked:
        """What the shop's books hold of each order, in fen."""
        return gather.booked(self.query, len(self.keys))

    def refund_asked_t(self) -> Floats:
        """When the shop first asked for the money of each order back (ns)."""
        return gather.first_t(self.query, "refund_requested", len(self.keys))

    def open_notices(self) -> dict[str, npt.NDArray[Any]]:
        """Captured trades whose notice was never accepted: attempts sent, and when the last of them ended."""
        return self.query(
            """WITH done AS (SELECT hash(trade_no) AS trade FROM told
              WHERE k = 'notice_answered' AND outcome = 'accepted' AND coalesce(about, 'done') = 'done')
            SELECT trade_no, min(upstream) AS upstream,
              coalesce(max(n) FILTER (k = 'notice_sent'), 0) AS sent,
              coalesce(max(n) FILTER (k = 'notice_answered'), 0) AS answered,
              max(t) FILTER (k = 'notice_answered') AS answered_t
            FROM told WHERE k IN ('captured', 'notice_sent', 'notice_answered') AND trade_no IS NOT NULL
              AND coalesce(about, 'done') = 'done' AND hash(trade_no) NOT IN (SELECT trade FROM done)
            GROUP BY trade_no HAVING bool_or(k = 'captured') ORDER BY trade_no"""
        )

    def disputes(self) -> dict[str, npt.NDArray[Any]]:
        """Orders that were complained about at the channel: index, complaints ended, those ended by force, and what
        the channel gave back at these (fen)."""
        return self.query(
            """SELECT i, count(*) FILTER (k = 'disputed') AS opened, count(*) FILTER (k = 'dispute_ended') AS ended,
              count(*) FILTER (k = 'dispute_ended' AND forced) AS forced,
              coalesce(sum(amount_fen) FILTER (k = 'refunded' AND t IN
                (SELECT t FROM told AS e WHERE e.i = told.i AND e.k = 'dispute_ended' AND e.forced)), 0) AS forced_fen
            FROM told WHERE k IN ('disputed', 'dispute_ended', 'refunded')
            GROUP BY i HAVING opened > 0 ORDER BY i"""
        )

    def struck_at(self) -> dict[str, npt.NDArray[Any]]:
        """How often each fault struck at each hop, by what exchanges were keyed, and how many packets it dropped."""
        return self.query(
            """SELECT fault, hop, keyed_by, count(*) AS n,
              sum(coalesce(try_cast(regexp_extract(changed, '^dropped ([0-9]+) of', 1) AS BIGINT), 0)) AS packets
            FROM strikes WHERE k = 'struck' AND fault IS NOT NULL AND hop IS NOT NULL GROUP BY ALL ORDER BY ALL"""
        )

    def strikes(self) -> dict[str, npt.NDArray[Any]]:
        """The injectors' voice, which nothing but the struck tables may use: order index, fault, time."""
        return self.query(
            """SELECT i, fault, t FROM struck
            WHERE k = 'struck' AND fault IS NOT NULL ORDER BY i, t, fault, seq"""
        )

    def signed(self) -> dict[str, npt.NDArray[Any]]:
        """Answers and notices that were signed oddly: order index, fault, time, operation, what a good shop must do,
        and of a notice whether it was answered and whether that was an acknowledgement."""
        return self.query(
            """SELECT s.i, s.fault, s.t, s.operation, s.must, count(a.t) > 0 AS answered,
              coalesce(bool_or(a.outcome = 'accepted'), false) AS accepted
            FROM (SELECT i, fault, t, operation, must, hop, attempt, seq FROM struck
                  WHERE k = 'struck' AND must <> '' AND fault IS NOT NULL) s
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
            self._db.execute(f"COPY (SELECT * FROM table_of_orders) TO '{quoted(str(temporary))}' (FORMAT parquet)")
        except duckdb.IOException as error:
            temporary.unlink(missing_ok=True)
            raise RunDirError(f"{path}: cannot be written: {str(error).splitlines()[0]}") from error
        self._db.unregister("table_of_orders")
        temporary.replace(path)


def _key(number: int) -> str:
    """The key of an order that has no index yet."""
    if number < EXTRA:
        return order_key(number)
    n, suffix = divmod(number - EXTRA, SUFFIXES)
    return f"{order_key(n)}.{suffix}" if suffix else order_key(n)


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


assert set(INDEX) == set(STATES)

"""The orders of a run as rows to choose from: orders.parquet where it is as new as the journals, else the analysis made
again. Whole columns stay in DuckDB, so that one of a million is found at once."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

import duckdb
import msgspec
import numpy.typing as npt

from ledger.rundir import RunDir
from plan.run import Plan
from reports.analysis import Analysis, analysed
from reports.orders import BARE_KEY
from reports.write.orders import columns


class Row(msgspec.Struct, frozen=True):
    """One order in short: one object of `orderjam order RUN … --json`. Business seconds; fen; wire seconds on the run's
    axis for `captured_s`. `state`: what the page showed last, `gone` where it answers 404. `hop`: the last one reached
    when it first got stuck, else at the end; `missing_hop`: the first that it lacked. `cause` is empty where none was
    needed; what speaks for it is written for the worst alone."""

    key: str
    order_no: str
    trade_no: str
    channel: str
    product: str
    region: str
    buyer: str
    way: str
    supplier: str
    state: str
    code: str
    booked_state: str
    cause: str
    why_en: str
    why_zh: str
    hop: str
    missing_hop: str
    price_fen: int
    captured_fen: int
    refunded_fen: int
    goods: int
    sold: int
    notices: int
    is_vouched: bool
    lost: bool
    stuck: bool
    open: bool
    paid: bool
    delivered: bool
    refunded: bool
    stuck_s: float
    waited_s: float
    captured_s: float | None


_ROW_SQL = {
    **{
        name: f"coalesce({name}, '')"
        for name in (
            *("key", "order_no", "trade_no", "channel", "product", "region", "buyer", "way", "supplier", "code"),
            *("booked_state", "cause", "why_en", "why_zh"),
        )
    },
    **{name: name for name in ("price_fen", "captured_fen", "refunded_fen", "goods", "notices", "is_vouched", "lost")},
    "state": "CASE WHEN gone THEN 'gone' ELSE last_state END",
    "hop": "last_hop",
    "missing_hop": "coalesce(first_missing_hop, '')",
    "sold": "goods_sold_upstream",
    "stuck": "stuck_business_s > 0",
    "open": "open",
    "paid": "captured_fen > 0",
    "delivered": "captured_fen > 0 AND goods > 0",
    "refunded": "captured_fen > 0 AND refunded_fen >= captured_fen",
    "stuck_s": "round(stuck_business_s, 3)",
    "waited_s": "round(waited_business_s, 3)",
    "captured_s": "nullif(captured_s, 'nan'::DOUBLE)",
}
_NEEDED = {"gone", "open", "waited_business_s", "goods_sold_upstream", "last_hop", "first_missing_hop", "why_zh"}
WORST_FIRST = "lost DESC, stuck_s DESC, open DESC, waited_s DESC, key"


class Table:
    """Rows of one run's orders; to be closed."""

    def __init__(self, source: str | Mapping[str, npt.NDArray[Any]]) -> None:
        """From a Parquet file, by its path, or from columns."""
        self._db = duckdb.connect(":memory:")
        self._db.execute("SET threads = 2")
        if isinstance(source, str):
            self._db.execute(
                f"CREATE VIEW kept AS SELECT * FROM read_parquet('{source.replace(chr(39), chr(39) * 2)}')"
            )
        else:
            self._db.register("kept", dict(source))
        self.names = {str(row[0]) for row in self._db.execute("DESCRIBE kept").fetchall()}

    @classmethod
    def of(cls, analysis: Analysis) -> Self:
        """Of an analysis that was just made."""
        table = cls(columns(analysis))
        table._name()
        return table

    @classmethod
    def open(cls, run: RunDir, plan: Plan) -> Self:
        """Of a run; DocumentError or RunDirError where it cannot be read."""
        if _is_current(run) and (kept := cls._kept(run)):
            return kept
        return cls.of(analysed(run, plan))

    @classmethod
    def _kept(cls, run: RunDir) -> Self | None:
        """Of orders.parquet; None where it cannot be read, or was written by an older orderjam."""
        try:
            kept = cls(str(run.orders))
        except duckdb.Error:
            return None
        if not kept.names >= _NEEDED:
            kept.close()
            return None
        kept._name()
        return kept

    def close(self) -> None:
        self._db.close()

    def worst(self, wanted: Iterable[tuple[str, object]] = (), limit: int | None = None) -> list[Row]:
        """The rows of which all conditions hold (a column of `Row` and its value), worst first: lost, then stuck
        longest, then open, then waited longest."""
        wanted = list(wanted)
        where = " AND ".join(f"{name} = ?" for name, _ in wanted)
        order = f"ORDER BY {WORST_FIRST}" + (f" LIMIT {limit}" if limit is not None else "")
        return self._rows(f"{'WHERE ' if where else ''}{where} {order}", [value for _, value in wanted])

    def count(self, condition: str = "true") -> int:
        """How many rows there are."""
        found = self._db.execute(f"SELECT count(*) FROM orders WHERE {condition}").fetchone()
        return int(found[0]) if found else 0

    def sent(self, limit: int) -> tuple[list[Row], int]:
        """All orders that were sent, or the worst of them where there are more; and how many there are."""
        return self._rows(f"WHERE is_sent ORDER BY {WORST_FIRST} LIMIT {limit}", []), self.count("is_sent")

    def find(self, name: str) -> list[Row]:
        """The orders of which this is the key, the order number or the trade number."""
        return self._rows("WHERE ? IN (key, order_no, trade_no) ORDER BY key", [name])

    def of_wishes(self, keys: Iterable[str]) -> list[Row]:
        """The orders of the same wishes as these, these among them."""
        wishes = sorted({key[:BARE_KEY] for key in keys})
        return self._rows(f"WHERE substr(key, 1, {BARE_KEY}) IN (SELECT unnest(?)) ORDER BY key", [wishes])

    def words(self, name: str) -> list[str]:
        """What stands in a column, once each."""
        found = self._db.execute(f"SELECT DISTINCT {name} FROM orders WHERE {name} <> '' ORDER BY 1").fetchall()
        return [str(word) for (word,) in found]

    def nearest(self, text: str) -> str:
        """The key, order number or trade number that looks most like the text; empty where none does."""
        found = self._db.execute(
            """SELECT name FROM (
              SELECT name, levenshtein(name, $1) AS wrong
              FROM (SELECT unnest([key, order_no, trade_no]) AS name FROM orders)
              WHERE name <> '' AND abs(length(name) - length($1)) <= 2)
            WHERE wrong <= greatest(length(name) // 3, 1) ORDER BY wrong, name LIMIT 1""",
            [text],
        ).fetchone()
        return str(found[0]) if found else ""

    def _name(self) -> None:
        """The view `orders` with the columns of `Row`."""
        parts = ", ".join(f"{sql} AS {name}" for name, sql in _ROW_SQL.items())
        is_sent = "(NOT isnan(sent_s) OR NOT planned) AS is_sent"
        self._db.execute(f"CREATE VIEW orders AS SELECT {parts}, {is_sent} FROM kept")

    def _rows(self, rest: str, values: list[object]) -> list[Row]:
        fields = Row.__struct_fields__
        found = self._db.execute(f"SELECT {', '.join(fields)} FROM orders {rest}", values).fetchall()
        return [msgspec.convert(dict(zip(fields, row, strict=True)), Row) for row in found]


def _is_current(run: RunDir) -> bool:
    if not run.orders.is_file():
        return False
    newest = max(file.stat().st_mtime_ns for file in (run.plan, *run.journals()))
    return run.orders.stat().st_mtime_ns >= newest

"""Reads journals into narrow tables of DuckDB: one pass over the bytes, few bytes a fact.

A fact has a handful of the forty fields that facts may have. Fields that no kind in a file has together share a slot of
its table, and what comes of a closed set is stored as its number; a view gives each field its name back. Of a kind only
the fields that ledger/events.py gives it are kept. Missing kinds, absent fields, seals and cut lines do no harm.
"""

import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb
import msgspec

from ledger.events import EVENT_TYPES
from ledger.journal import STRUCK_PREFIX
from ledger.states import Code, State

_INTEGERS = (
    *("t", "due_t", "n", "late_ns", "last_old_t", "status", "count", "errors", "late", "amount_fen", "copy", "shop_t"),
    *("attempt", "l0_t", "wall_ns"),
)
_TEXTS = (
    *("o", "order_no", "channel", "name", "words", "operation", "upstream", "trade_no", "way", "keyed_by", "outcome"),
    *("product", "request_no", "credit", "fault", "hop", "changed", "child", "phase", "note", "about", "must"),
)
_JSON = ("histogram", "why", "goods")
COLUMNS = (
    {"w": "writer", "k": "kind", "state": "state", "code": "code"}
    | dict.fromkeys(_INTEGERS, "BIGINT")
    | dict.fromkeys(_TEXTS, "VARCHAR")
    | dict.fromkeys(_JSON, "VARCHAR")
    | dict.fromkeys(("cpu", "rss_mb", "lag_ms", "ms"), "DOUBLE")
    | dict.fromkeys(("final", "done", "forced"), "BOOLEAN")
)
"""What can be asked for of a fact, and its type: `why`, `goods` and `histogram` are JSON texts."""
LEFT_OUT = {"out_trade_no", "notice_id", "method", "path", "nearest", "matched", "quantity"}
"""What no measure asks for: it would be a quarter of all that is kept."""

_OF_ALL = ("w", "k", "t", "o")
_NOT_OF = {"placed": {"ms"}, "paid_at_cashier": {"ms"}, "planned": {"n"}}
"""Fields that are kept of other kinds alone: these stand in every order, and say nothing that is not said elsewhere."""
_KIND = {kind.__struct_config__.tag: kind.__struct_fields__ for kind in EVENT_TYPES}
FIELDS = {
    kind: [name for name in COLUMNS if name in names and name not in {*_OF_ALL, *_NOT_OF.get(kind, ())}]
    for kind, names in _KIND.items()
}
"""Of each kind its own fields that are kept."""

EXTRA = 1 << 40
"""Keys of orders beside the plan are EXTRA + n * SUFFIXES + suffix, until they have an index."""
SUFFIXES = 1_000_000
LINE_BYTES_MAX = 1 << 24
SMALL_BYTES, SAMPLES, SAMPLE_BYTES = 1 << 24, 64, 1 << 16
_KIND_AT = re.compile(rb'"k":"([a-z_]+)"')


def coded(text: str) -> str:
    """The number that stands for a text that is no key of ours, as the shop's number of an order: below 0."""
    return f"-1 - (hash({text}) >> 1)::BIGINT"


def _key_sql(planned: int) -> str:
    """A key as a number: n of the plan's orders, EXTRA… of others of ours, none of warm-ups and of no order."""
    n, suffix = "substr(o, 2, 8)::BIGINT", "coalesce(nullif(substr(o, 11), ''), '0')::BIGINT"
    return f"""CASE WHEN o IS NULL THEN NULL
      WHEN strlen(o) = 9 AND o >= 'b0' AND o < 'b:' AND try_cast(substr(o, 2) AS BIGINT) < {planned}
        THEN try_cast(substr(o, 2) AS BIGINT)
      WHEN regexp_full_match(o, 'b[0-9]{{8}}(\\.[1-9][0-9]{{0,5}})?') THEN {EXTRA} + {n} * {SUFFIXES} + {suffix}
      WHEN regexp_full_match(o, 'w[0-9]{{8}}(\\.[0-9]+)?') THEN NULL ELSE {coded("o")} END"""


class Journals:
    """Some journals in a database. `seq` of a fact counts in the order of the files, and within them of the lines."""

    def __init__(self, db: duckdb.DuckDBPyConnection, files: Sequence[Path], *, name: str, planned: int) -> None:
        self._db, self._name, self._planned = db, name, planned
        size = sum(file.stat().st_size for file in files)
        groups = [[file] for file in files] if size >= SMALL_BYTES else [list(files)] if files else []
        self._tables = [self._read(group, f"{name}_{n}") for n, group in enumerate(groups)]
        self._lay_view()

    @staticmethod
    def declare(db: duckdb.DuckDBPyConnection, files: Iterable[Path]) -> None:
        """The closed sets, each in alphabetical order, so that their numbers compare as their texts do."""
        writers = {file.stem.removeprefix(STRUCK_PREFIX) for file in files}
        for name, values in (("writer", writers), ("kind", FIELDS), ("state", State), ("code", Code)):
            texts = ", ".join(f"'{quoted(str(value))}'" for value in sorted(map(str, values)))
            db.execute(f"CREATE TYPE {name} AS ENUM ({texts})")

    def strangers(self) -> list[int]:
        """The numbers of keys that are no planned order's, sorted."""
        found: set[int] = set()
        for table, _ in self._tables:
            sql = f"SELECT DISTINCT i FROM {table} WHERE i < 0 OR i >= {EXTRA}"
            found |= {row[0] for row in self._db.execute(sql).fetchall()}
        return sorted(found)

    def rename(self, index: dict[int, int]) -> None:
        """Gives strangers the index of their order."""
        if not index:
            return
        self._db.execute("CREATE OR REPLACE TEMP TABLE renamed (was BIGINT, now BIGINT)")
        self._db.execute("INSERT INTO renamed SELECT unnest(?), unnest(?)", [list(index), list(index.values())])
        for table, _ in self._tables:
            self._db.execute(f"UPDATE {table} SET i = now FROM renamed WHERE i = was")

    def _read(self, files: list[Path], table: str) -> tuple[str, list[list[str]]]:
        """The table, and the fields in each of its slots. A kind that the samples did not meet is read for anew."""
        kinds = _sampled(files)
        while True:
            slots = _slots(kinds)
            try:
                self._fill(table, files, slots)
            except duckdb.Error:  # bytes that are no text at all: keep the lines that are
                with tempfile.TemporaryDirectory(prefix="orderjam-") as folder:
                    self._fill(table, [_cleaned(file, Path(folder)) for file in files], slots)
            met = {row[0] for row in self._db.execute(f"SELECT DISTINCT k::VARCHAR FROM {table}").fetchall()}
            if met <= kinds:
                return table, slots
            kinds |= met

    def _fill(self, table: str, files: list[Path], slots: list[list[str]]) -> None:
        fields = [*_OF_ALL, *(name for slot in slots for name in slot)]
        columns = ", ".join(f"{name}: '{_json_type(name)}'" for name in fields)
        kept = "".join(f", {_slot_sql(slot)} AS s{n}" for n, slot in enumerate(slots))
        self._db.execute(
            f"""CREATE OR REPLACE TABLE {table} AS
            SELECT * FROM (
              SELECT {_key_sql(self._planned)} AS i, t, try_cast(w AS writer) AS w, try_cast(k AS kind) AS k{kept}
              FROM read_json(?, format = 'newline_delimited', columns = {{{columns}}}, ignore_errors = true,
                maximum_object_size = {LINE_BYTES_MAX}))
            WHERE t IS NOT NULL AND k IS NOT NULL""",
            [[str(file) for file in files]],
        )

    def _lay_view(self) -> None:
        """The view: index, seq and every column but the key."""
        parts, before = [], 0
        for table, slots in self._tables:
            at = {name: (n, len(slot)) for n, slot in enumerate(slots) for name in slot}
            columns = ", ".join(f"{_named(name, at)} AS {name}" for name in COLUMNS if name not in _OF_ALL)
            parts.append(f"SELECT i, rowid + {before} AS seq, t, w, k, {columns} FROM {table}")
            found = self._db.execute(f"SELECT count(*) FROM {table}").fetchone()
            before += found[0] if found else 0
        none = ", ".join(f"NULL::{kind} AS {name}" for name, kind in COLUMNS.items() if name != "o")
        parts = parts or [f"SELECT NULL::BIGINT AS i, NULL::BIGINT AS seq, {none} LIMIT 0"]
        self._db.execute(f"CREATE VIEW {self._name} AS {' UNION ALL '.join(parts)}")


def _sampled(files: list[Path]) -> set[str]:
    """Kinds that stand in pieces of the files, spread evenly."""
    kinds: set[str] = set()
    for file in files:
        step = max(file.stat().st_size // SAMPLES, SAMPLE_BYTES)
        with file.open("rb") as lines:
            for at in range(0, file.stat().st_size, step):
                lines.seek(at)
                kinds |= {kind.decode() for kind in set(_KIND_AT.findall(lines.read(SAMPLE_BYTES)))}
    return kinds & FIELDS.keys()


def _slots(kinds: set[str]) -> list[list[str]]:
    """Fields that may share a slot: of one type, and no kind has two of them. The commonest come first."""
    having = {name: {kind for kind in kinds if name in FIELDS[kind]} for name in COLUMNS}
    slots: list[list[str]] = []
    for name in sorted((name for name in COLUMNS if having[name]), key=lambda name: -len(having[name])):
        for slot in slots:
            if COLUMNS[slot[0]] == COLUMNS[name] and not any(having[name] & having[other] for other in slot):
                slot.append(name)
                break
        else:
            slots.append([name])
    return slots


def _slot_sql(slot: list[str]) -> str:
    kind = COLUMNS[slot[0]]
    texts = [f"{name}::VARCHAR" if name in _JSON else name for name in slot]
    value = texts[0] if len(texts) == 1 else f"coalesce({', '.join(texts)})"
    return f"try_cast({value} AS {kind})" if kind in ("state", "code") else value


def _named(name: str, at: dict[str, tuple[int, int]]) -> str:
    """The field of the view: from its slot, where only kinds that have it fill it with it."""
    if name not in at:
        return f"NULL::{COLUMNS[name]}"
    slot, shared_by = at[name]
    if shared_by == 1:
        return f"s{slot}"
    kinds = ", ".join(f"'{kind}'" for kind, fields in FIELDS.items() if name in fields)
    return f"CASE WHEN k IN ({kinds}) THEN s{slot} END"


def _json_type(name: str) -> str:
    if name in _JSON:
        return "JSON"
    return "VARCHAR" if COLUMNS[name] in ("writer", "kind", "state", "code") else COLUMNS[name]


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


def quoted(text: str) -> str:
    return text.replace("'", "''")

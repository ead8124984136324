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
    *("t", "due_t", "n", "late_ns", "last_old_t", "count", "errors", "late", "amount_fen", "shop_t", "l0_t", "wall_ns"),
)
_TEXTS = (
    *("o", "order_no", "channel", "name", "words", "operation", "upstream", "trade_no", "way", "keyed_by", "outcome"),
    *("product", "request_no", "credit", "fault", "hop", "changed", "child", "phase", "note", "about", "must"),
)
_JSON = ("histogram", "why", "goods")
COLUMNS = (
    {"w": "writer", "k": "kind", "state": "state", "code": "code"}
    | dict.fromkeys(_INTEGERS, "BIGINT")
    | dict.fromkeys(("status", "copy", "attempt"), "INTEGER")
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
_KIND = {str(kind.__struct_config__.tag): kind.__struct_fields__ for kind in EVENT_TYPES}
FIELDS = {
    kind: [name for name in COLUMNS if name in names and name not in {*_OF_ALL, *_NOT_OF.get(kind, ())}]
    for kind, names in _KIND.items()
}
"""Of each kind its own fields that are kept."""

PACKED_KINDS = ("requests", "health", "phase")
"""Kinds of no order, with many fields and few rows: what they say is one JSON text in a slot of their table, so that
the facts of orders need not keep room for it."""
_PACKED = "packed"

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
            db.execute(f"CREATE TYPE {name} AS ENUM ({_texts(sorted(map(str, values)))})")

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

    def _read(self, files: list[Path], table: str) -> tuple[str, "_Layout"]:
        """The table, and how fields lie in it. A kind that the samples did not meet is read for anew."""
        kinds = _sampled(files)
        while True:
            layout = _Layout(kinds)
            try:
                self._fill(table, files, layout)
            except duckdb.Error:  # bytes that are no text at all: keep the lines that are
                with tempfile.TemporaryDirectory(prefix="orderjam-") as folder:
                    self._fill(table, [_cleaned(file, Path(folder)) for file in files], layout)
            met = {row[0] for row in self._db.execute(f"SELECT DISTINCT k::VARCHAR FROM {table}").fetchall()}
            if met <= kinds:
                return table, layout
            kinds |= met

    def _fill(self, table: str, files: list[Path], layout: "_Layout") -> None:
        columns = ", ".join(f"{name}: '{_json_type(name)}'" for name in (*_OF_ALL, *layout.fields))
        self._db.execute(
            f"""CREATE OR REPLACE TABLE {table} AS
            SELECT * FROM (
              SELECT {_key_sql(self._planned)} AS i, t, try_cast(w AS writer) AS w, try_cast(k AS kind) AS k
                {layout.kept_sql}
              FROM read_json(?, format = 'newline_delimited', columns = {{{columns}}}, ignore_errors = true,
                maximum_object_size = {LINE_BYTES_MAX}))
            WHERE t IS NOT NULL AND k IS NOT NULL""",
            [[str(file) for file in files]],
        )

    def _lay_view(self) -> None:
        """The view: index, seq and every column but the key."""
        parts, before = [], 0
        for table, layout in self._tables:
            columns = ", ".join(f"{layout.named(name)} AS {name}" for name in COLUMNS if name not in _OF_ALL)
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


class _Layout:
    """How the fields of some kinds lie in a table: those that share a slot are of one type, and no kind has two of
    them; what packed kinds say is one more field of theirs."""

    def __init__(self, kinds: set[str]) -> None:
        self._kinds = sorted(kinds)
        self._packed = [name for name in COLUMNS if self._having(name, packed=True)]
        self.slots = self._shared()
        self._at = {name: n for n, slot in enumerate(self.slots) for name in slot}

    @property
    def fields(self) -> list[str]:
        """What must be read of a line, beside what every kind has."""
        return [name for name in COLUMNS if name in self._at or name in self._packed]

    @property
    def kept_sql(self) -> str:
        """The slots, filled from the fields of a line."""
        return "".join(f", {self._slot_sql(slot)} AS s{n}" for n, slot in enumerate(self.slots))

    def named(self, name: str) -> str:
        """The field of the view, of the kinds that have it."""
        whens, slot = [], f"s{self._at.get(name)}"
        if own := self._having(name):
            if not self._having(name, packed=True) and len(self.slots[self._at[name]]) == 1:
                return slot
            whens.append(f"WHEN k IN ({_texts(own)}) THEN {slot}")
        if packed := self._having(name, packed=True):
            extract = "json_extract" if name in _JSON else "json_extract_string"
            value = f"{extract}(s{self._at[_PACKED]}, '$.{name}')::{COLUMNS[name]}"
            whens.append(f"WHEN k IN ({_texts(packed)}) THEN {value}")
        return f"CASE {' '.join(whens)} END" if whens else f"NULL::{COLUMNS[name]}"

    def _having(self, name: str, *, packed: bool = False) -> list[str]:
        return [kind for kind in self._kinds if name in FIELDS[kind] and (kind in PACKED_KINDS) == packed]

    def _shared(self) -> list[list[str]]:
        """The commonest fields come first. Lines carry fields, too, that are not kept of their kind: these would fill a
        slot as well."""
        kept = {name: len(self._having(name)) for name in COLUMNS}
        kept[_PACKED] = len(set(PACKED_KINDS) & set(self._kinds))
        slots: list[list[str]] = []
        for name in sorted((name for name in kept if kept[name]), key=lambda name: -kept[name]):
            for slot in slots:
                met = {*slot, name}
                if _type(slot[0]) == _type(name) and all(len(met & _carried(kind)) <= 1 for kind in self._kinds):
                    slot.append(name)
                    break
            else:
                slots.append([name])
        return slots

    def _slot_sql(self, slot: list[str]) -> str:
        parts = [self._packed_sql() if name == _PACKED else _text_of(name) for name in slot]
        value = parts[0] if len(parts) == 1 else f"coalesce({', '.join(parts)})"
        return f"try_cast({value} AS {slot[0]})" if slot[0] in ("state", "code") else value

    def _packed_sql(self) -> str:
        said = ", ".join(f"'{name}', {name}" for name in self._packed)
        return f"CASE WHEN k IN ({_texts(PACKED_KINDS)}) THEN json_object({said})::VARCHAR END"


def _carried(kind: str) -> set[str]:
    """What a line of a kind may say."""
    return {*_KIND[kind], _PACKED} if kind in PACKED_KINDS else set(_KIND[kind])


def _type(name: str) -> str:
    return "VARCHAR" if name == _PACKED else COLUMNS[name]


def _text_of(name: str) -> str:
    return f"{name}::VARCHAR" if name in _JSON else name


def _texts(values: Iterable[str]) -> str:
    return ", ".join(f"'{quoted(value)}'" for value in values)


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

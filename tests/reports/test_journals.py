"""Journals are read whole into narrow tables: whatever kinds a file holds, whoever an order is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np
import pytest

from ledger import events as facts
from ledger.clock import SECOND_NS
from ledger.events import EVENT_TYPES, Event
from ledger.journal import Journal
from ledger.states import Code, State
from plan.orders import wish
from reports import journals, report
from reports.journals import EXTRA, FIELDS, PACKED_KINDS, Journals
from reports.measure.sorting import by_order, by_order_and_time
from reports.stories import Stories
from reports.wishes import PARTS, wishes
from tests.reports.conftest import NewRun, make_plan

DOCS = Path(__file__).parents[2] / "docs" / "measures.md"


def a_journal(folder: Path, events: list[Event], name: str = "driver-0") -> Path:
    path = folder / f"{name}.ndjson"
    with Journal(path, name) as journal:
        for event in events:
            journal.append(event)
    return path


def read_in(files: list[Path], planned: int = 10) -> tuple[duckdb.DuckDBPyConnection, Journals]:
    db = duckdb.connect(":memory:")
    Journals.declare(db, files)
    return db, Journals(db, files, name="facts", planned=planned)


@pytest.mark.parametrize("kinds", [set(FIELDS), {"seen", "placed", "planned"}, {"requests", "health"}, set()])
def test_no_kind_has_two_fields_in_one_slot_and_every_field_has_one(kinds: set[str]) -> None:
    layout = journals._Layout(kinds)
    for kind in kinds - set(PACKED_KINDS):
        assert all(len(set(slot) & set(FIELDS[kind])) <= 1 for slot in layout.slots)
        assert set(FIELDS[kind]) <= {name for slot in layout.slots for name in slot}
    assert {name for kind in kinds for name in FIELDS[kind]} == set(layout.fields)


def test_what_packed_kinds_say_keeps_its_types(tmp_path: Path) -> None:
    seconds = facts.Requests(t=9, name="poll", count=3, errors=1, late=0, histogram={"4": 3}, why={"http 500": 1})
    sample = facts.Health(t=10, child="driver-0", cpu=12.5, rss_mb=81.2, lag_ms=None)
    unsent = facts.Unsent(t=11, o="b00000001", why="too late")
    placed = facts.Placed(t=12, o="b00000001", order_no="N1", ms=1.0)
    planned = facts.Planned(t=8, o="b00000001", n=1, due_t=7)
    db, _ = read_in([a_journal(tmp_path, [planned, seconds, sample, unsent, placed])])
    found = db.execute("SELECT name, count, errors, late, histogram, why FROM facts WHERE k = 'requests'").fetchall()
    assert found == [("poll", 3, 1, 0, '{"4":3}', '{"http 500":1}')]
    assert db.execute("SELECT cpu, rss_mb, lag_ms, count FROM facts WHERE k = 'health'").fetchall() == [
        (12.5, 81.2, None, None)
    ]
    assert db.execute("SELECT due_t FROM facts WHERE k = 'planned'").fetchall() == [(7,)]
    assert db.execute("SELECT why, child FROM facts WHERE k = 'unsent'").fetchall() == [('"too late"', None)]


def test_every_field_that_is_kept_of_any_kind_comes_back_from_a_journal_of_all(tmp_path: Path) -> None:
    """Each field holds its own number or text, so that a mix-up shows."""
    made = {str(kind.__struct_config__.tag): _filled(kind) for kind in EVENT_TYPES}
    db, _ = read_in([a_journal(tmp_path, [msgspec.convert(one, Event) for one in made.values()])])
    for kind, one in made.items():
        for name in FIELDS[kind]:
            (found,) = db.execute(f"SELECT {name} FROM facts WHERE k = ?", [kind]).fetchone() or (None,)
            wanted = msgspec.json.encode(one[name]).decode() if name in ("histogram", "why", "goods") else one[name]
            assert found == wanted, (kind, name)


def _filled(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """An event of the kind with all of its fields said."""
    known = {"state": "paid", "code": "goods.sold_out", "operation": "poll", "phase": "load", "hop": "shop>payment"}
    made: dict[str, Any] = {"k": kind.__struct_config__.tag, "o": "b00000001"}
    for n, field in enumerate(msgspec.structs.fields(kind), 1):
        if field.name in ("o", "w"):
            continue
        text = str(field.type)
        if field.name in known:
            made[field.name] = known[field.name]
        elif "dict" in text:
            made[field.name] = {f"{field.name}{n}": n}
        elif "tuple" in text:
            made[field.name] = [f"{field.name}{n}"]
        else:
            made[field.name] = (
                True if field.type is bool else n if "int" in text else n + 0.5 if "float" in text else None
            )
            made[field.name] = f"{field.name}{n}" if made[field.name] is None else made[field.name]
    return made


def test_what_was_written_is_what_can_be_asked_for(tmp_path: Path) -> None:
    told = facts.Seen(
        t=5, o="b00000001", state=State.FAILED, words="no", goods=("a",), code=Code.GOODS_SOLD_OUT, last_old_t=3
    )
    named = facts.Placed(t=2, o="b00000001", order_no="N1", ms=1.5)
    db, _ = read_in([a_journal(tmp_path, [named, told])])
    found = db.execute("SELECT seq, i, t, w, k, order_no, words, state, code, goods, last_old_t FROM facts").fetchall()
    assert found == [
        (0, 1, 2, "driver-0", "placed", "N1", None, None, None, None, None),
        (1, 1, 5, "driver-0", "seen", None, "no", "failed", "goods.sold_out", '["a"]', 3),
    ]


def test_a_kind_that_no_sample_met_is_read_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many: list[Event] = [facts.Sent(t=t, o="b00000001", late_ns=t) for t in range(2000)]
    rare = facts.Unsent(t=1000, o="b00000002", why="too late")
    path = a_journal(tmp_path, [*many[:1000], rare, *many[1000:]])
    monkeypatch.setattr(journals, "SAMPLES", 2)
    monkeypatch.setattr(journals, "SAMPLE_BYTES", 200)
    assert "unsent" not in journals._sampled([path])
    db, _ = read_in([path])
    assert db.execute("SELECT i, why FROM facts WHERE k = 'unsent'").fetchall() == [(2, '"too late"')]
    assert db.execute("SELECT count(*), sum(late_ns) FROM facts").fetchone() == (2001, sum(range(2000)))


@pytest.mark.parametrize(
    ("key", "number"),
    [
        ("b00000000", 0),
        ("b00000009", 9),
        ("b00000010", EXTRA + 10 * journals.SUFFIXES),
        ("b00000003.2", EXTRA + 3 * journals.SUFFIXES + 2),
        ("w00000003", None),
        ("w00000003.2", None),
        (None, None),
    ],
)
def test_a_key_is_a_number(tmp_path: Path, key: str | None, number: int | None) -> None:
    db, _ = read_in([a_journal(tmp_path, [facts.Sent(t=1, o=key, late_ns=1)])])
    assert db.execute("SELECT i FROM facts").fetchall() == [(number,)]


@pytest.mark.parametrize("key", ["C2611241414174897a8ca0883", "b0000000x", "b0000003.02", "b000000030", ""])
def test_a_number_of_the_shop_is_no_key_of_ours(tmp_path: Path, key: str) -> None:
    _, found = read_in([a_journal(tmp_path, [facts.Sent(t=1, o=key, late_ns=1)])])
    assert [number < 0 for number in found.strangers()] == [True]


@pytest.mark.parametrize("split", [False, True])
def test_orders_beside_the_plan_come_after_it_and_the_shops_numbers_find_their_order(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch, split: bool
) -> None:
    run = new_run(2)
    run.order(0).happy()
    run.put("driver-0", facts.Placed(t=12 * SECOND_NS, o="b00000000.2", order_no="NO-2", ms=1.0))
    run.put("driver-0", facts.Placed(t=12 * SECOND_NS, o="b00000007", order_no="NO-7", ms=1.0))
    run.put("payment", facts.Captured(t=13 * SECOND_NS, o="NO-2", upstream="epay", trade_no="T", amount_fen=5))
    folder = run.write()
    if split:
        monkeypatch.setattr(journals, "SMALL_BYTES", 0)  # a table for each file, as large runs have
    stories = Stories(folder, run.plan)
    try:
        orders = stories.orders()
        assert stories.keys == ["b00000000", "b00000001", "b00000000.2", "b00000007"]
        assert orders.captured_fen.tolist() == [1000, 0, 5, 0]
        assert orders.wishes.tolist() == [0, 1, 0, 3]
        told = stories.query("SELECT DISTINCT o FROM told WHERE k IN ('captured', 'placed') ORDER BY o")
        assert told["o"].tolist() == ["b00000000", "b00000000.2", "b00000007"]
    finally:
        stories.close()


@pytest.mark.parametrize("damage", [lambda data: data[:-40], lambda data: b"\xff\xfe\n[1]\nnot json\n" + data])
def test_cut_and_damaged_lines_cost_no_other(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = a_journal(tmp_path, [facts.Sent(t=t, o="b00000001", late_ns=t) for t in range(5)])
    path.write_bytes(damage(path.read_bytes()))
    db, _ = read_in([path])
    assert db.execute("SELECT list(late_ns ORDER BY seq) FROM facts").fetchone() == ([0, 1, 2, 3, 4],)


def test_the_wishes_of_many_are_the_wish_of_each() -> None:
    plan = make_plan()
    found = wishes(plan.seed, range(500), plan.mix)
    for part in PARTS:
        assert found[part].tolist() == [getattr(wish(plan.seed, n, plan.mix), part) for n in range(500)]


def test_sorting_by_order_and_time_is_stable() -> None:
    chance = np.random.default_rng(1)
    i, t = chance.integers(0, 50, 2000), chance.integers(0, 5, 2000).astype(np.float64)
    assert by_order(i).tolist() == np.argsort(i, kind="stable").tolist()
    assert by_order_and_time(i, t).tolist() == np.lexsort((t, i)).tolist()


def test_orders_parquet_has_the_columns_that_are_documented(new_run: NewRun) -> None:
    run = new_run(2)
    run.order(0).happy()
    folder = run.write()
    report.build(folder)
    found = duckdb.sql(f"DESCRIBE SELECT * FROM '{folder.orders}'").fetchall()
    section = DOCS.read_text().split("**orders.parquet**")[1].split("\n\n")[1]
    rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in section.splitlines()[2:]]
    promised = [(name.strip("`"), kind) for names, kind in rows for name in names.split()]
    assert promised == [(row[0], row[1]) for row in found]

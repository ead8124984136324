from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.events import EVENT_TYPES, Event, NoticeSent, goods_hash
from ledger.journal import Journal, read

FIELDS = {  # every kind of design.md section 4 and its own fields; renaming one makes old journals unreadable
    "planned": "n due_t",
    "sent": "late_ns",
    "unsent": "why",
    "placed": "order_no ms",
    "paid_at_cashier": "channel ms",
    "cancel_asked": "status done words",
    "requests": "name count errors late histogram why",
    "seen": "state words goods code last_old_t final",
    "poll_failed": "operation status why code count",
    "trade_created": "upstream trade_no out_trade_no amount_fen way keyed_by",
    "trade_refused": "upstream operation code words",
    "unmatched": "method path nearest",
    "checked": "upstream operation matched",
    "captured": "upstream trade_no amount_fen",
    "notice_sent": "upstream trade_no n copy",
    "notice_answered": "upstream trade_no n status outcome words ms copy",
    "disputed": "upstream trade_no amount_fen",
    "dispute_ended": "upstream trade_no forced",
    "goods_requested": "upstream product request_no",
    "goods_accepted": "upstream request_no",
    "goods_sold": "upstream goods",
    "credited": "upstream credit",
    "goods_refused": "upstream code",
    "refund_requested": "upstream trade_no amount_fen",
    "refunded": "upstream trade_no amount_fen",
    "trade_closed": "upstream trade_no",
    "booked": "order_no state words amount_fen goods code shop_t",
    "struck": "fault hop operation attempt changed keyed_by",
    "exchanged": "faults hop operation attempt received sent",
    "health": "child cpu rss_mb lag_ms",
    "phase": "phase l0_t note",
}


def kind_of(event_type: type[msgspec.Struct]) -> str:
    return str(event_type.__struct_config__.tag)


def test_there_is_every_kind_of_the_design_and_no_other() -> None:
    assert [kind_of(event_type) for event_type in EVENT_TYPES] == list(FIELDS)


@pytest.mark.parametrize("event_type", EVENT_TYPES, ids=kind_of)
def test_a_kind_keeps_the_fields_that_old_journals_hold(event_type: type[msgspec.Struct]) -> None:
    own = [name for name in event_type.__struct_fields__ if name not in ("t", "o", "w")]
    pinned = FIELDS[kind_of(event_type)].split()
    assert set(pinned) <= set(own)
    required = {f.encode_name for f in msgspec.structs.fields(event_type) if f.required}
    assert required <= {*pinned, "t"}, "a new field needs a default, or old journals cannot be read"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBER = st.integers(-(2**62), 2**62)


def any_value(kind: Any) -> st.SearchStrategy[Any]:
    """A strategy for a field's type, made from the type."""
    if kind is int:
        return NUMBER
    if kind is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    if kind == float | None:
        return st.none() | any_value(float)  # JSON has no infinity: it would come back as null
    if kind is str:
        return TEXT
    if kind == dict[str, int]:
        return st.dictionaries(TEXT, NUMBER, max_size=3)
    if kind == tuple[str, ...]:
        return st.lists(TEXT, max_size=3).map(tuple)
    return st.from_type(kind)


def any_event(event_type: type[Any]) -> st.SearchStrategy[Any]:
    fields = {f.name: any_value(f.type) for f in msgspec.structs.fields(event_type) if f.name != "w"}
    return st.builds(event_type, **fields)


@pytest.mark.parametrize("event_type", EVENT_TYPES, ids=kind_of)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_event_comes_back_from_the_journal_as_it_was(
    event_type: type[msgspec.Struct], tmp_path: Path, data: st.DataObject
) -> None:
    event: Event = data.draw(any_event(event_type))
    path = tmp_path / "epay.ndjson"
    path.unlink(missing_ok=True)
    with Journal(path, "epay") as journal:
        journal.append(event)
    assert list(read(path)) == [msgspec.structs.replace(event, w="epay")]


@pytest.mark.parametrize("event_type", EVENT_TYPES, ids=kind_of)
def test_an_event_is_frozen_and_so_are_its_rows(event_type: type[msgspec.Struct]) -> None:
    assert event_type.__struct_config__.frozen
    assert not any(str(f.type).startswith("list") for f in msgspec.structs.fields(event_type))


def test_a_line_names_time_writer_kind_and_order_as_the_design_does(tmp_path: Path) -> None:
    path = tmp_path / "epay.ndjson"
    with Journal(path, "epay") as journal:
        journal.append(NoticeSent(t=5, o="b00000042", upstream="cheap", trade_no="T1", n=2))
    line = msgspec.json.decode(path.read_bytes().splitlines()[0])
    assert (line["t"], line["w"], line["k"], line["o"], line["n"]) == (5, "epay", "notice_sent", "b00000042", 2)


def test_a_goods_text_stands_in_events_as_its_pinned_hash() -> None:
    assert goods_hash("CARD-0001") == goods_hash("CARD-0001") != goods_hash("CARD-0002")
    assert goods_hash("卡密：ABC") == "1534365462481a53"

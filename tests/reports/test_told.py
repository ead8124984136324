"""Facts of single orders, found in the journals by name."""

from ledger.journal import SUFFIX
from ledger.states import State
from reports.told import facts, frame, owners, told
from tests.reports.conftest import NewRun, ns


def test_an_order_is_found_under_its_key_and_under_the_number_of_the_shop(new_run: NewRun) -> None:
    run = new_run(2)
    run.order(0).happy()
    numbered = run.order(1)
    numbered.placed(11)
    numbered.key, key = numbered.no, numbered.key  # a shop that passes nothing on
    numbered.captured(12)
    found = told(run.write().journals(), {"b00000001": key, "NO1": key})
    assert found.keys() == {key}
    assert [e.kind for e in found[key]] == ["planned", "sent", "trade_created", "placed", "captured"]
    assert [e.voice for e in found[key]] == ["driver", "driver", "truth", "driver", "truth"]


def test_many_orders_are_told_apart_also_where_one_key_begins_another(new_run: NewRun) -> None:
    run = new_run(12)
    for n in range(12):
        run.order(n).happy()
    run.order(1).again().placed(20)
    folder, keys = run.write(), ["b00000001", "b00000001.2", "b00000010", "b00000011"]
    found = told(folder.journals(), {key: key for key in keys})
    alone = {key: told(folder.journals(), {key: key})[key] for key in keys}
    assert found == alone
    assert len(found["b00000001.2"]) == 4
    assert all(len(found[key]) == 11 for key in keys if key != "b00000001.2")


def test_damaged_lines_and_names_inside_other_texts_do_no_harm(new_run: NewRun) -> None:
    run = new_run(1)
    run.order(0).happy()
    folder = run.write()
    with (folder.events / f"driver-0{SUFFIX}").open("ab") as journal:
        journal.write(b'{"w":"x","k":"seen","t":5,"o":"b00000001","words":"b00000000 \\" b00000000"}\n')
        journal.write(
            b'["b00000000"]\n{"t":"b00000000"}\n{"t":1,"o":"b00000000"}\n\xff"b00000000"\xff\n{"o":"b00000000"'
        )
    assert len(told(folder.journals(), {"b00000000": "b00000000"})["b00000000"]) == 11
    assert told([], {}) == {}


def test_any_number_in_a_field_leads_to_its_order(new_run: NewRun) -> None:
    run = new_run(2)
    run.order(0).happy()
    run.order(1).placed(12).captured(13).requested(14, no="REQ-9")
    files = facts(run.write())
    assert owners(files, "T0") == {"b00000000"}
    assert owners(files, "REQ-9") == {"b00000001"}
    assert owners(files, "card_10") == {"b00000001"}
    assert owners(files, "REQ") == set()
    assert owners(files, ".*") == set()


def test_the_frame_is_that_of_the_phases(new_run: NewRun) -> None:
    run = new_run(1)
    run.order(0).sleeping()
    found = frame(run.write())
    assert (found.heal_t, found.end_t, found.wall_ns) == (ns(25), ns(60), None)


def test_a_run_that_was_cut_ends_with_its_last_fact(new_run: NewRun) -> None:
    run = new_run(1)
    run.order(0).placed(11).captured(12).seen(State.PAYING, 33)
    found = frame(run.write(collected=False, closed=False, sealed=False))
    assert found.heal_t is None
    assert found.end_t == ns(33)

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import journal
from ledger.clock import SECOND_NS
from ledger.events import Event, Sent, Struck, Unsent
from ledger.journal import FLUSH_EVERY_NS, NO_SEAL, Journal, JournalError, Voice, Wholeness, check, read
from ledger.states import Operation

ROOT = Path(__file__).parents[2]


def sent(n: int, t: int = 0) -> Sent:
    return Sent(t=t, o=f"b{n:08d}", late_ns=n)


def numbers(path: Path) -> list[int]:
    return [event.late_ns for event in read(path) if isinstance(event, Sent)]


def written(path: Path, blocks: Sequence[int], *, close: bool = True) -> Path:
    """A journal with so many events in each block."""
    journal, n = Journal(path, "epay"), 0
    for size in blocks:
        for _ in range(size):
            journal.append(sent(n))
            n += 1
        journal.flush()
    if close:
        journal.close()
    return path


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


# --- writing and reading -----------------------------------------------------------------------------------------
def test_events_come_back_in_the_order_they_were_written(tmp_path: Path) -> None:
    assert numbers(written(tmp_path / "a.ndjson", [3, 1, 2])) == [0, 1, 2, 3, 4, 5]


def test_each_seal_is_the_sha256_of_the_seal_before_and_its_block(tmp_path: Path) -> None:
    first, second, seal = lines(written(tmp_path / "a.ndjson", [2, 0], close=False))
    by_hand = hashlib.sha256(NO_SEAL.encode() + first + second).hexdigest()
    assert seal == b'{"k":"seal","n":2,"sha256":"' + by_hand.encode() + b'","closed":false}\n'
    path = written(tmp_path / "b.ndjson", [2])
    closing = hashlib.sha256(by_hand.encode()).hexdigest()
    assert lines(path)[3] == b'{"k":"seal","n":0,"sha256":"' + closing.encode() + b'","closed":true}\n'


def test_nothing_is_written_where_nothing_is_pending(tmp_path: Path) -> None:
    path = written(tmp_path / "a.ndjson", [0, 0], close=False)
    assert path.read_bytes() == b""


def test_a_block_is_flushed_before_its_events_are_half_a_second_old(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    journal = Journal(path, "epay")
    journal.append(sent(0, t=FLUSH_EVERY_NS - 1))
    assert numbers(path) == []
    journal.append(sent(1, t=FLUSH_EVERY_NS))
    assert numbers(path) == [0, 1]
    journal.append(sent(2, t=2 * FLUSH_EVERY_NS - 1))
    assert numbers(path) == [0, 1]
    assert FLUSH_EVERY_NS <= SECOND_NS // 2


def test_a_second_writer_on_the_same_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    with Journal(path, "epay"), pytest.raises(JournalError, match="cannot start this journal"):
        Journal(path, "other")
    with pytest.raises(JournalError, match="cannot start this journal"):  # nor after it was closed
        Journal(path, "epay")


def test_a_journal_in_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot start this journal"):
        Journal(tmp_path / "none" / "a.ndjson", "epay")
    with pytest.raises(JournalError, match="cannot read this journal"):
        list(read(tmp_path / "none.ndjson"))
    with pytest.raises(JournalError, match="cannot read this journal"):
        check(tmp_path / "none.ndjson")


def test_an_event_after_the_close_is_an_error_and_not_lost_in_silence(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a.ndjson", "epay")
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="is closed"):
        journal.append(sent(0))


def test_an_event_that_cannot_be_encoded_leaves_no_half_line(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    with Journal(path, "epay") as journal:
        journal.append(sent(0))
        with pytest.raises(UnicodeEncodeError):
            journal.append(Unsent(t=1, why="\ud800"))
        journal.append(sent(1))
    assert numbers(path) == [0, 1]
    assert check(path).wholeness is Wholeness.CLOSED


def test_what_was_struck_stands_in_a_file_of_its_own(tmp_path: Path) -> None:
    struck = Struck(
        t=1, o="b00000000", fault="lost", hop="payment>shop", operation=Operation.NOTICE, attempt=1, changed=""
    )
    events: list[Event] = [sent(0), struck, sent(1)]
    with Voice(tmp_path, "epay") as voice:
        for event in events:
            voice.append(event)
        voice.flush()
        assert numbers(tmp_path / "epay.ndjson") == [0, 1]
    assert [type(e) for e in read(tmp_path / "struck-epay.ndjson")] == [Struck]
    assert {check(f).wholeness for f in tmp_path.iterdir()} == {Wholeness.CLOSED}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=10), max_size=4), max_size=5))
def test_any_blocks_of_any_words_are_read_back_and_closed(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[list[str]]
) -> None:
    path = tmp_path_factory.mktemp("journal") / "a.ndjson"
    with Journal(path, "a") as journal:
        for block in blocks:
            for word in block:
                journal.append(Unsent(t=0, why=word))
            journal.flush()
    assert [e.why for e in read(path) if isinstance(e, Unsent)] == [word for block in blocks for word in block]
    assert (check(path).wholeness, check(path).events) == (Wholeness.CLOSED, sum(map(len, blocks)))


# --- cut, changed, unclosed --------------------------------------------------------------------------------------
def test_a_journal_cut_anywhere_is_readable_up_to_the_cut_and_never_called_broken(tmp_path: Path) -> None:
    path = written(tmp_path / "a.ndjson", [2, 3])
    whole = path.read_bytes()
    for where in range(len(whole)):
        path.write_bytes(whole[:where])
        left = len(complete(whole[:where]))
        assert numbers(path) == list(range(left))
        found = check(path)
        assert found.wholeness is Wholeness.UNCLOSED
        assert (found.events + found.unsealed, found.bytes) == (left, where)


@pytest.mark.parametrize("piece", [1, 7, 64, 200])
def test_a_journal_is_judged_alike_in_whatever_pieces_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    rows = lines(written(tmp_path / "a.ndjson", [2, 0, 3, 1]))
    whole, path = b"".join(rows), tmp_path / "b.ndjson"
    for data in (*(whole[:cut] for cut in range(len(whole))), *(b"".join(edit(rows)) for edit in EDITS.values())):
        path.write_bytes(data)
        at_once = check(path)
        with monkeypatch.context() as patched:
            patched.setattr(journal, "PIECE_BYTES", piece)
            assert check(path) == at_once


def complete(data: bytes) -> list[bytes]:
    return [line for line in data.split(b"\n")[:-1] if b'"k":"sent"' in line]


def edit(old: bytes, new: bytes) -> Callable[[list[bytes]], list[bytes]]:
    return lambda rows: [row.replace(old, new) for row in rows]


EDITS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    # blocks of 2, 3 and 1 events, each followed by its seal, then the closing seal: rows 0..9
    "an event changed": edit(b'"late_ns":3', b'"late_ns":9'),
    "an order renamed": edit(b"b00000001", b"b00000007"),
    "an event removed": lambda rows: rows[:1] + rows[2:],
    "an event inserted": lambda rows: rows[:1] + rows[:1] + rows[1:],
    "two events swapped": lambda rows: [rows[1], rows[0], *rows[2:]],
    "a block removed with its seal": lambda rows: rows[3:],
    "a middle block removed with its seal": lambda rows: rows[:3] + rows[7:],
    "a block inserted twice": lambda rows: rows[:3] + rows[:3] + rows[3:],
    "two blocks swapped": lambda rows: rows[3:7] + rows[:3] + rows[7:],
    "a seal removed": lambda rows: rows[:2] + rows[3:],
    "a seal's count changed": edit(b'"k":"seal","n":3', b'"k":"seal","n":2'),
    "a seal spaced out": edit(b'"k":"seal","n":3', b'"k":"seal", "n":3'),
    "a seal that is no JSON": edit(b'{"k":"seal","n":3', b'{"k":"seal","n":'),
    "an event after the closing seal": lambda rows: [*rows, rows[0]],
    "a letter after the closing seal": lambda rows: [*rows, b"x"],
    "a closing seal twice": lambda rows: [*rows, rows[-1]],
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_journal_is_broken(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / "a.ndjson", [2, 3, 1])
    rows = lines(path)
    edited = EDITS[name](rows)
    assert edited != rows
    path.write_bytes(b"".join(edited))
    found = check(path)
    assert found.wholeness is Wholeness.BROKEN
    assert found.why


def test_the_reason_names_the_block_that_was_changed(tmp_path: Path) -> None:
    path = written(tmp_path / "a.ndjson", [2, 3, 1])
    path.write_bytes(path.read_bytes().replace(b'"late_ns":3', b'"late_ns":9'))
    assert check(path).why == "the block of events 3..5 was changed"


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_single_byte_can_change_and_leave_a_journal_closed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = written(tmp_path_factory.mktemp("journal") / "a.ndjson", [2, 1])
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    new = data.draw(st.binary(max_size=2))
    changed = whole[:at] + new + whole[at + 1 :]
    path.write_bytes(changed)
    assert (check(path).wholeness is Wholeness.CLOSED) == (changed == whole)


@pytest.mark.parametrize(("blocks", "events"), [([], 0), ([2], 2), ([2, 3], 5)])
def test_a_journal_that_was_never_closed_says_so(tmp_path: Path, blocks: list[int], events: int) -> None:
    found = check(written(tmp_path / "a.ndjson", blocks, close=False))
    assert (found.wholeness, found.events, found.unsealed) == (Wholeness.UNCLOSED, events, 0)


@pytest.mark.parametrize(
    "line",
    [
        b"x\n",
        b"{}\n",
        b'{"k":"sent","t":1}\n',
        b'{"k":"sold_out","t":1}\n',
        b"\xff\n",
        b"\n",
        b'{"k":"unsent","t":1,"why":"\xff"}\n',
    ],
)
def test_a_line_that_is_no_event_is_refused_with_its_number(tmp_path: Path, line: bytes) -> None:
    path = written(tmp_path / "a.ndjson", [1])
    path.write_bytes(path.read_bytes() + line)
    with pytest.raises(JournalError, match=r"a\.ndjson:4: not an event"):
        list(read(path))


# --- killed, and no room ------------------------------------------------------------------------------------------
WRITER = """
import sys
from pathlib import Path
from ledger.clock import Epoch, RunClock
from ledger.events import Sent
from ledger.journal import Journal
clock, journal, n = RunClock(Epoch.now()), Journal(Path(sys.argv[1]), "epay"), 0
while True:
    journal.append(Sent(t=clock.t(), o="b%08d" % n, late_ns=n))
    n += 1
    if n % 100 == 0:
        print(n, clock.t(), flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("after_s", [0.2, 0.9])
def test_a_writer_killed_with_9_loses_at_most_half_a_second(tmp_path: Path, after_s: float) -> None:
    path = tmp_path / "a.ndjson"
    with subprocess.Popen(
        [sys.executable, "-P", "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    ) as child:
        assert child.stdout
        appended, last_t = 0, 0
        for said in child.stdout:
            appended, last_t = map(int, said.split())
            if last_t > after_s * SECOND_NS:
                break
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().splitlines(keepends=True)
    if whole := [said for said in rest if said.endswith("\n")]:
        appended, last_t = map(int, whole[-1].split())
    found = check(path)
    events = [event for event in read(path) if isinstance(event, Sent)]
    assert [event.late_ns for event in events] == list(range(len(events)))
    assert found.wholeness is Wholeness.UNCLOSED
    assert found.events <= len(events)
    kept_t = events[found.events - 1].t if found.events else 0
    assert last_t - kept_t <= SECOND_NS // 2
    assert appended >= 100


FULL = """
import resource, sys
from pathlib import Path
from ledger.events import Sent
from ledger.journal import Journal, JournalError
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
journal, n = Journal(Path(sys.argv[1]), "epay"), 0
try:
    for n in range(10**6):
        journal.append(Sent(t=0, o="b%08d" % n, late_ns=n))
        if n % 10 == 9:
            journal.flush()
            print(n + 1, flush=True)
except JournalError as error:
    print(error)
    journal.close()
    try:
        journal.append(Sent(t=0, late_ns=0))
    except JournalError:
        sys.exit(7)
"""


@pytest.mark.slow
@pytest.mark.parametrize("limit", range(4000, 4720, 90))  # cut at every part of a block, its seal too
def test_a_full_disk_is_an_error_and_what_was_sealed_stays_readable(tmp_path: Path, limit: int) -> None:
    path = tmp_path / "a.ndjson"
    child = subprocess.run(
        [sys.executable, "-P", "-c", FULL, str(path), str(limit)],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        timeout=20,
    )
    *sealed, complaint = child.stdout.splitlines()
    assert child.returncode == 7, child.stderr
    assert "10 events lost: File too large" in complaint
    assert path.stat().st_size == limit
    found = check(path)
    assert (found.wholeness, found.events) == (Wholeness.UNCLOSED, int(sealed[-1]))
    assert numbers(path)[: found.events] == list(range(found.events))

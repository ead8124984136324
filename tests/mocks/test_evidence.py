"""What is kept of struck exchanges: the very messages, without secrets, apart from the facts."""

from pathlib import Path

import pytest

from ledger import journal
from ledger.events import Exchanged, Struck
from ledger.journal import BYTES_PREFIX, Voice
from ledger.rundir import RunDir
from ledger.states import Hop, Operation
from mocks.evidence import TEXT_MAX
from mocks.server import Asked
from tests.mocks.running import a_run
from tests.mocks.world import KEY, PID, MakeWorld, a_fault, an_order, make_world, signed


@pytest.fixture
def world() -> MakeWorld:
    return make_world


async def test_a_forged_notice_is_kept_as_it_was_sent_with_what_the_shop_said(world: MakeWorld) -> None:
    async with world(a_fault("forged", "sig.wrong_peer_key", Hop.PAYMENT_SHOP, first=1)) as w:
        w.load()
        await w.paid(7)
        await w.settle()
        (kept,) = w.kept
        assert (kept.o, kept.faults, kept.operation, kept.attempt) == ("b00000007", ("forged",), Operation.NOTICE, 1)
        assert kept.sent.splitlines()[0] == f"GET {w.letters[0].url} HTTP/1.1"
        assert kept.received == "HTTP/1.1 200\r\n\r\nsuccess"


async def test_a_struck_request_is_kept_with_its_answer_and_without_the_key(world: MakeWorld) -> None:
    async with world(a_fault("shed", "refuse")) as w:
        await w.created(1)
        assert w.kept == []
        w.load()
        await w.ask(f"/epay/api.php?act=order&pid={PID}&key={KEY}&out_trade_no=C000001")
        (kept,) = w.kept
        assert (
            kept.received.splitlines()[0]
            == f"GET /epay/api.php?act=order&pid={PID}&key=***&out_trade_no=C000001 HTTP/1.1"
        )
        assert kept.sent.startswith("HTTP/1.1 503")
        assert KEY not in repr(w.kept)


@pytest.mark.parametrize(("fault", "says"), [("lose_answer", "without a byte"), ("reset", "reset after 0%")])
async def test_what_was_not_answered_is_kept_as_that(world: MakeWorld, fault: str, says: str) -> None:
    params = {"when": "after"} if fault == "reset" else {}
    async with world(a_fault("cut", fault, params=params)) as w:
        w.load()
        await w.ask("/epay/mapi.php", signed(an_order(1)))
        (kept,) = w.kept
        assert says in kept.sent
        assert "out_trade_no=C000001" in kept.received


async def test_bytes_that_are_no_text_and_bodies_without_end_are_kept_cut_and_readable(world: MakeWorld) -> None:
    async with world(a_fault("shed", "refuse")) as w:
        w.load()
        await w.mock.answer(Asked("POST", "/epay/mapi.php", "", b"name=\xd6\xd0" + b"x" * 100_000))
        (kept,) = w.kept
        assert "name=\\xd6\\xd0xxx" in kept.received
        assert TEXT_MAX < len(kept.received) < TEXT_MAX + 50


def test_a_voice_keeps_them_in_a_file_of_their_own_that_blind_analysis_does_not_read(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    hop, create = "shop>payment/epay", Operation.CREATE
    with Voice(run.events, "quiet") as voice:
        voice.append(Struck(t=1, fault="f", changed="x", hop=hop, operation=create, attempt=1))
    with Voice(run.events, "payment") as voice:
        voice.append(Exchanged(t=1, faults=("f",), received="a", sent="b", hop=hop, operation=create, attempt=1))
    bytes_file = run.events / f"{BYTES_PREFIX}payment.ndjson"
    assert [type(event) for event in journal.read(bytes_file)] == [Exchanged]
    assert not (run.events / f"{BYTES_PREFIX}quiet.ndjson").exists()
    assert bytes_file not in RunDir(run.path).journals(struck=False)
    assert bytes_file.name in {check.file for check in run.seal().files}

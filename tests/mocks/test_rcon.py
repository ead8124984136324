"""The dialect, without sockets: what is answered to a frame, what it does, and what faults make of it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from ledger.events import Credited, GoodsRefused, GoodsRequested, Struck, TradeRefused
from ledger.states import Hop
from mocks.game.rcon_commands import Given, Refusal, order_in, read_give, subject_of
from mocks.game.rcon_frames import ANSWER, AUTH_ANSWER, Frame
from mocks.game.rcon_wire import Out, Then
from plan.orders import account_of
from tests.mocks.rcon import an_rcon, frames_of
from tests.mocks.world import KEY, a_fault

GIVE = "give player-00000007 topup_10 2 order=G000007"
GAVE = "Gave 2 [topup_10] to player-00000007"
WRONG = [Frame(-1, AUTH_ANSWER)]


def at_game(fault: str, **more: Any) -> Any:
    return a_fault("it", fault, Hop.SHOP_GAME, **more)


async def test_a_command_is_done_at_once_under_the_order_it_names() -> None:
    async with an_rcon() as w:
        assert await w.said(GIVE) == GAVE
        assert [(c.o, c.request_no, c.upstream) for c in w.found(Credited)] == [("b00000007", "G000007", "city")]
        (asked,) = w.found(GoodsRequested)
        assert (asked.product, asked.quantity, asked.request_no) == ("topup_10", 2, "G000007")


async def test_the_same_order_sent_twice_is_credited_twice() -> None:
    async with an_rcon() as w:
        assert [await w.said(GIVE) for _ in range(2)] == [GAVE, GAVE]
        assert len({c.credit for c in w.found(Credited)}) == 2
        assert w.mock.accounts.credits_of("b00000007") == 2


@pytest.mark.parametrize("command", ["/give someone minecraft:topup_10", "give someone topup_10 1"])
async def test_minecrafts_own_command_needs_no_order(command: str) -> None:
    async with an_rcon() as w:
        assert await w.said(command) == "Gave 1 [topup_10] to someone"
        assert [c.o for c in w.found(Credited)] == ["city-1"]


@pytest.mark.parametrize(
    ("command", "said", "code"),
    [
        ("give nobody-1 topup_10 1 order=G1", "No player was found", "account.invalid"),
        ("give someone card_10 1 order=G1", "Unknown item", "goods.unknown"),
        ("give", "Incorrect argument", "identifiers.missing"),
        ("give someone topup_10 0", "Incorrect argument", "identifiers.missing"),
    ],
)
async def test_what_cannot_be_given_is_said_and_never_credited(command: str, said: str, code: str) -> None:
    async with an_rcon() as w:
        assert (await w.said(command)).startswith(said)
        assert w.found(Credited) == []
        assert [refused.code for refused in w.found(GoodsRefused)] == [code]


@pytest.mark.parametrize(
    ("command", "given"),
    [
        ("give p i", Given("p", "i", 1, "")),
        ("give p minecraft:i 1000", Given("p", "i", 1000, "")),
        ("give p i 3 order=A|b.c-d_9", Given("p", "i", 3, "A|b.c-d_9")),
        ("give order=9 p i", Given("p", "i", 1, "9")),
    ],
)
def test_a_command_is_taken_apart(command: str, given: Given) -> None:
    assert read_give(command.split()) == given


@pytest.mark.parametrize(
    "command",
    [
        "give", "give p", "give p i 0", "give p i 1001", "give p i -1", "give p i 1.5", "give p i ２", "give p i 1 2",
        "give p i order=", "give p i order=a order=b", "give p i order=a/b", f"give p i order={'x' * 65}",
        f"give {'p' * 65} i",
    ],
)  # fmt: skip
def test_a_command_that_is_not_quite_right_is_refused(command: str) -> None:
    with pytest.raises(Refusal):
        read_give(command.split())


@pytest.mark.parametrize(
    ("command", "key", "keyed_by"),
    [
        ("give x i order=b00000003", "b00000003", "key"),
        (f"give {account_of('b00000004')} i order=G1", "b00000004", "key"),
        ("give x i order=G1", "G1", "order_number"),
        ("give x i", "buy", "operation"),
        ("give", "buy", "operation"),
    ],
)
def test_a_command_is_about_whom_its_order_or_player_names(command: str, key: str, keyed_by: str) -> None:
    subject = subject_of(command.split())
    assert (subject.key, subject.keyed_by) == (key, keyed_by)


def test_an_order_that_is_none_is_not_read_as_one() -> None:
    assert [order_in(f"give p i {word}".split()) for word in ("order=a", "order=a/b", "orders=a")] == ["a", "", ""]


# --- passwords and flavours --------------------------------------------------------------------------------------
@pytest.mark.parametrize(("flavour", "extra"), [("minecraft", []), ("source", [Frame(9, ANSWER)])])
async def test_a_password_is_answered_as_the_flavour_has_it(flavour: str, extra: list[Frame]) -> None:
    async with an_rcon(flavour=flavour) as w:
        line = w.server.hello()
        for password, own in ((KEY, Frame(9, AUTH_ANSWER)), ("", WRONG[0]), (KEY + "x", WRONG[0])):
            out = await w.server.heard(line, Frame(9, 3, password.encode()))
            assert await frames_of(out) == [*extra, own]
            assert (out.then, line.is_known) == (Then.KEEP, own.id == 9)
            assert len(out.parts) == len(extra) + 1


async def test_no_command_is_taken_before_the_password_or_after_a_wrong_one() -> None:
    async with an_rcon() as w:
        for line in (w.server.hello(), await w.line("another-password")):
            assert await frames_of(await w.out(line, GIVE)) == WRONG
        assert w.found(Credited) == []
        assert [(r.operation, r.code) for r in w.found(TradeRefused)] == [
            ("login", "upstream.bad_signature"), ("buy", "upstream.bad_signature"), ("buy", "upstream.bad_signature"),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("flavour", "kind", "frames"),
    [
        ("minecraft", 0, [Frame(4, ANSWER, b"Unknown request 0")]),
        ("minecraft", -1, [Frame(4, ANSWER, b"Unknown request ffffffff")]),
        ("source", 0, [Frame(4, ANSWER), Frame(4, ANSWER, b"")]),
        ("source", 100, []),
    ],
)
async def test_a_frame_of_no_known_type_is_answered_as_the_flavour_has_it(
    flavour: str, kind: int, frames: list[Frame]
) -> None:
    async with an_rcon(flavour=flavour) as w:
        out = await w.server.heard(await w.line(), Frame(4, kind))
        assert await frames_of(out) == frames
        assert flavour == "minecraft" or kind or out.parts[1][12:16] == b"\x00\x01\x00\x00"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("list", "There are 0 of a max of 20 players online: "),
        ("help", "/give <player> <item> [<count>] [order=<id>]\n/help\n/list"),
        ("stop", "Unknown or incomplete command, see below for errorstop<--[HERE]"),
        ("", "Unknown or incomplete command, see below for error<--[HERE]"),
        (
            b"\xff" * 100,
            "Unknown or incomplete command, see below for error" + "\ufffd" * 64 + "<--[HERE]",
        ),
    ],
)
async def test_other_commands_are_answered_in_one_frame_and_do_nothing(command: str | bytes, said: str) -> None:
    async with an_rcon() as w:
        assert await w.said(command) == said
        assert w.found(Credited) == []


async def test_who_got_something_last_plays_here() -> None:
    async with an_rcon() as w:
        for n in (1, 2, 2):
            await w.said(f"give someone-{n} topup_10")
        assert await w.said("list") == "There are 2 of a max of 20 players online: someone-1, someone-2"


async def test_no_longer_answer_than_a_frame_holds_comes_of_the_longest_names() -> None:
    async with an_rcon() as w:
        for n in range(25):
            await w.said(f"give {n:x<64} topup_10")
        assert len(await w.said("list")) < 4096


# --- faults ------------------------------------------------------------------------------------------------------
CLOSED, RESET = Out(then=Then.CLOSE), Out(then=Then.RESET)


@pytest.mark.parametrize(
    ("fault", "params", "is_credited", "is_right"),
    [
        ("lose_answer", {}, True, lambda out: out == CLOSED),
        ("lose_request", {}, False, lambda out: out == CLOSED),
        ("refuse", {}, False, lambda out: out == CLOSED),
        ("refuse", {"status": 401}, False, lambda out: out.parts == (WRONG[0].written(),)),
        ("reset", {"when": "before"}, False, lambda out: out == RESET),
        ("reset", {"when": "after"}, True, lambda out: out == RESET),
        ("reset", {"when": "mid_answer"}, True, lambda out: out.then is Then.RESET and 0 < len(out.parts[0]) < 50),
        ("truncate", {}, True, lambda out: out.parts == (Frame(2, ANSWER, GAVE[:18].encode()).written(),)),
        (
            "html_page",
            {"acted": True},
            True,
            lambda out: out.then is Then.CLOSE and out.parts[0].startswith(b"HTTP/1.1 200 "),
        ),
        ("sig.wrong_key", {}, False, lambda out: out.parts == (WRONG[0].written(),)),
        ("maintenance", {}, False, lambda out: b"Server is restarting" in out.parts[0]),
        ("wrong_region_refused", {}, False, lambda out: b"No player was found" in out.parts[0]),
        ("big_answer", {"bytes": 5000}, True, lambda out: len(out.parts[0]) == 5000 + 2 * 14),
    ],
)
async def test_a_fault_does_to_a_command_what_it_does_to_any_exchange(
    fault: str, params: dict[str, Any], is_credited: bool, is_right: Callable[[Out], bool]
) -> None:
    async with an_rcon(at_game(fault, params=params)) as w:
        line = w.server.hello()
        line.is_known = True
        out = await w.out(line, GIVE)
        assert is_right(out), out
        assert len(w.found(Credited)) == is_credited
        assert [(s.fault, s.o, s.operation) for s in w.found(Struck)] == [("it", "b00000007", "buy")]
        assert len(w.kept) == 1


async def test_an_answer_may_come_late_or_never() -> None:
    slow, hang = at_game("slow", params={"ms": 400}), a_fault("h", "hang", Hop.SHOP_GAME, first=1)
    async with an_rcon(slow, hang) as w:
        line = w.server.hello()
        line.is_known = True
        asking = asyncio.ensure_future(w.out(line, GIVE))
        await w.move_to_s(0.399)
        assert not asking.done()
        await w.move_to_s(9)
        assert (asking.done(), len(w.found(Credited))) == (False, 1)
        w.mock.injector.release()
        assert await asking == CLOSED


async def test_an_answer_that_trickles_is_still_one_frame() -> None:
    async with an_rcon(at_game("slow_body", params={"over": "1 s"})) as w:
        line = w.server.hello()
        line.is_known = True
        out = await w.out(line, GIVE)
        assert await frames_of(out) == [Frame(2, ANSWER, GAVE.encode())]
        assert out.pieces is not None


async def test_the_other_flavour_lasts_as_long_as_its_connection() -> None:
    async with an_rcon(at_game("ver.rcon_flavour", first=1)) as w:
        struck, plain = await w.line(), await w.line()
        assert [line.flavour for line in (struck, plain)] == ["source", "minecraft"]
        assert [await w.said(GIVE, line) for line in (struck, plain)] == [GAVE, GAVE]
        assert [s.changed for s in w.found(Struck)] == ["spoken as a source server"]


async def test_what_is_kept_of_a_struck_login_holds_no_password() -> None:
    async with an_rcon(at_game("ver.rcon_flavour")) as w:
        await w.line()
        (kept,) = w.kept
        assert ("***" in kept.received, KEY in repr(kept)) == (True, False)
        assert KEY not in repr(w.events)


async def test_a_reset_of_the_mock_begins_attempts_anew() -> None:
    async with an_rcon(at_game("ver.rcon_flavour", first=1)) as w:
        await w.line()
        w.mock.forget()
        assert (await w.line()).flavour == "source"

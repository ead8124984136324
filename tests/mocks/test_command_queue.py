"""The queue that the game's side pulls: what a shop puts in, what a plugin takes out, and how often it is run."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from ledger.events import Credited, GoodsAccepted, GoodsRefused, GoodsRequested, Struck, TradeRefused
from ledger.states import Hop
from mocks.game.mock import GameMock
from mocks.reply import Reply
from mocks.server import Asked, NoRoute
from plan.run import UpstreamPlan
from plan.units import WireTime
from tests.mocks.goods import PRODUCTS, REGIONS, TARGET
from tests.mocks.world import KEY, Around, a_fault, a_plan

TAKES_S = 0.5
FORM = "application/x-www-form-urlencoded"


class QueueWorld(Around[GameMock]):
    """The game mock with one queue."""

    async def send(
        self, method: str, path: str, body: bytes = b"", secret: str = KEY, kind: str = "application/json"
    ) -> Reply | None:
        headers = {"X-Tebex-Secret": secret, "Content-Type": kind}
        target, _, query = path.partition("?")
        return await self.mock.answer(Asked(method, f"/queue/{target}", query, body, headers=headers))

    async def ask(self, method: str, path: str, body: Any = None, **more: str) -> tuple[int, dict[str, Any]]:
        """Status and JSON of the answer."""
        reply = await self.send(method, path, b"" if body is None else json.dumps(body).encode(), **more)
        assert reply is not None
        return reply.status, json.loads(json.dumps(reply.fields or {}))

    async def puts(self, n: int = 1, **changed: Any) -> tuple[int, dict[str, Any]]:
        body = {"payment": f"G{n:06d}", "player": f"player-{n:08d}", "package": "topup_10", "quantity": 2}
        return await self.ask("POST", "commands", body | changed)

    async def pulled(self, pulls: int = 1) -> None:
        """Until the game's side has pulled so many times more."""
        await self.move_to_s(self.clock.t() / 1e9 + pulls * TAKES_S)


@asynccontextmanager
async def a_queue(
    *faults: Any, puller: str = "ours", on_repeat: str = "replay", is_live: bool = True
) -> AsyncIterator[QueueWorld]:
    """A queue, in load unless that is left to the test."""
    options = {"puller": puller}
    queue = UpstreamPlan("game", "command_queue", takes=WireTime(TAKES_S), options=options, on_repeat=on_repeat)
    plan = a_plan(*faults, upstreams={"queue": queue}, target=TARGET, product=PRODUCTS, region=REGIONS)
    async with asyncio.TaskGroup() as tasks:
        made = QueueWorld(GameMock, plan, tasks)
        if is_live:
            made.begin_load()
        yield made
        made.mock.injector.release()
        made.mock.stop()


# --- the shop's side ---------------------------------------------------------------------------------------------
async def test_a_command_waits_until_the_games_side_has_pulled_and_run_it() -> None:
    async with a_queue() as w:
        status, told = await w.puts()
        assert (status, told["payment"], told["status"]) == (202, "G000001", "queued")
        assert await w.ask("GET", "commands/G000001") == (202, told)
        assert (w.found(Credited), w.mock.open_notices) == ([], 1)
        await w.pulled()
        assert await w.ask("GET", "commands/G000001") == (200, told | {"status": "done"})
        assert [(c.o, c.request_no) for c in w.found(Credited)] == [("b00000001", "G000001")]
        assert (len(w.found(GoodsRequested)), len(w.found(GoodsAccepted)), w.mock.open_notices) == (1, 1, 0)
        await w.pulled(5)
        assert len(w.found(Credited)) == 1


async def test_a_payment_has_one_command_however_often_it_is_put() -> None:
    async with a_queue() as w:
        first = await w.puts()
        assert await w.puts() == first
        assert (await w.puts(quantity=3))[0] == 409
        await w.pulled()
        assert (await w.puts())[0] == 200
        await w.pulled()
        assert len(w.found(Credited)) == 1


@pytest.mark.parametrize(("once", "credits"), [(False, 2), (True, 1)])
async def test_a_queue_that_takes_all_runs_all_unless_the_game_is_told_once(once: bool, credits: int) -> None:
    async with a_queue(on_repeat="sell_again") as w:
        await w.puts(once=once)
        await w.puts(once=once)
        await w.pulled()
        assert w.mock.accounts.credits_of("b00000001") == credits


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"payment": ""}, 422, "identifiers.missing"),
        ({"payment": "a/b"}, 422, "identifiers.missing"),
        ({"player": ""}, 422, "identifiers.missing"),
        ({"player": "two words"}, 422, "identifiers.missing"),
        ({"player": "new\nline"}, 422, "identifiers.missing"),
        ({"player": "x" * 65}, 422, "identifiers.missing"),
        ({"player": "nobody"}, 422, "account.invalid"),
        ({"player": 7}, 422, "identifiers.missing"),
        ({"package": "card_10"}, 422, "goods.unknown"),
        ({"quantity": 0}, 422, "identifiers.missing"),
        ({"quantity": 1001}, 422, "identifiers.missing"),
        ({"quantity": "2"}, 422, "identifiers.missing"),
    ],
)
async def test_what_is_no_command_is_refused(changed: dict[str, Any], status: int, code: str) -> None:
    async with a_queue() as w:
        answer = await w.puts(**changed)
        assert (answer[0], answer[1]["error_code"]) == (status, status)
        assert [refused.code for refused in w.found(GoodsRefused)] == [code]
        await w.pulled()
        assert w.found(Credited) == []


async def test_a_payment_that_nobody_made_is_not_found() -> None:
    async with a_queue() as w:
        assert (await w.ask("GET", "commands/G9"))[0] == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "commands"), ("GET", "commands/G1"), ("GET", "queue"), ("DELETE", "queue"), ("GET", "information")],
)
async def test_nothing_is_told_or_done_without_the_secret(method: str, path: str) -> None:
    async with a_queue() as w:
        for secret in ("", KEY[:-1], "é"):
            assert (await w.ask(method, path, {}, secret=secret))[0] == 403
        codes = [r.code for r in w.found(GoodsRefused)] + [r.code for r in w.found(TradeRefused)]
        assert codes == ["upstream.bad_signature"] * 3


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "commands"), ("POST", "queue"), ("GET", "queue/online-commands/"), ("DELETE", "commands/G1"), ("GET", "")],
)
async def test_what_the_queue_does_not_take_is_no_route(method: str, path: str) -> None:
    async with a_queue() as w:
        with pytest.raises(NoRoute):
            await w.send(method, path)


# --- the game's side, played by a real plugin ----------------------------------------------------------------------
async def test_a_plugin_finds_what_is_due_and_takes_off_what_it_has_run() -> None:
    async with a_queue(puller="none") as w:
        await w.puts(1)
        await w.puts(2, online=True, once=True)
        assert (await w.ask("GET", "information"))[1]["server"] == {"id": 1, "name": "queue"}
        _, due = await w.ask("GET", "queue")
        assert due["meta"] == {"execute_offline": True, "next_check": 1, "more": False}
        assert [player["name"] for player in due["players"]] == ["player-00000002"]
        _, offline = await w.ask("GET", "queue/offline-commands")
        assert [(c["id"], c["command"]) for c in offline["commands"]] == [
            (1, "give player-00000001 topup_10 2 order=G000001")
        ]
        _, online = await w.ask("GET", f"queue/online-commands/{due['players'][0]['id']}")
        assert [c["command"] for c in online["commands"]] == ["giveonce player-00000002 topup_10 2 order=G000002"]
        await w.pulled(3)
        assert w.found(Credited) == []

        for _ in range(2):  # the second finds nothing to take off
            assert (await w.ask("DELETE", "queue", {"ids": [1, 2, 99]}))[0] == 204
        assert [c.o for c in w.found(Credited)] == ["b00000001", "b00000002"]
        assert (await w.ask("GET", "queue"))[1]["meta"]["execute_offline"] is False


@pytest.mark.parametrize(
    ("query", "body", "kind"),
    [
        ("", b'{"ids": [1, 2]}', "application/json"),
        ("", urlencode([("ids[]", "1"), ("ids[]", "2")]).encode(), FORM),
        ("", urlencode([("ids[0]", "1"), ("ids[1]", "2")]).encode(), FORM),
        ("?ids%5B%5D=1&ids%5B%5D=2", b"", ""),
    ],
)
async def test_commands_are_named_as_any_plugin_names_them(query: str, body: bytes, kind: str) -> None:
    async with a_queue(puller="none") as w:
        await w.puts(1)
        await w.puts(2)
        reply = await w.send("DELETE", f"queue{query}", body, kind=kind)
        assert reply is not None
        assert (reply.status, len(w.found(Credited))) == (204, 2)


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"ids": ["x"]}', b'{"ids": 1}', b"ids[]=x", b"ids[]=-1", b"\xff"])
@pytest.mark.parametrize("kind", ["application/json", FORM])
async def test_what_names_no_commands_takes_none_off(body: bytes, kind: str) -> None:
    async with a_queue(puller="none") as w:
        await w.puts()
        reply = await w.send("DELETE", "queue", body, kind=kind)
        assert reply is not None
        assert (reply.status, w.found(Credited)) == (422, [])


async def test_no_answer_holds_more_than_its_share() -> None:
    async with a_queue(puller="none") as w:
        for n in range(300):
            await w.puts(n)
        _, first = await w.ask("GET", "queue/offline-commands")
        assert (first["meta"]["limited"], len(first["commands"])) == (True, 250)
        await w.ask("DELETE", "queue", {"ids": [c["id"] for c in first["commands"]]})
        _, rest = await w.ask("GET", "queue/offline-commands")
        assert (rest["meta"]["limited"], len(rest["commands"])) == (False, 50)


@pytest.mark.parametrize("player", ["%ff", "\udcff", "", "x" * 9000])
async def test_a_player_that_nobody_can_be_has_no_commands(player: str) -> None:
    async with a_queue(puller="none") as w:
        reply = await w.send("GET", f"queue/online-commands/{player or '%20'}")
        assert reply is not None
        assert reply.fields is not None
        assert msgspec.json.decode(msgspec.json.encode(reply.fields))["commands"] == []


# --- the game's side, played by the mock ---------------------------------------------------------------------------
async def test_commands_for_who_is_online_are_run_too() -> None:
    async with a_queue() as w:
        await w.puts(1, online=True)
        await w.puts(2, player="玩家/2", online=True)
        await w.pulled()
        assert {c.request_no for c in w.found(Credited)} == {"G000001", "G000002"}


@pytest.mark.parametrize(("once", "credits"), [(False, 2), (True, 1)])
async def test_a_game_that_crashes_before_it_confirms_runs_the_command_again(once: bool, credits: int) -> None:
    """What adds, adds twice; what the game knows by its payment, does not."""
    async with a_queue(a_fault("crash", "repeats_command", Hop.SHOP_GAME, first=1)) as w:
        await w.puts(1, once=once)
        await w.pulled()
        assert w.mock.accounts.credits_of("b00000001") == 1
        await w.pulled(3)
        assert w.mock.accounts.credits_of("b00000001") == credits
        assert [(s.o, s.operation, s.attempt) for s in w.found(Struck)] == [("b00000001", "confirm", 1)]
        assert len({c.credit for c in w.found(Credited)}) == credits
        assert w.mock.open_notices == 0


@pytest.mark.parametrize(
    ("fault", "struck", "credits"),
    [
        ("lose_request", ["fetch", "confirm"], 2),
        ("refuse", ["fetch", "confirm"], 2),
        ("html_page", ["fetch", "confirm"], 2),
        ("sig.wrong_key", ["fetch", "confirm"], 2),
        ("lose_answer", ["fetch", "confirm"], 1),
        ("truncate", ["fetch"], 1),
    ],
)
async def test_what_goes_wrong_on_the_way_delays_a_command_or_has_it_run_again(
    fault: str, struck: list[str], credits: int
) -> None:
    """A pull that cannot be read runs nothing; a deletion that was not done leaves the command to the next pull."""
    async with a_queue(a_fault("it", fault, Hop.SHOP_GAME, first=1), is_live=False) as w:
        await w.puts()
        w.begin_load()
        await w.pulled()
        assert w.found(Credited) == []
        await w.pulled(4)
        assert w.mock.accounts.credits_of("b00000001") == credits
        assert [s.operation for s in w.found(Struck)] == struck


async def test_a_reset_of_the_mock_leaves_nothing_to_run() -> None:
    async with a_queue() as w:
        await w.puts()
        w.mock.forget()
        await w.pulled(2)
        assert (w.found(Credited), w.mock.open_notices) == ([], 0)
        await w.puts()
        await w.pulled()
        assert len(w.found(Credited)) == 1


async def test_the_queue_refuses_the_first_repeat_of_a_payment() -> None:
    async with a_queue(a_fault("dup", "duplicate_refused", Hop.SHOP_GAME)) as w:
        assert [(await w.puts())[0] for _ in range(3)] == [202, 409, 202]
        await w.pulled()
        assert len(w.found(Credited)) == len(w.found(GoodsAccepted)) == 1
        assert len(w.found(GoodsRefused)) == 1

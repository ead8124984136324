"""/_admin: what the harness may tell and ask."""

import json

import pytest

from ledger.clock import SECOND_NS
from ledger.states import Hop, Phase
from mocks.post import Heard
from mocks.server import Asked
from plan.units import Share
from tests.mocks.world import KEY, MakeWorld, World, a_fault

TOKEN = "token-of-the-harness"


async def post(w: World, path: str, body: object = None, token: str = "") -> tuple[int, dict[str, object]]:
    asked = Asked("POST", f"/_admin/{path}", body=json.dumps(body).encode() if body is not None else b"")
    asked.authorization = token
    reply = await w.mock.answer(asked)
    assert reply is not None
    assert reply.fields is not None
    return reply.status, reply.fields


async def test_health_tells_how_things_stand(world: MakeWorld) -> None:
    async with world(a_fault("shed", "refuse", rate=Share(0.0))) as w:
        w.shop = lambda letter: Heard(500, "")
        await w.load().paid()
        await w.move_to_s(2)
        assert await w.json("/_admin/health") == {
            "ok": True,
            "phase": "load",
            "lag_ms": 0.0,
            "trades": 1,
            "open_notices": 1,
            "faults": ["shed"],
            "lease_s": 8.0,
        }


async def test_phase_and_lease_begin_and_keep_the_faults(world: MakeWorld) -> None:
    async with world(a_fault("shed", "refuse")) as w:
        status, health = await post(w, "phase", {"phase": "load", "l0_t": 5 * SECOND_NS})
        assert (status, health["phase"], health["faults"], health["lease_s"]) == (200, "load", [], 0.0)
        await w.move_to_s(4)
        assert (await post(w, "lease"))[1]["lease_s"] == 10.0
        assert (await post(w, "lease"))[1]["faults"] == []
        await w.move_to_s(5)
        assert (await post(w, "lease"))[1]["faults"] == ["shed"]
        await w.move_to_s(15)
        assert (await w.json("/_admin/health"))["faults"] == []
        assert (await post(w, "phase", {"phase": "heal", "l0_t": None}))[1]["phase"] == "heal"
        assert w.mock.injector.phase is Phase.HEAL


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"phase": "lunch"},
        {"phase": "load", "l0_t": "now"},
        {"phase": "load", "l0_t": 2**70},
        {"phase": "load", "x": 1},
        [],
    ],
)
async def test_what_is_no_phase_is_refused(world: MakeWorld, body: object) -> None:
    async with world() as w:
        status, answer = await post(w, "phase", body)
        assert (status, answer["ok"]) == (400, False)
        assert w.mock.injector.phase is Phase.PREPARE


async def test_a_trade_is_found_by_each_of_its_names(world: MakeWorld) -> None:
    async with world() as w:
        no = await w.paid(1)
        await w.created(2)
        await w.settle()
        for query in ("key=b00000001", "out_trade_no=C000001", f"trade_no={no}"):
            (trade,) = (await w.json(f"/_admin/trades?{query}"))["trades"]
            assert trade == {
                "upstream": "epay",
                "trade_no": no,
                "out_trade_no": "C000001",
                "key": "b00000001",
                "keyed_by": "key",
                "way": "alipay",
                "amount_fen": 1000,
                "state": "captured",
                "created_t": 0,
                "captured_t": 0,
                "refunded_fen": 0,
                "dispute": None,
                "notices": 1,
                "last_notice": "accepted",
            }
        assert len((await w.json("/_admin/trades"))["trades"]) == 2
        assert (await w.json("/_admin/trades?key=b00000099"))["trades"] == []


async def test_an_unknown_name_to_look_up_by_is_refused(world: MakeWorld) -> None:
    async with world() as w:
        reply = await w.ask("/_admin/trades?order=1")
        assert reply is not None
        assert reply.status == 400


async def test_faults_are_listed_with_what_they_struck(world: MakeWorld) -> None:
    shed = a_fault("shed", "refuse", Hop.SHOP_PAYMENT, params={"status": 503}, rate=Share(1.0))
    async with world(shed) as w:
        await w.load().ask("/epay/mapi.php", {"pid": "1", "param": "b00000001"})
        (fault,) = (await w.json("/_admin/faults"))["faults"]
        assert (fault["id"], fault["fault"], fault["rate"], fault["in_force"], fault["struck"]) == (
            "shed",
            "refuse",
            "100%",
            True,
            1,
        )


async def test_reset_forgets_trades_notices_and_counters(world: MakeWorld) -> None:
    async with world(a_fault("shed", "refuse", Hop.SHOP_PAYMENT, first=1)) as w:
        w.shop = lambda letter: Heard(500, "")
        await w.paid()
        await w.settle()
        assert await post(w, "reset") == (200, {"ok": True, "forgot": {"trades": 1, "notices": 1}})
        health = await w.json("/_admin/health")
        assert (health["trades"], health["open_notices"]) == (0, 0)
        reply = await w.load().ask("/epay/mapi.php", {"pid": "1", "param": "b00000001"})
        assert reply is not None
        assert reply.status == 503, "counted as the first attempt again"


async def test_with_a_token_nothing_is_answered_without_it(world: MakeWorld) -> None:
    async with world(token=TOKEN) as w:
        for path in ("phase", "lease", "reset"):
            for given in ("", TOKEN, f"Bearer {TOKEN}x", "Bearer é"):
                status, answer = await post(w, path, {"phase": "load"}, token=given)
                assert status == 401
                assert TOKEN not in str(answer)
        assert w.mock.injector.phase is Phase.PREPARE
        assert (await post(w, "phase", {"phase": "heal"}, token=f"Bearer {TOKEN}"))[0] == 200


async def test_no_answer_holds_a_secret(world: MakeWorld) -> None:
    async with world(a_fault("shed", "refuse", rate=Share(0.0))) as w:
        await w.paid()
        await w.settle()
        for path in ("health", "trades", "faults"):
            assert KEY not in str(await w.json(f"/_admin/{path}"))

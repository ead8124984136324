"""The top-up server as its partners see it: signatures, answers, refusals, notices, and what faults make of it."""

import asyncio
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.events import (
    Credited,
    GoodsAccepted,
    GoodsRefused,
    GoodsRequested,
    TradeRefused,
)
from ledger.states import Code, Hop, Operation
from mocks.game.mock import GameMock, products
from mocks.game.topup import notice_signature, request_signature
from mocks.server import Asked, NoRoute
from plan.orders import account_of, order_key, wish
from plan.run import TargetPlan
from tests.mocks.goods import (
    PRODUCTS,
    GameWorld,
    a_game,
    a_game_plan,
    a_top_up,
    call_of,
    game_headers,
)
from tests.mocks.world import WALL_S, a_plan

TAKES_S = 0.2


# --- the signature -----------------------------------------------------------------------------------------------
def test_the_golden_vectors_are_met() -> None:
    """By openssl dgst -sha256 -hmac; docs/protocols.md."""
    body = b'{"account":"player-00000042","region":"cn-east"}'
    key = "A1B2C3D4E5F6A7B8"
    stamp = "1790000000"
    request = request_signature("POST", "/game/v1/accounts/validate", stamp, body, key)
    query = request_signature("GET", "/game/v1/topups/G1?x=1", stamp, b"", key)
    assert request == "c05ca0b52066cf2a785e5a058d8ce12447edafe4b63a6f3eeb1d41988aa95a20"
    assert query == "2e3bf6c3070702b181915ad2a02a9f04a3b8739af1ab7bedf5c5c2cf9e5787b5"
    notice = notice_signature(stamp, body, key)
    assert notice == "b32570f64f3238c77bc4f74195dc54059a16776532ece5de26f843243eba5ba9"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Signature": ""},
        {"X-Signature": "0" * 64},
        {"X-Signature": "é" * 64},
        {"X-Partner": "9999"},
        {"X-Partner": ""},
        {"X-Timestamp": ""},
        {"X-Timestamp": "now"},
        {"X-Timestamp": "-1"},
        {"X-Timestamp": str(WALL_S) + "000"},
        {"X-Timestamp": str(WALL_S + 1)},
        game_headers("POST", "/game/v1/topups", b"{}"),
        game_headers("GET", "/game/v1/topups", json.dumps(a_top_up()).encode()),
        game_headers("POST", "/game/v1/topups?x=1", json.dumps(a_top_up()).encode()),
        game_headers("POST", "/game/v1/topups", json.dumps(a_top_up()).encode(), key="another-key"),
        game_headers("POST", "/game/v1/topups", json.dumps(a_top_up()).encode(), wall_s=WALL_S - 301),
        game_headers("POST", "/game/v1/topups", json.dumps(a_top_up()).encode(), wall_s=WALL_S + 301),
    ],
)
async def test_who_is_not_the_partner_is_refused_and_nothing_is_accepted(headers: dict[str, str]) -> None:
    async with a_game() as w:
        reply = await w.send("POST", "topups", json.dumps(a_top_up()).encode(), "once", headers)
        assert reply is not None
        assert reply.fields is not None
        assert (reply.status, reply.fields["ok"]) == (401, False)
        (refused,) = w.events
        assert isinstance(refused, GoodsRefused)
        assert (refused.code, refused.o, refused.request_no) == (
            Code.UPSTREAM_BAD_SIGNATURE,
            "b00000001",
            "G000001",
        )


@pytest.mark.parametrize("off_s", [-300, 300])
async def test_a_clock_may_be_five_minutes_off(off_s: int) -> None:
    async with a_game() as w:
        body = json.dumps(a_top_up()).encode()
        headers = game_headers("POST", "/game/v1/topups", body, wall_s=WALL_S + off_s)
        reply = await w.send("POST", "topups", body, "once", headers)
        assert reply is not None
        assert reply.status == 202


async def test_the_query_of_a_path_is_signed_as_sent() -> None:
    async with a_game() as w:
        await w.creates()
        assert (await w.ask("GET", "topups/G000001?trace=%20a+b"))[0] == 200


# --- validating --------------------------------------------------------------------------------------------------
async def test_an_account_is_validated_where_it_lives() -> None:
    async with a_game() as w:
        key = order_key(7)
        home = wish(w.mock.plan.seed, 7, w.mock.plan.mix).region
        status, answer = await w.ask("POST", "accounts/validate", {"account": account_of(key), "region": home})
        assert status == 200
        assert answer == {
            "ok": True,
            "account": "player-00000007",
            "region": home,
            "nickname": "玩家 player-00000007",
        }
        assert w.events == []


@pytest.mark.parametrize(
    ("body", "status", "name", "code"),
    [
        ({"account": "nobody", "region": "cn-east"}, 422, "ACCOUNT_NOT_FOUND", Code.ACCOUNT_INVALID),
        ({"account": "player-00000007", "region": "mars"}, 422, "REGION_MISMATCH", Code.REGION_MISMATCH),
        ({"account": "a", "region": ""}, 422, "BAD_REQUEST", Code.IDENTIFIERS_MISSING),
        ({"account": "", "region": "cn-east"}, 422, "BAD_REQUEST", Code.IDENTIFIERS_MISSING),
        ({"region": "cn-east"}, 422, "BAD_REQUEST", Code.IDENTIFIERS_MISSING),
        ({}, 422, "BAD_REQUEST", Code.IDENTIFIERS_MISSING),
    ],
)
async def test_a_wrong_account_or_region_is_not_validated(
    body: dict[str, str], status: int, name: str, code: Code
) -> None:
    async with a_game() as w:
        found, answer = await w.ask("POST", "accounts/validate", {**body, "passthrough": order_key(3)})
        assert (found, answer["ok"], answer["error"]["code"]) == (status, False, name)
        (refused,) = w.events
        assert isinstance(refused, TradeRefused)
        assert (refused.operation, refused.code, refused.o) == (Operation.VALIDATE, code, "b00000003")


# --- creating ----------------------------------------------------------------------------------------------------
async def test_a_create_call_is_accepted_and_credited_after_a_while() -> None:
    async with a_game() as w:
        status, answer = await w.creates()
        assert status == 202
        assert answer == {
            "ok": True,
            "topup_id": answer["topup_id"],
            "reference": "G000001",
            "status": "processing",
        }
        before = (await w.ask("GET", "topups/G000001"))[1]
        assert (before["status"], before["credit_id"], before["reason"]) == ("processing", "", "")
        await w.move_to_s(TAKES_S)
        after = (await w.ask("GET", "topups/G000001"))[1]
        (credited,) = w.found(Credited)
        assert after == {
            "ok": True,
            "topup_id": answer["topup_id"],
            "reference": "G000001",
            "account": "someone-1",
            "region": "cn-east",
            "product": "topup_10",
            "quantity": 1,
            "status": "succeeded",
            "reason": "",
            "credit_id": credited.credit,
        }
        (asked,), (accepted,) = w.found(GoodsRequested), w.found(GoodsAccepted)
        assert (asked.upstream, asked.product, asked.request_no, asked.quantity) == ("game", "topup_10", "G000001", 1)
        assert {asked.o, accepted.o, credited.o} == {"b00000001"}


@pytest.mark.parametrize(
    ("changed", "status", "name", "words"),
    [
        ({"reference": ""}, 422, "BAD_REQUEST", "reference"),
        ({"reference": "a b"}, 422, "BAD_REQUEST", "reference"),
        ({"reference": "x" * 65}, 422, "BAD_REQUEST", "reference"),
        ({"reference": 7}, 422, "BAD_REQUEST", "reference"),
        ({"account": ""}, 422, "BAD_REQUEST", "account"),
        ({"account": "x" * 257}, 422, "BAD_REQUEST", "account"),
        ({"account": None}, 422, "BAD_REQUEST", "account"),
        ({"region": ""}, 422, "BAD_REQUEST", "region"),
        ({"product": ""}, 422, "BAD_REQUEST", "product"),
        ({"quantity": 0}, 422, "BAD_REQUEST", "quantity"),
        ({"quantity": -1}, 422, "BAD_REQUEST", "quantity"),
        ({"quantity": 1001}, 422, "BAD_REQUEST", "quantity"),
        ({"quantity": "1"}, 422, "BAD_REQUEST", "quantity"),
        ({"quantity": 1.5}, 422, "BAD_REQUEST", "quantity"),
        ({"passthrough": "x" * 257}, 422, "BAD_REQUEST", "passthrough"),
        ({"notify_url": "http://shop.example/notify"}, 422, "BAD_REQUEST", "notify_url"),
        ({"notify_url": "http://127.0.0.1@shop.example/"}, 422, "BAD_REQUEST", "notify_url"),
        ({"account": "nobody-1"}, 422, "ACCOUNT_NOT_FOUND", "account"),
        ({"account": "player-00000007", "region": "mars"}, 422, "REGION_MISMATCH", "region"),
        ({"product": "card_10"}, 422, "UNKNOWN_PRODUCT", "product"),
        ({"product": "nope"}, 422, "UNKNOWN_PRODUCT", "product"),
    ],
)
async def test_what_cannot_be_topped_up_is_refused_and_says_which_field(
    changed: dict[str, Any], status: int, name: str, words: str
) -> None:
    async with a_game() as w:
        found, answer = await w.creates(1, "once", **changed)
        assert (found, answer["ok"], answer["error"]["code"]) == (status, False, name)
        assert words in answer["error"]["message"]
        assert len(w.found(GoodsRefused)) == 1
        assert not w.found(GoodsAccepted)
        assert bool(w.found(GoodsRequested)) is (name != "BAD_REQUEST")


@pytest.mark.parametrize("once", ["", "a b", "é", "x" * 129])
async def test_without_a_good_idempotency_key_nothing_is_accepted(once: str) -> None:
    async with a_game() as w:
        reply = await w.send("POST", "topups", json.dumps(a_top_up()).encode(), once)
        assert reply is not None
        assert reply.fields is not None
        assert reply.status == 422
        assert "Idempotency-Key" in str(reply.fields["error"])


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"null", b"\xff\xfe", b'{"account": "\\ud800"}'])
async def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    async with a_game() as w:
        for path in ("topups", "accounts/validate"):
            reply = await w.send("POST", path, body, "once")
            assert reply is not None
            assert reply.status == 422
        msgspec.json.encode(w.events)


async def test_a_reference_nobody_has_used_is_not_found() -> None:
    async with a_game() as w:
        status, answer = await w.ask("GET", "topups/G9")
        assert (status, answer["error"]["code"]) == (404, "NOT_FOUND")
        (refused,) = w.events
        assert isinstance(refused, TradeRefused)
        assert (refused.operation, refused.o, refused.code) == (Operation.QUERY, "G9", Code.UPSTREAM_REFUSED)


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        (TargetPlan("x", "", "naive"), {"card_10", "topup_10"}),
        (TargetPlan("x", "", "naive", prices={"card_10": 1, "topup_10": 1}), set()),
        (TargetPlan("x", "", "naive", prices={"topup_50": 1}, needs={"topup_50": "game"}), {"topup_50"}),
        (TargetPlan("x", "", "naive", prices={"card_10": 1}, needs={"topup_10": "game"}), {"topup_10"}),
    ],
)
def test_a_game_server_sells_what_needs_one(target: TargetPlan, wanted: set[str]) -> None:
    assert products(a_plan(target=target, product=PRODUCTS)) == wanted


# --- repeats -----------------------------------------------------------------------------------------------------
async def test_a_repeat_is_replayed_with_the_state_of_the_day_and_credited_once() -> None:
    async with a_game() as w:
        first, second = await w.creates(), await w.creates()
        assert first == second
        await w.move_to_s(TAKES_S)
        status, third = await w.creates()
        assert (status, third["status"], third["topup_id"]) == (200, "succeeded", first[1]["topup_id"])
        await w.move_to_s(10)
        assert (len(w.found(GoodsRequested)), len(w.found(GoodsAccepted)), len(w.found(Credited))) == (3, 1, 1)


async def test_a_repeat_is_rejected_as_a_duplicate() -> None:
    async with a_game(on_repeat="reject") as w:
        await w.creates()
        status, answer = await w.creates()
        assert (status, answer["error"]["code"]) == (409, "DUPLICATE")
        assert w.found(GoodsRefused)[0].code is Code.UPSTREAM_REFUSED


async def test_a_repeat_is_credited_again_where_the_server_does_so() -> None:
    async with a_game(on_repeat="sell_again") as w:
        first, second = await w.creates(), await w.creates()
        assert first[1]["topup_id"] != second[1]["topup_id"]
        await w.move_to_s(TAKES_S)
        assert len({event.credit for event in w.found(Credited)}) == 2
        assert (await w.ask("GET", "topups/G000001"))[1]["topup_id"] == second[1]["topup_id"]


async def test_another_request_under_an_old_key_is_a_duplicate() -> None:
    async with a_game() as w:
        await w.creates(1, "once")
        assert (await w.creates(2, "once"))[0] == 409


# --- whom it is about --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changed", "subject"),
    [
        ({}, ("b00000003", "key")),
        ({"passthrough": "region=cn;b00000003.2@x"}, ("b00000003.2", "key")),
        ({"passthrough": "", "account": "player-00000004"}, ("b00000004", "key")),
        ({"account": "player-00000004"}, ("b00000003", "key")),
        ({"passthrough": "", "account": "player-w00000004"}, ("w00000004", "key")),
        ({"passthrough": ""}, ("G000003", "order_number")),
        ({"passthrough": "", "reference": ""}, ("buy", "operation")),
    ],
)
async def test_a_create_call_is_about_what_it_passes_through_then_its_account(
    changed: dict[str, str], subject: tuple[str, str]
) -> None:
    async with a_game() as w:
        body = json.dumps(a_top_up(3, **changed)).encode()
        call = await call_of(w, w.send("POST", "topups", body, "once"))
        assert (call.subject.key, call.subject.keyed_by) == subject
        assert (call.place.hop, call.place.operation, call.place.upstream) == (Hop.SHOP_GAME, Operation.BUY, "game")


async def test_a_query_is_about_the_top_up_that_its_reference_names() -> None:
    async with a_game() as w:
        await w.creates(3)
        known = await call_of(w, w.send("GET", "topups/G000003"))
        unknown = await call_of(w, w.send("GET", "topups/G%39"))
        assert (known.subject.key, known.subject.keyed_by) == ("b00000003", "key")
        assert (unknown.subject.key, unknown.subject.keyed_by) == ("G9", "order_number")
        assert (known.sell, known.tell_early) == (None, None)


# --- /_admin, and what nobody takes ------------------------------------------------------------------------------
async def test_admin_lists_top_ups_and_counts_the_credits_of_their_order() -> None:
    async with a_game(on_repeat="sell_again") as w:
        await w.creates(1)
        await w.creates(1)
        await w.creates(2)
        await w.move_to_s(TAKES_S)

        async def listed(query: str) -> list[dict[str, Any]]:
            reply = await w.mock.answer(Asked("GET", "/_admin/trades", query))
            assert reply is not None
            assert reply.fields is not None
            found: list[dict[str, Any]] = msgspec.json.decode(msgspec.json.encode(reply.fields["trades"]))
            return found

        both = await listed("key=b00000001")
        assert [(row["request_no"], row["state"], row["credits"], row["last_notice"]) for row in both] == [
            ("G000001", "succeeded", 2, "accepted")
        ] * 2
        assert len({row["credit"] for row in both}) == 2
        assert await listed("out_trade_no=G000001") == both
        assert await listed(f"trade_no={both[0]['trade_no']}") == both[:1]
        assert [row["credits"] for row in await listed("out_trade_no=G000002")] == [1]
        assert w.mock.trades_made == 3
        await w.creates(4)
        reset = await w.mock.answer(Asked("POST", "/_admin/reset"))
        assert reset is not None
        assert reset.fields == {"ok": True, "forgot": {"notices": 0, "trades": 4}}
        await w.move_to_s(10)
        assert (w.mock.trades_made, len(w.found(Credited))) == (0, 3)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/game/v1/topups"),
        ("GET", "/game/v1/topups/"),
        ("PUT", "/game/v1/topups"),
        ("POST", "/game/v1/topups/G1"),
        ("GET", "/game/v1/accounts/validate"),
        ("POST", "/game"),
        ("POST", "/game/"),
        ("POST", "/other/v1/topups"),
        ("GET", "/game/v2/topups/G1"),
        ("GET", "/game/v1/topups/G1/more"),
    ],
)
async def test_other_paths_and_methods_are_nobodys(method: str, path: str) -> None:
    async with a_game() as w:
        with pytest.raises(NoRoute):
            await w.mock.answer(Asked(method, path))


values = st.one_of(st.text(max_size=12), st.integers(), st.none(), st.floats(allow_nan=False), st.just(1))


@given(
    st.dictionaries(st.one_of(st.sampled_from(sorted(a_top_up())), st.text(max_size=8)), values, max_size=8),
    st.binary(max_size=40),
    st.text(max_size=10),
)
async def test_no_request_breaks_the_mock(fields: dict[str, Any], junk: bytes, once: str) -> None:
    async with asyncio.TaskGroup() as tasks:
        w = GameWorld(GameMock, a_game_plan(), tasks)
        for body in (json.dumps(fields).encode(), json.dumps(a_top_up() | fields).encode(), junk):
            for method, path in (("POST", "topups"), ("POST", "accounts/validate"), ("GET", f"topups/{once or 'x'}")):
                if "/" in once or "?" in once:
                    continue
                reply = await w.send(method, path, body, once)
                assert reply is not None
                msgspec.json.encode(reply.fields)
        msgspec.json.encode(w.events)
        w.mock.stop()

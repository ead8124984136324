"""The reseller's API, without sockets: what it refuses, what its webhooks hold, what faults make of it.

That a client of other people believes it: tests/conformance/test_fazercards.py."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from faults.verdict import Variant
from ledger.events import Credited, GoodsRefused, NoticeAnswered, NoticeSent, Struck, TradeRefused
from ledger.states import Hop
from mocks.game.fazer import Fazer
from mocks.game.mock import GameMock
from mocks.notices import PAID
from mocks.post import Heard, Letter
from mocks.reply import Reply
from mocks.server import Asked, NoRoute
from mocks.upstreams import Keys
from plan.run import UpstreamPlan
from plan.units import BusinessTime, WireTime
from tests.mocks.goods import PRODUCTS, REGIONS, TARGET
from tests.mocks.world import KEY, PID, Around, a_fault, a_plan

SECRET = "wh-5ecret-wh-5ecret"
HOOK = "http://127.0.0.1:9000/hook"
TAKES_S = 0.2


class FazerWorld(Around[GameMock]):
    """The game mock with one reseller's account, its webhook set."""

    async def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply | None:
        target, _, query = path.partition("?")
        sent = {"X-API-Key": KEY} | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.mock.answer(Asked(method, f"/fz/api/v2/{target}", query, body, headers=sent))

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, Any]]:
        reply = await self.send(method, path, b"" if body is None else json.dumps(body).encode(), **headers)
        assert reply is not None
        return reply.status, json.loads(json.dumps(reply.fields))

    async def orders(self, n: int = 1, once: str = "", **changed: Any) -> tuple[int, dict[str, Any]]:
        body = {"category_id": "fz_auto", "offer_id": "topup_10"} | {"fields": a_player(n)}
        return await self.ask("POST", "topups/order", body | changed, Idempotency_Key=once or f"K-{n}")

    @property
    def server(self) -> Fazer:
        server = self.mock._servers["fz"]
        assert isinstance(server, Fazer)
        return server


def a_player(n: int = 1, **changed: str) -> dict[str, str]:
    return {"player_id": f"someone-{n}", "server_id": "cn-east"} | changed


@asynccontextmanager
async def a_reseller(*faults: Any, hook: str = HOOK, takes: float = TAKES_S) -> AsyncIterator[FazerWorld]:
    ladder = tuple(BusinessTime(gap) for gap in (60, 300, 1800))
    fz = UpstreamPlan("game", "fazer", ladder, WireTime(10), takes=WireTime(takes))
    plan = a_plan(*faults, upstreams={"fz": fz}, target=TARGET, product=PRODUCTS, region=REGIONS)
    keys = {"fz": Keys(PID, KEY, {"webhook_secret": SECRET}, {"webhook_secret": SECRET})}
    async with asyncio.TaskGroup() as tasks:
        made = FazerWorld(GameMock, plan, tasks, keys=keys)
        if hook:
            await made.ask("PUT", "account/webhook", {"url": hook, "enabled": True})
        made.begin_load()
        yield made
        made.mock.injector.release()
        made.mock.stop()


def signature(body: bytes | None) -> str:
    """As the client's documentation has it, not by the code under test."""
    return "sha256=" + hmac.new(SECRET.encode(), body or b"", hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("changed", "code", "standard"),
    [
        ({"category_id": "fz"}, "validation_failed", "goods.unknown"),
        ({"offer_id": ""}, "validation_failed", "goods.unknown"),
        ({"offer_id": "card_10"}, "validation_failed", "goods.unknown"),
        ({"fields": {}}, "validation_failed", "identifiers.missing"),
        ({"fields": {"player_id": "x"}}, "validation_failed", "identifiers.missing"),
        ({"fields": {"player_id": "", "server_id": "cn-east"}}, "validation_failed", "identifiers.missing"),
        ({"fields": {"player_id": 7, "server_id": "cn-east"}}, "validation_failed", "identifiers.missing"),
        ({"fields": a_player(zone_id="1")}, "validation_failed", "identifiers.missing"),
        ({"fields": a_player(player_id="x" * 257)}, "validation_failed", "identifiers.missing"),
        ({"fields": a_player(player_id="nobody")}, "validation_failed", "account.invalid"),
        ({"once": "two words"}, "validation_failed", "identifiers.missing"),
        ({"once": "x" * 129}, "validation_failed", "identifiers.missing"),
    ],
)
async def test_an_order_that_cannot_be_is_refused_and_never_credited(
    changed: dict[str, Any], code: str, standard: str
) -> None:
    async with a_reseller() as w:
        status, answer = await w.orders(**changed)
        assert (status, answer["ok"], answer["code"]) == (400, False, code)
        assert [refused.code for refused in w.found(GoodsRefused)] == [standard]
        await w.move_to_s(1)
        assert w.found(Credited) == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"fields": []}', b"\xff\xfe"])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "topups/order"), ("POST", "topups/validate-id"), ("PUT", "account/webhook")]
)
async def test_a_body_that_cannot_be_read_is_a_bad_request(method: str, path: str, body: bytes) -> None:
    async with a_reseller() as w:
        reply = await w.send(method, path, body)
        assert reply is not None
        assert reply.status == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "topups"), ("GET", "topups/offers?category_id=fz_auto"), ("POST", "topups/validate-id"),
        ("POST", "topups/order"), ("GET", "orders/ord-1"), ("GET", "account/webhook"), ("PUT", "account/webhook"),
    ],
)  # fmt: skip
async def test_nothing_is_told_or_done_without_the_key(method: str, path: str) -> None:
    async with a_reseller() as w:
        for key in ("", KEY + "x", "é"):
            status, answer = await w.ask(method, path, {}, X_API_Key=key)
            assert (status, answer["code"]) == (401, "unauthorized")
        assert len(w.found(GoodsRefused)) + len(w.found(TradeRefused)) == 3


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "giftcards"), ("POST", "topups"), ("GET", "topups/order"), ("GET", "orders/a/b")],
)
async def test_what_is_not_played_is_no_route(method: str, path: str) -> None:
    async with a_reseller() as w:
        with pytest.raises(NoRoute):
            await w.send(method, path)
        with pytest.raises(NoRoute):
            await w.mock.answer(Asked("GET", "/fz/topups", headers={"X-API-Key": KEY}))


async def test_the_order_of_another_account_is_not_found() -> None:
    async with a_reseller() as w:
        _, answer = await w.orders()
        assert (await w.ask("GET", f"orders/{answer['order']['id']}"))[0] == 200
        for unknown in ("ord-", "ord-0", answer["order"]["id"].removeprefix("ord-"), "ord-%00"):
            assert (await w.ask("GET", f"orders/{unknown}"))[0] == 404


async def test_an_order_is_about_whom_its_player_or_key_names() -> None:
    async with a_reseller() as w:
        await w.orders(1, once="shop-b00000003")
        home = w.mock.accounts.home_of("player-00000004") or ""
        await w.orders(2, fields=a_player(player_id="player-00000004", server_id=home), once="K")
        await w.orders(3, once="K-9")
        assert [(t.o, t.keyed_by) for t in w.mock.accounts.top_ups] == [
            ("b00000003", "key"), ("b00000004", "key"), ("K-9", "order_number"),
        ]  # fmt: skip


# --- webhooks ----------------------------------------------------------------------------------------------------
async def test_a_webhook_tells_of_the_order_as_its_query_does() -> None:
    async with a_reseller() as w:
        _, answer = await w.orders()
        assert w.letters == []
        await w.move_to_s(1)
        (letter,) = w.letters
        event = json.loads(letter.body or b"")
        assert (letter.method, letter.url) == ("POST", HOOK)
        assert letter.headers["X-Webhook-Signature"] == signature(letter.body)
        assert letter.headers["X-Webhook-Event"] == event["event"] == "order.status_changed"
        assert letter.headers["X-Webhook-Event-Id"] == event["event_id"]
        assert UUID(event["event_id"]).version == 4
        _, queried = await w.ask("GET", f"orders/{answer['order']['id']}")
        assert event["data"] == queried["order"]
        assert event["timestamp"] == queried["order"]["completed_at"] == "2026-09-21T14:13:20.200Z"


async def test_a_webhook_that_is_not_taken_comes_again_the_same_but_for_its_attempt() -> None:
    async with a_reseller() as w:
        w.shop = lambda letter: Heard(500 if len(w.letters) < 3 else 204, "")
        await w.orders()
        await w.move_to_s(4000)
        assert [letter.headers["X-Webhook-Delivery-Attempt"] for letter in w.letters] == ["1", "2", "3"]
        assert len({letter.body for letter in w.letters}) == 1
        assert [sent.t // 10**9 for sent in w.found(NoticeSent)] == [0, 60, 360]


@pytest.mark.parametrize("status", [301, 302, 400, 401, 500])
async def test_only_2xx_is_taken_for_an_answer(status: int) -> None:
    async with a_reseller() as w:
        w.shop = lambda letter: Heard(status, "ok")
        await w.orders()
        await w.move_to_s(1)
        assert [e.outcome for e in w.found(NoticeAnswered)] == ["refused"]


async def test_no_webhook_goes_to_who_wants_none() -> None:
    async with a_reseller(hook="") as w:
        assert (await w.ask("GET", "account/webhook"))[1]["webhook"] is None
        await w.orders(1)
        await w.move_to_s(1)
        await w.ask("PUT", "account/webhook", {"url": HOOK, "enabled": False})
        await w.orders(2)
        await w.move_to_s(2)
        assert w.letters == []
        await w.ask("PUT", "account/webhook", {"url": HOOK})
        assert (await w.ask("GET", "account/webhook"))[1]["webhook"]["secret"] == SECRET
        await w.orders(3)
        await w.move_to_s(3)
        assert len(w.letters) == 1
        await w.ask("DELETE", "account/webhook")
        await w.orders(4)
        await w.move_to_s(4)
        assert (len(w.letters), len(w.found(Credited))) == (1, 4)


@pytest.mark.parametrize("url", ["http://example.com/hook", "ftp://127.0.0.1/", "hook", "", "http://10.0.0.1/"])
async def test_webhooks_stay_on_this_machine(url: str) -> None:
    async with a_reseller(hook="") as w:
        assert (await w.ask("PUT", "account/webhook", {"url": url}))[0] == 400
        assert (await w.ask("GET", "account/webhook"))[1]["webhook"] is None


@pytest.mark.parametrize(
    ("variant", "is_right"),
    [
        (None, True), (Variant.FIELD_ORDER, True), (Variant.SPACED, True), (Variant.ESCAPED, True),
        (Variant.EXTRA_FIELD, True), (Variant.PARTIAL_COVER, True), (Variant.BODY_RESERIALIZED, False),
        (Variant.WRONG_KEY, False), (Variant.MISSING, False),
    ],
)  # fmt: skip
async def test_a_webhook_is_signed_in_the_way_of_the_variant(variant: Variant | None, is_right: bool) -> None:
    async with a_reseller() as w:
        await w.orders()
        (top_up,) = w.mock.accounts.top_ups

        def sealed(variant: Variant | None) -> Letter:
            fields = w.server.compose(top_up, PAID)
            assert fields is not None
            return w.server.seal(top_up, PAID, fields, variant)

        letter, plain = sealed(variant), sealed(None)
        assert (letter.headers.get("X-Webhook-Signature") == signature(letter.body)) is is_right
        assert (letter != plain) is (variant is not None)


# --- faults ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fault", "status", "standard", "credits"),
    [
        ("business_error", 402, "upstream.refused", 0),
        ("maintenance", 503, "upstream.refused", 0),
        ("wrong_region_refused", 400, "region.mismatch", 0),
        ("sig.wrong_key", 401, "upstream.bad_signature", 0),
        ("sig.missing", 401, "upstream.bad_signature", 0),
    ],
)
async def test_an_order_is_refused_as_the_fault_has_it(fault: str, status: int, standard: str, credits: int) -> None:
    async with a_reseller(a_fault("it", fault, Hop.SHOP_GAME)) as w:
        assert (await w.orders())[0] == status
        await w.move_to_s(1)
        assert [refused.code for refused in w.found(GoodsRefused)] == [standard]
        assert len(w.found(Credited)) == credits
        assert [s.fault for s in w.found(Struck)] == ["it"]


async def test_an_accepted_order_that_fails_is_paid_back_and_told_of() -> None:
    async with a_reseller(a_fault("it", "accept_then_fail", Hop.SHOP_GAME)) as w:
        status, answer = await w.orders()
        assert (status, answer["order"]["status"]) == (200, "processing")
        await w.move_to_s(1)
        event = json.loads(w.letters[0].body or b"")
        assert (event["data"]["status"], bool(event["data"]["fail_reason"])) == ("refund", True)
        assert "completed_at" not in event["data"]


async def test_a_webhook_may_come_before_the_answer() -> None:
    async with a_reseller(a_fault("it", "notice_early", Hop.GAME_SHOP)) as w:
        _, answer = await w.orders()
        assert len(w.letters) == 1
        assert answer["order"]["status"] == "processing"
        assert [s.fault for s in w.found(Struck)] == ["it"]


@pytest.mark.parametrize(
    ("fault", "at", "changed"),
    [
        ("ver.enum_unknown", Hop.SHOP_GAME, "order.status processing told as PARTIALLY_DONE"),
        ("ver.enum_changed", Hop.SHOP_GAME, "order.status processing told as pending"),
        ("ver.code_polarity", Hop.SHOP_GAME, "ok true told as 1"),
        ("ver.missing_field", Hop.SHOP_GAME, "left out: order.status"),
        ("ver.renamed", Hop.SHOP_GAME, "order.status renamed state"),
        ("ver.enum_changed", Hop.GAME_SHOP, "data.status completed told as success"),
        ("ver.missing_field", Hop.GAME_SHOP, "left out: data.status"),
        ("notice_stripped", Hop.GAME_SHOP, "removed: data.id, data.fields"),
    ],
)
async def test_another_version_says_it_otherwise(fault: str, at: Hop, changed: str) -> None:
    async with a_reseller(a_fault("it", fault, at)) as w:
        await w.orders()
        await w.move_to_s(1)
        assert changed in [s.changed for s in w.found(Struck)]


async def test_what_is_kept_of_a_struck_exchange_holds_neither_key_nor_secret() -> None:
    async with a_reseller(a_fault("it", "slow", Hop.SHOP_GAME, params={"ms": 100})) as w:
        asking = asyncio.ensure_future(w.ask("GET", "account/webhook"))
        await w.move_to_s(1)
        assert SECRET in str(await asking)
        (kept,) = w.kept
        assert KEY not in repr(kept)
        assert SECRET not in repr(kept)


async def test_the_reseller_knows_an_error_of_its_own_and_the_order_goes_on() -> None:
    async with a_reseller(a_fault("lost", "answer_unknown", Hop.SHOP_GAME)) as w:
        status, answer = await w.orders()
        assert (status, answer["ok"], answer["code"]) == (500, False, "internal_error")
        await w.move_to_s(1)
        assert len(w.found(Credited)) == 1


async def test_the_reseller_refuses_the_first_repeat_of_a_key() -> None:
    async with a_reseller(a_fault("dup", "duplicate_refused", Hop.SHOP_GAME)) as w:
        answers = [await w.orders() for _ in range(3)]
        assert [answer["ok"] for _, answer in answers] == [True, False, True]
        assert (answers[1][0], answers[1][1]["code"]) == (409, "idempotency_conflict")
        await w.move_to_s(1)
        assert len(w.found(Credited)) == 1

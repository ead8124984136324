"""What the top-up server tells the shop: signed, again and again, and with a fault before it has answered."""

import json
from typing import Any

import pytest

from faults.verdict import Outcome, Variant
from ledger.events import (
    Credited,
    GoodsAccepted,
    GoodsRequested,
    NoticeAnswered,
    NoticeSent,
)
from mocks.notices import PAID
from mocks.post import Heard
from tests.mocks.goods import (
    NOTIFY,
    GameWorld,
    a_game,
    a_top_up,
    call_of,
    hmac_hex,
)
from tests.mocks.world import KEY, PID, WALL_S

TAKES_S = 0.2


# --- notices -----------------------------------------------------------------------------------------------------
async def test_the_shop_is_told_rightly_signed_once_the_account_was_credited() -> None:
    async with a_game() as w:
        answer = (await w.creates())[1]
        await w.move_to_s(TAKES_S - 0.01)
        assert not w.letters
        await w.move_to_s(TAKES_S)
        (letter,) = w.letters
        assert (letter.method, letter.url) == ("POST", NOTIFY)
        assert letter.body is not None
        assert letter.headers == {
            "Content-Type": "application/json",
            "X-Partner": PID,
            "X-Timestamp": str(WALL_S),
            "X-Signature": hmac_hex(f"{WALL_S}\n".encode() + letter.body),
        }
        assert json.loads(letter.body) == {
            "event": "topup.succeeded",
            "event_id": f"E{answer['topup_id']}",
            "topup_id": answer["topup_id"],
            "reference": "G000001",
            "account": "someone-1",
            "region": "cn-east",
            "product": "topup_10",
            "quantity": "1",
            "status": "succeeded",
            "reason": "",
            "credit_id": w.found(Credited)[0].credit,
            "passthrough": "b00000001@buyers.example",
        }
        assert [(type(e), e.o) for e in w.events[2:]] == [
            (Credited, "b00000001"),
            (NoticeSent, "b00000001"),
            (NoticeAnswered, "b00000001"),
        ]


async def test_a_notice_climbs_the_ladder_with_one_event_id_and_a_fresh_stamp() -> None:
    async with a_game() as w:
        w.shop = lambda letter: Heard(500, "busy")
        await w.creates()
        await w.move_to_s(TAKES_S + 60 + 180)
        assert len({told["event_id"] for told in w.told()}) == 1
        assert [int(letter.headers["X-Timestamp"]) - WALL_S for letter in w.letters] == [0, 60, 240]
        assert len({letter.headers["X-Signature"] for letter in w.letters}) == 3


@pytest.mark.parametrize(
    ("heard", "outcome"),
    [
        (Heard(200, ""), "accepted"),
        (Heard(204, ""), "accepted"),
        (Heard(201, "ok"), "refused"),
        (Heard(302, "ok"), "refused"),
        (Heard(500, "success"), "refused"),
        (Heard(0, "ConnectionRefusedError"), "error"),
        (None, "unanswered"),
    ],
)
async def test_only_200_and_204_accept_a_notice(heard: Heard | None, outcome: str) -> None:
    async with a_game() as w:
        w.shop = lambda letter: heard
        await w.creates()
        await w.move_to_s(TAKES_S + 10)
        assert w.found(NoticeAnswered)[0].outcome == outcome


async def test_a_shop_that_gives_no_address_is_not_told() -> None:
    async with a_game() as w:
        await w.creates(notify_url="")
        await w.move_to_s(60)
        assert (len(w.found(Credited)), w.letters, w.mock.open_notices) == (1, [], 0)


async def test_a_notice_to_come_counts_as_open() -> None:
    async with a_game() as w:
        await w.creates()
        assert w.mock.open_notices == 1
        await w.move_to_s(TAKES_S)
        assert w.mock.open_notices == 0


@pytest.mark.parametrize(
    ("variant", "wrong"),
    [
        (Variant.MISSING, lambda stamp, body: None),
        (Variant.CASE, lambda stamp, body: hmac_hex(stamp + body).upper()),
        (Variant.WRONG_KEY, lambda stamp, body: hmac_hex(stamp + body, f"another-key-than-{KEY}")),
        (Variant.CHARSET_GBK, lambda stamp, body: hmac_hex(stamp + body.decode().encode("gbk"))),
        (Variant.EMPTY_KEPT, lambda stamp, body: hmac_hex(stamp + body)),
    ],
)
async def test_a_notice_can_be_signed_wrongly_in_each_way_that_differs_here(variant: Variant, wrong: Any) -> None:
    async with a_game() as w:
        await w.creates(account="张三")
        (top_up,) = w.mock.accounts.top_ups
        server = w.mock._instances["game"]
        letter = server.seal(top_up, PAID, server.compose(top_up, PAID), variant)  # type: ignore[attr-defined]
        assert letter.headers.get("X-Signature") == wrong(f"{WALL_S}\n".encode(), letter.body)


@pytest.mark.parametrize(
    ("variant", "late_s"),
    [(Variant.SKEW_4_MIN, 240), (Variant.SKEW_6_MIN, 360), (Variant.SKEW_11_MIN, 660), (Variant.SKEW_1_DAY, 86_400)],
)
async def test_a_notice_of_a_slow_clock_is_signed_rightly_for_its_time(variant: Variant, late_s: int) -> None:
    async with a_game() as w:
        await w.creates()
        letter = sealed(w, variant)
        stamp = letter.headers["X-Timestamp"]
        assert int(stamp) == WALL_S - late_s
        assert letter.headers["X-Signature"] == hmac_hex(f"{stamp}\n".encode() + letter.body)


@pytest.mark.parametrize(
    "variant", [Variant.FIELD_ORDER, Variant.SPACED, Variant.ESCAPED, Variant.EXTRA_FIELD, Variant.BODY_RESERIALIZED]
)
async def test_an_oddly_written_notice_says_the_same_and_only_a_rewritten_one_is_signed_wrongly(
    variant: Variant,
) -> None:
    async with a_game() as w:
        await w.creates(account="张三/1")
        plain, odd = sealed(w, None), sealed(w, variant)
        assert json.loads(odd.body) == json.loads(plain.body) | (
            {"schema": "2"} if variant is Variant.EXTRA_FIELD else {}
        )
        is_right = odd.headers["X-Signature"] == hmac_hex(f"{WALL_S}\n".encode() + odd.body)
        assert is_right is (variant is not Variant.BODY_RESERIALIZED)
        assert (odd.body == plain.body) is (variant is Variant.BODY_RESERIALIZED)


def sealed(w: GameWorld, variant: Variant | None) -> Any:
    """The notice of the only top-up."""
    (top_up,) = w.mock.accounts.top_ups
    server = w.mock._instances["game"]
    return server.seal(top_up, PAID, server.compose(top_up, PAID), variant)  # type: ignore[attr-defined]


# --- telling before the answer -----------------------------------------------------------------------------------
async def told_early(w: GameWorld, outcome: Outcome | None = None, **changed: Any) -> bool:
    """Whether a create call that is to be told of early was."""
    body = json.dumps(a_top_up(**changed)).encode()
    call = await call_of(w, w.send("POST", "topups", body, "once"))
    assert call.sell is not None
    assert call.tell_early is not None
    _ = call.act() if outcome is None else call.sell(outcome)
    return await call.tell_early()


async def test_an_early_notice_comes_after_the_credit_and_before_the_answer() -> None:
    async with a_game() as w:
        assert await told_early(w)
        assert [type(e) for e in w.events] == [GoodsRequested, GoodsAccepted, Credited, NoticeSent, NoticeAnswered]
        await w.move_to_s(TAKES_S + 1)
        assert (len(w.found(Credited)), len(w.letters)) == (1, 1)


async def test_an_early_notice_that_is_refused_climbs_the_ladder() -> None:
    async with a_game() as w:
        w.shop = lambda letter: Heard(404, "no such order yet")
        assert await told_early(w)
        w.shop = lambda letter: Heard(204, "")
        await w.move_to_s(61)
        assert [event.outcome for event in w.found(NoticeAnswered)] == ["refused", "accepted"]


async def test_an_early_notice_that_nobody_hears_is_none() -> None:
    async with a_game() as w:
        w.shop = lambda letter: Heard(0, "ConnectionRefusedError")
        assert not await told_early(w)


async def test_a_failure_can_be_told_early_too() -> None:
    async with a_game() as w:
        assert await told_early(w, Outcome.ACCEPT_THEN_FAIL)
        assert w.told()[0]["event"] == "topup.failed"


@pytest.mark.parametrize(
    ("outcome", "changed"),
    [
        (Outcome.STAYS_PROCESSING, {}),
        (Outcome.MAINTENANCE, {}),
        (None, {"product": "nope"}),
        (None, {"notify_url": ""}),
    ],
)
async def test_where_nothing_has_ended_nothing_is_told_early(outcome: Outcome | None, changed: dict[str, str]) -> None:
    async with a_game() as w:
        assert not await told_early(w, outcome, **changed)
        assert not w.letters


async def test_a_repeat_tells_nothing_early_about_the_call_before() -> None:
    async with a_game() as w:
        await w.creates(1, "once")
        assert not await told_early(w)
        assert (w.letters, w.found(Credited)) == ([], [])

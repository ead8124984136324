"""The shop's clients of supplier and game: signatures, and what each answer is taken for."""

import json
from typing import Any

import pytest
from aiohttp import ClientSession

from targets.cardshop import game, supplier
from targets.cardshop.game import NoticeForged, TopUps, read_topup
from targets.cardshop.peers import Peer
from targets.cardshop.states import Code
from targets.cardshop.supplier import read_trade
from targets.cardshop.upstreams import Accepted, Delivered, Nothing, Outcome, Refused, Unknown

# Made by the shop software's own code: docs/protocols.md, Shared store.
APP = {"app_id": "10", "app_key": "A1B2C3D4E5F6A7B8"}
TRADE = APP | {
    "shared_code": "P1", "contact": "13800000000", "num": "2", "card_id": "0", "device": "0", "password": "",
    "race": "月卡", "request_no": "REQ0", "sku[区]": "一 区", "account": "QQ 12345+x",
}  # fmt: skip
GOLDEN = [
    (APP, "c1d677e48c290e8042de53b49b19e2f9"),
    (TRADE, "59888af59828cd81d8f3829a9b27941a"),
    (APP | {"code": "P1", "race": "月卡", "sku[颜色]": "红 色&1"}, "dd0445106e1a4aa22c8e2c5587f4d8a4"),
]


@pytest.mark.parametrize(("fields", "expected"), GOLDEN)
def test_the_suppliers_signature_agrees_with_samples_of_its_own_software(fields: dict[str, str], expected: str) -> None:
    assert supplier.signature(fields, APP["app_key"]) == expected
    assert supplier.signature(fields | {"sign": "x"}, APP["app_key"]) == expected


@pytest.mark.parametrize(
    "changed", [{"num": "1"}, {"race": ""}, {"sku[区]": "二 区"}, {"more": "1"}, {"password": "p"}]
)
def test_a_changed_field_changes_the_suppliers_signature(changed: dict[str, str]) -> None:
    assert supplier.signature(TRADE | changed, APP["app_key"]) != GOLDEN[1][1]


def _sold(**changed: Any) -> dict[str, Any]:
    return {"code": 200, "msg": "success", "data": {"secret": "卡号 1", "tradeNo": "S1"}} | changed


STRANGE = Refused(Code.VERSION, is_certain=False)


@pytest.mark.parametrize(
    ("body", "strict", "tolerant"),
    [
        (_sold(), Delivered(("卡号 1",)), Delivered(("卡号 1",))),
        (_sold(data={"secret": "a\nb\n"}), Delivered(("a", "b")), Delivered(("a", "b"))),
        (_sold(data={"contents": ["a"]}), Delivered(()), Delivered(("a",))),
        (_sold(data={"secret": ""}), Delivered(()), Unknown(Code.EMPTY)),
        (_sold(data={}), Delivered(()), Unknown(Code.EMPTY)),
        (_sold(data=None), Delivered(()), Unknown(Code.EMPTY)),
        (_sold(code="200"), STRANGE, Delivered(("卡号 1",))),
        (_sold(code=0), Refused(Code.REFUSED), Delivered(("卡号 1",))),
        (_sold(code=1, data={}), STRANGE, Unknown(Code.VERSION)),
        ({}, STRANGE, Unknown(Code.VERSION)),
        (_sold(code=0, msg="库存不足", data={}), Refused(Code.SOLD_OUT), Refused(Code.SOLD_OUT)),
        (_sold(code="0", msg="库存不足", data={}), STRANGE, Refused(Code.SOLD_OUT)),
        (_sold(code=0, msg="密钥错误", data={}), Refused(Code.BAD_SIGNATURE), Refused(Code.BAD_SIGNATURE)),
        (_sold(code=0, msg="商品不存在", data={}), Refused(Code.GOODS_UNKNOWN), Refused(Code.GOODS_UNKNOWN)),
        (_sold(code=0, msg="余额不足", data={}), Refused(Code.REFUSED), Refused(Code.REFUSED)),
        (_sold(code=0, msg="？", data={}), Refused(Code.REFUSED), Refused(Code.REFUSED)),
        (_sold(code=0, msg="订单不存在", data={}), Nothing(), Nothing()),
        # Seen before means sold before: whoever took it for a refusal would buy the same elsewhere.
        (
            {"code": 0, "msg": "The request ID already exists"},
            Unknown(Code.UNKNOWN_RESULT),
            Unknown(Code.UNKNOWN_RESULT),
        ),
    ],
)
def test_a_suppliers_answer_is_taken_for(body: dict[str, Any], strict: Outcome, tolerant: Outcome) -> None:
    assert read_trade(body, is_tolerant=False) == strict
    assert read_trade(body, is_tolerant=True) == tolerant


def _topup(status: Any = "processing", **changed: Any) -> dict[str, Any]:
    return {"ok": True, "topup_id": "T1", "status": status, "reason": "", "credit_id": ""} | changed


def _error(code: str) -> dict[str, Any]:
    return {"ok": False, "error": {"code": code, "message": "…"}}


@pytest.mark.parametrize(
    ("body", "strict", "tolerant"),
    [
        (_topup(), Accepted("T1"), Accepted("T1")),
        (_topup("succeeded", credit_id="K1"), Delivered(receipt="K1"), Delivered(receipt="K1")),
        (_topup("SUCCESS", credit_id="K1"), STRANGE, Delivered(receipt="K1")),
        (_topup("failed", reason="region.mismatch"), *2 * (Refused(Code.REGION_MISMATCH, is_final=True),)),
        (_topup("failed", reason="ACCOUNT_NOT_FOUND"), *2 * (Refused(Code.ACCOUNT_INVALID, is_final=True),)),
        (_topup("failed", reason="?"), *2 * (Refused(Code.REFUSED, is_final=True),)),
        (_topup("frozen", credit_id="K1"), STRANGE, Unknown(Code.VERSION)),
        (_topup(3), STRANGE, Unknown(Code.VERSION)),
        ({"ok": True, "topup_id": "T1", "state": "processing"}, STRANGE, Accepted("T1")),
        (_topup(ok=False), STRANGE, Accepted("T1")),
        ({}, STRANGE, Unknown(Code.VERSION)),
        (_error("REGION_MISMATCH"), *2 * (Refused(Code.REGION_MISMATCH),)),
        (_error("ACCOUNT_NOT_FOUND"), *2 * (Refused(Code.ACCOUNT_INVALID),)),
        (_error("BAD_SIGNATURE"), *2 * (Refused(Code.BAD_SIGNATURE),)),
        (_error("MAINTENANCE"), *2 * (Refused(Code.REFUSED),)),
        (_error("NEW_ERROR"), *2 * (Refused(Code.REFUSED),)),
        (_error("NOT_FOUND"), Nothing(), Nothing()),
        (_error("DUPLICATE"), Unknown(Code.UNKNOWN_RESULT), Unknown(Code.UNKNOWN_RESULT)),
    ],
)
def test_a_games_answer_is_taken_for(body: dict[str, Any], strict: Outcome, tolerant: Outcome) -> None:
    assert read_topup(body, is_tolerant=False) == strict
    assert read_topup(body, is_tolerant=True) == tolerant


BODY, NOW = json.dumps(_topup("succeeded", reference="C1", credit_id="K1")).encode(), 1_700_000_000


def _signed(body: bytes = BODY, stamp: str = str(NOW), key: str = "key") -> dict[str, str]:
    return {"X-Timestamp": stamp, "X-Signature": game.signature(game.notice_text(stamp, body), key)}


@pytest.mark.parametrize(
    ("headers", "body", "is_believed"),
    [
        (_signed(), BODY, True),
        (_signed(stamp=str(NOW - 300)), BODY, True),
        (_signed(stamp=str(NOW - 301)), BODY, False),
        (_signed(stamp=str(NOW + 301)), BODY, False),
        (_signed(key="another"), BODY, False),
        (_signed(), BODY + b" ", False),
        (_signed() | {"X-Timestamp": str(NOW - 1)}, BODY, False),
        (_signed() | {"X-Timestamp": "soon"}, BODY, False),
        (_signed() | {"X-Signature": "签名"}, BODY, False),
        ({}, BODY, False),
        (_signed(b"[1]"), b"[1]", False),
        (_signed(b"{"), b"{", False),
    ],
)
async def test_only_a_fresh_notice_signed_by_the_game_is_believed(
    headers: dict[str, str], body: bytes, is_believed: bool
) -> None:
    async with ClientSession() as session:
        peer = Peer("game", "http://127.0.0.1/", "7", "key")
        topups = TopUps(peer, session, is_tolerant=True, notify_url="", now=lambda: NOW)
        if is_believed:
            notice = topups.read_notice(headers, body)
            assert (notice.reference, notice.outcome) == ("C1", Delivered(receipt="K1"))
        else:
            with pytest.raises(NoticeForged):
                topups.read_notice(headers, body)


def test_the_text_that_a_request_signs_is_the_documented_one() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert game.request_text("GET", "/game/v1/topups/C1", "1700000000", b"") == (
        f"GET\n/game/v1/topups/C1\n1700000000\n{empty}".encode()
    )

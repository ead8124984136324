"""npm wechatpay-axios-plugin 0.9.6, unmodified, against the real process of the mock. It signs the whole path, with the
instance's name in it: the mock takes that too, and notes it."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.events import Checked
from tests.conformance.wechat_world import KEY, World, a_strangers_key, a_world

FOLDER = Path(__file__).parents[2] / ".conformance" / "node"
SCRIPT = Path(__file__).parent / "node" / "wechat.mjs"
RUNTIME = shutil.which("node")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        RUNTIME is None or not (FOLDER / "node_modules" / "wechatpay-axios-plugin").exists(),
        reason="node or npm's wechatpay-axios-plugin is not here: make .conformance/.made",
    ),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("node")) as w:
        yield w


def played(w: World, *asks: dict[str, Any], notices: list[dict[str, Any]] | None = None, **changed: Any) -> Any:
    """What the client made of these calls and notices. The script is run from where its packages lie."""
    assert RUNTIME is not None
    told = w.keys.told
    job = {
        "url": f"{w.mock.url}/wechat/",
        "mchid": w.keys.pid,
        "serial": told["merchant_serial"],
        "private_key": told["merchant_private_key"],
        "platform_serial": told["platform_serial"],
        "platform": told["platform_certificate"],
        "v3key": w.keys.key,
        "asks": asks,
        "notices": notices or [],
    }
    run = [RUNTIME, "--input-type=module", "--eval", SCRIPT.read_text(encoding="utf-8")]
    done = subprocess.run(run, input=json.dumps(job | changed), capture_output=True, text=True, timeout=30, cwd=FOLDER)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def create(w: World, no: str) -> dict[str, Any]:
    data = {
        "appid": w.keys.told["appid"],
        "mchid": w.keys.pid,
        "description": "会员 充值&x=1",
        "out_trade_no": no,
        "notify_url": f"{w.shop.url}/notify",
        "amount": {"total": 1999},
        "attach": KEY,
    }
    return {"method": "POST", "path": "v3/pay/transactions/native", "data": data}


def query(w: World, no: str) -> dict[str, Any]:
    return {"method": "GET", "path": f"v3/pay/transactions/out-trade-no/{no}", "params": {"mchid": w.keys.pid}}


def close(w: World, no: str) -> dict[str, Any]:
    return {"method": "POST", "path": f"v3/pay/transactions/out-trade-no/{no}/close", "data": {"mchid": w.keys.pid}}


def by_public_key(w: World) -> dict[str, Any]:
    number = w.keys.told["platform_public_key_id"]
    return {
        "platform_serial": number,
        "platform": w.keys.told["platform_public_key"],
        "headers": {"Wechatpay-Serial": number},
    }


@pytest.mark.parametrize("trusts", ["certificate", "public key"])
def test_it_orders_queries_is_told_gives_back_and_closes(world: World, trusts: str) -> None:
    mode = by_public_key(world) if trusts == "public key" else {}
    no, unpaid = f"NODE-{trusts[:4]}", f"NODE-{trusts[:4]}-2"
    made, waiting, _, closed = played(
        world, create(world, no), query(world, no), create(world, unpaid), close(world, unpaid), **mode
    )["answers"]
    assert (made["status"], waiting["data"]["trade_state"], closed["status"]) == (200, "NOTPAY", 204)
    count = len(world.shop.told)
    world.pay(made["data"]["code_url"])
    world.shop.wait_until_told(count + 1)
    body = world.shop.body.decode()
    notice, forged = ({"headers": world.shop.headers, "body": text} for text in (body, body.replace("成功", "失败")))
    refund = {
        "out_trade_no": no,
        "out_refund_no": f"{no}-R",
        "amount": {"refund": 1, "total": 1999, "currency": "CNY"},
    }
    heard = played(
        world,
        {"method": "POST", "path": "v3/refund/domestic/refunds", "data": refund},
        {"method": "GET", "path": f"v3/refund/domestic/refunds/{no}-R"},
        query(world, no),
        notices=[notice, forged],
        **mode,
    )
    assert [answer["status"] for answer in heard["answers"]] == [200, 200, 200]
    assert heard["answers"][1]["data"]["status"] == "SUCCESS"
    assert heard["answers"][2]["data"]["trade_state"] == "REFUND"
    right, wrong = heard["told"]
    assert (right["resource"]["out_trade_no"], right["resource"]["attach"]) == (no, KEY)
    assert wrong == {"is_signed": False}


def test_what_is_not_there_and_who_is_a_stranger_is_refused_in_the_platforms_words(world: World) -> None:
    (missing,) = played(world, query(world, "NOT-THERE"))["answers"]
    assert (missing["status"], missing["data"]["code"]) == (404, "ORDER_NOT_EXIST")
    (refused,) = played(world, create(world, "STRANGER"), private_key=a_strangers_key())["answers"]
    assert (refused["status"], refused["data"]["code"]) == (401, "SIGN_ERROR")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("sig.wrong_peer_key", "EV3_RES_HEADER_SIGNATURE_DIGEST"),
        ("sig.unknown_serial", "EV3_RES_HEADER_PLATFORM_SERIAL"),
        ("sig.probe", "EV3_RES_HEADER_SIGNATURE_DIGEST"),
        ("sig.missing_type_header", None),
        ("sig.odd_skew", None),
        ("sig.odd_escaped", None),
    ],
)
def test_it_notices_answers_that_are_signed_wrongly_and_takes_those_that_only_look_odd(
    world: World, fault: str, error: str | None
) -> None:
    no = f"ODD-{fault[4:]}"
    assert played(world, create(world, no))["answers"][0]["status"] == 200
    with world.struck_by(fault, "shop>payment"):
        (answer,) = played(world, query(world, no))["answers"]
    assert answer.get("error") == error


def test_its_way_of_signing_is_tolerated_and_noted(tmp_path: Path) -> None:
    with a_world(tmp_path) as w:
        played(w, create(w, "PREFIX"))
        w.mock.stop()
        noted = [(e.o, e.matched) for e in w.mock.events() if isinstance(e, Checked)]
    assert noted == [(KEY, "path_with_prefix")]

"""npm alipay-sdk 4.14.0, unmodified, against the real process of the mock."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from mocks.keyring import Keyring
from tests.conformance.alipay_world import (
    ANSWERS,
    KEY,
    NODE,
    NOTICES,
    World,
    a_world,
    answer_signed,
    merchant,
    must_be_accepted,
    notice_signed,
)

FOLDER = Path(__file__).parents[2] / ".conformance" / "node"
SCRIPT = Path(__file__).parent / "node" / "alipay.mjs"
RUNTIME = shutil.which("node")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        RUNTIME is None or not (FOLDER / "node_modules" / "alipay-sdk").exists(),
        reason="node or npm's alipay-sdk is not here: make .conformance/.made",
    ),
]
BIZ = {"out_trade_no": "NODE1", "total_amount": "19.99", "subject": "会员 充值&x=1", "passback_params": KEY}
QUERY = {"ask": "alipay.trade.query", "bizContent": {"out_trade_no": "NODE1"}}


def played(job: dict[str, Any]) -> Any:
    """What the client made of a job. The script is run from where its packages lie."""
    assert RUNTIME is not None
    run = [RUNTIME, "--input-type=module", "--eval", SCRIPT.read_text(encoding="utf-8")]
    done = subprocess.run(run, input=json.dumps(job), capture_output=True, text=True, timeout=30, cwd=FOLDER)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def a_job(w: World, **more: Any) -> dict[str, Any]:
    return {"url": w.gateway, "app_id": w.keys.pid} | w.keys.told | more


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("node")) as w:
        yield w


@pytest.mark.parametrize(("has_certs", "no"), [(False, "NODE1"), (True, "NODE2")])
def test_it_creates_pays_queries_refunds_and_verifies(world: World, has_certs: bool, no: str) -> None:
    create = {
        "ask": "alipay.trade.precreate",
        "notify_url": f"{world.shop.url}/notify",
        "bizContent": BIZ | {"out_trade_no": no},
    }
    query = {"ask": "alipay.trade.query", "bizContent": {"out_trade_no": no}}
    made, unpaid = played(a_job(world, steps=[create, query], has_certs=has_certs))["asked"]
    assert (made["code"], unpaid["trade_status"]) == ("10000", "WAIT_BUYER_PAY")
    count = len(world.shop.told)
    assert world.pay(made["qr_code"])["paid"] is True
    told = world.shop.wait_until_told(count + 1)

    refund = {
        "ask": "alipay.trade.refund",
        "bizContent": {"out_trade_no": no, "refund_amount": "5.00", "out_request_no": "R1"},
    }
    notices = {"right": told, "wrong": told | {"total_amount": "0.01"}}
    done = played(a_job(world, steps=[query, refund], notices=notices, has_certs=has_certs))
    assert done["verified"] == {"right": True, "wrong": False}
    paid, refunded = done["asked"]
    assert (paid["trade_status"], paid["total_amount"]) == ("TRADE_SUCCESS", "19.99")
    assert (refunded["fund_change"], refunded["refund_fee"]) == ("Y", "5.00")


def test_its_page_leads_to_the_cashier(world: World) -> None:
    biz = {k: v for k, v in BIZ.items() if k != "passback_params"} | {
        "out_trade_no": "NODE3",
        "product_code": "FAST_INSTANT_TRADE_PAY",
    }
    (address,) = played(a_job(world, steps=[{"ask": "alipay.trade.page.pay", "bizContent": biz}]))["asked"]
    parts = urlsplit(address)
    assert "19.99" in world.mock.ask(f"{parts.path}?{parts.query}").decode()


def test_an_unknown_order_and_a_wrong_key_of_either_side_are_noticed(world: World) -> None:
    others = Keyring().pair("alipay-other")
    query = {"ask": "alipay.trade.query", "bizContent": {"out_trade_no": "NONE"}}
    (unknown,) = played(a_job(world, steps=[query]))["asked"]
    assert (unknown["code"], unknown["sub_code"]) == ("40004", "ACQ.TRADE_NOT_EXIST")
    (refused,) = played(a_job(world, steps=[query]) | {"app_private_key": others.private})["asked"]
    assert (refused["code"], refused["sub_code"]) == ("40002", "isv.invalid-signature")
    (doubted,) = played(a_job(world, steps=[query]) | {"alipay_public_key": others.public})["asked"]
    assert doubted == {"error": "AlipayRequestError"}


def test_it_takes_answers_and_notices_that_are_signed_rightly_and_no_others() -> None:
    keys = merchant()
    job = {"url": "http://127.0.0.1/", "app_id": keys.pid, "node": NODE} | keys.told
    answers = {name: answer_signed(name) for name in ANSWERS}
    done = played(
        job | {"answers": answers, "notices": {name: dict(parse_qsl(notice_signed(name))) for name in NOTICES}}
    )
    # It cuts the signed text out as ending right before the signature, so one valid answer is none to it.
    assert done["read"] == {name: must_be_accepted(name) for name in ANSWERS}
    # It tries both texts, with sign_type and without: so it takes a notice that is signed as a request is.
    assert done["verified"] == {name: must_be_accepted(name) or name == "type_in_string" for name in NOTICES}

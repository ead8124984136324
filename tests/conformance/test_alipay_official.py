"""alipay-sdk-python 3.7.1411, unmodified, in an environment of its own, against the real process of the mock.

It cannot dial any port but 80 over http, so the mock listens on an address that nothing else uses.
"""

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from mocks.keyring import Keyring
from tests.conformance.alipay_world import (
    ANSWERS,
    KEY,
    NOTICES,
    World,
    a_world,
    answer_signed,
    merchant,
    must_be_accepted,
    notice_signed,
)

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".conformance" / "alipay_official" / "bin" / "python"
SCRIPT = Path(__file__).with_name("alipay_official.py")
HOST = "127.0.0.77"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason="alipay-sdk-python is not here: make .conformance/.made"),
]
BIZ = {"out_trade_no": "OFF1", "total_amount": "19.99", "subject": "会员 充值&x=1"}


def played(job: dict[str, Any]) -> Any:
    """What the client made of a job."""
    done = subprocess.run([PYTHON, SCRIPT], input=json.dumps(job), capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def a_job(w: World, **more: Any) -> dict[str, Any]:
    keys = {name: w.keys.told[name] for name in ("app_private_key", "alipay_public_key")}
    return {"url": f"http://{HOST}/alipay/gateway.do", "app_id": w.keys.pid} | keys | more


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    try:
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((HOST, 80))
    except OSError as error:
        pytest.skip(f"alipay-sdk-python dials port 80 alone, and {HOST}:80 cannot be had here: {error.strerror}")
    with a_world(tmp_path_factory.mktemp("official"), flags=("--host", HOST, "--port", "80")) as w:
        w.mock.url = f"http://{HOST}"
        yield w


def test_it_creates_pays_queries_refunds_and_verifies(world: World) -> None:
    create = {"ask": "precreate", "biz": BIZ | {"passback_params": KEY}, "notify_url": f"{world.shop.url}/notify"}
    query = {"ask": "query", "biz": {"out_trade_no": "OFF1"}}
    made, unpaid = (json.loads(text) for text in played(a_job(world, steps=[create, query]))["asked"])
    assert (made["code"], unpaid["trade_status"]) == ("10000", "WAIT_BUYER_PAY")
    assert world.pay(made["qr_code"])["paid"] is True
    told = world.shop.wait_until_told()

    refund = {"ask": "refund", "biz": {"out_trade_no": "OFF1", "refund_amount": "5.00", "out_request_no": "R1"}}
    notices = {"right": told, "wrong": told | {"total_amount": "0.01"}}
    done = played(a_job(world, steps=[query, refund], notices=notices))
    paid, refunded = (json.loads(text) for text in done["asked"])
    assert (paid["trade_status"], paid["total_amount"]) == ("TRADE_SUCCESS", "19.99")
    assert (refunded["fund_change"], refunded["refund_fee"]) == ("Y", "5.00")
    assert done["verified"] == {"right": True, "wrong": False}


def test_its_page_leads_to_the_cashier(world: World) -> None:
    biz = BIZ | {"out_trade_no": "OFF2", "product_code": "FAST_INSTANT_TRADE_PAY"}
    (address,) = played(a_job(world, steps=[{"ask": "page", "biz": biz}]))["asked"]
    assert "19.99" in world.mock.ask(address.removeprefix(world.mock.url)).decode()


def test_an_unknown_order_and_a_wrong_key_of_either_side_are_noticed(world: World) -> None:
    others, query = Keyring().pair("alipay-other"), {"ask": "query", "biz": {"out_trade_no": "NONE"}}
    unknown = json.loads(played(a_job(world, steps=[query]))["asked"][0])
    assert (unknown["code"], unknown["sub_code"]) == ("40004", "ACQ.TRADE_NOT_EXIST")
    refused = json.loads(played(a_job(world, steps=[query]) | {"app_private_key": others.private})["asked"][0])
    assert (refused["code"], refused["sub_code"]) == ("40002", "isv.invalid-signature")
    doubted = played(a_job(world, steps=[query]) | {"alipay_public_key": others.public})["asked"][0]
    assert doubted.startswith("ResponseException")


def test_it_takes_answers_and_notices_that_are_signed_rightly_and_no_others() -> None:
    keys = merchant()
    job = {"app_id": keys.pid} | {name: keys.told[name] for name in ("app_private_key", "alipay_public_key")}
    done = played(
        job
        | {
            "answers": {name: answer_signed(name) for name in ANSWERS},
            "notices": {name: dict(parse_qsl(notice_signed(name))) for name in NOTICES},
        }
    )
    # It looks for the signature behind the node alone, so one valid answer is none to it; and it takes the algorithm
    # from the signature itself, so SHA-1 goes for SHA-256.
    taken = {name for name, text in done["read"].items() if not text.startswith("ResponseException")}
    assert taken == {name for name in ANSWERS if must_be_accepted(name)} | {"type_confusion"}
    verified = {name for name, is_verified in done["verified"].items() if is_verified}
    assert verified == {name for name in NOTICES if must_be_accepted(name)} | {"type_confusion"}

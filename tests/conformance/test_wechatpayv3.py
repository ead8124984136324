"""wechatpayv3 2.0.4, unmodified, against the real process of the mock: in public key mode, and by certificate."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mocks.upstreams import Keys
from plan.run import UpstreamPlan
from tests.mocks.running import Running, Shop, a_shop, as_text, keys_of, running
from tests.mocks.world import a_plan

wechatpayv3 = pytest.importorskip("wechatpayv3")
pytestmark = pytest.mark.slow


class World(NamedTuple):
    mock: Running
    shop: Shop
    keys: Keys
    folder: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    plan = a_plan(upstreams={"wechat": UpstreamPlan("payment", "wechat")})
    keys = keys_of(plan)
    folder = tmp_path_factory.mktemp("wechat")
    with a_shop() as shop, running(folder, plan, ORDERJAM_UPSTREAMS=as_text(keys)) as mock:
        yield World(mock, shop, keys["wechat"], folder)


def client(world: World, mode: str, **changed: Any) -> Any:
    """An SDK of this merchant, led to the mock by an attribute: the address is no argument of it."""
    keys = world.keys
    given = {
        "wechatpay_type": wechatpayv3.WeChatPayType.NATIVE,
        "mchid": keys.pid,
        "private_key": keys.told["merchant_private_key"],
        "cert_serial_no": keys.told["merchant_serial"],
        "appid": keys.told["appid"],
        "apiv3_key": keys.key,
        "notify_url": f"{world.shop.url}/notify",
    }
    if mode == "public key":
        given |= {"public_key": keys.told["platform_public_key"], "public_key_id": keys.told["platform_public_key_id"]}
    else:
        folder = world.folder / "certificates"
        folder.mkdir(exist_ok=True)
        (folder / f"{keys.told['platform_serial']}.pem").write_text(keys.told["platform_certificate"])
        given |= {"cert_dir": str(folder)}
    made = wechatpayv3.WeChatPay(**given | changed)
    assert hasattr(made._core, "_gate_way"), "this wechatpayv3 keeps its address elsewhere; 2.0.4 is what was tried"
    made._core._gate_way = f"{world.mock.url}/wechat"
    return made


def order(sdk: Any, no: str, fen: int = 1999) -> str:
    status, text = sdk.pay(description="会员 充值&x=1", out_trade_no=no, amount={"total": fen}, attach="b00000007")
    assert status == 200, text
    return str(json.loads(text)["code_url"])


def pay(world: World, code_url: str) -> None:
    answer = world.mock.ask(code_url.removeprefix(world.mock.url), {"key": "b00000007"}, Accept="application/json")
    assert json.loads(answer)["paid"] is True


@pytest.mark.parametrize("mode", ["public key", "certificate"])
def test_it_orders_queries_is_told_and_gives_back(world: World, mode: str) -> None:
    no = f"SDK-{mode[:4]}-1"
    sdk, shop = client(world, mode), world.shop
    code_url = order(sdk, no)
    status, text = sdk.query(out_trade_no=no)
    assert (status, json.loads(text)["trade_state"]) == (200, "NOTPAY")

    told_before = len(shop.told)
    pay(world, code_url)
    shop.wait_until_told(told_before + 1)
    told = sdk.callback(shop.headers, shop.body)
    assert told["event_type"] == "TRANSACTION.SUCCESS"
    resource = told["resource"]
    assert (resource["out_trade_no"], resource["amount"]["total"], resource["attach"]) == (no, 1999, "b00000007")
    assert sdk.callback(shop.headers, shop.body.replace(b"encrypt-resource", b"encrypt-resourcE")) is None
    status, text = sdk.query(transaction_id=resource["transaction_id"])
    assert (status, json.loads(text)["trade_state"]) == (200, "SUCCESS")

    status, text = sdk.refund(
        out_refund_no=f"{no}-R",
        out_trade_no=no,
        amount={"refund": 999, "total": 1999, "currency": "CNY"},
        notify_url=f"{shop.url}/refunds",
    )
    assert (status, json.loads(text)["status"]) == (200, "PROCESSING")
    shop.wait_until_told(told_before + 2)
    told = sdk.callback(shop.headers, shop.body)
    assert (told["event_type"], told["resource"]["amount"]["refund"]) == ("REFUND.SUCCESS", 999)
    assert json.loads(sdk.query_refund(out_refund_no=f"{no}-R")[1])["status"] == "SUCCESS"
    assert json.loads(sdk.query(out_trade_no=no)[1])["trade_state"] == "REFUND"

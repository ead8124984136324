"""python-alipay-sdk 3.4.0, unmodified, against the real process of the mock."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from mocks.upstreams import Keys
from plan.faults import FaultPlan
from plan.run import UpstreamPlan
from tests.mocks.running import Running, Shop, a_shop, as_text, keys_of, running
from tests.mocks.world import a_plan

alipay = pytest.importorskip("alipay")
if not hasattr(alipay, "DCAliPay"):
    pytest.skip("another package goes by the name of python-alipay-sdk here", allow_module_level=True)
pytestmark = pytest.mark.slow

KEY = "b00000007"


class World:
    """A mock as a process, its merchant's keys, and a shop to be told."""

    def __init__(self, mock: Running, keys: Keys, shop: Shop) -> None:
        self.mock, self.keys, self.shop = mock, keys, shop

    def client(self, app_private_key: str = "", alipay_public_key: str = "", sign_type: str = "RSA2") -> Any:
        made = alipay.AliPay(
            appid=self.keys.pid,
            app_notify_url=f"{self.shop.url}/notify",
            app_private_key_string=app_private_key or self.keys.told["app_private_key"],
            alipay_public_key_string=alipay_public_key or self.keys.told["alipay_public_key"],
            sign_type=sign_type,
        )
        return self.redirected(made)

    def client_of_certificates(self) -> Any:
        told = self.keys.told
        made = alipay.DCAliPay(
            appid=self.keys.pid,
            app_private_key_string=told["app_private_key"],
            app_public_key_cert_string=told["app_cert"],
            alipay_public_key_cert_string=told["alipay_cert"],
            alipay_root_cert_string=told["alipay_root_cert"],
            app_notify_url=f"{self.shop.url}/notify",
        )
        return self.redirected(made)

    def redirected(self, client: Any) -> Any:
        if not hasattr(client, "_gateway"):
            pytest.skip("this release of python-alipay-sdk has no _gateway to redirect")
        client._gateway = f"{self.mock.url}/alipay/gateway.do"
        return client

    def pay(self, qr_code: str) -> dict[str, Any]:
        path = qr_code.removeprefix(self.mock.url)
        found: dict[str, Any] = json.loads(self.mock.ask(path, {"key": KEY}, Accept="application/json"))
        return found


@contextmanager
def a_world(tmp_path: Path, *faults: FaultPlan, **options: str) -> Iterator[World]:
    plan = a_plan(*faults, upstreams={"alipay": UpstreamPlan("payment", "alipay", options=options)})
    keys = keys_of(plan)
    with a_shop() as shop, running(tmp_path, plan, ORDERJAM_UPSTREAMS=as_text(keys)) as mock:
        yield World(mock, keys["alipay"], shop)


def precreated(client: Any, no: str = "SDK1", **more: Any) -> Any:
    return client.api_alipay_trade_precreate(
        subject="会员 充值&x=1", out_trade_no=no, total_amount="19.99", passback_params=quote(f"{KEY}@buyers"), **more
    )


def test_it_creates_queries_refunds_and_verifies_what_the_mock_really_sent(tmp_path: Path) -> None:
    with a_world(tmp_path) as w:
        client = w.client()
        made = precreated(client)
        assert (made["code"], made["out_trade_no"]) == ("10000", "SDK1")
        unpaid = client.api_alipay_trade_query(out_trade_no="SDK1")
        assert (unpaid["trade_status"], unpaid["total_amount"]) == ("WAIT_BUYER_PAY", "19.99")

        assert w.pay(made["qr_code"])["paid"] is True
        told = w.shop.wait_until_told()
        sign = told.pop("sign")
        assert client.verify(dict(told), sign)
        assert not client.verify(told | {"total_amount": "0.01"}, sign)
        assert (told["trade_status"], told["out_trade_no"], told["total_amount"]) == ("TRADE_SUCCESS", "SDK1", "19.99")
        assert told["trade_no"] == unpaid["trade_no"]
        assert told["subject"] == "会员 充值&x=1"
        assert client.api_alipay_trade_query(trade_no=told["trade_no"])["trade_status"] == "TRADE_SUCCESS"

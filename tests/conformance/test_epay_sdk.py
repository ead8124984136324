"""epay-sdk 0.4.1, unmodified, against the real process of the mock."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.mocks.running import Running, Shop, a_shop, running
from tests.mocks.world import KEY, PID

epay_sdk = pytest.importorskip("epay_sdk")
pytestmark = pytest.mark.slow


def client(mock: Running, key: str = KEY) -> Any:
    config = epay_sdk.EPayConfig(pid=PID, key=key, base_url=f"{mock.url}/epay/", environment="sandbox")
    return epay_sdk.EPayClient(config)


def an_order(shop: Shop) -> Any:
    return epay_sdk.CreateOrderRequest(
        out_trade_no="SDK-1",
        name="会员 充值&x=1",
        money="19.99",
        notify_url=f"{shop.url}/notify",
        return_url=f"{shop.url}/back",
        pay_type="alipay",
        param="b00000007",
    )


def test_it_creates_queries_and_verifies_what_the_mock_really_sent(tmp_path: Path) -> None:
    with a_shop() as shop, running(tmp_path) as mock:
        sdk = client(mock)
        page = sdk.create_order(an_order(shop))
        jump = re.search(r"<script>window\.location\.href='\./cashier\.php\?trade_no=(\w+)';</script>", page)
        assert jump

        asked = epay_sdk.QueryOrderRequest(out_trade_no="SDK-1")
        unpaid = sdk.parse_query_result(sdk.query_order(asked))
        assert (unpaid.query_ok, unpaid.paid, unpaid.amount) == (True, False, "19.99")

        mock.ask(f"/epay/cashier.php?trade_no={jump[1]}", {"key": "b00000007"})
        callback = sdk.verify_callback(shop.wait_until_told())
        assert (callback.out_trade_no, callback.trade_no, callback.money) == ("SDK-1", jump[1], "19.99")
        assert (callback.name, callback.attach) == ("会员 充值&x=1", "b00000007")
        assert sdk.is_trade_success({"trade_status": callback.trade_status})

        paid = sdk.parse_query_result(sdk.query_order(asked))
        assert (paid.query_ok, paid.paid, paid.gateway_trade_no) == (True, True, jump[1])


def test_its_address_for_browsers_leads_to_the_same_trade(tmp_path: Path) -> None:
    with a_shop() as shop, running(tmp_path) as mock:
        sdk = client(mock)
        first = sdk.create_order(an_order(shop))
        path = sdk.create_order_url(an_order(shop)).removeprefix(mock.url)
        assert mock.ask(path).decode() == first


def test_with_another_key_nothing_is_made_and_no_callback_verifies(tmp_path: Path) -> None:
    with a_shop() as shop, running(tmp_path) as mock:
        other = client(mock, key="x" * 32)
        assert "签名校验失败" in other.create_order(an_order(shop))
        assert json.loads(mock.ask("/_admin/trades"))["trades"] == []
        page = client(mock).create_order(an_order(shop))
        trade_no = page.partition("trade_no=")[2].partition("'")[0]
        mock.ask(f"/epay/cashier.php?trade_no={trade_no}", {})
        with pytest.raises(epay_sdk.EPaySignError):
            other.verify_callback(shop.wait_until_told())

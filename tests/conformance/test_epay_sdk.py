"""epay-sdk 0.4.1, unmodified, against the real process of the mock."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ledger.events import Struck
from ledger.states import Hop
from plan.orders import order_key
from plan.units import ShareRange
from tests.mocks.running import Running, Shop, a_shop, running
from tests.mocks.world import KEY, PID, a_fault, a_plan

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


FAULTY = [
    ("sig.wrong_peer_key", epay_sdk.EPaySignError),
    ("sig.missing", epay_sdk.EPaySignError),
    ("sig.key_tail", epay_sdk.EPaySignError),
    ("sig.number_format", epay_sdk.EPaySignError),
    ("sig.type_confusion", epay_sdk.EPayCallbackError),
    ("sig.case", None),
    ("sig.odd_field_order", None),
    ("sig.odd_extra_field", None),
]
"""What it makes of a notice that is struck: the error it raises, or none. It takes upper-case hex for the same."""


def test_it_notices_every_forged_callback_and_takes_the_odd_ones(tmp_path: Path) -> None:
    faults = [
        a_fault(f"f{n}", name, Hop.PAYMENT_SHOP, orders=ShareRange(n / 10, (n + 1) / 10))
        for n, (name, _) in enumerate(FAULTY)
    ]
    with a_shop() as shop, running(tmp_path, a_plan(*faults)) as mock:
        mock.post("/_admin/phase", b'{"phase": "load", "l0_t": 0}')
        mock.post("/_admin/lease", b"")
        sdk = client(mock)
        for n, (_, error) in enumerate(FAULTY):
            order = epay_sdk.CreateOrderRequest(
                out_trade_no=f"SDK-{n}", name="cards", money="19.90", notify_url=f"{shop.url}/notify",
                return_url=f"{shop.url}/back", pay_type="alipay", param=order_key(n * 40 + 20),
            )  # fmt: skip
            trade_no = sdk.create_order(order).partition("trade_no=")[2].partition("'")[0]
            mock.ask(f"/epay/cashier.php?trade_no={trade_no}", {})
            told = shop.wait_until_told(n + 1)
            assert told["out_trade_no"] == f"SDK-{n}"
            if error is None:
                assert sdk.verify_callback(told).trade_no == trade_no
            else:
                with pytest.raises(error):
                    sdk.verify_callback(told)
        mock.stop()
    assert [e.fault for e in mock.events() if isinstance(e, Struck)] == [f"f{n}" for n in range(len(FAULTY))]


def test_an_unknown_order_and_a_refunded_one_are_not_paid(tmp_path: Path) -> None:
    """It has no call for refunds: the money goes back by api.php, as its merchants do it."""
    with a_shop() as shop, running(tmp_path) as mock:
        sdk = client(mock)
        unknown = sdk.parse_query_result(sdk.query_order(epay_sdk.QueryOrderRequest(out_trade_no="nope")))
        assert (unknown.query_ok, unknown.paid) == (False, False)
        trade_no = sdk.create_order(an_order(shop)).partition("trade_no=")[2].partition("'")[0]
        mock.ask(f"/epay/cashier.php?trade_no={trade_no}", {})
        given = json.loads(mock.ask(f"/epay/api.php?act=refund&pid={PID}&key={KEY}&trade_no={trade_no}&money=19.99"))
        assert given["code"] == 1
        asked = sdk.parse_query_result(sdk.query_order(epay_sdk.QueryOrderRequest(out_trade_no="SDK-1")))
        assert (asked.query_ok, asked.paid) == (True, False)

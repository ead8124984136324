"""Fulu's platform as a process of its own, with a shop that has nothing of ours: openssl signs, and reads the cards.

No client of the platform can be installed here (docs/protocols/fulu.md): its signature is proved by the golden vector,
and here by doing what the documentation says with another program's MD5 and AES.
"""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.clock import utc_now
from ledger.events import Credited, GoodsSold, NoticeAnswered, goods_hash
from mocks.upstreams import Keys
from plan.run import Plan, UpstreamPlan
from plan.units import BusinessTime, WireTime
from tests.mocks.goods import PRODUCTS, REGIONS, TARGET
from tests.mocks.running import Running, a_shop, as_text, keys_of, running
from tests.mocks.world import a_plan


def a_fulu_plan() -> Plan:
    fulu = UpstreamPlan("supplier", "fulu", (BusinessTime(60),), takes=WireTime(0.1))
    return a_plan(upstreams={"fulu": fulu}, target=TARGET, product=PRODUCTS, region=REGIONS)


def openssl(*command: str, given: str) -> str:
    done = subprocess.run(["openssl", *command], input=given.encode(), capture_output=True, check=True)
    return done.stdout.decode().strip()


def signed(text: str, secret: str) -> str:
    return openssl("dgst", "-md5", "-r", given="".join(sorted(text)) + secret).split()[0]


def dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def beijing(moment: datetime) -> str:
    return (moment.astimezone(UTC) + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M:%S")


class Merchant:
    """A merchant of the platform."""

    def __init__(self, mock: Running, keys: Keys) -> None:
        self._mock, self._keys = mock, keys

    def call(self, method: str, biz: object) -> Any:
        """The result of a call that went well, its signature checked."""
        params = {
            "app_key": self._keys.pid,
            "method": f"fulu.{method}",
            "timestamp": beijing(utc_now()),
            "version": "2.0",
            "format": "json",
            "charset": "utf-8",
            "sign_type": "md5",
            "app_auth_token": "",
            "biz_content": json.dumps(biz),
        }
        body = dumps(params | {"sign": signed(dumps(params), self._keys.key)}).encode()
        envelope = json.loads(self._mock.post("/fulu/api/getway", body, {"Content-Type": "application/json"}))
        assert envelope["sign"] == signed(envelope["result"], self._keys.key)
        assert envelope["code"] == 0, envelope
        return json.loads(envelope["result"])

    def read(self, secret: str) -> str:
        key = self._keys.key.encode().hex()
        return openssl("enc", "-d", "-aes-256-ecb", "-base64", "-A", "-K", key, given=secret)

    def is_from_platform(self, notice: dict[str, str]) -> bool:
        told = {name: value for name, value in notice.items() if name != "sign"}
        return notice["sign"] == signed(dumps(told), self._keys.key)


@pytest.mark.slow
def test_a_merchant_orders_is_told_and_finds_his_cards_and_his_credit(tmp_path: Path) -> None:
    plan = a_fulu_plan()
    keys = keys_of(plan)
    with (
        a_shop() as shop,
        running(tmp_path, plan, role="supplier", ORDERJAM_UPSTREAMS=as_text(keys)) as mock,
    ):
        merchant = Merchant(mock, keys["fulu"])
        console = {"app_key": keys["fulu"].pid, "app_secret": keys["fulu"].key, "notify_url": f"{shop.url}/notify/fulu"}
        assert json.loads(mock.ask("/fulu/console", console))["ok"] is True
        goods = {item["product_name"]: item["product_id"] for item in merchant.call("goods.list.get", {})}
        biz = {"customer_order_no": "F1", "product_id": goods["card_10"], "buy_num": 2, "external_biz_id": "b00000001"}
        assert merchant.call("order.card.add", biz)["order_status"] == "untreated"
        notice = shop.wait_until_told(1)
        assert merchant.is_from_platform(notice)
        assert (notice["customer_order_no"], notice["order_status"]) == ("F1", "success")
        found = merchant.call("order.info.get", {"customer_order_no": "F1"})["cards"]
        cards = [f"卡号 {merchant.read(c['card_number'])} 卡密 {merchant.read(c['card_pwd'])}" for c in found]
        top_up = {"customer_order_no": "F2", "product_id": goods["topup_10"], "charge_account": "QQ/账号 <&> 1"}
        merchant.call("order.direct.add", top_up)
        told = shop.wait_until_told(2)
        found_too = merchant.call("order.info.get", {"customer_order_no": "F2"})
        assert told["operator_serial_number"] == found_too["operator_serial_number"] != ""
        code, said = mock.stop()
        events = mock.events()
    assert (code, keys["fulu"].key in said) == (0, False)
    assert [e.goods for e in events if isinstance(e, GoodsSold)] == [goods_hash(card) for card in cards]
    assert len([e for e in events if isinstance(e, Credited)]) == 1
    assert [e.outcome for e in events if isinstance(e, NoticeAnswered)] == ["accepted"] * 2

"""Rightly signed requests of every dialect: what fuzzing mutates, and what benchmarks send. The first of each dialect's
creates something; those behind it ask about it, change it, or are of another kind.

They are signed by our own functions where that is shorter: whether those are right is for golden vectors to say.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode

import msgspec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mocks.game.topup import request_signature
from mocks.server import Asked
from mocks.supplier import fulu_signs
from mocks.supplier.kakayun import FIRST_GOODSID
from mocks.supplier.kakayun_signs import signature as kakayun_signature
from mocks.supplier.sharedstore_mcy import SKU_FIRST
from mocks.supplier.sharedstore_signs import signature as store_signature
from mocks.upstreams import Keys
from plan.orders import order_key

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


class Seed(msgspec.Struct, frozen=True):
    """A request: `target` is path and query, the name of the instance in front."""

    method: str
    target: str
    body: bytes = b""
    headers: dict[str, str] = {}

    def asked(self) -> Asked:
        path, _, query = self.target.partition("?")
        headers = self.headers
        return Asked(
            self.method, path, query, self.body, "127.0.0.1:8000",
            accept=headers.get("Accept", ""), authorization=headers.get("Authorization", ""), headers=headers,
        )  # fmt: skip


Twist = Callable[[dict[str, Any]], dict[str, Any]]


def as_it_is(fields: dict[str, Any]) -> dict[str, Any]:
    return fields


class Merchant(msgspec.Struct, frozen=True):
    """Who asks, as which instance, about which order, when. `twist` changes the fields of a request before it is
    signed: so does what is wrong within a genuine request get past the signature."""

    name: str
    keys: Keys
    n: int
    wall_s: int
    notify: str = "http://127.0.0.1:9000/notify"
    twist: Twist = as_it_is

    def flat(self, fields: dict[str, str]) -> dict[str, str]:
        """Twisted fields of a form: texts all of them, lone halves of characters as the bytes that they would be."""
        twisted = ((name, str(value)) for name, value in self.twist(fields).items())
        return {
            name: text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape") for name, text in twisted
        }

    @property
    def no(self) -> str:
        return f"B{self.n:08d}"

    @property
    def contact(self) -> str:
        return f"{order_key(self.n)}@buyers.example"

    def beijing(self) -> str:
        return (datetime.fromtimestamp(self.wall_s, UTC) + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M:%S")

    def form(self, path: str, fields: dict[str, str]) -> Seed:
        return Seed(
            "POST", f"/{self.name}/{path}", urlencode(fields, errors="surrogateescape").encode(), {"Content-Type": FORM}
        )


Maker = Callable[[Merchant], Iterator[Seed]]


@cache
def _key(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


def _rsa(text: str | bytes, pem: str) -> str:
    signed = text.encode() if isinstance(text, str) else text
    return base64.b64encode(_key(pem).sign(signed, PKCS1v15(), SHA256())).decode()


def _pairs(fields: dict[str, str], *without: str) -> str:
    return "&".join(f"{k}={v}" for k, v in sorted(fields.items()) if v and k not in without)


# --- payment -----------------------------------------------------------------------------------------------------
def epay(m: Merchant) -> Iterator[Seed]:
    order = {
        "pid": m.keys.pid,
        "type": "alipay",
        "out_trade_no": m.no,
        "notify_url": m.notify,
        "return_url": "http://127.0.0.1:9/orders/1",
        "name": "会员 充值&x=1",
        "money": "10.00",
        "param": m.contact,
    }
    order = m.flat(order)
    sign = hashlib.md5((_pairs(order) + m.keys.key).encode("utf-8", "surrogateescape")).hexdigest()
    signed = {**order, "sign": sign, "sign_type": "MD5"}
    yield m.form("mapi.php", signed)
    yield Seed("GET", f"/{m.name}/submit.php?{urlencode(signed, errors='surrogateescape')}")
    asked = m.flat({"pid": m.keys.pid, "key": m.keys.key, "out_trade_no": m.no})
    for act in ("order", "query", "orders", "settle"):
        yield Seed("GET", f"/{m.name}/api.php?{urlencode({'act': act, **asked}, errors='surrogateescape')}")
    yield m.form("api.php?act=refund", m.flat({**asked, "money": "1.00"}))


def epay_v2(m: Merchant) -> Iterator[Seed]:
    def call(path: str, **fields: str) -> Seed:
        whole = m.flat({"pid": m.keys.pid, "timestamp": str(m.wall_s), **fields})
        sign = _rsa(_pairs(whole).encode("utf-8", "surrogateescape"), m.keys.told["merchant_private_key"])
        return m.form(path, {**whole, "sign": sign, "sign_type": "RSA"})

    order = {"type": "alipay", "method": "web", "device": "pc", "out_trade_no": m.no, "notify_url": m.notify}
    order |= {"return_url": "http://127.0.0.1:9/orders/1", "name": "会员", "money": "10.00", "clientip": "127.0.0.1"}
    yield call("api/pay/create", **order, param=m.contact)
    yield call("api/pay/query", out_trade_no=m.no)
    yield call("api/pay/submit", **order, param=m.contact)
    yield call("api/pay/refund", out_trade_no=m.no, out_refund_no=f"{m.no}R", money="1.00")
    yield call("api/pay/refundquery", out_refund_no=f"{m.no}R")
    yield call("api/pay/close", out_trade_no=m.no)
    yield call("api/merchant/info")


def vmq(m: Merchant) -> Iterator[Seed]:
    def md5(*values: str) -> str:
        return hashlib.md5("".join((*values, m.keys.key)).encode("utf-8", "surrogateescape")).hexdigest()

    order = m.flat({"payId": m.no, "param": m.contact, "type": "2", "price": f"{m.n % 5_000 + 1}.00"})
    signed = {**order, "sign": md5(*(order.get(name, "") for name in ("payId", "param", "type", "price")))}
    signed |= {"notifyUrl": m.notify, "returnUrl": "http://127.0.0.1:9/orders/1"}
    yield m.form("createOrder", signed)
    yield m.form("createOrder", {**signed, "isHtml": "1"})
    asked = m.flat({"orderId": m.no})
    for path in ("getOrder", "checkOrder"):
        yield Seed("GET", f"/{m.name}/{path}?{urlencode(asked, errors='surrogateescape')}")
    yield m.form("closeOrder", {**asked, "sign": md5(asked.get("orderId", ""))})
    yield m.form("getState", {"t": str(m.wall_s), "sign": md5(str(m.wall_s))})


def alipay(m: Merchant) -> Iterator[Seed]:
    def call(method: str, **biz: str) -> Seed:
        fields = {
            "app_id": m.keys.pid,
            "method": f"alipay.trade.{method}",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": m.beijing(),
            "version": "1.0",
            "notify_url": m.notify,
            "biz_content": json.dumps(m.twist({"out_trade_no": m.no, **biz})),
        }
        sign = _rsa(_pairs(fields), m.keys.told["app_private_key"])
        return m.form("gateway.do", {**fields, "sign": sign})

    order = {"total_amount": "10.00", "subject": "会员 充值&x=1", "passback_params": m.contact}
    yield call("precreate", **order)
    yield call("query")
    yield call("page.pay", **order, product_code="FAST_INSTANT_TRADE_PAY")
    yield call("wap.pay", **order, product_code="QUICK_WAP_WAY")
    yield call("refund", refund_amount="1.00", out_request_no=f"{m.no}R")
    yield call("fastpay.refund.query", out_request_no=f"{m.no}R")
    yield call("close")
    yield call("cancel")


def wechat(m: Merchant) -> Iterator[Seed]:
    def call(method: str, path: str, fields: dict[str, Any] | None = None) -> Seed:
        body = b"" if fields is None else json.dumps(m.twist(fields)).encode()
        text = f"{method}\n/{path}\n{m.wall_s}\nn0nce\n".encode() + body + b"\n"
        sign, serial = _rsa(text, m.keys.told["merchant_private_key"]), m.keys.told["merchant_serial"]
        parts = f'mchid="{m.keys.pid}",nonce_str="n0nce",signature="{sign}",timestamp="{m.wall_s}",serial_no="{serial}"'
        headers = {"Authorization": f"WECHATPAY2-SHA256-RSA2048 {parts}", "Content-Type": JSON, "Accept": JSON}
        return Seed(method, f"/{m.name}/{path}", body, headers)

    own = {"appid": m.keys.told["appid"], "mchid": m.keys.pid}
    order: dict[str, Any] = own | {
        "description": "会员",
        "out_trade_no": m.no,
        "notify_url": m.notify,
        "attach": m.contact,
    }
    order |= {"amount": {"total": 1000, "currency": "CNY"}}
    more: dict[str, dict[str, Any]] = {"native": {}, "jsapi": {"payer": {"openid": "o-1"}}, "app": {}}
    more["h5"] = {"scene_info": {"payer_client_ip": "127.0.0.1", "h5_info": {"type": "Wap"}}}
    for way, extra in more.items():
        yield call("POST", f"v3/pay/transactions/{way}", order | extra)
    yield call("GET", f"v3/pay/transactions/out-trade-no/{m.no}?mchid={m.keys.pid}")
    yield call("GET", f"v3/pay/transactions/id/4200000000?mchid={m.keys.pid}")
    back = {"refund": 100, "total": 1000, "currency": "CNY"}
    refund = {"out_trade_no": m.no, "out_refund_no": f"{m.no}R", "amount": back, "notify_url": m.notify}
    yield call("POST", "v3/refund/domestic/refunds", refund)
    yield call("GET", f"v3/refund/domestic/refunds/{m.no}R")
    yield call("GET", "v3/certificates")
    yield call("POST", f"v3/pay/transactions/out-trade-no/{m.no}/close", {"mchid": m.keys.pid})


# --- supplier ----------------------------------------------------------------------------------------------------
def sharedstore(m: Merchant) -> Iterator[Seed]:
    who = {"app_id": m.keys.pid, "app_key": m.keys.key}

    def call(path: str, **fields: str) -> Seed:
        whole = who | m.flat(fields)
        return m.form(path, {**whole, "sign": store_signature(whole, m.keys.key)})

    trade = {"shared_code": "card_10", "contact": m.contact, "num": "1", "card_id": "0", "device": "0"}
    trade |= {"password": "", "race": "", "request_no": m.no, "sku[区]": "一 区"}
    yield call("shared/commodity/trade", **trade)
    yield call("shared/authentication/connect")
    for base in ("shared/commodity", "plugin/SharedStock/api"):
        yield call(f"{base}/items")
        yield call(f"{base}/item", code="card_10")
        yield call(f"{base}/stock", code="card_10", race="月卡")
        yield call(f"{base}/valuation", code="card_10", num="1")
        yield call(f"{base}/inventory", sharedCode="card_10", race="")
        yield call(f"{base}/inventoryState", shared_code="card_10", card_id="0", num="1", race="")
    yield call("shared/commodity/query", request_no=m.no)
    yield call("shared/commodity/draftCard", code="card_10", **{"map[a]": "b"})
    calls: dict[str, dict[str, str]] = {
        "connect": {},
        "items": {},
        "item": {"id": "1"},
        "sku/stock": {"sku_id": str(SKU_FIRST)},
        "sku/state": {"sku_id": str(SKU_FIRST), "quantity": "1"},
        "amount": {"sku_id": str(SKU_FIRST), "quantity": "1"},
        "trade": {"sku_id": str(SKU_FIRST), "quantity": "1", "trade_no": m.no},
    }
    for path, bare in calls.items():
        fields = m.flat(bare)
        signs = {"Api-Id": m.keys.pid, "Api-Signature": store_signature(fields, m.keys.key)}
        seed = m.form(f"plugin/open-api/{path}", fields)
        yield msgspec.structs.replace(seed, headers={**seed.headers, **signs})


def fulu(m: Merchant) -> Iterator[Seed]:
    def call(method: str, **biz: object) -> Seed:
        params: dict[str, object] = {
            "app_key": m.keys.pid,
            "method": f"fulu.{method}",
            "timestamp": m.beijing(),
            "version": "2.0",
            "format": "json",
            "charset": "utf-8",
            "sign_type": "md5",
            "app_auth_token": "",
            "biz_content": json.dumps(m.twist(biz)),
        }
        text = json.dumps(params, ensure_ascii=False, separators=(",", ":"))
        params["sign"] = fulu_signs.signature(text, m.keys.key)
        return Seed("POST", f"/{m.name}/api/getway", json.dumps(params).encode(), {"Content-Type": JSON})

    order = {"customer_order_no": m.no, "buy_num": 1, "external_biz_id": m.contact}
    yield call("order.card.add", product_id=10_000_001, **order)
    yield call("order.direct.add", product_id=10_000_002, charge_account="someone-1", **order)
    yield call("order.info.get", customer_order_no=m.no)
    yield call("goods.list.get")
    yield call("goods.info.get", product_id=10_000_001)
    yield call("goods.stock.check", product_id=10_000_001, buy_num=1)
    yield call("user.info.get")
    console = {"app_key": m.keys.pid, "app_secret": m.keys.key, "notify_url": m.notify}
    yield m.form("console", console)


def kakayun(m: Merchant) -> Iterator[Seed]:
    def call(path: str, **fields: object) -> Seed:
        whole = m.twist({"userid": m.keys.pid, "timestamp": str(m.wall_s), **fields})
        try:
            sign = kakayun_signature(whole, m.keys.key)
        except (UnicodeError, OverflowError):
            sign = ""  # what no JSON of ours can hold goes unsigned
        signed = {**whole, "sign": sign}
        return Seed("POST", f"/{m.name}/dockapiv3/{path}", json.dumps(signed).encode(), {"Content-Type": JSON})

    order = {"goodsid": str(FIRST_GOODSID), "buynum": "1", "usorderno": m.no, "attach": [m.contact]}
    yield call("order/create", **order)
    yield call("order/get", usorderno=m.no)
    yield call("user/info")
    yield call("goods/group")
    yield call("goods/all", page=1)
    yield call("goods/details", goodsid=str(FIRST_GOODSID))


# --- game --------------------------------------------------------------------------------------------------------
def topup(m: Merchant) -> Iterator[Seed]:
    def call(method: str, path: str, body: bytes = b"") -> Seed:
        target, stamp = f"/{m.name}/v1/{path}", str(m.wall_s)
        sign = request_signature(method, target, stamp, body, m.keys.key)
        headers = {"X-Partner": m.keys.pid, "X-Timestamp": stamp, "X-Signature": sign, "Idempotency-Key": m.no}
        return Seed(method, target, body, {**headers, "Content-Type": JSON})

    top_up = {"reference": m.no, "account": "someone-1", "region": "cn", "product": "topup_6", "quantity": 1}
    top_up |= {"notify_url": m.notify, "passthrough": m.contact}
    yield call("POST", "topups", json.dumps(m.twist(top_up)).encode())
    yield call("GET", f"topups/{m.no}?x=1")
    yield call("POST", "accounts/validate", json.dumps(m.twist({"account": "someone-1", "region": "cn"})).encode())


def fazer(m: Merchant) -> Iterator[Seed]:
    def call(method: str, path: str, **body: object) -> Seed:
        headers = {"X-API-Key": m.keys.key, "Idempotency-Key": f"{m.no}{method}", "Content-Type": JSON}
        return Seed(method, f"/{m.name}/api/v2/{path}", json.dumps(m.twist(body)).encode() if body else b"", headers)

    fields = {"player_id": "someone-1", "server_id": "cn-east"}
    yield call("POST", "topups/order", category_id=f"{m.name}_auto", offer_id="topup_6", fields=fields)
    yield call("GET", "topups")
    yield call("GET", f"topups/offers?category_id={m.name}_auto")
    yield call("GET", "topups/validate-id")
    yield call("POST", "topups/validate-id", category_id=m.name, fields=fields)
    yield call("GET", f"orders/{m.no}")
    yield call("PUT", "account/webhook", url=m.notify)
    yield call("GET", "account/webhook")


def command_queue(m: Merchant) -> Iterator[Seed]:
    def call(method: str, path: str, body: dict[str, object] | None = None) -> Seed:
        raw = b"" if body is None else json.dumps(m.twist(body)).encode()
        return Seed(method, f"/{m.name}/{path}", raw, {"X-Tebex-Secret": m.keys.key, "Content-Type": JSON})

    yield call("POST", "commands", {"payment": m.no, "player": "someone-1", "package": "topup_6", "quantity": 1})
    yield call("GET", f"commands/{m.no}")
    for path in ("information", "queue", "queue/offline-commands", "queue/online-commands/someone-1"):
        yield call("GET", path)
    yield call("DELETE", "queue", {"ids": [1, 2]})


SEEDS: dict[str, Maker] = {
    "epay": epay,
    "epay_v2": epay_v2,
    "vmq": vmq,
    "alipay": alipay,
    "wechat": wechat,
    "sharedstore": sharedstore,
    "fulu": fulu,
    "kakayun": kakayun,
    "topup": topup,
    "fazer": fazer,
    "command_queue": command_queue,
}
"""By dialect. RCON speaks frames, not requests."""

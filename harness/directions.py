"""What a person is told of each dialect that `orderjam mocks up` serves: where a client is pointed, and what to do by
hand. One entry a dialect; docs/protocols/ says the rest."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

UNTOUCHED = "untouched: --tls-proxy"


class Direction(msgspec.Struct, frozen=True):
    """`point`: an address, and the client that takes it; `by_hand`: how to pay or to look. {url} {base} {host} {port}
    are filled in; {base} is the address without its last slash."""

    point: str
    by_hand: str


PAY = "pay by hand: open the {what} in a browser, or: curl -s -X POST -H 'Accept: application/json' ADDRESS"
"""How a person pays at any channel: its cashier answers browsers and programs."""


def _paid_at(what: str, point: str) -> Direction:
    return Direction(point, PAY.replace("{what}", what))


DIRECTIONS: dict[str, Direction] = {
    "epay": _paid_at("payurl of mapi.php", "base address {url} (submit.php, mapi.php, api.php)"),
    "epay_v2": _paid_at("pay_info of api/pay/create", "base address {url} (api/pay/…)"),
    "vmq": _paid_at("payUrl of createOrder", "gateway {url} (createOrder)"),
    "alipay": _paid_at(
        "qr_code of precreate, or the address of page.pay",
        "gateway {url}gateway.do; python-alipay-sdk: client._gateway = '{url}gateway.do'; " + UNTOUCHED,
    ),
    "wechat": _paid_at(
        "code_url of native, or the h5_url",
        "{base} in place of https://api.mch.weixin.qq.com; wechatpayv3: client._core._gate_way = '{base}'; "
        + UNTOUCHED,
    ),
    "sharedstore": Direction(
        "domain {base}; the pid is the app_id, the key the app_key (types 0, 1 and 2)",
        "look: every call is a signed POST; the shop's own page of suppliers tries them all",
    ),
    "fulu": Direction(
        "gateway {url}api/getway; the pid is the app_key, the key the app_secret",
        "told where to notify by: curl -s {url}console -d 'app_key=PID&app_secret=KEY&notify_url=http://127.0.0.1:9000/'",
    ),
    "kakayun": Direction("base address {url} (dockapiv3/…)", "look: every call is a signed POST of JSON"),
    "topup": Direction(
        "base address {url} (v1/topups)", "look: every call is signed; docs/protocols.md has an example"
    ),
    "fazer": Direction(
        "fazercards: base_url '{url}api/v2', the key is the API key",
        "look: curl -s {url}api/v2/topups -H 'X-API-Key: KEY'",
    ),
    "rcon": Direction(
        "host {host}, port {port}; the key is the password",
        "deliver by hand: mcrcon.MCRcon('{host}', KEY, port={port}), command: give someone topup_6 1 order=T1",
    ),
    "command_queue": Direction(
        "base address {url}; the key goes into X-Tebex-Secret; " + UNTOUCHED,
        "look: curl -s {url}queue -H 'X-Tebex-Secret: KEY'",
    ),
}


def lines(dialect: str, url: str) -> list[str]:
    """What is said of an instance at that address."""
    direction = DIRECTIONS[dialect]
    parts = urlsplit(url)
    values: Mapping[str, object] = {
        "url": url, "base": url.rstrip("/"), "host": parts.hostname, "port": parts.port
    }  # fmt: skip
    return [direction.point.format_map(values), direction.by_hand.format_map(values)]

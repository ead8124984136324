"""Alipay's gateway as a process, for clients of other people; and answers and notices signed in every way there is."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from faults.verdict import VALID, Variant
from mocks.identities import fresh
from mocks.keyring import Keyring
from mocks.payment.alipay_signs import SIGNS, Seal
from mocks.upstreams import Keys
from plan.faults import FaultPlan
from plan.run import UpstreamPlan
from tests.mocks.running import Running, Shop, a_shop, as_text, keys_of, running
from tests.mocks.world import a_plan

KEY = "b00000007"
FIELDS: dict[str, object] = {
    "code": "10000",
    "msg": "Success",
    "out_trade_no": "SDK1",
    "subject": "会员 充值",
    "total_amount": "19.99",
    "url": "http://127.0.0.1/a",
}
TOLD: dict[str, object] = {
    "total_amount": "19.99",
    "notify_url": "http://127.0.0.1/a",
    "app_id": "1",
    "subject": "会员",
}
PLAIN = "plain"
ANSWERS = [PLAIN, *sorted(SIGNS.answers)]
NOTICES = [PLAIN, *sorted(SIGNS.notices)]
NODE = "alipay_trade_query_response"


class World:
    """A mock as a process, its merchant's keys, and a shop to be told."""

    def __init__(self, mock: Running, keys: Keys, shop: Shop) -> None:
        self.mock, self.keys, self.shop = mock, keys, shop

    @property
    def gateway(self) -> str:
        return f"{self.mock.url}/alipay/gateway.do"

    def pay(self, address: str) -> dict[str, Any]:
        """What a program that pays at the cashier is answered."""
        path = address[address.index("/alipay/") :]
        found: dict[str, Any] = json.loads(self.mock.ask(path, {"key": KEY}, Accept="application/json"))
        return found

    def begin_load(self) -> None:
        """The phase in which faults strike."""
        self.mock.post("/_admin/phase", b'{"phase": "load", "l0_t": 0}')
        self.mock.post("/_admin/lease", b"")


@contextmanager
def a_world(folder: Path, *faults: FaultPlan, flags: tuple[str, ...] = (), **options: str) -> Iterator[World]:
    plan = a_plan(*faults, upstreams={"alipay": UpstreamPlan("payment", "alipay", options=options)})
    keys = keys_of(plan)
    with a_shop() as shop, running(folder, plan, *flags, ORDERJAM_UPSTREAMS=as_text(keys)) as mock:
        yield World(mock, keys["alipay"], shop)


@cache
def merchant() -> Keys:
    return fresh("alipay", 1001, Keyring())


@cache
def answer_signed(name: str) -> str:
    """One answer of `NODE` to the merchant, signed by the rule (`plain`) or in the way of a variant."""
    return Seal(merchant()).answer(NODE, dict(FIELDS), variant=variant_of(name)).decode()


@cache
def notice_signed(name: str) -> str:
    """One notice as a form, signed by the rule (`plain`) or in the way of a variant."""
    return Seal(merchant()).notice(dict(TOLD), variant=variant_of(name)).decode()


def variant_of(name: str) -> Variant | None:
    return None if name == PLAIN else Variant(name)


def must_be_accepted(name: str) -> bool:
    return name == PLAIN or Variant(name) in VALID

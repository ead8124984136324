"""The tables of what stands on the wire, against what the mocks themselves make of genuine requests and notices."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest

from faults.catalog import TELLS
from faults.transport.keys import BY_KEY, Numbers, Reader, Subject
from faults.transport.toxic import Head
from ledger.clock import SECOND_NS
from ledger.events import NoticeSent
from ledger.states import Hop, Operation
from mocks.apply import Injector
from mocks.call import Call
from mocks.identities import fresh
from mocks.keyring import Keyring
from mocks.notices import OPERATIONS, About
from mocks.server import KEY_HEADER
from mocks.upstreams import Keys, Upstreams
from plan import requests
from plan.dialects import DIALECTS
from plan.orders import account_of, number_of, order_key, wish
from plan.run import UpstreamPlan
from plan.units import BusinessTime, WireTime
from tests.mocks.fuzzing import KINDS
from tests.mocks.goods import REGIONS, TARGET
from tests.mocks.seeds import SEEDS, Merchant, Seed
from tests.mocks.world import WALL_S, Around, a_plan

SPEAKS_NO_HTTP = {"rcon"}
WRITTEN_BY_ITS_USER = {"stub"}


OPTIONS = {"alipay": {"refund_window": "10 min"}}
Fields = dict[str, Any]


def _known(fields: Fields, /, **places: Any) -> Fields:
    """With these values where the request has a field of the name."""
    return {name: places.get(name, value) for name, value in fields.items()}


def _topped_up(fields: Fields, key: str) -> Fields:
    account, region = account_of(key), wish(7, number_of(key) or 0, MIX).region
    player = {"player_id": account, "server_id": region}
    names = {"account": account, "region": region, "product": "topup_10", "player": account, "package": "topup_10"}
    return _known(fields, **names, offer_id="topup_10", fields=player)


def _charged(fields: Fields, key: str) -> Fields:
    return _known(fields, attach=[{"attachtype": 2, "value": "x"}, {"attachtype": 1, "value": account_of(key)}])


def _filled_in(fields: Fields, key: str) -> Fields:
    """As a store of type 1 hands on what the buyer filled in."""
    if not fields.keys() >= {"sku_id", "trade_no"}:
        return fields
    return fields | {"trade_no": f"T{number_of(key)}", "QQ": account_of(key)}


TWISTS: dict[str, Callable[[Fields, str], Fields]] = {
    "sharedstore": _filled_in,
    "kakayun": _charged,
    "topup": _topped_up,
    "fazer": _topped_up,
    "command_queue": _topped_up,
}
"""Where the seeds leave the order's key out, or ask for what is not sold."""
MIX = a_plan(target=TARGET, region=REGIONS).mix
KEYED: dict[str, set[str]] = {
    "epay": {
        "buyer>payment: cashier, complain, create, pay",
        "payment>shop: notice",
        "shop>payment: create, merchant, query, refund",
    },
    "epay_v2": {
        "buyer>payment: cashier, complain, create, pay",
        "payment>shop: notice",
        "shop>payment: close, create, query, refund, refund_query",
    },
    "vmq": {
        "buyer>payment: cashier, complain, create, pay",
        "payment>shop: notice",
        "shop>payment: close, create, query",
    },
    "alipay": {
        "buyer>payment: cashier, complain, create, pay",
        "payment>shop: close_notice, notice, refund_notice",
        "shop>payment: cancel, close, create, query, refund, refund_query",
    },
    "wechat": {
        "buyer>payment: cashier, complain, pay",
        "shop>payment: close, create, query, refund, refund_query",
    },
    "sharedstore": {"shop>supplier: buy, query"},
    "fulu": {"shop>supplier: buy, query", "supplier>shop: notice"},
    "kakayun": {"shop>supplier: buy, query"},
    "topup": {"game>shop: notice", "shop>game: buy, query, validate"},
    "fazer": {"game>shop: notice", "shop>game: buy, validate"},
    "command_queue": {"shop>game: buy, query"},
}
"""Of which operations the table told whose they were, in a test that says all that the dialect knows."""
UNREADABLE = {
    "alipay": {(Hop.PAYMENT_SHOP, Operation.DISPUTE_NOTICE)},
    "wechat": {
        (Hop.PAYMENT_SHOP, Operation.NOTICE),
        (Hop.PAYMENT_SHOP, Operation.REFUND_NOTICE),
        (Hop.PAYMENT_SHOP, Operation.DISPUTE_NOTICE),
    },
}
"""Where the mock knows an order that nothing on the wire tells: notices of WeChat Pay are encrypted, a complaint has a
number of its own."""


NUMBERS = (42, 43)


def _twisted(twist: Callable[[Fields, str], Fields], key: str, fields: Fields) -> Fields:
    return twist(fields, key)


class Wire:
    """Reads what passes as a proxy does, for all hops of one upstream."""

    def __init__(self, dialect: str) -> None:
        numbers = Numbers()
        self._readers = {hop: Reader(requests.of(hop, dialect), dialect, numbers) for hop in Hop}

    def read(self, hop: Hop, seed: Seed) -> Subject | None:
        headers = {name.lower(): value for name, value in seed.headers.items()}
        return self._readers[hop].read(Head(seed.method, seed.target, headers, seed.body, is_whole=True))


class Watched:
    """A dialect's mock, and all that it decides about."""

    def __init__(self, dialect: str, world: Around[Upstreams], keys: Keys, patch: pytest.MonkeyPatch) -> None:
        self.dialect, self.world, self.wire = dialect, world, Wire(dialect)
        twist = TWISTS.get(dialect, lambda fields, _: fields)
        twists = [partial(_twisted, twist, order_key(n)) for n in NUMBERS]
        self.merchants = [Merchant(dialect, keys, n, WALL_S, twist=own) for n, own in zip(NUMBERS, twists, strict=True)]
        self.keyed = set[tuple[Hop, Operation]]()
        self.unread = set[tuple[Hop, Operation]]()
        self._calls: list[Call] = []
        answer = Injector.answer

        async def note(injector: Injector, call: Call) -> Any:
            self._calls.append(call)
            return await answer(injector, call)

        patch.setattr(Injector, "answer", note)

    async def say_all(self) -> None:
        """One order that is paid in between, and one that is not."""
        for merchant in self.merchants:
            for i, seed in enumerate(SEEDS[self.dialect](merchant)):
                answer = await self.ask(seed)
                if i == 0 and merchant.n == 42 and DIALECTS[self.dialect].role == "payment":
                    await self.pay(answer, order_key(42))
                if i == 0:
                    await self.world.move_to_s(self.world.clock.t() / SECOND_NS + 2)
                    self.hear_notices()
        await self.world.move_to_s(700)
        self.hear_notices()

    async def pay(self, answer: str, key: str) -> None:
        """All that a buyer does at the cashier that an answer leads to."""
        found = re.search(rf"/{self.dialect}/[^\"' <>]*(cashier|pay\.html)[^\"' <>]*", answer.replace("\\/", "/"))
        assert found is not None, answer
        ours = {"Accept": "application/json", KEY_HEADER: key}
        await self.ask(Seed("GET", found[0], headers=ours))
        await self.ask(Seed("POST", found[0], f"key={key}".encode(), {"Accept": "application/json"}))
        await self.ask(Seed("POST", found[0], b"complain=why", ours))

    async def ask(self, seed: Seed) -> str:
        """Sends a request, holds the table to what the mock made of it and of its notices, and gives back the answer
        as a text."""
        self._calls.clear()
        asked = seed.asked()
        asked.order_key = seed.headers.get(KEY_HEADER, "")
        reply = await self.world.mock.answer(asked)
        for call in self._calls[:1]:
            key = call.subject.key if call.subject.keyed_by == "key" else None
            self.agree(seed, call.place.hop, call.place.operation, key)
        await self.world.settle()
        self.hear_notices()
        assert reply is not None
        flat = reply.flat()
        return f"{flat.location or ''} {flat.body.decode()}"

    def hear_notices(self) -> None:
        hop = Hop(f"{DIALECTS[self.dialect].role}>shop")
        for sent, letter in zip(self.world.found(NoticeSent), self.world.letters, strict=True):
            url = urlsplit(letter.url)
            seed = Seed(letter.method, f"{url.path}?{url.query}", letter.body or b"", dict(letter.headers))
            self.agree(seed, hop, OPERATIONS[About(sent.about)], sent.o)
        self.world.events.clear()
        self.world.letters.clear()

    def agree(self, seed: Seed, hop: Hop, operation: Operation, key: str | None) -> None:
        read = self.wire.read(hop, seed)
        assert read is not None, seed
        assert read.operation is operation, seed
        if read.keyed_by == BY_KEY:
            # Perhaps by a number that the mock does not know to be this order's.
            assert read.key == key or (key is None and read.key in map(order_key, NUMBERS)), seed
            self.keyed.add((hop, operation))
        elif key is not None:
            self.unread.add((hop, operation))


@asynccontextmanager
async def watched(dialect: str) -> AsyncIterator[Watched]:
    keys = {dialect: fresh(dialect, 1001, Keyring())}
    spoken = DIALECTS[dialect]
    options = OPTIONS.get(dialect, {})
    upstream = UpstreamPlan(spoken.role, dialect, complaint_after=BusinessTime(0), takes=WireTime(1), options=options)
    plan = a_plan(upstreams={dialect: upstream}, target=TARGET, region=REGIONS)
    with pytest.MonkeyPatch.context() as patch:
        async with asyncio.TaskGroup() as tasks:
            world: Around[Upstreams] = Around(KINDS[spoken.role], plan, tasks, None, keys=keys)
            yield Watched(dialect, world, keys[dialect], patch)
            world.mock.injector.release()
            world.mock.stop()


SIGNED_BY_RSA = ("epay_v2", "alipay", "wechat")
"""Which takes long."""


@pytest.mark.parametrize(
    "dialect", [pytest.param(d, marks=[pytest.mark.slow] if d in SIGNED_BY_RSA else []) for d in SEEDS]
)
async def test_every_genuine_request_and_notice_is_read_as_the_mock_reads_it(dialect: str) -> None:
    async with watched(dialect) as w:
        await w.say_all()
    by_hop = {hop: sorted(operation for at, operation in w.keyed if at is hop) for hop, _ in w.keyed}
    assert {f"{hop}: {', '.join(operations)}" for hop, operations in by_hop.items()} == KEYED[dialect]
    assert w.unread == UNREADABLE.get(dialect, set())


def test_every_dialect_that_speaks_http_has_its_tables() -> None:
    spoken = {dialect for dialect in DIALECTS if any(requests.of(hop, dialect) for hop in Hop)}
    assert spoken == set(DIALECTS) - SPEAKS_NO_HTTP - WRITTEN_BY_ITS_USER


@pytest.mark.parametrize("dialect", KEYED)
def test_a_table_has_what_is_said_at_the_hops_of_its_role_and_no_others(dialect: str) -> None:
    hops = {hop for hop in Hop if requests.of(hop, dialect)}
    role = DIALECTS[dialect].role
    assert all(role in hop.split(">") for hop in hops)
    assert (Hop(f"{role}>shop") in hops) is (dialect in TELLS)
    for hop in hops:
        for request in requests.of(hop, dialect):
            groups = re.compile(request.path).groupindex
            for place in (*request.when, *request.key, *request.number):
                part, _, name = place.partition(".")
                assert part in ("query", "form", "json", "header", "path"), place
                assert name, place
                assert part != "path" or name in groups, place
                assert part != "header" or name == name.lower(), place


@pytest.mark.parametrize(
    "seed",
    [
        Seed("GET", "/epay/mapi2.php?param=b00000042"),
        Seed("GET", "/epay/api.php?act=other&param=b00000042"),
        Seed("POST", "/epay/api.php", b"act=orderx"),
        Seed("POST", "/epay/notapi.php", b"act=order"),
    ],
)
def test_what_the_dialect_does_not_know_is_nothing(seed: Seed) -> None:
    assert Wire("epay").read(Hop.SHOP_PAYMENT, seed) is None


def test_a_shop_may_pass_the_key_on_in_other_fields_beside_the_orders_number() -> None:
    table = requests.with_fields(requests.of(Hop.SHOP_PAYMENT, "alipay"), ["subject"])
    create, query = table[0], table[2]
    assert create.key == (
        *requests.of(Hop.SHOP_PAYMENT, "alipay")[0].key,
        "query.biz_content.subject",
        "form.biz_content.subject",
    )
    assert "form.biz_content.subject" in query.key
    for dialect in KEYED:
        for hop in Hop:
            table = requests.of(hop, dialect)
            assert requests.with_fields(table, ()) == table


def test_what_has_no_number_or_only_one_in_its_path_gets_no_further_field() -> None:
    table = requests.with_fields(requests.of(Hop.SHOP_PAYMENT, "wechat"), ["description"])
    by_operation = {request.operation: request for request in table}
    assert by_operation[Operation.CREATE].key == ("json.attach", "json.description")
    assert by_operation[Operation.CERTIFICATES].key == by_operation[Operation.CLOSE].key == ()

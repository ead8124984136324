"""No fault is legal at a hop where it can change nothing: each is tried there, on all that is said at that hop."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

import pytest

from faults.catalog import NOTICES, Fault, catalog, is_legal
from faults.verdict import OtherRule, SignAs
from ledger.events import Struck
from ledger.states import Hop
from mocks.call import Signs
from mocks.game.topup import TopUpServer
from mocks.payment.epay import Epay
from mocks.reply import Reply
from mocks.supplier.sharedstore import SharedStore
from plan.faults import FaultPlan
from tests.mocks.goods import (
    GameWorld,
    StoreWorld,
    a_game,
    a_store,
    a_top_up,
    a_trade,
    store_signed,
)
from tests.mocks.world import PID, Around, World, a_fault, an_order, make_world, signed

Said: TypeAlias = list[Callable[[], Awaitable[object]]]
"""What is asked at a mock, each of it once the one before has ended."""

NEEDED: dict[str, dict[str, Any]] = {
    "capacity": {"at_once": 1, "takes": "100 ms"},
    "loss_with_load": {"curve": [["0/s", "100%"]]},
    "notice_late": {"by": "100 ms"},
    "slow": {"ms": 100},
    "slow_body": {"over": "100 ms"},
    "hang": {"lasts": "100 ms"},
}
"""Parameters that cannot be left out, or would take long."""
BESIDE = {
    ("sig.empty_kept", Hop.PAYMENT_SHOP): a_fault(
        "emptied", "notice_stripped", Hop.PAYMENT_SHOP, params={"how": "emptied"}
    )
}
"""What must happen too, for there to be something to strike."""
SPOKEN: dict[str, tuple[str, Signs]] = {
    "payment": ("epay", Epay.signs),
    "supplier": ("sharedstore", SharedStore.signs),
    "game": ("topup", TopUpServer.signs),
}
"""What is spoken in the worlds of this test. What other dialects make of the faults is for their own tests."""


def is_spoken_of(fault: Fault[Any], hop: Hop) -> bool:
    """Whether the fault means something in the dialect that is spoken at the hop (test_signs.py: whether it should)."""
    dialect, signs = next(spoken for role, spoken in SPOKEN.items() if role in hop.split(">"))
    effect = fault.effect(fault.params()) if fault.effect is not None and fault.name.startswith("sig.") else None
    known = signs.notices if hop in NOTICES else signs.requests | signs.answers
    is_known = effect.variant in known if isinstance(effect, SignAs | OtherRule) else True
    return is_known and is_legal(fault.dialects, dialect, hop)


PLACES = [
    (name, hop)
    for name, fault in catalog().items()
    if fault.layer == "application"
    for hop in fault.hops
    if is_spoken_of(fault, hop)
]


def at_payment(w: World) -> Said:
    """A shop that signs everything, sends an empty field, one with a capital and a stray one in the address, and sells
    goods with a Chinese name and a plus; its buyer; its refund."""
    order = signed(an_order(1, name="会员+充值 1") | {"device": "", "Z": "1"})
    asked = {"pid": PID, "out_trade_no": "C000001", "Z": "a+b"}
    first = "/epay/cashier.php?trade_no="

    def trade_no() -> str:
        return next(iter(w.mock.trades)).trade_no if len(w.mock.trades) else "none"

    return [
        lambda: w.ask("/epay/submit.php?_input_charset=utf-8", order),
        lambda: w.ask("/epay/mapi.php?_input_charset=utf-8", order),
        lambda: w.ask(first + trade_no()),
        lambda: w.ask(first + trade_no(), {"key": "b00000001"}, accept="application/json"),
        *[lambda: w.ask("/epay/api.php?act=order", signed(asked | {"device": ""}))] * 2,
        lambda: w.ask("/epay/api.php?act=refund", signed(asked | {"money": "1.00"})),
    ]


def at_the_store(w: StoreWorld) -> Said:
    """Another buyer of the same, a trade and its repeat, and two queries of it; a field has a name in capitals."""
    trade = store_signed(a_trade(1, num="2", race="月卡", QQ="1 2+3"))
    query = store_signed({"request_no": "S000001", "contact": "b00000001", "race": ""})
    return [
        lambda: w.send("commodity/trade", store_signed(a_trade(2, num="2"))),
        *[lambda: w.send("commodity/trade", trade)] * 2,
        *[lambda: w.send("commodity/query", query)] * 2,
    ]


def utf8(**fields: object) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def at_the_game(w: GameWorld) -> Said:
    return [
        lambda: w.send("POST", "accounts/validate", utf8(account="甲", region="cn-east", passthrough="b00000001")),
        *[lambda: w.send("POST", "topups", utf8(**a_top_up(1, account="甲")), "once")] * 2,
        *[lambda: w.send("GET", "topups/G000001")] * 2,
    ]


def world_of(hop: Hop, *faults: FaultPlan) -> tuple[AbstractAsyncContextManager[Any], Callable[[Any], Said]]:
    if "supplier" in hop:
        return a_store(*faults), at_the_store
    if "game" in hop:
        return a_game(*faults), at_the_game
    return make_world(*faults), at_payment


async def taken(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def go_through(w: Around[Any], said: Said) -> None:
    for n, ask in enumerate(said, 1):
        w.mock.injector.renew()
        call = asyncio.ensure_future(ask())
        await w.move_to_s(5.0 * n)
        reply = (await asyncio.gather(call, return_exceptions=True))[0]
        if isinstance(reply, Reply) and reply.pieces is not None:
            taking = asyncio.ensure_future(taken(reply.pieces()))
            await w.move_to_s(5.0 * n + 0.1)
            await taking
    w.mock.injector.renew()
    await w.move_to_s(5.0 * len(said) + 4)


@pytest.mark.parametrize(("name", "hop"), PLACES, ids=[f"{name} at {hop}" for name, hop in PLACES])
async def test_a_fault_strikes_something_wherever_it_is_legal(name: str, hop: Hop) -> None:
    faults = [a_fault("it", name, hop, params=NEEDED.get(name, {}))]
    faults += [BESIDE[name, hop]] if (name, hop) in BESIDE else []
    world, talk = world_of(hop, *faults)
    async with world as w:
        w.begin_load()
        await go_through(w, talk(w))
        found = [s for s in w.found(Struck) if s.fault == "it"]
        assert found
        assert {s.hop.partition("/")[0] for s in found} == {hop}

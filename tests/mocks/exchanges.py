"""Exchanges that faults are tried on, for whoever tests them."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from ledger.events import Struck
from ledger.states import Hop, Operation
from mocks.call import Call, Place, Subject
from mocks.reply import Reply
from plan.orders import order_key
from tests.mocks.world import KEY, PID, World, an_order, signed

MAPI = "/epay/mapi.php"
QUERY = f"/epay/api.php?act=order&pid={PID}&key={KEY}&out_trade_no=C000001"


def struck(w: World) -> list[tuple[str, str, str, int]]:
    return [(s.fault, s.hop, str(s.operation), s.attempt) for s in w.found(Struck)]


def create(w: World, n: int = 1, **changed: str) -> "asyncio.Task[Reply | None]":
    """A create call under way; owned by the test."""
    return asyncio.ensure_future(w.ask(MAPI, signed(an_order(n, **changed))))


async def body_of(reply: Reply | None) -> bytes:
    """The body as it is sent, all pieces taken."""
    assert reply is not None
    flat = reply.flat()
    return b"".join([piece async for piece in flat.pieces()]) if flat.pieces is not None else flat.body


def a_purchase(
    w: World, hop: Hop = Hop.SHOP_SUPPLIER, n: int = 1, operation: Operation = Operation.BUY, **more: Any
) -> Awaitable[Reply | None]:
    """A request for goods as a dialect of such an upstream reads it."""

    async def tell_early() -> bool:
        return True

    place = Place(hop, operation, "goods")
    done: dict[str, Any] = {
        "act": lambda: Reply(fields={"cards": 1}),
        "refuse": lambda: Reply(401),
        "sell": lambda outcome: Reply(fields={"cards": str(outcome)}),
        "tell_early": tell_early if hop is Hop.SHOP_GAME else None,
        "unknown": lambda: Reply(500, {"code": "SYSTEM_ERROR"}),
        "refuse_version": lambda: Reply(fields={"code": "invalid-version"}),
        "refuse_repeat": lambda: Reply(fields={"code": "duplicate"}),
        "dress": lambda reply, effect: f"dressed: {type(effect).__name__}",
    }
    key = order_key(n)
    call = Call(place, Subject(key, "key", key), is_genuine=True, **(done | more))
    return w.mock.injector.answer(call)

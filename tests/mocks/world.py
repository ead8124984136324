"""Mocks without sockets: a clock that tests move, a journal they can read, a shop they can speak for."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from hashlib import md5
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from ledger.clock import SECOND_NS, ManualClock
from ledger.events import Event, Exchanged
from ledger.states import Hop, Phase
from mocks.payment.mock import PaymentMock
from mocks.post import Heard, Letter
from mocks.reply import Reply
from mocks.server import Asked
from mocks.upstreams import Keys, Upstreams
from plan.arrivals import Constant, arrivals
from plan.faults import FaultPlan, Label
from plan.orders import Delay, Mix
from plan.run import SCHEMA, Evidence, Plan, TargetPlan, UpstreamPlan, stuck_after
from plan.units import BusinessTime, Rate, Share, WireTime

WALL_S = 1_790_000_000
PID, KEY = "1001", "k3yk3yk3yk3yk3yk3yk3yk3yk3yk3y12"
NOTIFY, RETURN = "http://127.0.0.1:9000/notify", "http://127.0.0.1:9000/back?from=epay"
E = TypeVar("E")
M = TypeVar("M", bound=Upstreams)
Answering = Callable[[Letter], Heard | None]


def a_fault(id: str, fault: str, hop: Hop = Hop.SHOP_PAYMENT, **more: Any) -> FaultPlan:
    return FaultPlan(id, fault, (hop,), Label(id, id), "cause", **more)


def a_plan(
    *faults: FaultPlan,
    gaps: tuple[float, ...] = (60, 180),
    compress: float = 1.0,
    timeout: float = 5,
    upstreams: dict[str, UpstreamPlan] | None = None,
    product: dict[str, Share] | None = None,
    region: dict[str, Share] | None = None,
    target: TargetPlan | None = None,
) -> Plan:
    ladder = tuple(BusinessTime(gap) for gap in gaps)
    return Plan(
        schema=SCHEMA,
        scenario="by_hand",
        about="",
        file="",
        seed=7,
        compress=compress,
        target=target or TargetPlan("cardshop", "", "naive"),
        load=arrivals(Constant(rate=Rate(10), orders=400)),
        mix=Mix(
            product=product or {"card_10": Share(1.0)},
            channel={"epay": Share(1.0)},
            region=region or {"cn": Share(1.0)},
            pay_delay=Delay(constant=BusinessTime(8)),
        ),
        upstreams=upstreams or {"epay": UpstreamPlan("payment", "epay", ladder, WireTime(timeout))},
        faults=faults,
        deadline=BusinessTime(300),
        stuck_after=stuck_after({}),
        poll_every=WireTime(0.2),
        warm_up_orders=5,
        evidence=Evidence(),
        gates=(),
    )


def signed(fields: dict[str, str], key: str = KEY) -> dict[str, str]:
    """Signed as the protocol says, not by the code under test."""
    text = "&".join(f"{k}={v}" for k, v in sorted(fields.items()) if v and k not in ("sign", "sign_type"))
    return {**fields, "sign": md5((text + key).encode()).hexdigest(), "sign_type": "MD5"}


def an_order(n: int = 1, **changed: str) -> dict[str, str]:
    """The fields of order n, unsigned; an empty value leaves its field out."""
    fields = {
        "pid": PID,
        "type": "alipay",
        "out_trade_no": f"C{n:06d}",
        "notify_url": NOTIFY,
        "return_url": RETURN,
        "name": "会员 充值&x=1",
        "money": "10.00",
        "param": f"b{n:08d}@buyers.example",
    }
    return {k: v for k, v in (fields | changed).items() if v}


class Around(Generic[M]):
    """A mock and all around it: every instance has the same merchant, unless `keys` says otherwise."""

    def __init__(
        self,
        kind: type[M],
        plan: Plan,
        tasks: asyncio.TaskGroup,
        token: str | None = None,
        by_hand: bool = False,
        keys: dict[str, Keys] | None = None,
        wall_s: int = WALL_S,
    ) -> None:
        self.clock = ManualClock()
        self.events: list[Event] = []
        self.kept: list[Exchanged] = []
        self.letters: list[Letter] = []
        self.shop: Answering = lambda letter: Heard(200, "success")
        self.mock = kind(
            plan,
            keys or dict.fromkeys(plan.upstreams, Keys(PID, KEY)),
            clock=self.clock,
            wall_ns=wall_s * SECOND_NS,
            append=self._append,
            send=self._send,
            tasks=tasks,
            token=token,
            by_hand=by_hand,
        )

    def _append(self, event: Event) -> None:
        """As a voice does: the bytes of struck exchanges apart from all else."""
        if isinstance(event, Exchanged):
            self.kept.append(event)
        else:
            self.events.append(event)

    async def _send(self, letter: Letter) -> Heard:
        """The shop's answer; None never comes."""
        self.letters.append(letter)
        answer = self.shop(letter)
        if answer is None:
            await asyncio.Event().wait()
        assert answer is not None
        return answer

    def begin_load(self) -> None:
        """The phase in which faults strike."""
        self.mock.injector.begin(Phase.LOAD, self.clock.t())
        self.mock.injector.renew()

    def found(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    async def settle(self) -> None:
        """Lets everything that can go on without the clock go on."""
        for _ in range(30):
            await asyncio.sleep(0)

    async def move_to_s(self, s: float) -> None:
        """Moves the clock there, stopping wherever somebody waits."""
        await self.settle()
        while (due := self.clock.next_due()) is not None and due <= s * SECOND_NS:
            self.clock.move_to(due)
            await self.settle()
        self.clock.move_to(int(s * SECOND_NS))
        await self.settle()


class World(Around[PaymentMock]):
    """The payment mock and all around it."""

    def __init__(self, plan: Plan, tasks: asyncio.TaskGroup, token: str | None, by_hand: bool = False) -> None:
        super().__init__(PaymentMock, plan, tasks, token, by_hand)

    def load(self) -> "World":
        self.begin_load()
        return self

    def notices(self) -> list[dict[str, str]]:
        """What the shop was told."""
        return [dict(parse_qsl(urlsplit(letter.url).query, keep_blank_values=True)) for letter in self.letters]

    async def ask(
        self, target: str, fields: dict[str, str] | None = None, accept: str = "", order_key: str = ""
    ) -> Reply | None:
        """GET, or POST where there are fields. None: closed without a byte."""
        path, _, query = target.partition("?")
        method = "GET" if fields is None else "POST"
        body = b"" if fields is None else urlencode(fields).encode()
        return await self.mock.answer(Asked(method, path, query, body, "127.0.0.1:8000", accept, order_key=order_key))

    async def json(self, target: str, fields: dict[str, str] | None = None, **more: str) -> dict[str, Any]:
        reply = await self.ask(target, fields, **more)
        assert reply is not None
        assert reply.fields is not None
        found: dict[str, Any] = json.loads(json.dumps(reply.fields))
        return found

    async def created(self, n: int = 1, **changed: str) -> dict[str, Any]:
        answer = await self.json("/epay/mapi.php", signed(an_order(n, **changed)))
        assert answer["code"] == 1, answer
        return answer

    async def paid(self, n: int = 1, **changed: str) -> str:
        """The number of a trade that was created and paid."""
        trade_no: str = (await self.created(n, **changed))["trade_no"]
        answer = await self.json(f"/epay/cashier.php?trade_no={trade_no}", {}, accept="application/json")
        assert answer["paid"] is True
        return trade_no


MakeWorld = Callable[..., AbstractAsyncContextManager[World]]


@asynccontextmanager
async def make_world(
    *faults: FaultPlan, token: str | None = None, by_hand: bool = False, **plan: Any
) -> AsyncIterator[World]:
    """A world; what still waits in it at the end is cancelled."""
    async with asyncio.TaskGroup() as tasks:
        made = World(a_plan(*faults, **plan), tasks, token, by_hand)
        yield made
        made.mock.injector.release()
        made.mock.stop()

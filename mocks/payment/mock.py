"""The payment mock, put together: every payment instance of a plan in one process, with its books and its /_admin."""

import asyncio
from collections.abc import Iterable, Mapping

import msgspec

from faults.byhand import ByHand
from faults.decide import Decider
from ledger.clock import Clock
from mocks.admin import PREFIX, Admin
from mocks.apply import Append, Fields, Injector
from mocks.notices import Ladder, Notices, Send
from mocks.payment.epay import Epay, Keys
from mocks.payment.trades import Trade, Trades
from mocks.server import Answer, Asked, Lag, NoRoute
from plan.document import nearest
from plan.run import Plan, UpstreamPlan

ROLE = "payment"
DIALECTS = ("epay",)


class SetupError(Exception):
    """The plan, the flags or the environment do not fit together: one line with the way out."""


def read_keys(text: str | None, plan: Plan, *, variable: str) -> dict[str, Keys]:
    """The merchant of every payment instance of the plan; SetupError where one is missing, unknown or ill-formed."""
    shape = '{"epay": {"pid": "1001", "key": "..."}, ...}'
    if not text:
        raise SetupError(f"{variable} is not set; it holds {shape}")
    try:
        keys = msgspec.json.decode(text, type=dict[str, Keys])
    except msgspec.DecodeError as error:
        raise SetupError(f"{variable}: {error}; it holds {shape}") from None
    wanted = {name for name, upstream in plan.upstreams.items() if upstream.role == ROLE}
    if missing := sorted(wanted - keys.keys()):
        raise SetupError(f"{variable} has no keys for upstream {missing[0]!r} of the plan; it holds {shape}")
    if unknown := sorted(keys.keys() - wanted):
        raise SetupError(f"{variable}: the plan has no payment upstream {unknown[0]!r}{nearest(unknown[0], wanted)}")
    for name, found in keys.items():
        if not found.pid or len(found.key) < 8:
            raise SetupError(f"{variable}: {name} needs a pid, and a key of at least 8 characters")
    return keys


class PaymentMock:
    """All payment instances of a process."""

    def __init__(
        self,
        plan: Plan,
        keys: Mapping[str, Keys],
        *,
        clock: Clock,
        wall_ns: int,
        append: Append,
        send: Send,
        tasks: asyncio.TaskGroup,
        token: str | None = None,
        by_hand: bool = False,
    ) -> None:
        self.secrets = tuple(k.key for k in keys.values()) + ((token,) if token else ())
        decider = Decider(plan)
        self.injector = Injector(decider, clock, append)
        self.trades = Trades(clock, append)
        self.notices: Notices[Trade] = Notices(clock, append, self.injector, send, tasks, self.secrets)
        self.lag = Lag()
        self._instances: dict[str, Epay] = {}
        for name, upstream in plan.upstreams.items():
            if upstream.role == ROLE:
                self._instances[name] = self._instance(name, upstream, keys[name], clock, wall_ns, append)
                self.notices.serve(name, self._instances[name], _ladder(plan, upstream))
        switched = ByHand(plan, ROLE, decider) if by_hand else None
        self._admin = Admin(self, self.injector, self.lag, plan.faults, token, switched)

    def _instance(
        self, name: str, upstream: UpstreamPlan, keys: Keys, clock: Clock, wall_ns: int, append: Append
    ) -> Epay:
        if upstream.dialect not in DIALECTS:
            way_out = nearest(upstream.dialect, DIALECTS)
            raise SetupError(f"upstreams.{name}: the payment mock speaks no {upstream.dialect!r}{way_out}")
        return Epay(
            name,
            keys,
            clock=clock,
            wall_ns=wall_ns,
            append=append,
            injector=self.injector,
            trades=self.trades,
            notices=self.notices,
        )

    def routes(self) -> Iterable[str]:
        return [route for instance in self._instances.values() for route in instance.routes()] + self._admin.routes()

    async def answer(self, asked: Asked) -> Answer:
        """The answer to any request; NoRoute where none of the instances nor /_admin takes it."""
        name, slash, path = asked.path[1:].partition("/")
        if name == PREFIX[1:]:
            return self._admin.answer(asked)
        instance = self._instances.get(name)
        if instance is None or not slash:
            raise NoRoute
        return await instance.answer(asked, path)

    # --- what /_admin sees --------------------------------------------------------------------------------------
    @property
    def trades_made(self) -> int:
        return len(self.trades)

    @property
    def open_notices(self) -> int:
        return self.notices.open

    def trades_json(self, wanted: Fields, latest: int) -> list[dict[str, object]]:
        if trade_no := wanted.get("trade_no"):
            found = [t for name in self._instances if (t := self.trades.find(name, trade_no=trade_no))]
        elif order_no := wanted.get("out_trade_no"):
            found = [t for name in self._instances if (t := self.trades.find(name, order_no=order_no))]
        elif key := wanted.get("key"):
            found = self.trades.about(key)
        else:
            found = list(self.trades)[-latest:]
        return [_json(trade) for trade in found if wanted.get("key") in (None, trade.o)]

    def forget(self) -> dict[str, object]:
        for instance in self._instances.values():
            instance.forget()
        return {"notices": self.notices.forget(), "trades": self.trades.forget()}


def _ladder(plan: Plan, upstream: UpstreamPlan) -> Ladder:
    return Ladder.of([plan.wire_s(gap) for gap in upstream.ladder], upstream.notice_timeout)


def _json(trade: Trade) -> dict[str, object]:
    order = trade.order
    return {
        "upstream": order.upstream,
        "trade_no": trade.trade_no,
        "out_trade_no": order.order_no,
        "key": trade.o,
        "keyed_by": trade.keyed_by,
        "way": order.way,
        "amount_fen": order.amount_fen,
        "state": trade.state,
        "created_t": trade.created_t,
        "captured_t": trade.captured_t,
        "refunded_fen": trade.refunded_fen,
        "notices": trade.notices,
        "last_notice": trade.heard,
    }

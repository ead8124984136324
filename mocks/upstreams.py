"""What the mocks of all roles have in common: their instances by name, the keys of the merchants, and /_admin."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import ClassVar, Protocol, TypeVar

import msgspec

from faults.byhand import ByHand
from faults.decide import Decider
from ledger.clock import Clock
from ledger.lag import Lag
from ledger.states import Hop
from mocks.admin import PREFIX, Admin
from mocks.apply import Injector
from mocks.call import Append
from mocks.evidence import answered, asked_for
from mocks.notices import Ladder, Notices, Signal, Told
from mocks.post import Send
from mocks.reply import Fields
from mocks.server import Answer, Asked, NoRoute
from plan.document import nearest
from plan.run import Plan, UpstreamPlan

T = TypeVar("T", bound=Told)


class SetupError(Exception):
    """The plan, the flags or the environment do not fit together: one line with the way out."""


class Keys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A merchant's identity at one upstream: his number and the secret that both share. Never printed.

    `own` is what the upstream alone holds beside (its private key, the merchant's public one), `told` what its merchant
    is handed beside. RSA keys and certificates are PEM texts.
    """

    pid: str
    key: str
    own: dict[str, str] = {}
    told: dict[str, str] = {}

    @property
    def secrets(self) -> tuple[str, ...]:
        """All that must never reach a journal, a log or a report."""
        return (self.key, *(text for name, text in self.own.items() if name.endswith(("secret", "private_key"))))

    def __repr__(self) -> str:
        return f"Keys({self.pid!r}, ***)"


def read_keys(text: str | None, plan: Plan, *, role: str, variable: str) -> dict[str, Keys]:
    """The merchant of every instance of a role; SetupError where one is missing, unknown or ill-formed."""
    wanted = instances(plan, role)
    shape = f'{{"{next(iter(wanted), role)}": {{"pid": "1001", "key": "..."}}, ...}}'
    if not text:
        raise SetupError(f"{variable} is not set; it holds {shape}")
    try:
        keys = msgspec.json.decode(text, type=dict[str, Keys])
    except msgspec.DecodeError as error:
        raise SetupError(f"{variable}: {error}; it holds {shape}") from None
    if missing := sorted(wanted.keys() - keys.keys()):
        raise SetupError(f"{variable} has no keys for upstream {missing[0]!r} of the plan; it holds {shape}")
    if unknown := sorted(keys.keys() - wanted.keys()):
        raise SetupError(f"{variable}: the plan has no {role} upstream {unknown[0]!r}{nearest(unknown[0], wanted)}")
    for name, found in keys.items():
        if not found.pid or len(found.key) < 8:
            raise SetupError(f"{variable}: {name} needs a pid, and a key of at least 8 characters")
    return keys


def instances(plan: Plan, role: str) -> dict[str, UpstreamPlan]:
    """The instances of a role, by name."""
    return {name: upstream for name, upstream in plan.upstreams.items() if upstream.role == role}


class Instance(Protocol):
    """One named upstream: a dialect with one merchant."""

    def routes(self) -> list[str]: ...

    async def answer(self, asked: Asked, path: str) -> Answer:
        """The answer to a request below this instance's name; NoRoute where the dialect does not take it."""
        ...

    def forget(self) -> None:
        """Drops what was counted about single orders."""
        ...


class Upstreams(ABC):
    """All instances of one role in a process. A role says what stands behind them, and makes them."""

    role: ClassVar[str]
    dialects: ClassVar[tuple[str, ...]]

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
        signal: Signal | None = None,
        by_hand: bool = False,
        sends: Mapping[str, Send] = MappingProxyType({}),
    ) -> None:
        """`sends`: of instances whose notices take a way of their own."""
        self.plan, self.clock, self.wall_ns = plan, clock, wall_ns
        self.append, self.send, self.tasks, self.signal = append, send, tasks, signal
        self.sends = sends
        self.secrets = tuple(secret for k in keys.values() for secret in k.secrets) + ((token,) if token else ())
        decider = Decider(plan)
        self.injector = Injector(decider, clock, append, self.secrets)
        self.lag = Lag()
        self._open()
        self._instances: dict[str, Instance] = {}
        for name, upstream in instances(plan, self.role).items():
            if upstream.dialect not in self.dialects:
                way_out = nearest(upstream.dialect, self.dialects)
                raise SetupError(f"upstreams.{name}: the {self.role} mock speaks no {upstream.dialect!r}{way_out}")
            self._instances[name] = self._instance(name, upstream, keys[name])
        switched = ByHand(plan, self.role, decider) if by_hand else None
        self._admin = Admin(self, self.injector, self.lag, plan.faults, token, switched)

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
        evidence = self.injector.evidence
        with evidence.watched():
            reply = await instance.answer(asked, path)
            evidence.keep(lambda: asked_for(asked), lambda: answered(reply))
        return reply

    def forget(self) -> dict[str, object]:
        for instance in self._instances.values():
            instance.forget()
        return self._forget()

    # --- what a role says ---------------------------------------------------------------------------------------
    @abstractmethod
    def _open(self) -> None:
        """Makes what all instances share: trades, stock, accounts."""

    @abstractmethod
    def _instance(self, name: str, upstream: UpstreamPlan, keys: Keys) -> Instance:
        """One instance, of a dialect that the role speaks."""

    @abstractmethod
    def _forget(self) -> dict[str, object]:
        """Drops what `_open` made and was filled since; how many there were of each."""

    async def listen(self, host: str, port: int) -> dict[str, int]:
        """Ports of their own for the instances that speak no HTTP, by name: free ones, or with a port those from there
        on. OSError where one cannot be had."""
        return {}

    @abstractmethod
    def stop(self) -> None:
        """Ends all that is still under way, so that the process can end."""

    # --- what /_admin sees --------------------------------------------------------------------------------------
    @property
    @abstractmethod
    def trades_made(self) -> int: ...

    @property
    @abstractmethod
    def open_notices(self) -> int: ...

    @abstractmethod
    def trades_json(self, wanted: Fields, latest: int) -> list[dict[str, object]]: ...

    # --- for roles ----------------------------------------------------------------------------------------------
    def notices_at(self, hop: Hop) -> "Notices[T]":
        """What tells the shop at this hop, for all instances of the role."""
        return Notices(
            self.clock,
            self.append,
            self.injector,
            self.send,
            self.tasks,
            self.secrets,
            hop=hop,
            signal=self.signal,
            sends=self.sends,
        )

    def ladder(self, upstream: UpstreamPlan) -> Ladder:
        """When an instance sends a notice again, on the wire of this run."""
        return Ladder.of([self.plan.wire_s(gap) for gap in upstream.ladder], upstream.notice_timeout)

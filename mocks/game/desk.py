"""What every game dialect works with (its merchant, the accounts, the notices), and what it is."""

import asyncio
from abc import ABC, abstractmethod
from typing import ClassVar

import msgspec

from ledger.clock import SECOND_NS, Clock
from mocks.apply import Injector
from mocks.call import Append, Signs
from mocks.game.accounts import Accounts, TopUp
from mocks.notices import Ladder, Notices
from mocks.server import Answer, Asked
from mocks.upstreams import Keys
from plan.run import Plan, UpstreamPlan


class Desk(msgspec.Struct, frozen=True):
    """One named instance, before a dialect speaks for it. `wall_ns` is the wall clock at the beginning of the axis;
    tasks of a dialect belong to `tasks`."""

    name: str
    keys: Keys
    plan: Plan
    upstream: UpstreamPlan
    clock: Clock
    wall_ns: int
    append: Append
    injector: Injector
    accounts: Accounts
    notices: Notices[TopUp]
    tasks: asyncio.TaskGroup
    products: frozenset[str]
    ladder: Ladder

    def wall_s(self, t: int) -> float:
        """Seconds since 1970 at a moment of the run's axis."""
        return (self.wall_ns + t) / SECOND_NS


class GameServer(ABC):
    """What a dialect of game servers is. Most answer over HTTP; one that tells shops what became of a top-up serves
    `desk.notices` as a Teller."""

    signs: ClassVar[Signs]

    def routes(self) -> list[str]:
        """What it takes over HTTP."""
        return []

    @abstractmethod
    async def answer(self, asked: Asked, path: str) -> Answer:
        """The answer to a request below this instance's name; NoRoute where the dialect does not take it."""

    @abstractmethod
    def forget(self) -> None:
        """Drops what was counted about single orders."""

    @property
    def open(self) -> int:
        """What it has taken on beside the accounts and will bring to an end by itself."""
        return 0

    def tell(self, top_up: TopUp) -> None:  # noqa: B027 (most servers tell nobody)
        """A top-up that `accounts.accept` took on has ended."""

    async def listen(self, host: str, port: int) -> int | None:
        """The port of its own, beside HTTP; 0 asks for a free one. OSError where it cannot be had."""
        return None

    def stop(self) -> None:  # noqa: B027
        """Ends what it does by itself."""

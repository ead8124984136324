"""Game accounts and what was truly credited to them: each accepted top-up once, counted by order.

No dialect shows here: a top-up knows nothing of the names that its fields have on the wire.
"""

import asyncio
from collections.abc import Callable
from enum import StrEnum

import msgspec

from ledger.clock import SECOND_NS, Clock
from ledger.events import Credited, GoodsAccepted
from ledger.states import Code
from mocks.call import Append, Subject
from mocks.goods import NOBODY, GoodsError, GoodsFacts, UnknownProduct, replayed
from mocks.register import Register
from plan.orders import Mix, is_warm_up, key_of_account, wish
from plan.run import REPLAY

PROCESSING, SUCCEEDED, FAILED = "processing", "succeeded", "failed"


class NoAccount(GoodsError):
    """There is no such account."""


class OtherRegion(GoodsError):
    """The account lives in another region."""


class Ending(StrEnum):
    """What comes of an accepted top-up."""

    CREDITED = "credited"
    FAILED = "failed"
    NEVER = "never"


class Request(msgspec.Struct, frozen=True, gc=False):
    """What a shop asks for. `request_no` is its own number, `once` what makes a request a repeat of another (empty: a
    server that knows no repeats); `carried` goes back to the shop untouched."""

    upstream: str
    request_no: str
    once: str
    account: str
    region: str
    product: str
    quantity: int
    notice_to: str
    carried: str


class TopUp(msgspec.Struct, gc=False):
    """One accepted top-up. `credit` is the unique number of its latest credit, once there is one, `credited` how many
    there were; `reason` why it failed, `ended_t` when it was credited or failed first."""

    trade_no: str
    request: Request
    key: str
    keyed_by: str
    o: str
    t: int
    ending: Ending
    state: str = PROCESSING
    credit: str = ""
    reason: Code | None = None
    notices: int = 0
    heard: str = ""
    credited: int = 0
    ended_t: int = 0

    @property
    def subject(self) -> Subject:
        return Subject(self.key, self.keyed_by, self.o)

    @property
    def upstream(self) -> str:
        return self.request.upstream

    @property
    def request_no(self) -> str:
        return self.request.request_no

    @property
    def product(self) -> str:
        return self.request.product


class Realm(msgspec.Struct, frozen=True):
    """What one game server sells, how long it works on a top-up, and what it does with a key seen before."""

    products: frozenset[str]
    takes_ns: int
    on_repeat: str = REPLAY

    @classmethod
    def of(cls, products: frozenset[str], takes_s: float, on_repeat: str) -> "Realm":
        return cls(products, int(takes_s * SECOND_NS), on_repeat)


class Accounts(GoodsFacts):
    """All accounts of a process, over all its upstreams. Every change is journalled as it happens.

    `tell` is called when a top-up has ended, one way or the other. The work belongs to the given group; `stop` ends it.
    """

    def __init__(
        self,
        seed: int,
        mix: Mix,
        clock: Clock,
        append: Append,
        tasks: asyncio.TaskGroup,
        tell: Callable[[TopUp], None],
    ) -> None:
        super().__init__(clock, append)
        self._seed, self._mix, self._tasks, self._tell = seed, mix, tasks, tell
        self._realms: dict[str, Realm] = {}
        self._by_once: dict[tuple[str, str], TopUp] = {}
        self._working: dict[str, asyncio.Task[None]] = {}
        self._credits: dict[str, int] = {}
        self.top_ups: Register[TopUp] = Register()

    def open(self, upstream: str, realm: Realm) -> None:
        """From now on the upstream takes top-ups."""
        self._realms[upstream] = realm

    # --- what may be known --------------------------------------------------------------------------------------
    @property
    def working(self) -> int:
        """Top-ups that were accepted and will end by themselves."""
        return len(self._working)

    def credits_of(self, o: str) -> int:
        """How often the accounts of an order were credited, over all upstreams: the exactly-once oracle."""
        return self._credits.get(o, 0)

    def home_of(self, account: str) -> str | None:
        """Where the account of a planned order lives; None where any region will do. NoAccount."""
        if account.startswith(NOBODY):
            raise NoAccount(f"nobody is called {account}")
        key = key_of_account(account)
        if key is None:
            return None
        return wish(self._seed, int(key[1:9]), self._mix, warm_up=is_warm_up(key)).region

    def check(self, account: str, region: str) -> None:
        """Whether the account exists in that region; NoAccount, OtherRegion."""
        home = self.home_of(account)
        if home not in (None, region):
            raise OtherRegion(f"{account} lives in {home}, not in {region}")

    def check_request(self, request: Request) -> None:
        """Whether it can be accepted; UnknownProduct, NoAccount, OtherRegion."""
        if request.product not in self._realms[request.upstream].products:
            raise UnknownProduct(f"{request.upstream} sells no {request.product!r}")
        self.check(request.account, request.region)

    def known(self, request: Request) -> TopUp | None:
        """The top-up that a repeated key replays, None if the request is to be worked on; Repeated if it is refused."""
        before = self._by_once.get((request.upstream, request.once)) if request.once else None
        return replayed(before, request, number=request.once, on_repeat=self._realms[request.upstream].on_repeat)

    # --- what is done -------------------------------------------------------------------------------------------
    def accept(self, request: Request, subject: Subject, ending: Ending = Ending.CREDITED) -> TopUp:
        """Takes the request on; it ends by itself after a while. UnknownProduct, NoAccount, OtherRegion."""
        top_up = self.take(request, subject, ending)
        if ending is not Ending.NEVER:
            due_t = top_up.t + self._realms[request.upstream].takes_ns
            self._working[top_up.trade_no] = self._tasks.create_task(
                self._work(top_up, due_t), name=f"top-up {top_up.trade_no}"
            )
        return top_up

    def take(self, request: Request, subject: Subject, ending: Ending = Ending.CREDITED) -> TopUp:
        """Takes the request on, and leaves it to the caller to end it. UnknownProduct, NoAccount, OtherRegion."""
        self.check_request(request)
        t, no, o = self._clock.t(), self.top_ups.next_no(), subject.o or request.request_no
        top_up = TopUp(no, request, subject.key, subject.keyed_by, o, t, ending)
        self._append(GoodsAccepted(t=t, o=o, upstream=request.upstream, request_no=request.request_no))
        self.top_ups.add(top_up)
        if request.once:
            self._by_once[request.upstream, request.once] = top_up
        return top_up

    async def _work(self, top_up: TopUp, due_t: int) -> None:
        await self._clock.wait_until(due_t)
        self.finish(top_up)
        self._tell(top_up)

    def finish(self, top_up: TopUp) -> bool:
        """Ends the work on a top-up now, telling nobody; whether there was any to be done."""
        task = self._working.pop(top_up.trade_no, None)
        if task is None:
            return False
        if task is not asyncio.current_task():
            task.cancel()
        assert (top_up.state, top_up.credit) == (PROCESSING, ""), f"{top_up.trade_no} would be credited twice"
        if top_up.ending is Ending.CREDITED:
            self.credit(top_up)
        else:
            top_up.state, top_up.reason, top_up.ended_t = FAILED, Code.UPSTREAM_REFUSED, self._clock.t()
            self.note_refused(top_up.upstream, top_up.request_no, top_up.o, top_up.reason, FAILED)
        return True

    def credit(self, top_up: TopUp) -> None:
        """Credits the account now: once more each time it is called, under another number."""
        t, upstream, no = self._clock.t(), top_up.upstream, top_up.request_no
        top_up.credited += 1
        top_up.credit = f"K{top_up.trade_no}" + (f".{top_up.credited}" if top_up.credited > 1 else "")
        top_up.state, top_up.ended_t = SUCCEEDED, top_up.ended_t or t
        self._credits[top_up.o] = self.credits_of(top_up.o) + 1
        self._append(Credited(t=t, o=top_up.o, upstream=upstream, credit=top_up.credit, request_no=no))

    def stop(self) -> None:
        """Ends all work; what was not credited yet never will be."""
        working, self._working = self._working, {}
        for task in working.values():
            task.cancel()

    def forget(self) -> int:
        """Drops every top-up and what is under way; how many top-ups there were."""
        self.stop()
        self._by_once, self._credits = {}, {}
        return self.top_ups.forget()

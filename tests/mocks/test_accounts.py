"""Each accepted top-up is credited exactly once, when its time has come, whatever is asked meanwhile."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.clock import SECOND_NS, ManualClock
from ledger.events import Credited, Event, GoodsAccepted, GoodsRefused
from mocks.call import Subject
from mocks.game.accounts import (
    Accounts,
    Ending,
    NoAccount,
    OtherRegion,
    Realm,
    Request,
    TopUp,
)
from mocks.goods import GoodsError, Repeated, UnknownProduct
from plan.orders import account_of, order_key, wish
from plan.run import ON_REPEAT, SELL_AGAIN
from tests.mocks.goods import a_game_plan

TAKES_S = 2
PLAN = a_game_plan()
ASKED = Request("game", "G1", "once", "someone", "cn-east", "topup_10", 1, "", "")
SUBJECT = Subject("b00000001", "key", "b00000001")


class Realms:
    """Two game servers with their journal, and those who were told of an end."""

    def __init__(self, tasks: asyncio.TaskGroup, on_repeat: str) -> None:
        self.clock = ManualClock()
        self.events: list[Event] = []
        self.ended: list[TopUp] = []
        self.accounts = Accounts(PLAN.seed, PLAN.mix, self.clock, self.events.append, tasks, self.ended.append)
        for upstream in ("game", "other"):
            self.accounts.open(upstream, Realm.of(frozenset({"topup_10"}), TAKES_S, on_repeat))

    def create(self, asked: Request = ASKED, o: str = "b00000001") -> TopUp:
        known = self.accounts.known(asked)
        return known if known is not None else self.accounts.accept(asked, Subject(o, "key", o))

    def credits(self) -> list[Credited]:
        return [event for event in self.events if isinstance(event, Credited)]

    async def pass_s(self, s: float) -> None:
        await settle()
        self.clock.move_to(self.clock.t() + int(s * SECOND_NS))
        await settle()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@asynccontextmanager
async def realms(on_repeat: str = "replay") -> AsyncIterator[Realms]:
    async with asyncio.TaskGroup() as tasks:
        made = Realms(tasks, on_repeat)
        yield made
        made.accounts.stop()


async def test_an_account_is_credited_when_the_work_is_done_and_not_before() -> None:
    async with realms() as r:
        top_up = r.create()
        await r.pass_s(TAKES_S - 0.001)
        assert (top_up.state, top_up.credit, r.accounts.working, r.ended) == ("processing", "", 1, [])
        await r.pass_s(0.001)
        assert (top_up.state, r.accounts.working, r.ended) == ("succeeded", 0, [top_up])
        (credited,) = r.credits()
        assert (credited.credit, credited.o, credited.request_no, credited.t) == (
            top_up.credit,
            "b00000001",
            "G1",
            TAKES_S * SECOND_NS,
        )


async def test_what_fails_after_it_was_accepted_is_never_credited() -> None:
    async with realms() as r:
        top_up = r.accounts.accept(ASKED, SUBJECT, Ending.FAILED)
        await r.pass_s(TAKES_S)
        assert (top_up.state, top_up.credit, r.ended) == ("failed", "", [top_up])
        assert [type(event) for event in r.events] == [GoodsAccepted, GoodsRefused]


async def test_what_never_ends_is_not_worked_on_and_nobody_is_told() -> None:
    async with realms() as r:
        top_up = r.accounts.accept(ASKED, SUBJECT, Ending.NEVER)
        await r.pass_s(3600)
        assert (top_up.state, r.accounts.working, r.ended) == ("processing", 0, [])
        assert not r.accounts.finish(top_up)
        assert not r.credits()


async def test_work_that_was_finished_early_is_not_done_again() -> None:
    async with realms() as r:
        top_up = r.create()
        await settle()
        assert [r.accounts.finish(top_up) for _ in range(2)] == [True, False]
        await r.pass_s(TAKES_S)
        assert len(r.credits()) == 1
        assert r.ended == []  # whoever finishes early tells


async def test_work_that_was_stopped_is_never_done() -> None:
    async with realms() as r:
        r.create()
        await settle()
        assert r.accounts.forget() == 1
        await r.pass_s(TAKES_S)
        assert not r.credits()
        assert len(r.accounts.top_ups) == 0


async def test_a_credit_number_is_never_given_twice_not_even_after_forgetting() -> None:
    async with realms() as r:
        for _ in range(2):
            r.create()
            await r.pass_s(TAKES_S)
            r.accounts.forget()
        assert len({event.credit for event in r.credits()}) == 2


async def test_what_is_taken_on_without_work_is_credited_by_its_caller_once_for_each_call() -> None:
    async with realms() as r:
        top_up = r.accounts.take(ASKED, SUBJECT)
        await r.pass_s(3600)
        assert (top_up.state, r.accounts.working, r.credits()) == ("processing", 0, [])
        for _ in range(2):
            r.accounts.credit(top_up)
            await r.pass_s(1)
        assert [event.credit for event in r.credits()] == [f"K{top_up.trade_no}", f"K{top_up.trade_no}.2"]
        assert (top_up.state, top_up.credited, r.accounts.credits_of("b00000001")) == ("succeeded", 2, 2)
        assert (top_up.ended_t, r.ended) == (3600 * SECOND_NS, [])


# --- repeats -----------------------------------------------------------------------------------------------------
async def test_a_repeat_is_replayed_and_credits_nothing() -> None:
    async with realms() as r:
        assert r.create() is r.create()
        await r.pass_s(TAKES_S)
        assert r.create().state == "succeeded"
        await r.pass_s(TAKES_S)
        assert r.accounts.credits_of("b00000001") == 1


@pytest.mark.parametrize("on_repeat", ON_REPEAT)
async def test_a_server_that_knows_no_repeats_takes_each_request_for_a_new_one(on_repeat: str) -> None:
    async with realms(on_repeat) as r:
        asked = msgspec.structs.replace(ASKED, once="")
        assert r.create(asked) is not r.create(asked)


async def test_a_repeat_is_rejected_where_the_upstream_does_so() -> None:
    async with realms("reject") as r:
        r.create()
        with pytest.raises(Repeated):
            r.create()


async def test_a_repeat_is_credited_again_where_the_upstream_does_so() -> None:
    async with realms("sell_again") as r:
        assert r.create() is not r.create()
        await r.pass_s(TAKES_S)
        assert r.accounts.credits_of("b00000001") == 2


async def test_another_key_is_another_top_up_though_the_reference_is_the_same() -> None:
    async with realms() as r:
        first, second = r.create(), r.create(msgspec.structs.replace(ASKED, once="twice"))
        await r.pass_s(TAKES_S)
        assert r.accounts.credits_of("b00000001") == 2
        assert r.accounts.top_ups.find("game", "G1") is second is not first


@pytest.mark.parametrize(
    "other", [{"account": "else"}, {"region": "cn-south"}, {"quantity": 2}, {"request_no": "G2"}, {"carried": "x"}]
)
async def test_another_request_under_an_old_key_is_no_replay(other: dict[str, object]) -> None:
    async with realms() as r:
        r.create()
        with pytest.raises(Repeated):
            r.create(msgspec.structs.replace(ASKED, **other))


async def test_two_upstreams_may_see_the_same_key() -> None:
    async with realms("reject") as r:
        assert r.create() is not r.create(msgspec.structs.replace(ASKED, upstream="other"))


async def test_a_key_that_was_refused_is_still_free() -> None:
    async with realms("reject") as r:
        with pytest.raises(NoAccount):
            r.create(msgspec.structs.replace(ASKED, account="nobody-1"))
        r.create()


# --- who lives where ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", range(12))
@pytest.mark.parametrize("warm_up", [False, True])
async def test_the_account_of_an_order_lives_where_the_order_was_planned_for(n: int, warm_up: bool) -> None:
    home = wish(PLAN.seed, n, PLAN.mix, warm_up=warm_up).region
    (elsewhere,) = {"cn-east", "cn-south"} - {home}
    account = account_of(order_key(n, warm_up=warm_up))
    async with realms() as r:
        r.accounts.check(account, home)
        with pytest.raises(OtherRegion):
            r.accounts.check(account, elsewhere)


async def test_a_second_order_of_a_wish_lives_where_the_first_does() -> None:
    async with realms() as r:
        assert r.accounts.home_of("player-00000042.2") == r.accounts.home_of("player-00000042")


@pytest.mark.parametrize("account", ["someone", "player-42", "player-", "00000042", "player-x0000004", "玩家-00000042"])
async def test_other_accounts_live_anywhere(account: str) -> None:
    async with realms() as r:
        assert r.accounts.home_of(account) is None
        r.accounts.check(account, "mars")


@pytest.mark.parametrize("account", ["nobody", "nobody-00000042", "nobody@example"])
async def test_nobody_has_an_account(account: str) -> None:
    async with realms() as r:
        with pytest.raises(NoAccount):
            r.accounts.check(account, "cn-east")


async def test_what_is_not_sold_is_unknown() -> None:
    async with realms() as r:
        with pytest.raises(UnknownProduct):
            r.create(msgspec.structs.replace(ASKED, product="card_10"))
        assert r.events == []


# --- exactly once ------------------------------------------------------------------------------------------------
creates = st.tuples(st.sampled_from("abc"), st.sampled_from(["game", "other"]), st.sampled_from(["b1", "b2"]))
steps = st.lists(st.one_of(creates, st.just("pass"), st.just("finish")), max_size=25)


@pytest.mark.parametrize("on_repeat", ON_REPEAT)
@given(steps)
async def test_no_sequence_credits_what_was_accepted_once_more_than_once(
    on_repeat: str, sequence: list[tuple[str, str, str] | str]
) -> None:
    async with realms(on_repeat) as r:
        accepted: Counter[tuple[str, str]] = Counter()
        for step in sequence:
            if step == "pass":
                await r.pass_s(TAKES_S / 2)
            elif step == "finish":
                for top_up in r.accounts.top_ups:
                    r.accounts.finish(top_up)
            elif isinstance(step, tuple):
                once, upstream, o = step
                before = len(r.accounts.top_ups)
                try:
                    r.create(msgspec.structs.replace(ASKED, once=once, upstream=upstream, carried=o), o)
                except GoodsError:
                    continue
                accepted[upstream, once] += len(r.accounts.top_ups) - before
        await r.pass_s(TAKES_S)
        credits, top_ups = r.credits(), list(r.accounts.top_ups)
        assert len({event.credit for event in credits}) == len(credits) == len(top_ups) == accepted.total()
        assert Counter(event.o for event in credits) == {o: n for o in ("b1", "b2") if (n := r.accounts.credits_of(o))}
        if on_repeat != SELL_AGAIN:
            assert set(accepted.values()) <= {0, 1}

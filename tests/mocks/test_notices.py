"""Notices: when they leave, how they end, and what each fault does to them."""

import pytest

from ledger.clock import SECOND_NS
from ledger.events import NoticeAnswered, NoticeSent, Struck
from ledger.states import Hop, Operation, Phase
from mocks.notices import Heard
from plan.units import Share
from tests.mocks.world import KEY, MakeWorld, World, a_fault, signed

SHOP = Hop.PAYMENT_SHOP


def sent(w: World) -> list[tuple[int, int, float]]:
    """Number, copy and second of every sending."""
    return [(e.n, e.copy, e.t / SECOND_NS) for e in w.found(NoticeSent)]


def outcomes(w: World) -> list[str]:
    return [e.outcome for e in w.found(NoticeAnswered)]


# --- the ladder --------------------------------------------------------------------------------------------------
async def test_the_first_leaves_at_once_and_no_other_follows_an_accepted_one(world: MakeWorld) -> None:
    async with world() as w:
        no = await w.paid()
        await w.move_to_s(1000)
        assert sent(w) == [(1, 0, 0.0)]
        (answered,) = w.found(NoticeAnswered)
        assert (answered.status, answered.outcome, answered.words, answered.trade_no) == (
            200,
            "accepted",
            "success",
            no,
        )
        assert w.mock.open_notices == 0


@pytest.mark.parametrize("compress", [1.0, 15.0])
async def test_attempts_follow_the_gaps_of_the_ladder_in_compressed_time(world: MakeWorld, compress: float) -> None:
    async with world(gaps=(60, 180, 1200), compress=compress) as w:
        w.shop = lambda letter: Heard(200, "fail")
        await w.paid()
        await w.settle()
        assert w.mock.open_notices == 1
        await w.move_to_s(5000)
        at = [0, 60, 240, 1440]
        assert [(n, round(s * compress)) for n, _, s in sent(w)] == list(enumerate(at, 1))
        assert outcomes(w) == ["refused"] * 4
        assert w.mock.open_notices == 0


async def test_a_notice_nobody_answers_is_given_up_and_the_gap_counts_from_its_sending(world: MakeWorld) -> None:
    async with world(timeout=5) as w:
        w.shop = lambda letter: None if len(w.letters) == 1 else Heard(200, "ok success!")
        await w.paid()
        await w.move_to_s(4.9)
        assert outcomes(w) == []
        await w.move_to_s(100)
        assert sent(w) == [(1, 0, 0.0), (2, 0, 60.0)]
        assert outcomes(w) == ["unanswered", "accepted"]
        assert w.found(NoticeAnswered)[0].ms == 5000


@pytest.mark.parametrize(
    ("heard", "outcome"),
    [
        (Heard(200, "success"), "accepted"),
        (Heard(200, "<b>SUCCESS</b>\n"), "accepted"),
        (Heard(200, "fail"), "refused"),
        (Heard(200, ""), "refused"),
        (Heard(201, "success"), "refused"),
        (Heard(302, "success"), "refused"),
        (Heard(500, "success"), "refused"),
        (Heard(0, "ClientConnectorError"), "error"),
    ],
)
async def test_only_200_with_success_is_accepted(world: MakeWorld, heard: Heard, outcome: str) -> None:
    async with world() as w:
        w.shop = lambda letter: heard
        await w.paid()
        await w.settle()
        assert outcomes(w) == [outcome]


async def test_the_words_of_an_answer_are_cut_and_hold_no_secret(world: MakeWorld) -> None:
    async with world() as w:
        w.shop = lambda letter: Heard(200, f"key={KEY} " + "x" * 1000)
        await w.paid()
        await w.settle()
        words = w.found(NoticeAnswered)[0].words
        assert len(words) == 200
        assert words.startswith("key=*** x")


async def test_forgetting_drops_notices_that_are_due(world: MakeWorld) -> None:
    async with world() as w:
        w.shop = lambda letter: Heard(200, "fail")
        await w.paid()
        await w.settle()
        assert w.mock.forget() == {"notices": 1, "trades": 1}
        await w.move_to_s(1000)
        assert len(sent(w)) == 1
        assert w.mock.open_notices == 0


async def test_settling_goes_on_as_the_ladder_says(world: MakeWorld) -> None:
    async with world() as w:
        w.shop = lambda letter: Heard(500, "")
        await w.load().paid()
        await w.settle()
        w.mock.injector.begin(Phase.SETTLE)
        await w.move_to_s(1000)
        assert [n for n, _, _ in sent(w)] == [1, 2, 3]


# --- faults ------------------------------------------------------------------------------------------------------
async def test_a_lost_notice_is_seen_as_its_channel_sees_it(world: MakeWorld) -> None:
    async with world(a_fault("lost", "notice_lost", SHOP, first=1), timeout=5) as w:
        await w.load().paid()
        await w.move_to_s(100)
        assert sent(w) == [(1, 0, 0.0), (2, 0, 60.0)]
        assert outcomes(w) == ["unanswered", "accepted"]
        assert len(w.letters) == 1, "the first never left"
        (struck,) = w.found(Struck)
        assert (struck.fault, struck.hop, struck.operation, struck.attempt) == (
            "lost",
            "payment>shop/epay",
            Operation.NOTICE,
            1,
        )


async def test_a_late_notice_leaves_later(world: MakeWorld) -> None:
    async with world(a_fault("late", "notice_late", SHOP, params={"by": "3 s"})) as w:
        await w.load().paid()
        await w.move_to_s(10)
        assert sent(w) == [(1, 0, 3.0)]
        assert [s.changed for s in w.found(Struck)] == ["left 3000 ms later"]


async def test_a_renamed_field_is_rightly_signed(world: MakeWorld) -> None:
    async with world(a_fault("v2", "ver.renamed", SHOP)) as w:
        await w.load().paid()
        await w.settle()
        (told,) = w.notices()
        assert told["status"] == "TRADE_SUCCESS"
        assert "trade_status" not in told
        assert told == signed({k: v for k, v in told.items() if k not in ("sign", "sign_type")})
        assert len(w.found(Struck)) == 1


async def test_a_forged_notice_differs_in_nothing_but_its_signature(world: MakeWorld) -> None:
    async with world(a_fault("forged", "sig.wrong_peer_key", SHOP)) as w:
        await w.load().paid()
        await w.settle()
        (told,) = w.notices()
        right = signed({k: v for k, v in told.items() if k not in ("sign", "sign_type")})
        assert told["sign"] != right["sign"]
        assert told | {"sign": right["sign"]} == right
        assert [s.fault for s in w.found(Struck)] == ["forged"]


async def test_copies_share_number_decision_and_signature(world: MakeWorld) -> None:
    fault = a_fault("twice", "notice_repeat", SHOP, params={"copies": 2, "gap": "1 s"})
    async with world(fault) as w:
        await w.load().paid()
        await w.move_to_s(100)
        assert sent(w) == [(1, 0, 0.0), (1, 1, 1.0), (1, 2, 2.0)]
        assert len({letter.url for letter in w.letters}) == 1
        assert [(e.n, e.copy, e.outcome) for e in w.found(NoticeAnswered)] == [(1, i, "accepted") for i in range(3)]
        assert [(s.fault, s.attempt) for s in w.found(Struck)] == [("twice", 1)]


async def test_copies_without_a_gap_leave_at_the_same_moment(world: MakeWorld) -> None:
    async with world(a_fault("twice", "notice_repeat", SHOP)) as w:
        await w.load().paid()
        await w.settle()
        assert sent(w) == [(1, 0, 0.0), (1, 1, 0.0)]


async def test_healing_keeps_back_copies_not_yet_sent(world: MakeWorld) -> None:
    async with world(a_fault("twice", "notice_repeat", SHOP, params={"copies": 1, "gap": "5 s"})) as w:
        await w.load().paid()
        await w.move_to_s(1)
        w.mock.injector.begin(Phase.HEAL)
        await w.move_to_s(100)
        assert sent(w) == [(1, 0, 0.0)]
        assert not w.found(Struck)


async def test_healing_lets_a_late_notice_go(world: MakeWorld) -> None:
    async with world(a_fault("late", "notice_late", SHOP, params={"by": "8 s"})) as w:
        await w.load().paid()
        await w.move_to_s(2)
        w.mock.injector.begin(Phase.HEAL)
        await w.settle()
        assert sent(w) == [(1, 0, 2.0)]
        assert [s.changed for s in w.found(Struck)] == ["left 2000 ms later"]


async def test_notice_faults_that_meet_take_effect_in_the_fixed_order(world: MakeWorld) -> None:
    faults = [
        a_fault("twice", "notice_repeat", SHOP),
        a_fault("forged", "sig.wrong_peer_key", SHOP),
        a_fault("v2", "ver.renamed", SHOP),
        a_fault("late", "notice_late", SHOP, params={"by": "1 s"}),
    ]
    async with world(*faults) as w:
        await w.load().paid()
        await w.move_to_s(2)
        assert [s.fault for s in w.found(Struck)] == ["late", "v2", "forged", "twice"]


async def test_of_a_lost_notice_nothing_else_is_struck(world: MakeWorld) -> None:
    faults = [
        a_fault("twice", "notice_repeat", SHOP),
        a_fault("v2", "ver.renamed", SHOP),
        a_fault("lost", "notice_lost", SHOP),
    ]
    async with world(*faults) as w:
        await w.load().paid()
        await w.settle()
        assert [s.fault for s in w.found(Struck)] == ["lost"]
        assert not w.letters


async def test_each_trade_numbers_its_own_notices(world: MakeWorld) -> None:
    async with world(a_fault("lost", "notice_lost", SHOP, first=1, rate=Share(1.0))) as w:
        w.load()
        await w.paid(1)
        await w.paid(2, param="b00000001")
        await w.settle()
        assert [(s.o, s.attempt) for s in w.found(Struck)] == [("b00000001", 1)] * 2

"""Notices: when they leave, how they end, and what each fault does to them."""

from hashlib import md5
from typing import Any

import pytest

from faults.decide import Exchange
from faults.verdict import Kill, Strike
from ledger.clock import SECOND_NS
from ledger.events import NoticeAnswered, NoticeSent, Struck
from ledger.states import Hop, Operation, Phase
from mocks.post import Heard
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


async def test_a_notice_that_was_late_when_faults_ended_leaves_as_it_should(world: MakeWorld) -> None:
    faults = [a_fault("late", "notice_late", SHOP, params={"by": "8 s"}), a_fault("lost", "notice_lost", SHOP)]
    async with world(*faults) as w:
        await w.load().paid()
        await w.move_to_s(2)
        w.mock.injector.begin(Phase.HEAL)
        await w.settle()
        assert outcomes(w) == ["accepted"]
        assert [s.fault for s in w.found(Struck)] == ["late"]


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


# --- fields that are missing or wrong ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fault", "params", "gone", "there"),
    [
        ("notice_stripped", {}, {"param"}, {}),
        ("notice_stripped", {"fields": ["name", "type"]}, {"name", "type"}, {}),
        ("notice_stripped", {"how": "emptied"}, set(), {"param": ""}),
        ("notice_stripped", {"how": "renamed"}, {"param"}, {"param_v2": "b00000001@buyers.example"}),
        ("amount_off", {"fen": -1}, set(), {"money": "9.99"}),
        ("amount_off", {"fen": 250}, set(), {"money": "12.50"}),
        ("ver.missing_field", {"field": "trade_no"}, {"trade_no"}, {}),
        ("ver.enum_changed", {}, set(), {"trade_status": "TRADE_FINISHED"}),
        ("ver.cents_vs_yuan", {}, set(), {"money": "1000"}),
    ],
)
async def test_a_mangled_notice_is_rightly_signed_and_differs_in_nothing_else(
    world: MakeWorld, fault: str, params: dict[str, Any], gone: set[str], there: dict[str, str]
) -> None:
    async with world(a_fault("it", fault, SHOP, params=params)) as w:
        await w.paid()
        await w.settle()
        await w.load().paid()  # the same order again: paid already, no second notice
        (right,) = w.notices()
        await w.paid(2, param="b00000001@buyers.example")
        await w.settle()
        told = w.notices()[1]
        assert {k: told.get(k, "") for k in there} == there
        assert not gone & told.keys()
        kept = right.keys() - gone - there.keys() - {"sign", "trade_no", "out_trade_no"}
        assert {k: told[k] for k in kept} == {k: right[k] for k in kept}
        assert told == signed({k: v for k, v in told.items() if k not in ("sign", "sign_type")})
        assert [s.fault for s in w.found(Struck)] == ["it"]


async def test_fields_that_are_not_there_strike_nothing(world: MakeWorld) -> None:
    faults = [
        a_fault("it", "notice_stripped", SHOP, params={"fields": ["buyer"]}),
        a_fault("code", "ver.missing_field", SHOP, params={"field": "code"}),
    ]
    async with world(*faults) as w:
        await w.load().paid()
        await w.settle()
        assert not w.found(Struck)


# --- signatures --------------------------------------------------------------------------------------------------
def gbk_signature(fields: dict[str, str]) -> str:
    text = "&".join(f"{k}={v}" for k, v in sorted(fields.items()) if v and k not in ("sign", "sign_type"))
    return md5((text + KEY).encode("gbk")).hexdigest()


async def test_a_notice_is_wrongly_signed_in_the_way_of_the_fault(world: MakeWorld) -> None:
    async with world(a_fault("gbk", "sig.charset_gbk", SHOP)) as w:
        await w.load().paid()
        await w.settle()
        (told,) = w.notices()
        assert told["sign"] == gbk_signature(told)
    async with world(a_fault("case", "sig.case", SHOP)) as w:
        await w.load().paid()
        await w.settle()
        (told,) = w.notices()
        assert told["sign"] == signed({k: v for k, v in told.items() if k not in ("sign", "sign_type")})["sign"].upper()
    async with world(a_fault("missing", "sig.missing", SHOP)) as w:
        await w.load().paid()
        await w.settle()
        (told,) = w.notices()
        assert "sign" not in told
        assert told["sign_type"] == "MD5"


@pytest.mark.parametrize(
    ("fault", "changed", "strikes"),
    [
        ("sig.charset_gbk", {"name": "card"}, False),
        ("sig.charset_gbk", {}, True),
        ("sig.empty_kept", {}, False),
    ],
)
async def test_another_rule_strikes_only_where_the_signature_differs(
    world: MakeWorld, fault: str, changed: dict[str, Any], strikes: bool
) -> None:
    async with world(a_fault("it", fault, SHOP)) as w:
        await w.load().paid(**changed)
        await w.settle()
        assert len(w.found(Struck)) == strikes


async def test_an_emptied_field_is_signed_by_a_channel_that_keeps_empty_ones(world: MakeWorld) -> None:
    faults = [
        a_fault("kept", "sig.empty_kept", SHOP),
        a_fault("emptied", "notice_stripped", SHOP, params={"how": "emptied"}),
    ]
    async with world(*faults) as w:
        await w.load().paid()
        await w.settle()
        assert [s.fault for s in w.found(Struck)] == ["emptied", "kept"]
        (told,) = w.notices()
        assert told["sign"] != signed({k: v for k, v in told.items() if k not in ("sign", "sign_type")})["sign"]


# --- at the same moment ------------------------------------------------------------------------------------------
def together(n: int = 3, within: str = "5 s", **more: Any) -> Any:
    return a_fault("batch", "notice_together", SHOP, params={"n": n, "within": within}, **more)


async def test_first_notices_of_one_product_leave_at_the_moment_the_last_of_them_is_there(world: MakeWorld) -> None:
    async with world(together()) as w:
        w.load()
        for n in range(1, 4):
            await w.paid(n)
            if n < 3:
                await w.move_to_s(n)
                assert sent(w) == []
        await w.settle()
        assert [s for _, _, s in sent(w)] == [2.0, 2.0, 2.0]
        assert {(s.o, s.changed) for s in w.found(Struck)} == {
            ("b00000001", "held 2000 ms, left with 2 others"),
            ("b00000002", "held 1000 ms, left with 2 others"),
            ("b00000003", "held 0 ms, left with 2 others"),
        }


async def test_who_waits_for_too_few_leaves_when_the_time_is_over_and_the_next_begins_anew(world: MakeWorld) -> None:
    async with world(together(within="2 s")) as w:
        w.load()
        await w.paid(1)
        await w.move_to_s(1)
        await w.paid(2)
        await w.move_to_s(3)
        assert [s for _, _, s in sent(w)] == [2.0, 2.0]
        await w.paid(3)
        await w.move_to_s(9)
        assert [s for _, _, s in sent(w)] == [2.0, 2.0, 5.0]
        assert [s.changed for s in w.found(Struck)][-1] == "held 2000 ms, left with 0 others"


async def test_products_are_gathered_apart(world: MakeWorld) -> None:
    async with world(together(n=2)) as w:
        w.load()
        await w.paid(1, name="card_10")
        await w.paid(2, name="card_50")
        await w.move_to_s(1)
        assert sent(w) == []
        await w.paid(3, name="card_50")
        await w.settle()
        assert {e.o for e in w.found(NoticeSent)} == {"b00000002", "b00000003"}


async def test_four_of_two_are_two_batches(world: MakeWorld) -> None:
    async with world(together(n=2)) as w:
        w.load()
        for n in range(1, 5):
            await w.paid(n)
            await w.move_to_s(n)
        assert [s for _, _, s in sent(w)] == [1.0, 1.0, 3.0, 3.0]


async def test_only_first_notices_are_held(world: MakeWorld) -> None:
    async with world(together(n=2, within="1 s")) as w:
        w.shop = lambda letter: Heard(500, "")
        await w.load().paid(1)
        await w.move_to_s(9)
        assert sent(w) == [(1, 0, 1.0)]
        await w.move_to_s(59.5)
        w.mock.injector.renew()
        await w.move_to_s(61)
        assert sent(w) == [(1, 0, 1.0), (2, 0, 60.0)]
        assert len(w.found(Struck)) == 1


async def test_healing_lets_all_that_are_held_go_at_once(world: MakeWorld) -> None:
    async with world(together(n=10, within="9 s")) as w:
        w.load()
        for n in range(1, 5):
            await w.paid(n)
        await w.move_to_s(1)
        w.mock.injector.begin(Phase.HEAL)
        await w.settle()
        assert [s for _, _, s in sent(w)] == [1.0] * 4
        assert len(w.found(Struck)) == 4
        assert w.mock.open_notices == 0


async def test_forgetting_drops_those_that_are_held(world: MakeWorld) -> None:
    async with world(together(n=3)) as w:
        w.load()
        await w.paid(1)
        await w.paid(2)
        await w.settle()
        w.mock.forget()
        await w.paid(3)
        await w.move_to_s(4.9)
        assert sent(w) == [], "the two that were dropped are not counted"
        await w.move_to_s(5)
        assert [e.o for e in w.found(NoticeSent)] == ["b00000003"]


# --- told of an acknowledgement ----------------------------------------------------------------------------------
Told = list[tuple[Strike, Exchange, str | None, int]]


def listening(w: World) -> Told:
    """What the harness would be told of: the fault, the exchange, the order, and how often the shop had answered."""
    told: Told = []

    def signal(strike: Strike, exchange: Exchange, o: str | None) -> None:
        told.append((strike, exchange, o, len(w.found(NoticeAnswered))))

    w.mock.notices._signal = signal
    return told


def kill(**more: Any) -> Any:
    return a_fault("kill", "shop_kill", SHOP, layer="house", params={"after_ack": "0 ms..50 ms"}, **more)


async def test_the_harness_is_told_of_a_struck_notice_as_soon_as_it_is_acknowledged(world: MakeWorld) -> None:
    async with world(kill()) as w:
        told = listening(w)
        await w.load().paid()
        await w.settle()
        ((strike, exchange, o, answered),) = told
        assert isinstance(strike.effect, Kill)
        assert strike.effect.after_ack_s is not None
        assert 0 <= strike.effect.after_ack_s < 0.05
        assert (exchange.hashed_hop, exchange.operation, exchange.attempt, o) == (
            "payment>shop/epay",
            Operation.NOTICE,
            1,
            "b00000001",
        )
        assert answered == 1
        assert not w.found(Struck), "who kills it says that it was killed"


@pytest.mark.parametrize("heard", [Heard(200, "fail"), Heard(500, "success"), Heard(0, "ConnectionReset")])
async def test_a_notice_that_is_not_acknowledged_kills_nobody(world: MakeWorld, heard: Heard) -> None:
    async with world(kill()) as w:
        told = listening(w)
        w.shop = lambda letter: heard
        await w.load().paid()
        await w.settle()
        assert not told


async def test_copies_of_a_notice_tell_once(world: MakeWorld) -> None:
    async with world(kill(), a_fault("twice", "notice_repeat", SHOP, params={"copies": 3})) as w:
        told = listening(w)
        await w.load().paid()
        await w.settle()
        assert len(sent(w)) == 4
        assert len(told) == 1


async def test_nobody_is_told_of_a_notice_that_was_not_struck(world: MakeWorld) -> None:
    async with world(kill(first=1, rate=Share(0.0))) as w:
        told = listening(w)
        await w.load().paid()
        await w.settle()
        assert not told

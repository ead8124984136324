from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from ledger.rundir import RunDir
from ledger.states import Code, State
from plan import run as plans
from plan.causes import JUDGED_AS, MULTIPLE, NOT_STUCK, STRANDS_NOBODY, UNKNOWN, Cause
from plan.run import UpstreamPlan
from plan.units import BusinessTime
from reports import analysis
from reports.analysis import Analysis
from reports.causes.around import Buyers, Queue, Times, streaks
from reports.causes.evidence import Evidence, Notices
from reports.causes.judge import NONE, RULES, first_rule
from reports.findings import Confused
from reports.measure.lasthop import HOPS
from reports.measure.load import Requests
from reports.write.orders import columns
from tests.reports.conftest import NewRun, OrderMaker, RunMaker, fault, ns

NAN = float("nan")
UPSTREAMS = {
    "epay": UpstreamPlan("payment", "epay", (BusinessTime(60), BusinessTime(180))),
    "cheap": UpstreamPlan("supplier", "sharedstore", ()),
}


# --- the rules, one by one ---------------------------------------------------------------------------------------
def told(**given: Any) -> dict[str, Any]:
    return {"first_s": 1.0, "sent": 1, "failed_from_s": 1.0, "failed_to_s": 1.0, "others": 9, **given}


def evidence(**given: Any) -> Evidence:
    """One entry: paid at 1 s, the shop knew at 1.1 s and its page at 1.2 s, looked at at 5 s. With `pay`, it knew
    nothing but what these notices say."""
    row: dict[str, Any] = {"captured_s": 1.0, "at_s": 5.0, "tells": True, "yuan": "¥10.00", "product": "card_10"}
    row |= {"is_vouched": True, "pause_s": 0.0, "place_failed": 0.0, "read_failed": 0.0, "upstream": "cheap"}
    row |= {} if "pay" in given else {"known_s": 1.1, "page_paid_s": 1.2}
    made: Evidence = _made(Evidence, row | given)
    return made


def _made(kind: type[Any], row: dict[str, Any]) -> Any:
    made: dict[str, Any] = {}
    for name, column in kind.__annotations__.items():
        if column is Notices:
            made[name] = _made(Notices, row.get(name, {}))
        elif "object_" in str(column):
            made[name] = np.array([row.get(name, "")], dtype=object)
        else:
            blank = NAN if "float64" in str(column) else "numpy.bool" not in str(column) and 0
            made[name] = np.array([row.get(name, blank)])
    return kind(**made)


def ruled(**given: Any) -> str:
    number = int(first_rule(evidence(**given))[0])
    return "" if number == NONE else RULES[number].name


LOST, NO = Code.UPSTREAM_UNKNOWN_RESULT, Code.UPSTREAM_REFUSED
SOLD = {"asked_s": 1.2, "asked": 1, "sold_s": 1.2}
TAKEN = {**SOLD, "taken_s": 1.2, "sold_s": 1.4}
REFUSED = {"asked_s": 1.2, "asked": 1, "refused_s": 1.2}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"ended_s": 0.9}, "ended before it was paid"),
        ({"ended_s": 1.1, "pay": told(unanswered=1)}, "notice lost"),
        ({"pay": told(refused=1, status=200), "code": Code.PAY_AMOUNT_MISMATCH}, "amount refused"),
        ({"pay": told(refused=1, status=200), "code": Code.NOTICE_BAD_SIGNATURE}, "notice refused: signature"),
        ({"pay": told(refused=1, status=400, words="invalid SIGN")}, "notice refused: signature"),
        ({"pay": told(refused=1, status=200, words="fail")}, "notice not understood"),
        ({"pay": told(refused=1, status=200), "tells": False}, ""),
        ({"pay": told(refused=1, status=500), "sealed": True}, ""),
        ({"pay": told(refused=1, status=200, others=0)}, ""),
        ({"pay": told(unanswered=1, down_s=2)}, "shop away when told"),
        ({"pay": told(unanswered=1, down_s=2, during=3)}, "notice lost"),
        ({"pay": told(unanswered=1, down_s=2, broken=1)}, "notice lost"),
        ({"pay": told(errors=1, down_s=1)}, "shop away when told"),
        ({"pay": told(refused=1, status=503), "place_failed": 0.5, "read_failed": 0.4},
         "shop failed when told: database link"),
        ({"pay": told(refused=1, status=503), "place_failed": 0.5}, "shop failed when told: database"),
        ({"pay": told(errors=1, others=0)}, "no connection to tell"),
        ({"pay": told(errors=1)}, "notice lost"),
        ({"pay": told(unanswered=1)}, "notice lost"),
        ({"pay": told(unanswered=1, others_wait_s=0.8)}, "shop slow when told"),
        ({"pay": {}}, "notice not sent"),
        ({"pay": told(accepted_s=6.0), "known_s": 6.0}, "notice under way"),
        ({"pay": told(accepted_s=6.0), "known_s": 6.0, "down_s": 3}, "shop away while it was told"),
        ({"code": Code.IDENTIFIERS_MISSING}, "goods not named"),
        ({"code": Code.UPSTREAM_OVERLOADED, "wait_s": 0.2}, "request not let in"),
        ({"code": Code.UPSTREAM_OVERLOADED, "wait_s": 0.0}, "refused in front"),
        ({"code": Code.UPSTREAM_OVERLOADED, "wait_s": 0.2, "pay": told(others_wait_s=0.1), "known_s": 1.1},
         "refused in front"),
        ({"code": NO, "streak": 3}, "refused in front"),
        ({"code": NO, "streak": 9}, "nothing arrived for a while"),
        ({"code": Code.UPSTREAM_VERSION}, "answered by something else"),
        ({"code": Code.UPSTREAM_BAD_SIGNATURE}, "request not taken as signed"),
        ({"code": Code.UPSTREAM_TIMEOUT}, "no answer in time"),
        ({"code": LOST, "code_s": 1.2}, "request lost"),
        ({"code": LOST, "code_s": 9.0, "pause_s": 4.0}, "request into silence"),
        ({"down_s": 2}, "shop away after it knew"),
        ({"place_failed": 0.5, "page_paid_s": NAN}, "database failed"),
        ({"place_failed": 0.5, "read_failed": 0.5}, "database link failed"),
        ({"place_failed": 0.05, "page_paid_s": NAN}, ""),
        ({"pause_s": 2.0}, ""),
        ({"pause_s": 2.0, "asked_s": 5.5}, "behind a slow one"),
        ({"pause_s": 2.0, "beside": 2}, "behind a slow one"),
        ({"pause_s": 2.0, "beside": 2, "overtaken": 1}, ""),
        ({"pause_s": 2.0, "beside": 2, "overtaken": 3}, "left out"),
        ({"overtaken": 3, "tells": False}, ""),
        ({"pause_s": 2.0, "beside": 2, "tells": False}, ""),
        ({"pause_s": 0.5, "typical_s": 0.2, "ahead": 60, "asked_s": 5.5}, "behind a slow one"),
        ({"pause_s": 0.5, "typical_s": 0.5, "ahead": 8, "asked_s": 5.5}, "in a queue"),
        ({"pause_s": 0.5, "typical_s": 0.5, "ahead": 1, "asked_s": 5.5}, ""),
        ({"pause_s": 2.0, "is_vouched": False, "asked_s": 5.5}, ""),
        ({**SOLD, "asked_s": 4.9, "sold_s": 4.9, "pause_s": 0.5, "typical_s": 0.5, "ahead": 8}, "in a queue"),
        ({**REFUSED, "refusal": Code.GOODS_SOLD_OUT}, "sold out"),
        ({**REFUSED, "refusal": Code.UPSTREAM_BAD_SIGNATURE}, "request refused: signature"),
        ({**REFUSED, "refusal": Code.UPSTREAM_VERSION}, "request refused: version"),
        ({**REFUSED, "refusal": Code.GOODS_UNKNOWN}, "request refused: goods unknown"),
        ({**REFUSED, "refusal": Code.UPSTREAM_OVERLOADED}, "request refused: too busy"),
        ({**REFUSED, "refusal": Code.ACCOUNT_INVALID}, "no such account"),
        ({**REFUSED, "refusal": Code.REGION_MISMATCH, "is_topup": True}, "refused by the game server"),
        ({**REFUSED, "refusal": NO, "is_topup": True, "said": "INSUFFICIENT BALANCE"}, "refused by the supplier"),
        ({**REFUSED, "refusal": NO}, "refused by the supplier"),
        ({**REFUSED, "refusal": NO, "taken_s": 1.2, "refused_s": 2.0}, "taken on, then failed"),
        ({**REFUSED, "refusal": NO, "taken_s": 1.2, "refused_s": 2.0, "asked": 2}, "taken on for ever"),
        ({**SOLD, "is_done": True}, "delivered nothing"),
        ({**TAKEN, "told": told(refused=1, status=401)}, "told of goods: signature"),
        ({**TAKEN, "told": told(errors=1, down_s=1)}, "shop away when told of goods"),
        ({**TAKEN, "told": told(errors=1, down_s=1, during=1), "down_s": 1}, "notice of goods lost"),
        ({**TAKEN, "told": told(unanswered=2)}, "notice of goods lost"),
        ({**TAKEN, "told": told(refused=1, status=422)}, "notice of goods not understood"),
        ({**SOLD, "code": Code.UPSTREAM_VERSION}, "answer not readable"),
        ({**SOLD, "code": NO, "code_s": 1.3}, "answer misread"),
        ({**SOLD, "code": Code.UPSTREAM_BAD_SIGNATURE}, "answer not taken as signed"),
        ({**SOLD, "down_s": 1}, "shop away after it had asked"),
        ({**SOLD, "place_failed": 0.5, "read_failed": 0.5}, "database link failed while it was asked"),
        ({**SOLD, "place_failed": 0.5}, "database failed while it was asked"),
        (SOLD, "answer late"),
        ({**SOLD, "code": LOST, "code_s": 1.3}, "answer lost"),
        ({**SOLD, "code": LOST, "code_s": 4.0}, "answer late"),
        ({**SOLD, "tells": False}, ""),
        ({**SOLD, "sold_s": NAN, "tells": False}, ""),
        ({**TAKEN, "sold_s": NAN}, "taken on for ever"),
        ({**TAKEN, "sold_s": 6.0}, "taken on for long"),
    ],
)  # fmt: skip
def test_the_first_rule_that_fits_the_evidence_names_the_cause(given: dict[str, Any], name: str) -> None:
    assert ruled(**given) == name


def test_every_rule_can_decide_and_says_in_both_languages_what_it_saw() -> None:
    row = evidence().row(0)
    assert len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        said = rule.why(row)
        assert said.en
        assert said.zh != said.en
        assert not {"nan", "{", "}"} & {*said.en.split(), *said.en, *said.zh}, rule.name
    reached = {case[1] for case in _cases()}
    assert {rule.name for rule in RULES} <= reached


def _cases() -> list[tuple[dict[str, Any], str]]:
    (mark,) = vars(test_the_first_rule_that_fits_the_evidence_names_the_cause)["pytestmark"]
    return list(mark.args[1])


def test_a_number_that_is_not_known_is_a_dash_and_no_number() -> None:
    lost = next(rule for rule in RULES if rule.name == "answer lost")
    assert "since – s" in lost.why(evidence(**SOLD).row(0)).en


def test_every_cause_is_found_by_a_rule_or_judged_as_one_that_is_or_strands_nobody() -> None:
    by_rules = {rule.cause for rule in RULES}
    assert by_rules | set(JUDGED_AS) | set(STRANDS_NOBODY) == set(Cause)
    assert not by_rules & (set(JUDGED_AS) | set(STRANDS_NOBODY))
    assert set(JUDGED_AS.values()) <= by_rules


# --- everybody else ----------------------------------------------------------------------------------------------
def test_attempts_that_fail_in_a_row_are_a_streak() -> None:
    ok = np.array([True, False, False, True, False, False, False])
    assert streaks(np.arange(7.0), ok).tolist() == [0, 2, 2, 0, 3, 3, 3]
    assert streaks(np.arange(7.0)[::-1].copy(), ok).tolist() == [0, 2, 2, 0, 3, 3, 3]
    assert streaks(np.zeros(0), np.zeros(0, dtype=bool)).tolist() == []


def test_the_longest_pause_of_a_wait_is_that_of_its_own_product() -> None:
    asked = np.array([1.0, 2.0, 5.0, 6.0, 3.0, NAN])
    known = np.array([0.5, 1.0, 1.5, 5.5, 2.0, 1.0])
    queue = Queue(np.array([*["a"] * 4, "b", "a"], dtype=object), known, asked)
    who, low, high = (
        np.array(["a", "a", "a", "b", "c"], dtype=object),
        np.array([0.5, 2.5, 5.5, 0.0, 1.0]),
        np.full(5, 7.0),
    )
    found = queue.waits(who, low, high)
    assert found.ahead.tolist() == [4, 2, 1, 1, 0]
    assert found.longest.tolist() == [3.0, 2.5, 1.0, 4.0, 6.0]
    assert found.beside.tolist() == [0, 0, 0, 0, 0]
    assert found.overtaken.tolist() == [3, 1, 0, 1, 0]
    early = queue.waits(who[:1], np.array([1.0]), np.array([1.6]))
    assert (early.beside.tolist(), early.ahead.tolist()) == ([2], [1])


@pytest.mark.parametrize("n", [2, 3, 17, 200])
def test_the_longest_pause_is_what_looking_at_every_gap_gives(n: int) -> None:
    t = np.cumsum([(7 * k * k) % 11 + 1.0 for k in range(n)])
    low, high = np.repeat(np.linspace(0, t[-1], 9), 9), np.tile(np.linspace(0, t[-1] + 5, 9), 9)
    low, high = low[low < high], high[low < high]
    queue = Queue(np.full(n, "a", dtype=object), t, t)
    gaps = [np.diff([a, *t[(t >= a) & (t <= b)], b]) for a, b in zip(low, high, strict=True)]
    found = queue.waits(np.full(len(low), "a", dtype=object), low, high)
    assert np.allclose(found.longest, [gap.max() for gap in gaps])
    assert np.allclose(found.typical, [(gap**2).sum() / gap.sum() for gap in gaps])


def test_moments_are_counted_within_a_span_and_never_beside_one_that_is_unknown() -> None:
    times = Times(np.array([1.0, 2.0, 2.0, 3.0]))
    assert times.within(np.array([2.0, 0.0, NAN]), np.array([3.0, 1.5, 3.0])).tolist() == [3, 1, 0]


Seconds = list[tuple[float, dict[str, int]]]


def buyers(*seconds: tuple[float, dict[str, int]]) -> Buyers:
    """Ten pages read in each of these seconds, and what was wrong with them; the run lasts 9 s."""
    made = Requests(
        name=["poll"] * len(seconds), t=np.array([ns(t) for t, _ in seconds], dtype=float),
        count=np.full(len(seconds), 10), errors=np.zeros(len(seconds), dtype=int),
        late=np.zeros(len(seconds), dtype=int), buckets=[], why=[why for _, why in seconds], edges=[],
    )  # fmt: skip
    return Buyers.of(made, float(ns(0.5)), float(ns(9)))


@pytest.mark.parametrize(
    ("seconds", "down"),
    [
        ([(1, {}), (2, {"connection refused": 9}), (3, {})], [2]),
        ([(1, {}), (2, {"timeout": 1}), (3, {})], []),
        ([(1, {}), (2, {"status 503": 10}), (3, {})], []),
        ([(1, {}), (5, {}), (6, {})], [2, 3, 4]),
        ([(1, {}), (3, {}), (4, {})], []),
        ([(5, {}), (6, {})], []),
        ([], []),
    ],
)
def test_the_shop_is_away_where_nobody_is_answered_who_was_before_and_is_again(
    seconds: Seconds, down: list[int]
) -> None:
    found = buyers(*seconds)
    low, high = (np.array([ns(s + part) for s in range(9)], dtype=float) for part in (0.1, 0.9))
    assert (np.flatnonzero(found.count(found.down, low, high)) + 1).tolist() == down


def test_errors_of_the_shop_are_counted_in_the_seconds_that_a_span_touches() -> None:
    found = buyers((1, {}), (2, {"status 503: away": 4}), (3, {"status 404": 2}))
    low, high = np.array([0.2, 1.5, 2.5, NAN]) * 1e9, np.array([0.9, 2.5, 9.0, 3.0]) * 1e9
    assert found.count(found.read_failed, low, high).tolist() == [0, 4, 0, 0]


# --- whole runs --------------------------------------------------------------------------------------------------
def analysed(run: RunDir) -> Analysis:
    return analysis.analysed(run, plans.load(run.plan))


def stuck(run: RunMaker, n: int, state: State, code: Code | None = None, at: float = 11.0) -> OrderMaker:
    """Paid, told of at once, and on its page ever since in this state."""
    order = run.order(n).placed(at).seen(State.PAYING, at + 0.2).captured(at + 1).notice(at + 1.1)
    order.seen(state, at + 1.2, code=code).seen(state, run.end_s - 0.1, code=code, final=True)
    return order.booked(state, code=code)


Story = Callable[[RunMaker], object]
STORIES: dict[str, tuple[Story, str, str]] = {
    "no notice was answered": (
        lambda run: run.order(0).sleeping().notice(12.1, outcome="unanswered"), Cause.LOST_NOTICE, "notice"),
    "refused, and the page says why": (
        lambda run: run.order(0).placed(11).seen(State.PAYING, 11.2).captured(12).notice(12.1, outcome="refused")
        .seen(State.PAYING, 12.2, code=Code.NOTICE_BAD_SIGNATURE).seen(State.PAYING, run.end_s - 0.1, final=True),
        Cause.SIGNATURE, "notice"),
    "asked for nothing the upstream knows of": (
        lambda run: stuck(run, 0, State.RECHARGING, LOST), Cause.LOST_REQUEST, "asked"),
    "sold, and the shop heard nothing": (
        lambda run: stuck(run, 0, State.RECHARGING, LOST).requested(12.15).sold(12.15, "card-x"),
        Cause.LOST_ANSWER, "goods"),
    "taken on and never heard of again": (
        lambda run: stuck(run, 0, State.RECHARGING).requested(12.15).taken(12.15), Cause.SUPPLIER_REFUSED, "sold"),
    "paid after the page had expired": (
        lambda run: run.order(0).placed(11).seen(State.PAYING, 11.2).seen(State.EXPIRED, 14).captured(15).notice(15.1)
        .booked(State.EXPIRED), Cause.LATE_PAYMENT, "page_paid"),
    "completed with nothing": (
        lambda run: run.order(0).placed(11).seen(State.PAYING, 11.2).captured(12).notice(12.1).requested(12.2)
        .seen(State.COMPLETED, 12.4).booked(State.COMPLETED), Cause.EMPTY_GOODS, "taken"),
    "known, and then nothing at all": (
        lambda run: stuck(run, 0, State.PAID), UNKNOWN, "asked"),
}  # fmt: skip


@pytest.mark.parametrize("name", STORIES)
def test_an_order_is_put_down_to_what_its_story_tells(name: str, new_run: NewRun) -> None:
    story, cause, hop = STORIES[name]
    run = new_run(3, upstreams=UPSTREAMS)
    story(run)
    for n in (1, 2):
        run.order(n).happy().requested(12.15, no=f"R{n}").sold(12.2, f"card-{n}", no=f"R{n}")
    found = analysed(run.write())
    assert set(found.attributed) == {0}
    assert (found.attributed[0].cause, found.attributed[0].hop) == (cause, hop)
    assert [(row.cause, row.orders, row.hops) for row in found.findings.causes.rows] == [(cause, 1, {hop: 1})]


def test_an_order_that_stood_still_twice_for_different_reasons_has_both(new_run: NewRun) -> None:
    run = new_run(2, upstreams=UPSTREAMS)
    order = run.order(0).placed(11).seen(State.PAYING, 11.2).captured(12).notice(12.1, outcome="unanswered")
    order.notice(20, n=2).seen(State.RECHARGING, 20.1, code=LOST).requested(20.05).sold(20.05, "card-x")
    order.seen(State.RECHARGING, run.end_s - 0.1, final=True, code=LOST).booked(State.RECHARGING, code=LOST)
    run.order(1).happy().requested(12.15, no="R1").sold(12.2, "card-1", no="R1")
    found = analysed(run.write())
    assert found.attributed[0].cause == MULTIPLE
    assert found.attributed[0].also == (Cause.LOST_NOTICE, Cause.LOST_ANSWER)
    assert "; later: cheap sold at 10.1 s" in found.attributed[0].why.en
    assert "；后来：" in found.attributed[0].why.zh
    assert found.attributed.cause.tolist() == [found.attributed[i].cause for i in found.attributed] == [MULTIPLE]
    assert found.findings.causes.rows[0].cause == MULTIPLE
    assert [(f.state, f.cause, f.outcome) for f in found.findings.causes.flows] == [("paying", MULTIPLE, "open")]


def mixed_run(new_run: NewRun) -> RunMaker:
    """Two lost notices, a lost answer, one for which no rule fits, and one happy order; each was struck."""
    run = new_run(5, upstreams=UPSTREAMS, faults=(fault("lost"), fault("odd", (1.0, 2.0))))
    for n in (0, 1):
        run.order(n).sleeping().notice(12.1, outcome="unanswered").struck("lost", 12.1)
    stuck(run, 2, State.RECHARGING, LOST).requested(12.15).sold(12.15, "card-x").struck("odd", 12.15)
    stuck(run, 3, State.PAID).struck("odd", 12.15)
    run.order(4).happy().requested(12.15, no="R4").sold(12.2, "card-4", no="R4")
    return run


def test_the_excess_of_all_causes_is_that_of_all_orders(new_run: NewRun) -> None:
    found = analysed(mixed_run(new_run).write())
    rows = found.findings.causes.rows
    assert [(row.cause, row.orders) for row in rows] == [(Cause.LOST_NOTICE, 2), (UNKNOWN, 1), (Cause.LOST_ANSWER, 1)]
    assert sum(row.excess_s for row in rows) == pytest.approx(float(found.basis.excess_s.sum()))
    assert sum(row.share or 0 for row in rows) == pytest.approx(1)
    assert found.findings.causes.judged == 4
    assert all((row.lo or 0) < (row.share or 0) < (row.hi or 0) for row in rows)


def test_what_was_broken_on_purpose_changes_no_byte_of_the_causes(new_run: NewRun) -> None:
    run = mixed_run(new_run).write()
    before = analysed(run)
    for path in run.journals():
        if path not in run.journals(struck=False):
            path.unlink()
    run.seal()
    plans.save(msgspec.structs.replace(plans.load(run.plan), faults=()), run.plan)
    after = analysed(run)
    assert [row.stuck for row in before.findings.struck.faults] == [2, 2]
    assert not after.findings.struck.faults
    found = {Cause.LOST_NOTICE: 2, UNKNOWN: 1, Cause.LOST_ANSWER: 1}
    assert before.findings.struck.confused == [Confused("payment callback lost", found)]
    assert after.findings.struck.confused == [Confused(NOT_STUCK, found)]
    assert msgspec.json.encode(after.findings.causes) == msgspec.json.encode(before.findings.causes)
    assert dict(after.attributed) == dict(before.attributed)


def test_without_books_causes_are_missed_but_none_is_made_up(new_run: NewRun) -> None:
    run = mixed_run(new_run)
    run.events["harness"] = [event for event in run.events["harness"] if "Booked" not in type(event).__name__]
    found = analysed(run.write()).attributed
    assert [found[i].cause for i in sorted(found)] == [Cause.LOST_NOTICE] * 2 + [Cause.LOST_ANSWER, UNKNOWN]


def test_a_run_in_which_nothing_is_wrong_needs_no_cause(new_run: NewRun) -> None:
    run = new_run(3)
    for n in range(3):
        run.order(n).happy()
    found = analysed(run.write())
    assert not found.attributed
    assert (found.findings.causes.judged, found.findings.causes.rows) == (0, [])


def test_the_table_of_orders_names_cause_and_missing_hop_of_those_that_need_one(new_run: NewRun) -> None:
    table = columns(analysed(mixed_run(new_run).write()))
    assert table["cause"].tolist() == [Cause.LOST_NOTICE] * 2 + [Cause.LOST_ANSWER, UNKNOWN, ""]
    assert table["first_missing_hop"].tolist() == ["notice", "notice", "goods", "asked", ""]
    assert set(table["first_missing_hop"]) <= {*HOPS, ""}

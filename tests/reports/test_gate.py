import pytest

from plan.gates import INVARIANTS, MEASURES, parse_gate
from reports.findings import Finding, GateResult, Invariant, Outcomes, Words
from reports.gate import Evidence, exit_code, generator_flaw, judge, verdict
from reports.measure.intervals import at_least, share

ENOUGH = Evidence(paid=400, needed=300, whole=True)
NO_INVARIANT = {name: Invariant(0, 400, 0.0075, []) for name in INVARIANTS}


def judged(text: str, found: Finding, evidence: Evidence = ENOUGH) -> str:
    gate = parse_gate(text)
    return judge(gate, {gate.measure: found}, NO_INVARIANT, evidence).verdict


def seconds(value: float, lo: float | None, hi: float | None) -> Finding:
    return Finding(value, "business s", "m", n=400, lo=lo, hi=hi, bound_lo=lo, bound_hi=hi)


VERDICTS = [
    ("stuck.rate <= 1%", share(0, 400, "share"), "pass"),
    ("stuck.rate <= 1%", share(0, 200, "share"), "inconclusive"),
    ("stuck.rate <= 1%", share(3, 400, "share"), "inconclusive"),
    ("stuck.rate <= 1%", share(7, 400, "share"), "inconclusive"),
    ("stuck.rate <= 1%", share(12, 400, "share"), "fail"),
    ("stuck.rate <= 100%", share(400, 400, "share"), "pass"),
    ("stuck.rate <= 1%", at_least(0, 400, "share"), "inconclusive"),
    ("stuck.rate <= 1%", at_least(40, 400, "share"), "fail"),
    ("stuck.rate == 0", share(0, 400, "share"), "pass"),
    ("stuck.rate == 0", share(1, 400, "share"), "fail"),
    ("stuck.rate == 0", at_least(0, 400, "share"), "inconclusive"),
    ("delivered.rate >= 98%", share(400, 400, "share"), "pass"),
    ("delivered.rate >= 98%", share(395, 400, "share"), "inconclusive"),
    ("delivered.rate >= 98%", share(380, 400, "share"), "fail"),
    ("delivered.rate >= 98%", at_least(380, 400, "share"), "inconclusive"),
    ("delivered.rate >= 98%", at_least(399, 400, "share"), "pass"),
    ("delivered.rate >= 100%", share(400, 400, "share"), "pass"),
    ("delivered.rate >= 100%", share(399, 400, "share"), "fail"),
    ("stuck.rmst <= 40 s", seconds(30, 25, 40), "pass"),
    ("stuck.rmst <= 40 s", seconds(30, 25, 40.1), "inconclusive"),
    ("stuck.rmst <= 40 s", seconds(45, 40.1, 50), "fail"),
    ("stuck.rmst <= 40 s", seconds(45, 40, 50), "inconclusive"),
    ("stuck.excess_per_1000 <= 10 s", seconds(5, 2, None), "inconclusive"),
    ("stuck.excess_per_1000 <= 10 s", seconds(50, 20, None), "fail"),
    ("stuck.at_deadline <= 6%", Finding(None, "share", "not estimable"), "inconclusive"),
    ("lateness.p99 <= 50 ms", Finding(0.05, "wire s", "m"), "pass"),
    ("lateness.p99 <= 50 ms", Finding(0.0501, "wire s", "m"), "fail"),
    ("lateness.p99 <= 50 ms", Finding(None, "wire s", "nothing was sent"), "inconclusive"),
    ("open.at_end == 0", Finding(0.0, "count", "m"), "pass"),
    ("open.at_end == 0", Finding(1.0, "count", "m"), "fail"),
]


@pytest.mark.parametrize(("text", "found", "expected"), VERDICTS)
def test_a_gate_passes_fails_or_is_inconclusive_by_its_bounds(text: str, found: Finding, expected: str) -> None:
    assert judged(text, found) == expected


@pytest.mark.parametrize(
    ("found", "evidence", "expected"),
    [
        (Invariant(0, 400, 0.0075, []), ENOUGH, "pass"),
        (Invariant(0, 299, 0.01, []), Evidence(299, 300, True), "inconclusive"),
        (Invariant(1, 5, 0.6, ["b00000001"]), Evidence(5, 300, True), "fail"),
        (Invariant(0, 400, 0.0075, []), Evidence(400, 300, False), "inconclusive"),
        (Invariant(1, 400, 0.01, ["b00000001"]), Evidence(400, 300, False), "fail"),
        (Invariant(0, 0, None, [], evaluated=False, method="no books"), ENOUGH, "inconclusive"),
        (Invariant(0, 0, None, []), Evidence(0, 0, True), "inconclusive"),
    ],
)
def test_an_invariant_fails_at_one_violation_and_passes_only_on_evidence(
    found: Invariant, evidence: Evidence, expected: str
) -> None:
    gate = parse_gate("invariants.lost_order == 0")
    assert judge(gate, {}, {**NO_INVARIANT, "lost_order": found}, evidence).verdict == expected


def test_a_run_that_is_not_whole_passes_nothing_but_may_fail() -> None:
    cut = Evidence(400, 300, whole=False)
    assert judged("stuck.rate <= 1%", share(0, 400, "share"), cut) == "inconclusive"
    assert judged("stuck.rate <= 1%", share(40, 400, "share"), cut) == "fail"
    assert judged("lateness.p99 <= 50 ms", Finding(0.01, "wire s", "m"), cut) == "inconclusive"


def test_every_measure_can_be_judged() -> None:
    for name, measure in MEASURES.items():
        limit = {"share": "5%", "wire s": "1 s", "business s": "1 s"}.get(measure.unit, "5")
        gate = parse_gate(f"{name} {'<=' if measure.bad == 'high' else '>='} {limit}")
        result = judge(gate, {name: Finding(0.0, measure.unit, "m")}, NO_INVARIANT, ENOUGH)
        assert result.verdict in ("pass", "fail", "inconclusive")


def result(measure: str, word: str) -> GateResult:
    return GateResult(f"{measure} == 0", measure, "==", 0.0, "count", word, Words("", ""))


FLAW = Words("late", "迟")


@pytest.mark.parametrize(
    ("gates", "flaw", "expected"),
    [
        ([], None, 0),
        ([result("stuck.rate", "pass")], None, 0),
        ([result("stuck.rate", "pass"), result("unsent", "inconclusive")], None, 3),
        ([result("stuck.rate", "fail"), result("unsent", "inconclusive")], None, 1),
        ([result("stuck.rate", "fail")], FLAW, 3),
        ([result("invariants.lost_order", "fail")], FLAW, 1),
        ([result("stuck.rate", "pass")], FLAW, 3),
    ],
)
def test_the_exit_code_is_the_first_that_applies(gates: list[GateResult], flaw: Words | None, expected: int) -> None:
    assert exit_code(gates, flaw) == expected


@pytest.mark.parametrize(
    ("lateness_s", "late", "polls", "is_flaw"),
    [
        (0.1, 0, 1000, False),
        (0.1001, 0, 1000, True),
        (0.0, 10, 1000, False),
        (0.0, 11, 1000, True),
        (None, 0, 0, False),
    ],
)
def test_the_generator_is_the_bottleneck_when_it_sends_or_polls_late(
    lateness_s: float | None, late: int, polls: int, is_flaw: bool
) -> None:
    flaw = generator_flaw({"lateness.p99": Finding(lateness_s, "wire s", "m")}, (late, polls))
    assert (flaw is not None) is is_flaw


def outcomes(sent: int, paid: int) -> Outcomes:
    return Outcomes(
        planned=450, sent=sent, unsent=450 - sent, unsent_by={}, placed=paid, paid=paid, delivered=paid, refunded=0,
        money_kept=0, open=0, held=0, unpaid=sent - paid, not_placed=0, not_submitted=0, left_unpaid=0,
        cancel_asked=0, cancel_done=0, extra=0, goods_shared=0,
    )  # fmt: skip


def test_the_sentence_on_top_says_how_many_with_their_interval_and_which_gates_failed() -> None:
    rate, lost = share(38, 412, "share"), Invariant(12, 412, 0.05, [])
    said = verdict([result("stuck.rate", "fail")], None, outcomes(450, 412), rate, lost, ok=True)
    assert said.word == "fail"
    assert said.en == (
        "38 of 412 paid orders (9.2 %, 95 % CI 6.8–12.4 %) got stuck; 12 were lost. Gate failed: stuck.rate == 0."
    )
    assert "412 个已付订单中有 38 个卡住" in said.zh


@pytest.mark.parametrize(
    ("sent", "paid", "says"),
    [(0, 0, "No order was sent, of 450 planned."), (450, 0, "Nobody paid: 450 orders were sent, 0 placed.")],
)
def test_the_sentence_says_so_when_there_is_nothing_to_count(sent: int, paid: int, says: str) -> None:
    said = verdict([], None, outcomes(sent, paid), share(0, 0, "share"), Invariant(0, 0, None, []), ok=True)
    assert said.en.startswith(says)
    assert said.word == "inconclusive"


def test_a_record_that_is_not_whole_never_reads_as_a_pass() -> None:
    rate, lost = share(0, 400, "share"), Invariant(0, 400, 0.0075, [])
    assert verdict([], None, outcomes(450, 400), rate, lost, ok=True).word == "pass"
    assert verdict([], None, outcomes(450, 400), rate, lost, ok=False).word == "inconclusive"

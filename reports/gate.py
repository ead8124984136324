"""Judges the gates: pass, fail or inconclusive, the sentence on top of the report, and the exit code."""

from math import inf

import msgspec

from plan.gates import MEASURES, Gate, Unit
from plan.run import NOT_LATER_S
from reports.findings import Finding, GateResult, Invariant, Outcomes, Verdict, Words
from reports.measure.load import LATE_POLLS_MAX

PASS, FAIL, INCONCLUSIVE = "pass", "fail", "inconclusive"
PREFIX = "invariants."
COUNTED = ("goods.bought_twice", "goods.charged_undelivered", "intents.paid_twice", "money.disagree")
"""Counts of orders that pass, like invariants, only on enough evidence."""
COMPARED_AS_IS = ("open.at_end", "unsent", "lateness.p99", "latency.place.p95", "latency.poll.p95")
"""Measures without an interval."""
EXIT_PASSED, EXIT_GATE, EXIT_INCONCLUSIVE = 0, 1, 3


class Evidence(msgspec.Struct, frozen=True):
    """What the run has to show: paid orders, how many the plan asks for, and whether the record is whole."""

    paid: int
    needed: int
    whole: bool

    @property
    def is_enough(self) -> bool:
        return self.paid >= self.needed and self.paid > 0


def judge(gate: Gate, measures: dict[str, Finding], invariants: dict[str, Invariant], evidence: Evidence) -> GateResult:
    """One gate, judged by what was found."""
    if gate.measure.startswith(PREFIX):
        found = invariants[gate.measure.removeprefix(PREFIX)]
        verdict, why = _invariant(gate, found, evidence)
        value = float(found.k) if found.evaluated else None
        result = GateResult(
            gate.text, gate.measure, gate.op, gate.limit, Unit.COUNT, verdict, why, value, found.k, found.n
        )
    else:
        finding = measures[gate.measure]
        verdict, why = _measure(gate, finding, evidence)
        result = GateResult(
            gate.text,
            gate.measure,
            gate.op,
            gate.limit,
            MEASURES[gate.measure].unit,
            verdict,
            why,
            finding.value,
            finding.k,
            finding.n,
            finding.bound_lo,
            finding.bound_hi,
        )
    if verdict == PASS and not evidence.whole:
        why = Words("the record of this run is not whole", "本次运行的记录不完整")
        return msgspec.structs.replace(result, verdict=INCONCLUSIVE, why=why)
    return result


def _invariant(gate: Gate, found: Invariant, evidence: Evidence) -> tuple[str, Words]:
    if not found.evaluated:
        return INCONCLUSIVE, Words(f"not evaluated: {found.method}", "未评估：没有读到店铺账本")
    if found.k > gate.limit:
        return FAIL, Words(f"{found.k} of {found.n} orders", f"{found.n} 单中有 {found.k} 单")
    return _if_enough(found.k, evidence)


def _if_enough(k: int, evidence: Evidence) -> tuple[str, Words]:
    if evidence.is_enough:
        return PASS, Words(f"{k} in {evidence.paid} paid orders", f"{evidence.paid} 个已付订单中 {k} 单")
    return INCONCLUSIVE, Words(
        f"only {evidence.paid} of {evidence.needed} paid orders asked for",
        f"已付订单只有 {evidence.paid} 个，要求 {evidence.needed} 个",
    )


def _measure(gate: Gate, found: Finding, evidence: Evidence) -> tuple[str, Words]:
    high = MEASURES[gate.measure].bad == "high"
    if found.value is None:
        if high and found.bound_lo is not None and found.bound_lo > gate.limit:
            return FAIL, Words("not estimable, but surely beyond the limit", "无法估计，但必定超过限值")
        return INCONCLUSIVE, Words(found.method, "无法估计")
    if gate.measure in COUNTED:
        if found.value > gate.limit:
            return FAIL, Words(f"{found.k} of {found.n} orders", f"{found.n} 单中有 {found.k} 单")
        return _if_enough(found.k or 0, evidence)
    if gate.measure in COMPARED_AS_IS:
        if gate.measure == "open.at_end" and evidence.paid == 0:
            return INCONCLUSIVE, Words("nobody paid", "没有人付款")
        keeps = found.value <= gate.limit if high else found.value >= gate.limit
        return (PASS if keeps else FAIL), Words("the value as it is", "按数值直接比较")
    if MEASURES[gate.measure].unit is Unit.SHARE and gate.limit == (0.0 if high else 1.0):
        return _edge(found, high, evidence)
    lo = -inf if found.bound_lo is None else found.bound_lo
    hi = inf if found.bound_hi is None else found.bound_hi
    good, bad = (hi <= gate.limit, lo > gate.limit) if high else (lo >= gate.limit, hi < gate.limit)
    if good:
        return PASS, Words("the 95 % bound keeps the limit", "95% 界限未越过限值")
    if bad:
        return FAIL, Words("the whole interval breaks the limit", "整个区间都越过限值")
    return INCONCLUSIVE, Words("the limit lies within the interval", "限值落在区间之内")


def _edge(found: Finding, high: bool, evidence: Evidence) -> tuple[str, Words]:
    """A share that must be none or all: no bound ever gets there, so it is judged like an invariant."""
    assert found.value is not None
    bad = found.value > 0 if high else found.value < 1
    if not bad and found.hi is not None and found.hi - (found.lo or 0.0) >= 1.0:
        return INCONCLUSIVE, Words("nothing to count", "无可计数")
    if bad:
        return FAIL, Words("broken at least once", "至少有一次违反")
    return _if_enough(found.k or 0, evidence)


def generator_flaw(measures: dict[str, Finding], late_polls: tuple[int, int]) -> Words | None:
    """Why the load generator, and not the shop, was the bottleneck by what it did late; None if it was not."""
    lateness, (late, polls) = measures["lateness.p99"].value, late_polls
    if lateness is not None and lateness > NOT_LATER_S:
        text = f"{lateness * 1000:.0f} ms > {NOT_LATER_S * 1000:.0f} ms"
        return Words(f"orders were sent late (p99 {text})", f"订单发送延迟过大（p99 {text}）")
    if polls and late / polls > LATE_POLLS_MAX:
        text = f"{late}/{polls}"
        return Words(f"pages were polled late by an interval ({text})", f"页面轮询迟到一个间隔以上（{text}）")
    return None


def exit_code(gates: list[GateResult], flaw: Words | None) -> int:
    """What the command should end with, as far as findings decide: the first that applies."""
    failed = [gate for gate in gates if gate.verdict == FAIL]
    if any(gate.measure.startswith(PREFIX) for gate in failed):
        return EXIT_GATE
    if flaw is not None:
        return EXIT_INCONCLUSIVE
    if failed:
        return EXIT_GATE
    return EXIT_INCONCLUSIVE if any(gate.verdict == INCONCLUSIVE for gate in gates) else EXIT_PASSED


def verdict(
    gates: list[GateResult],
    flaw: Words | None,
    outcomes: Outcomes,
    rate: Finding,
    lost: Invariant,
    ok: bool,
) -> Verdict:
    """The sentence on top of the page."""
    en, zh = _what_happened(outcomes, rate, lost)
    failed = [gate for gate in gates if gate.verdict == FAIL]
    unclear = [gate for gate in gates if gate.verdict == INCONCLUSIVE]
    if failed:
        word, names = FAIL, ", ".join(gate.text for gate in failed)
        en += f" Gate{'s' if len(failed) > 1 else ''} failed: {names}."
        zh += f"门限未通过：{names}。"
    elif unclear:
        word, names = INCONCLUSIVE, ", ".join(gate.text for gate in unclear)
        en += f" Inconclusive: {names}."
        zh += f"结论不足：{names}。"
    elif gates:
        word = PASS
        en += f" {'The gate' if len(gates) == 1 else f'All {len(gates)} gates'} passed."
        zh += f"{len(gates)} 个门限全部通过。"
    else:
        word = PASS if outcomes.paid else INCONCLUSIVE
        en += " No gate was set."
        zh += "没有设置门限。"
    if flaw is not None:
        word = word if word == FAIL and _by_invariant(failed) else INCONCLUSIVE
        en += f" The test bench was the bottleneck: {flaw.en}."
        zh += f"瓶颈在测试台：{flaw.zh}。"
    if not ok:
        word = FAIL if word == FAIL else INCONCLUSIVE
        en += " The record is not whole: read the claims."
        zh += "记录不完整，请看下方的声明。"
    return Verdict(word, en, zh)


def _by_invariant(failed: list[GateResult]) -> bool:
    return any(gate.measure.startswith(PREFIX) for gate in failed)


def _what_happened(outcomes: Outcomes, rate: Finding, lost: Invariant) -> tuple[str, str]:
    if not outcomes.sent:
        return (
            f"No order was sent, of {outcomes.planned} planned.",
            f"计划 {outcomes.planned} 单，一单也没有发出。",
        )
    if rate.value is None or rate.lo is None or rate.hi is None:
        return (
            f"Nobody paid: {outcomes.sent} orders were sent, {outcomes.placed} placed.",
            f"没有人付款：发出 {outcomes.sent} 单，下单成功 {outcomes.placed} 单。",
        )
    low, high = f"{rate.lo * 100:.1f}", f"{rate.hi * 100:.1f}"
    share = f"{rate.value * 100:.1f}"
    least, least_zh = ("", "") if rate.hi < 1 or rate.value == 1 else ("At least ", "至少")
    kept = f"{lost.k} {'was' if lost.k == 1 else 'were'} lost"
    return (
        f"{least}{rate.k} of {rate.n} paid orders ({share} %, 95 % CI {low}–{high} %) got stuck; {kept}.",
        f"{rate.n} 个已付订单中{least_zh}有 {rate.k} 个卡住（{share}%，95% 置信区间 {low}–{high}%）；{lost.k} 个丢失。",
    )

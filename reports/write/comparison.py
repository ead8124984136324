"""Runs laid side by side, as tables for people."""

from reports.compare import Comparison, Head, Pair
from reports.fates import OUTCOMES, Matched
from reports.findings import Finding, Invariant, Words
from reports.measure.survival import LogRank
from reports.write.tables import Section, markdown
from reports.write.words import NOTHING, VERDICT_ZH, found, interval, seconds

TITLE = Words("Runs side by side", "运行对比")
NO_VERDICT = Words(
    "Descriptive, without a verdict: orders of one run share its windows and its luck, so a difference between two "
    "runs may be chance. Intervals are 95 %, within each run.",
    "仅作描述，不下结论：同一次运行的订单共享同样的时段与运气，两次运行之间的差别可能出于偶然。"
    "区间为各次运行内的 95 % 区间。",
)
TABLE_WORDS = {
    "trouble": "in trouble 有问题",
    "stuck": "stuck 卡住",
    "lost": "lost 丢单",
    "open": "open at the end 未完结",
    "delivered": "delivered 已发货",
}


def sections(told: Comparison) -> list[Section]:
    """What to show, from who is compared to which orders changed."""
    shown = [
        Section(Words("Runs", "运行"), [_head(head) for head in told.runs], told.warnings),
        Section(Words("Measures", "指标"), [_row(told, row.name, row.found) for row in told.measures]),
        Section(
            Words("Open after payment", "付款后未完结"),
            [_row(told, seconds(row.s), row.found) for row in told.deadlines],
            [_pace(told.pace)] if told.pace else [],
        ),
        Section(
            Words("Invariants", "不变式"),
            [_cells(told, row.name, [_violations(one) for one in row.found]) for row in told.invariants],
        ),
        Section(
            Words("Outcomes of planned orders", "计划订单的结局"),
            [_cells(told, f"{word} {OUTCOMES[word]}", list(map(str, n))) for word, n in told.outcomes.items()],
        ),
        Section(
            Words("Causes, found blind", "原因（盲判）"),
            [_cells(told, f"{row.en} {row.zh}", list(map(str, row.orders))) for row in told.causes],
        ),
    ]
    shown += [section for pair in told.pairs if not pair.why_not for section in _pair(pair)]
    return [section for section in shown if section.rows or section.notes]


def _pace(test: LogRank) -> Words:
    p = f"{test.p:.2g}" if test.p >= 1e-4 else "< 0.0001"
    said = f"χ² = {test.chi2:.2f}, df = {test.df}, p {p if p.startswith('<') else '= ' + p}"
    return Words(
        f"Log-rank test of payment to the end, within channels: {said}. It takes the orders of a run for independent, "
        "which they are not: a description.",
        f"付款到完结的 log-rank 检验（按渠道分层）：{said}。它把同一次运行的订单当作独立样本，实际并非如此：仅作描述。",
    )


def page(told: Comparison) -> str:
    """All of it as Markdown."""
    return markdown(TITLE, [NO_VERDICT], sections(told))


def _head(head: Head) -> dict[str, str]:
    return {
        "": head.letter,
        "run 运行": head.run,
        "scenario 场景": head.scenario + (f" without {', '.join(head.without)}" if head.without else ""),
        "target, profile 被测, 配置": f"{head.target} {head.profile}",
        "seed 种子": str(head.seed),
        "paid / planned 已付/计划": f"{head.paid} / {head.planned}",
        "verdict 结论": f"{head.verdict} {VERDICT_ZH[head.verdict]}",
        "commit 版本": head.git or NOTHING,
    }


def _cells(told: Comparison, name: str, values: list[str]) -> dict[str, str]:
    return {"": name, **{head.letter: value for head, value in zip(told.runs, values, strict=True)}}


def _row(told: Comparison, name: str, values: list[Finding | None]) -> dict[str, str]:
    return _cells(told, name, [_finding(value) for value in values])


def _finding(value: Finding | None) -> str:
    if value is None:
        return NOTHING
    between = interval(value.lo, value.hi, value.unit)
    return found(value.value, value.bound_lo, value.unit) + (f" [{between}]" if between else "")


def _violations(value: Invariant | None) -> str:
    if value is None or not value.evaluated:
        return NOTHING
    return f"{value.k} of {value.n}"


def _pair(pair: Pair) -> list[Section]:
    a, b = pair.a, pair.b
    between = Words(f"Order by order: {a} and {b}", f"逐单：{a} 与 {b}")
    notes = [
        Words(
            f"{pair.paid_both} orders were paid for in both; {pair.paid_only_a} in {a} alone, "
            f"{pair.paid_only_b} in {b} alone, which these tables leave out. "
            "In trouble: stuck, lost, open at the end, or ended with nothing.",
            f"两次都付款 {pair.paid_both} 单；仅 {a} 付款 {pair.paid_only_a} 单，仅 {b} 付款 {pair.paid_only_b} 单，"
            "不计入。“有问题”指卡住、丢单、未完结或结束却无货无退款。",
        ),
        Words(
            f"Saved (in trouble in {a} alone): {pair.saved}{_keys(pair.saved, pair.saved_first)}. "
            f"Harmed (in {b} alone): {pair.harmed}{_keys(pair.harmed, pair.harmed_first)}.",
            f"得救（仅在 {a} 有问题）：{pair.saved}。受害（仅在 {b} 有问题）：{pair.harmed}。",
        ),
    ]
    made = [Section(between, [_matched(pair, name, table) for name, table in pair.tables.items()], notes)]
    changes = [
        {
            f"in {a}": f"{change.a} {OUTCOMES[change.a]}",
            f"in {b}": f"{change.b} {OUTCOMES[change.b]}",
            "orders 订单": str(change.orders),
            "first 前几单": ", ".join(change.first),
        }
        for change in pair.changes
    ]
    made.append(Section(Words(f"Ended otherwise: {a} and {b}", f"结局不同：{a} 与 {b}"), changes))
    listed = [
        {
            "order 订单": one.key,
            f"in {a}": _ended(one.a, one.excess_a_s, is_stuck=one.stuck_a),
            f"in {b}": _ended(one.b, one.excess_b_s, is_stuck=one.stuck_b),
        }
        for one in pair.orders
    ]
    return [*made, Section(Words(f"Every order that changed: {a} and {b}", f"所有变化的订单：{a} 与 {b}"), listed)]


def _keys(n: int, first: list[str]) -> str:
    return f" ({', '.join(first)}{' …' if n > len(first) else ''})" if first else ""


def _matched(pair: Pair, name: str, table: Matched) -> dict[str, str]:
    return {
        "": TABLE_WORDS[name],
        "in both 两者": str(table.both),
        f"in {pair.a} alone 仅 {pair.a}": str(table.only_a),
        f"in {pair.b} alone 仅 {pair.b}": str(table.only_b),
        "in neither 皆无": str(table.neither),
    }


def _ended(outcome: str, excess_s: float, *, is_stuck: bool) -> str:
    return f"{outcome} {OUTCOMES[outcome]}" + (f", stuck, {seconds(excess_s)} past its limit" if is_stuck else "")

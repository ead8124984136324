"""What faults cost, as tables for people, as blame.md and blame.json."""

from pathlib import Path

import msgspec

from ledger.rundir import write_atomically
from reports.blame import Blame, Blamed, Estimate, TwinPair
from reports.findings import Words
from reports.write.tables import Section, markdown
from reports.write.words import NOTHING, number, seconds

TITLE = Words("What faults cost, by twins", "故障代价：孪生对照")
HOW = Words(
    "Each pair is one seed played twice: as the plan is, and without the fault. Attributable is with minus without: "
    "the mean over pairs [95 % interval, Student's t; the pair is the unit; none where all pairs are alike]. Exposed: "
    "stuck orders that were under way in the window, or else were struck; that counts orders that would have got stuck "
    "anyway, and misses those that the fault reached later.",
    "每对是同一种子运行两次：原计划与去掉该故障的计划。归因数 = 有故障 − 无故障，取各对平均值"
    " [95 % 区间，t 分布，以“对”为单位；各对相同则无区间]。“暴露”是窗口内进行中（或被击中）且卡住的订单，"
    "会算进本来就会卡住的订单，也漏掉之后才受影响的订单。",
)


def sections(told: Blame) -> list[Section]:
    """The costs of all faults, then the pairs of each."""
    costs = Section(Words("Attributable orders", "可归因的订单"), [_cost(fault) for fault in told.faults])
    return [costs, *(_pairs(fault) for fault in told.faults)]


def page(told: Blame) -> str:
    """blame.md."""
    seeds = ", ".join(map(str, told.seeds))
    head = Words(
        f"{told.scenario} · {told.target}, profile {told.profile} · compress {told.compress:g} · seeds {seeds} · "
        f"{number(told.paid)} paid orders a run",
        f"{told.scenario} · {told.target}，配置 {told.profile} · compress {told.compress:g} · 种子 {seeds} · "
        f"每次运行 {number(told.paid)} 个已付订单",
    )
    return markdown(TITLE, [head, HOW], sections(told))


def write(told: Blame, folder: Path) -> None:
    """blame.json and blame.md, each in one step; RunDirError where they cannot be written."""
    write_atomically(folder / "blame.json", msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")
    write_atomically(folder / "blame.md", page(told).encode())


def _cost(fault: Blamed) -> dict[str, str]:
    window = NOTHING if fault.from_s is None else f"{fault.from_s:g}–{fault.to_s:g} s"
    return {
        "fault 故障": f"{fault.id}: {fault.label.en} {fault.label.zh}",
        "window 窗口": window,
        "exposed, stuck 暴露且卡住": _mean(fault.in_window if fault.in_window.mean is not None else fault.struck),
        "stuck 卡住": _estimate(fault.attributable["stuck"]),
        "lost 丢单": _estimate(fault.attributable["lost"]),
        "open 未完结": _estimate(fault.attributable["open"]),
        "not paid 未付款": _estimate(fault.attributable["unpaid"]),
        "excess, order-s 超限": _estimate(fault.attributable["excess_s"]),
    }


def _mean(found: Estimate) -> str:
    return NOTHING if found.mean is None else number(found.mean)


def _estimate(found: Estimate) -> str:
    if found.mean is None:
        return NOTHING
    sign = "+" if found.mean > 0 else ""
    between = f" [{number(found.lo)}, {number(found.hi)}]" if found.lo is not None else ""
    return f"{sign}{number(found.mean)}{between}"


def _pairs(fault: Blamed) -> Section:
    notes = []
    for pair in fault.pairs:
        why = [Words(f"not counted: {pair.why_not}", f"不计入：{pair.why_not}")] if pair.why_not else []
        notes += [Words(f"seed {pair.seed}: {one.en}", f"种子 {pair.seed}：{one.zh}") for one in (*why, *pair.remarks)]
    return Section(Words(f"Pairs: {fault.id}", f"各对：{fault.id}"), [_pair(pair) for pair in fault.pairs], notes)


def _pair(pair: TwinPair) -> dict[str, str]:
    stuck, lost = pair.matched.get("stuck"), pair.matched.get("lost")
    return {
        "seed 种子": str(pair.seed),
        "stuck with − without 卡住": _both(pair, "stuck"),
        "because of it 仅有故障时": NOTHING if stuck is None else f"{stuck.only_a}: {', '.join(stuck.first_a[:3])}",
        "without it alone 仅无故障时": NOTHING if stuck is None else str(stuck.only_b),
        "lost with − without 丢单": _both(pair, "lost"),
        "lost because of it 仅有故障时丢单": NOTHING if lost is None else str(lost.only_a),
        "excess with − without 超限": " − ".join(map(seconds, _values(pair, "excess_s"))) or NOTHING,
    }


def _values(pair: TwinPair, name: str) -> list[float]:
    return [counts[name] for counts in (pair.counts_with, pair.counts_without) if counts]


def _both(pair: TwinPair, name: str) -> str:
    return " − ".join(map(number, _values(pair, name))) or NOTHING

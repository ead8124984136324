"""report.html: one file, no network, no script; light and dark, Chinese and English, on screen and on A4."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ledger.rundir import write_atomically
from plan.faults import FaultPlan
from plan.gates import INVARIANTS, MEASURES, Unit
from plan.run import Plan
from plan.units import Quantity
from reports.cases import Cases
from reports.findings import Findings
from reports.measure import signed
from reports.measure.lasthop import HOP_WORDS
from reports.write import words
from reports.write.figures import Drawn

TEMPLATE = "report.html.jinja"
INTERRUPTED, EXIT_STOPPED, EXIT_INTERRUPTED = "interrupted", 4, 130
"""What the harness notes when a person stopped a run, and what it then ends with, whatever the gates say."""
_CAPTIONS = {
    "gates": (
        "What each gate allows, and how much of it was used. A gate passes when the 95 % bound (one-sided, the line's "
        "end) on its bad side keeps the limit, fails when the other bound breaks it, and is inconclusive between.",
        "每个门限允许多少、用掉多少。坏的一侧 95% 单侧界限（线段端点）仍在限内则通过；"
        "另一侧也越过限值则未通过；介于其间为结论不足。",
    ),
    "survival": (
        "Share of paid orders still open so long after the money was taken (Kaplan–Meier, log-log 95 % band). Orders "
        "open at the end count as open for as long as they were followed, never as ended. Dashed: "
        "not yet asked for at an upstream. Linear below 1 %.",
        "扣款之后仍未完结的已付订单比例（Kaplan–Meier，log-log 95% 置信带）。"
        "结束时仍未完结的订单按已跟踪的时长计，绝不当作已完结。虚线：尚未向上游要货。1% 以下为线性刻度。",
    ),
    "open_orders": (
        "Paid orders that had not ended, by what the page showed. Bars above: when each fault was in force (orange: "
        "given by a time window; grey: given by orders or rate).",
        "尚未完结的已付订单，按页面显示的状态堆叠。上方条带：各故障生效的时段（橙色按时间窗，灰色按订单或比例）。",
    ),
    "honesty": (
        "For how long pages agreed with the truth, from payment until the page had ended and said what is true. False "
        "progress: the page says submitted or recharging while no upstream is at work for the goods.",
        "从付款到页面给出真实结局为止，页面与事实一致的时长。虚假进度：页面显示已提交或充值中，而没有任何上游在处理。",
    ),
    "latency": (
        "Answer times as the driver saw them, by kind of request; grey: faults given by a time window.",
        "压测端看到的响应时间，按请求种类；灰色区域为按时间窗设定的故障。",
    ),
}
_TITLES = {
    "gates": ("Gates", "门限"),
    "survival": ("Time from payment to the end", "从付款到完结的时间"),
    "open_orders": ("Open orders over time", "未完结订单随时间变化"),
    "honesty": ("Status honesty", "状态是否属实"),
    "latency": ("Answer times", "响应时间"),
}


def write(findings: Findings, plan: Plan, drawn: Drawn, cases: Cases, path: Path) -> None:
    """The page; the same bytes for the same findings and cases."""

    def whole(sentence: str) -> str:
        """The sentence with gates that do not break over two lines."""
        for gate in plan.gates:
            sentence = sentence.replace(gate.text, gate.text.replace(" ", "\u00a0"))
        return sentence

    figures = {name: {lang: Markup(svg) for lang, svg in both.items()} for name, both in drawn.items()}
    html = (
        _environment()
        .get_template(TEMPLATE)
        .render(
            f=findings,
            plan=plan,
            cases=cases,
            figures=figures,
            captions=_CAPTIONS,
            titles=_TITLES,
            measures=MEASURES,
            invariants=INVARIANTS,
            hops=HOP_WORDS,
            signed=signed,
            faults={fault.id: fault for fault in plan.faults},
            parameters=_parameters,
            whole=whole,
            stopped_code=EXIT_INTERRUPTED if findings.stopped == INTERRUPTED else EXIT_STOPPED,
            w=words,
            unit=Unit,
        )
    )
    write_atomically(path, html.encode())


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"pct": words.percent, "num": words.number, "dur": words.seconds, "ms": words.ms}
    return environment


def _parameters(fault: FaultPlan) -> str:
    """How a fault was given, in a scenario's own words."""
    parts = [f"{name} {_text(value)}" for name, value in sorted(fault.params.items())]
    if float(fault.rate) != 1.0:
        parts.append(f"rate {fault.rate.text()}")
    if fault.orders:
        parts.append(f"orders {fault.orders.text()}")
    if fault.first is not None:
        parts.append(f"first {fault.first}")
    parts += [f"{name} {', '.join(values)}" for name, values in sorted(fault.select.items())]
    parts += [f"{name} {span.text()}" for name, span in (("window", fault.window), ("rolling", fault.rolling)) if span]
    if fault.upstream:
        parts.append(f"upstream {fault.upstream}")
    return " · ".join(parts)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        nested = any(isinstance(part, list | tuple) for part in value)
        return (", " if nested else " ").join(_text(part) for part in value)
    return value.text() if isinstance(value, Quantity) else str(value)

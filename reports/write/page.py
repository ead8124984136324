"""report.html: one file, no network; light and dark, Chinese and English, on screen and on A4.

report.html.jinja is the frame; each chapter is a file of its own in chapters/. The little script in report.js only adds
read-outs and memory: without it everything can still be read.
"""

import base64
import hashlib
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
from reports.measure import causes, signed
from reports.measure.lasthop import HOP_WORDS
from reports.write import readouts, words
from reports.write.figures import CAPTIONS, TITLES, Drawn

HERE = Path(__file__).parent
TEMPLATE = "report.html.jinja"
STYLES, SCRIPTS = ("cases.css", "report.css"), ("cases.js", "report.js")
INTERRUPTED, EXIT_STOPPED, EXIT_INTERRUPTED = "interrupted", 4, 130
"""What the harness notes when a person stopped a run, and what it then ends with, whatever the gates say."""
CHAPTERS = (
    ("verdict", "Verdict", "结论"),
    ("often", "How often", "多常发生"),
    ("long", "How long", "持续多久"),
    ("why", "Why", "为什么"),
    ("orders", "Which orders", "哪些订单"),
    ("measured", "How it was measured", "如何测量"),
)
"""What the page answers, in this order; each is a file in chapters/."""


def write(findings: Findings, plan: Plan, drawn: Drawn, cases: Cases, path: Path) -> None:
    """The page; the same bytes for the same findings and cases."""

    def whole(sentence: str) -> str:
        """The sentence with gates that do not break over two lines."""
        for gate in plan.gates:
            sentence = sentence.replace(gate.text, gate.text.replace(" ", "\u00a0"))
        return sentence

    style, script = _joined(STYLES), _joined(SCRIPTS)
    html = (
        _environment()
        .get_template(TEMPLATE)
        .render(
            f=findings,
            plan=plan,
            cases=cases,
            chapters=CHAPTERS,
            figures={name: {lang: Markup(svg) for lang, svg in both.items()} for name, both in drawn.items()},
            captions=CAPTIONS,
            titles=TITLES,
            measures=MEASURES,
            invariants=INVARIANTS,
            hops=HOP_WORDS,
            signed=signed,
            faults={fault.id: fault for fault in plan.faults},
            parameters=_parameters,
            whole=whole,
            empty_handed=_empty_handed(findings),
            touched={fault for row in findings.struck.hops for fault, k in row.by.items() if k},
            stopped_code=EXIT_INTERRUPTED if findings.stopped == INTERRUPTED else EXIT_STOPPED,
            w=words,
            cause=causes.words,
            tell=readouts,
            unit=Unit,
            style=Markup(style),
            script=Markup(script),
            policy=_policy(script),
        )
    )
    write_atomically(path, html.encode())


def _empty_handed(findings: Findings) -> int:
    """Paid orders that have neither goods nor all of their money back when the run ends: lost, open, or told so."""
    became = findings.outcomes
    return became.paid - became.delivered - became.refunded + findings.invariants["refund_and_delivered"].k


def _joined(names: tuple[str, ...]) -> str:
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)


def _policy(script: str) -> str:
    """What the page may do: nothing on any network, and no script but ours, whatever a shop wrote into its answers."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "pct": words.percent,
        "num": words.number,
        "dur": words.seconds,
        "dur_zh": words.seconds_zh,
        "ms": words.ms,
    }
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

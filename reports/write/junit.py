"""junit.xml: one test case a gate, in the subset that Jenkins, GitLab and GitHub actions read.

Jenkins xunit-plugin's junit-10.xsd refuses testcase@file, testcase/properties and testsuites@skipped; GitLab shows the
body of a failure and not its message, so the text stands in both (docs/measures.md, section 10).
"""

import re
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from ledger.rundir import write_atomically
from reports.findings import Findings, GateResult
from reports.gate import FAIL, INCONCLUSIVE
from reports.write.words import found, interval

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(findings: Findings, path: Path) -> None:
    """A failure is a broken gate; skipped is inconclusive, with the reason."""
    gates = findings.gates
    failures = sum(gate.verdict == FAIL for gate in gates)
    skipped = sum(gate.verdict == INCONCLUSIVE for gate in gates)
    name = _quoted(f"orderjam.{findings.scenario}")
    time = f"{max(findings.duration_s, 0.0):.3f}"
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="orderjam" time="{time}" tests="{len(gates)}" failures="{failures}" errors="0">',
        f'  <testsuite name={name} tests="{len(gates)}" failures="{failures}" errors="0" skipped="{skipped}"'
        f' time="{time}">',
        "    <properties>",
        *(f"      <property name={_quoted(k)} value={_quoted(v)}/>" for k, v in _properties(findings).items()),
        "    </properties>",
        *(line for gate in gates for line in _case(gate, name)),
        f"    <system-out>{_text(_said(findings))}</system-out>",
        "  </testsuite>",
        "</testsuites>",
    ]
    write_atomically(path, ("\n".join(lines) + "\n").encode())


def _properties(findings: Findings) -> dict[str, str]:
    return {
        "run": findings.run,
        "profile": findings.profile,
        "seed": str(findings.seed),
        "compress": f"{findings.compress:g}",
        "replay": findings.replay,
    }


def _case(gate: GateResult, classname: str) -> list[str]:
    told = f"{gate.text}: {gate.verdict}, found {found(gate.value, gate.bound_lo, gate.unit)}"
    if bounds := interval(gate.bound_lo, gate.bound_hi, gate.unit):
        told += f" (95 % bounds {bounds})"
    told += f"; {gate.why.en}"
    head = f'    <testcase name={_quoted(gate.text)} classname={classname} time="0">'
    if gate.verdict == FAIL:
        inside = f'      <failure message={_quoted(told)} type="gate">{_text(told)}</failure>'
    elif gate.verdict == INCONCLUSIVE:
        inside = f"      <skipped message={_quoted(told)}/>"
    else:
        inside = f"      <system-out>{_text(told)}</system-out>"
    return [head, inside, "    </testcase>"]


def _said(findings: Findings) -> str:
    stopped = [f"The load was stopped early: {findings.stopped}"] if findings.stopped else []
    return "\n".join([findings.verdict.en, *stopped, *findings.claims.reasons])


def _text(text: str) -> str:
    return escape(_NOT_XML.sub("", text))


def _quoted(text: str) -> str:
    return quoteattr(_NOT_XML.sub("", text))

"""junit.xml: one test case a gate, in the subset that Jenkins, GitLab and GitHub actions read.

Jenkins xunit-plugin's junit-10.xsd refuses testcase@file, testcase/properties and testsuites@skipped. GitLab drops a
case whose classname and name it has seen before, shows the body of a failure and not its message, so the text stands
in both, and links an attachment of a failed case that system-out names (docs/measures.md, section 10).
"""

import re
from collections import Counter
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from ledger.rundir import write_atomically
from reports import gate
from reports.findings import Findings, GateResult
from reports.write import readouts
from reports.write.words import found, interval

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(findings: Findings, path: Path) -> None:
    """A failure is a broken gate; skipped is inconclusive, with what the evidence lacks."""
    judged = findings.gates
    failures = sum(one.verdict == gate.FAIL for one in judged)
    skipped = sum(one.verdict == gate.INCONCLUSIVE for one in judged)
    name = _quoted(f"orderjam.{findings.scenario}.{findings.profile}")
    attached = f"[[ATTACHMENT|runs/{findings.run}/report.html]]"
    time = f"{max(findings.duration_s, 0.0):.3f}"
    cases = [_case(one, called, name, attached) for one, called in zip(judged, _names(judged), strict=True)]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="orderjam" time="{time}" tests="{len(judged)}" failures="{failures}" errors="0">',
        f'  <testsuite name={name} tests="{len(judged)}" failures="{failures}" errors="0" skipped="{skipped}"'
        f' time="{time}">',
        "    <properties>",
        *(f"      <property name={_quoted(k)} value={_quoted(v)}/>" for k, v in _properties(findings).items()),
        "    </properties>",
        *(line for case in cases for line in case),
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


def _names(judged: list[GateResult]) -> list[str]:
    """The text of each gate; of one that was set twice with its number."""
    seen = Counter[str]()
    names = []
    for one in judged:
        seen[one.text] += 1
        names.append(one.text if seen[one.text] == 1 else f"{one.text} ({seen[one.text]})")
    return names


def _case(one: GateResult, name: str, classname: str, attached: str) -> list[str]:
    told = f"{one.text}: {one.verdict}, found {found(one.value, one.bound_lo, one.unit)}"
    if bounds := interval(one.bound_lo, one.bound_hi, one.unit):
        told += f" (95 % bounds {bounds})"
    told += f"; {one.why.en}"
    if needed := readouts.lacking(one):
        told += f"; {needed.en}"
    head = f'    <testcase name={_quoted(name)} classname={classname} time="0">'
    match one.verdict:
        case gate.FAIL:
            inside = [
                f'      <failure message={_quoted(told)} type="gate">{_text(told)}</failure>',
                f"      <system-out>{_text(attached)}</system-out>",
            ]
        case gate.INCONCLUSIVE:
            inside = [f"      <skipped message={_quoted(told)}>{_text(told)}</skipped>"]
        case _:
            inside = [f"      <system-out>{_text(told)}</system-out>"]
    return [head, *inside, "    </testcase>"]


def _said(findings: Findings) -> str:
    stopped = [f"The load was stopped early: {findings.stopped}"] if findings.stopped else []
    return "\n".join([findings.verdict.en, *stopped, *findings.claims.reasons])


def _text(text: str) -> str:
    return escape(_NOT_XML.sub("", text))


def _quoted(text: str) -> str:
    return quoteattr(_NOT_XML.sub("", text))

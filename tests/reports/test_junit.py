import re
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import msgspec
import pytest

from ledger.rundir import RunDir
from reports.findings import Findings, GateResult, Words
from reports.write import junit
from tests.reports.conftest import GATES

pytestmark = pytest.mark.slow

# What junit-10.xsd of Jenkins' xunit-plugin takes (read 2026-11-24): attributes of each element, those it must have,
# and the elements that may stand in it. The schema itself comes in no package that we could install.
TAKES: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, set(), {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "group", "time", "skipped", "timestamp", "hostname", "id", "package"}
        | {"file", "log", "url"},
        {"name", "tests", "failures", "errors"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, {"name", "value"}, set()),
    "testcase": (
        {"name", "time", "classname", "group"},
        {"name"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    **{name: ({"type", "message"}, set(), set()) for name in ("failure", "error", "skipped")},
    "system-out": (set(), set(), set()),
}
HOLDS_TEXT = {"failure", "error", "skipped", "system-out"}
TIME = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?")
"""Of suites; what a testcase says is any text."""


def refused(element: Element) -> list[str]:
    """What Jenkins would not take, down from an element."""
    if element.tag not in TAKES:
        return [f"no element {element.tag}"]
    may, must, inside = TAKES[element.tag]
    told = [f"{element.tag}@{name}" for name in set(element.keys()) - may]
    told += [f"{element.tag} lacks {name}" for name in must - set(element.keys())]
    told += [f"{child.tag} in {element.tag}" for child in element if child.tag not in inside]
    if element.tag.startswith("testsuite") and not TIME.fullmatch(element.get("time", "")):
        told.append(f"time {element.get('time')}")
    if element.tag not in HOLDS_TEXT and (element.text or "").strip():
        told.append(f"text in {element.tag}")
    return told + [why for child in element for why in refused(child)]


@pytest.mark.parametrize(
    ("xml", "why"),
    [
        ('<testsuites skipped="1"/>', "testsuites@skipped"),
        ('<testsuite name="a" tests="1" failures="0"/>', "testsuite lacks errors"),
        ('<testcase name="a" file="x.py"/>', "testcase@file"),
        ('<testcase name="a"><properties/></testcase>', "properties in testcase"),
        ('<testsuites time="1e3"/>', "time 1e3"),
        ("<testsuites>text</testsuites>", "text in testsuites"),
        ('<testcase name="a"><passed/></testcase>', "no element passed"),
    ],
)
def test_the_check_refuses_what_jenkins_refuses(xml: str, why: str) -> None:
    assert why in refused(ElementTree.fromstring(xml))


def parsed(findings: Findings, folder: Path) -> Element:
    junit.write(findings, folder / "junit.xml")
    return ElementTree.parse(folder / "junit.xml").getroot()


def a_gate(verdict: str, **changes: object) -> GateResult:
    judged = GateResult(
        "stuck.rate <= 1%", "stuck.rate", "<=", 0.01, "share", verdict, Words("why", "理由"), 0.02, 4, 200
    )
    return msgspec.structs.replace(judged, **changes)


def test_jenkins_takes_it(built: tuple[RunDir, Findings], tmp_path: Path) -> None:
    run, findings = built
    assert refused(ElementTree.parse(run.junit).getroot()) == []
    odd = msgspec.structs.replace(findings, gates=[], duration_s=1234567.5, stopped="]]> \x0b", replay="")
    assert refused(parsed(odd, tmp_path)) == []


def test_a_case_is_a_gate_with_its_verdict(built: tuple[RunDir, Findings]) -> None:
    run, findings = built
    (suite,) = ElementTree.parse(run.junit).getroot()
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == list(GATES)
    assert {case.get("classname") for case in cases} == {"orderjam.synthetic.naive"}
    counts = {word: sum(gate.verdict == word for gate in findings.gates) for word in ("fail", "inconclusive")}
    assert len(suite.findall("testcase/failure")) == int(suite.get("failures", "")) == counts["fail"] > 0
    assert len(suite.findall("testcase/skipped")) == int(suite.get("skipped", "")) == counts["inconclusive"]


def test_gitlab_shows_all_of_it(built: tuple[RunDir, Findings], tmp_path: Path) -> None:
    """It drops a case whose classname and name came before, shows the body alone, and attaches to failed cases."""
    gates = [a_gate("fail"), a_gate("fail"), a_gate("inconclusive"), a_gate("pass")]
    root = parsed(msgspec.structs.replace(built[1], gates=gates, run="r-1"), tmp_path)
    cases = root.findall("testsuite/testcase")
    assert len({(case.get("classname"), case.get("name")) for case in cases}) == 4
    for told in root.iter("failure"):
        assert told.text == told.get("message")
    attached = [case.findtext("system-out") for case in cases if case.find("failure") is not None]
    assert attached == ["[[ATTACHMENT|runs/r-1/report.html]]"] * 2
    assert all("ATTACHMENT" not in (case.findtext("system-out") or "") for case in cases[2:])


def test_what_is_skipped_says_what_the_evidence_lacks(built: tuple[RunDir, Findings], tmp_path: Path) -> None:
    wide = a_gate("inconclusive", value=0.005, bound_lo=0.001, bound_hi=0.02)
    root = parsed(msgspec.structs.replace(built[1], gates=[wide]), tmp_path)
    (skipped,) = root.iter("skipped")
    assert "about 9 times as many orders would settle it" in (skipped.text or "")
    assert skipped.text == skipped.get("message")


def test_what_xml_cannot_hold_is_left_out(built: tuple[RunDir, Findings], tmp_path: Path) -> None:
    odd = msgspec.structs.replace(built[1], scenario='a\x00b\x1b<&"', run="\ud800", replay="\x0c]]>", profile="p")
    assert parsed(odd, tmp_path)[0].get("name") == 'orderjam.ab<&".p'

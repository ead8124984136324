import re
from pathlib import Path

import msgspec
import pytest

from ledger.rundir import RunDir
from reports.findings import Claims, Findings, Verdict, Words
from reports.write import summary
from tests.reports.conftest import GATES
from tests.reports.rich import ODD, rich

pytestmark = pytest.mark.slow


def test_the_summary_has_verdict_gates_and_the_worst_five(built: tuple[RunDir, Findings]) -> None:
    run, findings = built
    text = run.summary.read_text()
    assert text.startswith(f"## ■ {findings.verdict.en}")
    assert all(f"`{gate}`" in text for gate in GATES)
    assert "b00000007 (lost)" in text
    assert f"`orderjam order runs/{run.path.name} b00000007`" in text
    assert "Replay: `orderjam run synthetic --seed 7`" in text


def test_the_summary_says_why(built: tuple[RunDir, Findings], tmp_path: Path) -> None:
    summary.write(rich(built[1]), tmp_path / "summary.md")
    text = (tmp_path / "summary.md").read_text()
    assert "| payment notice lost · 支付通知丢失 | 30 | 75.0 % (60.0–86.0 %) | 4 |" in text


def monstrous(findings: Findings) -> Findings:
    """Everything that others may write is endless, odd and often."""
    endless = (ODD + "\n卡单\x00\ud800 ") * 5000
    findings = rich(findings)
    gate = msgspec.structs.replace(findings.gates[0], text=endless, why=Words(endless, endless))
    cause = msgspec.structs.replace(findings.causes.rows[0], en=endless, zh=endless)
    worst = msgspec.structs.replace(findings.worst[0], key=endless, struck=[endless] * 50)
    return msgspec.structs.replace(
        findings,
        scenario=endless,
        target=endless,
        profile=endless,
        stopped=endless,
        replay=endless,
        run=endless,
        verdict=Verdict("fail", endless, endless),
        claims=Claims(False, [endless] * 500, [endless] * 500),
        gates=[gate] * 500,
        causes=msgspec.structs.replace(findings.causes, rows=[cause] * 500),
        worst=[worst] * 500,
    )


def test_the_summary_stays_under_60_kb_whatever_the_run_was(built: tuple[RunDir, Findings], tmp_path: Path) -> None:
    summary.write(monstrous(built[1]), tmp_path / "summary.md")
    told = (tmp_path / "summary.md").read_bytes()
    assert len(told) < summary.BYTES_MAX
    text = told.decode()
    assert text.startswith("## ■")
    assert "Shortened: the rest is in `report.html`." in text


def test_a_cell_breaks_neither_its_table_nor_the_page(built: tuple[RunDir, Findings], tmp_path: Path) -> None:
    gate = msgspec.structs.replace(built[1].gates[0], why=Words(f"a\n\n| b {ODD} [x](y)", ""))
    summary.write(msgspec.structs.replace(built[1], gates=[gate]), tmp_path / "summary.md")
    (row,) = [line for line in (tmp_path / "summary.md").read_text().splitlines() if "odd" in line]
    assert len(re.findall(r"(?<!\\)\|", row)) == 6
    assert "<b" not in row
    assert "\\[x](y)" in row
    assert row.count("`") == 2

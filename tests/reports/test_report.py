import re
from pathlib import Path
from xml.etree import ElementTree

import duckdb
import msgspec
import pytest

from ledger import events as facts
from ledger.journal import STRUCK_PREFIX
from ledger.rundir import BrokenEvidence, RunDir
from ledger.states import Phase, State
from reports import report
from reports.findings import Findings
from tests.reports.conftest import GATES, NewRun, fault, mixed, ns

pytestmark = pytest.mark.slow

MADE = ("findings.json", "orders.parquet", "report.html", "junit.xml", "summary.md")


def files_of(run: RunDir) -> dict[str, bytes]:
    figures = sorted(run.figures.iterdir())
    return {p.name: p.read_bytes() for p in (*(run.path / name for name in MADE), *figures)}


def test_everything_is_byte_for_byte_the_same_when_made_again(built: tuple[RunDir, Findings]) -> None:
    run, _ = built
    before = files_of(run)
    for name in MADE:
        (run.path / name).unlink()
    (run.figures / "of_last_year.svg").write_text("old")
    report.build(run)
    assert files_of(run) == before
    assert {"survival.svg", "survival.zh.svg", "survival.png", "open_orders.png", "gates.svg"} <= before.keys()


def test_findings_json_holds_what_build_gives(built: tuple[RunDir, Findings]) -> None:
    run, findings = built
    assert msgspec.json.decode(run.findings.read_bytes(), type=Findings) == findings
    assert (findings.outcomes.planned, findings.outcomes.sent, findings.outcomes.paid) == (10, 9, 9)
    assert (findings.outcomes.delivered, findings.outcomes.money_kept, findings.outcomes.open) == (7, 1, 1)
    assert findings.outcomes.unsent_by == {"<too many> & \x07 at once": 1}
    assert findings.stuck.orders == 3
    assert findings.stuck.reconciled == 1
    assert findings.exit_code == 1
    assert findings.worst[0].key == "b00000007"
    assert findings.worst[0].lost


def test_notices_still_due_are_named_with_their_time(built: tuple[RunDir, Findings]) -> None:
    """Order 6 has none sent yet; order 7 had its first unanswered at 13.1, so the second was due 6 s (wire) later."""
    (due,) = built[1].notices_due
    assert (due.upstream, due.trades, due.under_way) == ("epay", 1, 1)
    assert due.next_s == pytest.approx((13.1 + 6 - 60) * 10)


def test_orders_parquet_has_one_row_per_planned_order(built: tuple[RunDir, Findings]) -> None:
    rows = duckdb.sql(f"SELECT key, lost, stuck_business_s, last_hop FROM '{built[0].orders}' ORDER BY key").fetchall()
    assert [row[0] for row in rows] == [f"b{n:08d}" for n in range(10)]
    assert [row[0] for row in rows if row[1]] == ["b00000007"]
    assert rows[8][2] == pytest.approx(75.0)
    assert rows[8][3] == "captured"


def test_an_order_of_ours_beside_the_plan_is_not_overlooked(new_run: NewRun) -> None:
    run = new_run(1)
    run.order(0).happy()
    second = run.order(0)
    second.key, second.no = "b00000000.2", "NO0-2"
    second.captured(12.0)
    findings = report.build(run.write())
    assert (findings.outcomes.planned, findings.outcomes.paid) == (1, 2)


def blinded(findings: Findings) -> Findings:
    worst = [msgspec.structs.replace(w, struck=[]) for w in findings.worst]
    return msgspec.structs.replace(findings, struck=None, worst=worst)


def test_without_the_injectors_voice_nothing_changes_but_the_struck_tables(new_run: NewRun) -> None:
    run = mixed(new_run).write()
    seeing = report.build(run)
    parquet = run.orders.read_bytes()
    assert [(f.id, f.strikes, f.orders, f.stuck, f.lost) for f in seeing.struck.faults] == [
        ("lost", 2, 2, 2, 1),
        ("dusk", 1, 1, 1, 1),
    ]
    assert [(h.hop, h.orders, h.by, h.none) for h in seeing.struck.hops] == [("captured", 3, {"lost": 2, "dusk": 1}, 1)]
    for path in run.events.glob(f"{STRUCK_PREFIX}*"):
        path.unlink()
    run.seal()
    blind = report.build(run)
    assert all(f.strikes == 0 for f in blind.struck.faults)
    assert blinded(blind) == blinded(seeing)
    assert run.orders.read_bytes() == parquet


def test_a_run_that_was_cut_claims_less(new_run: NewRun) -> None:
    run = new_run(6, gate_texts=("stuck.rate <= 50%", "lateness.p99 <= 50 ms"), evidence=1)
    for n in range(5):
        run.order(n).happy(11 + n / 10)
    run.order(5).placed(12.0).seen(State.PAYING, 12.2).captured(13.0).seen(State.PAID, 20.0)
    findings = report.build(run.write(collected=False, closed=False, sealed=False))
    assert not findings.claims.ok
    assert any("writer was killed" in reason for reason in findings.claims.reasons)
    assert any("cut before it collected" in reason for reason in findings.claims.reasons)
    assert len(findings.claims.reasons) == len(findings.claims.reasons_zh)
    assert findings.measures["stuck.rate"].bound_hi == 1.0
    assert findings.measures["stuck.at_deadline"].value is None
    assert [gate.verdict for gate in findings.gates] == ["inconclusive", "inconclusive"]
    assert (findings.verdict.word, findings.exit_code) == ("inconclusive", 3)


def test_a_settle_that_was_too_short_is_estimated_by_survival(new_run: NewRun) -> None:
    run = new_run(40, end_s=30.0)
    for n in range(30):
        run.order(n).happy(11 + n / 10)
    for n in range(30, 36):
        run.order(n).sleeping(11.0)
    for n in range(36, 40):
        early = run.order(n).placed(0.5).seen(State.PAYING, 0.6).captured(0.7).seen(State.PAYING, 35.0, final=True)
        early.booked(State.PAYING)
    findings = report.build(run.write())
    assert not findings.claims.ok
    found = findings.measures["stuck.at_deadline"]
    assert "Kaplan-Meier" in found.method
    assert found.value == pytest.approx(0.25)
    assert findings.measures["stuck.rate"].hi == 1.0


def test_nothing_is_made_of_an_edited_journal_unless_somebody_insists(new_run: NewRun) -> None:
    run = mixed(new_run).write()
    journal = run.events / "payment.ndjson"
    journal.write_bytes(journal.read_bytes().replace(b'"amount_fen":1000', b'"amount_fen":1', 1))
    with pytest.raises(BrokenEvidence, match=r"payment\.ndjson: the block of events .* was changed.*--despite-broken"):
        report.build(run)
    assert {file.name for file in run.path.iterdir()} == {"events", "plan.yaml"}
    findings = report.build(run, despite_broken=True)
    assert not findings.claims.ok
    assert any("broken" in reason for reason in findings.claims.reasons)


GARBAGE = (
    b'\xff\xfe\x00{\n{"t":"x","k":"captured"}\n[1,2]\n"text"\nnull\n'
    b'{"t":5,"k":"captured","o":"b00000001","amount_fen":"many","trade_no":null}\n'
    b'{"t":7,"k":"seen","o":"b00000002","state":"banana","goods":{"a":1}}\n'
    b'{"t":8,"k":"requests","name":"poll","count":null,"errors":-4,"histogram":{"x":1,"5":null,"inf":3},"why":[1]}\n'
    b'{"t":9,"k":"health","child":"z","cpu":null,"rss_mb":1e999,"lag_ms":NaN}\n{"t":1e400,"k":"phase"}\n'
    b'{"t":10,"k":"sent","o":"b00000003","late_ns":null}\n{"t":11,"k":"no_such_kind","o":null}\n{"t":12,"k":"se'
)


def test_a_journal_of_garbage_is_no_traceback_and_no_nan(new_run: NewRun) -> None:
    run = mixed(new_run).write()
    (run.events / "payment.ndjson").write_bytes(GARBAGE)
    findings = report.build(run, despite_broken=True)
    assert not findings.claims.ok
    for name in ("findings.json", "report.html", "junit.xml", "summary.md"):
        assert not re.search(r"\b(nan|inf|NaN|Infinity)\b", (run.path / name).read_text()), name


@pytest.mark.parametrize("kind", ["no events", "no orders", "nobody paid", "only strikes"])
def test_where_there_is_nothing_to_say_the_page_says_so(new_run: NewRun, kind: str) -> None:
    run = new_run(3, gate_texts=GATES, faults=(fault("lost"),))
    if kind == "no events":
        run.events.clear()
    if kind == "nobody paid":
        for n in range(3):
            run.order(n).placed(11.0).seen(State.PAYING, 11.2).seen(State.PAYING, 59.0, final=True)
    if kind == "only strikes":
        run.events.clear()
        run.order(0).struck("alien", 11.0)
    findings = report.build(run.write(collected=kind in ("no orders", "nobody paid")))
    assert not findings.claims.ok
    assert findings.exit_code in (1, 3)
    says = "Nobody paid" if kind == "nobody paid" else "No order was sent"
    assert findings.verdict.en.startswith(says)
    assert says in findings.verdict.en
    assert says in (run.dir.report).read_text()


@pytest.mark.parametrize(
    ("note", "why", "code"),
    [
        ("stopped early: lost_orders >= 1 (1 paid …)", "lost_orders >= 1 (1 paid …)", 4),
        ("interrupted", "interrupted", 130),
    ],
)
def test_a_load_that_was_stopped_early_says_why_and_with_which_exit_code(
    new_run: NewRun, note: str, why: str, code: int
) -> None:
    run = new_run(2)
    run.order(0).happy()
    for phase, at, said in ((Phase.HEAL, 25, note), (Phase.SETTLE, 25, ""), (Phase.COLLECT, 60, "")):
        run.put("harness", facts.PhaseBegan(t=ns(at), phase=phase, note=said))
    findings = report.build(run.write(collected=False))
    assert findings.stopped == why
    page, summary, junit = (path.read_text() for path in (run.dir.report, run.dir.summary, run.dir.junit))
    assert f"ends with exit code {code}." in page
    assert f"**The load was stopped early:** {why}" in summary
    assert "The load was stopped early" in junit


def test_a_load_that_ran_to_its_end_says_nothing_of_a_stop(built: tuple[RunDir, Findings]) -> None:
    assert built[1].stopped == ""
    assert "stopped early" not in built[0].report.read_text()


def test_a_name_with_a_quote_in_the_path_does_no_harm(new_run: NewRun, tmp_path: Path) -> None:
    run = mixed(new_run).write()
    odd = tmp_path / 'it\'s a "run" [1]*'
    run.path.rename(odd)
    assert report.build(RunDir(odd)).outcomes.planned == 10


def test_figures_keep_text_as_text_and_name_no_font(built: tuple[RunDir, Findings]) -> None:
    for path in sorted(built[0].figures.glob("*.svg")):
        svg = path.read_text()
        assert "<text" in svg, path
        assert "DejaVu" not in svg, path
        assert "#000000" not in svg, path
        ElementTree.fromstring(svg)

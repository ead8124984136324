import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger.rundir import BrokenEvidence, RunDir
from plan.run import TargetPlan
from plan.run import load as load_plan
from plan.units import Share
from reports.analysis import analyse
from reports.compare import Comparison, ComparisonError, Pair, compare
from reports.findings import CauseRow, Causes
from reports.recorded import Recorded, recorded
from reports.stories import Stories
from reports.write import comparison
from reports.write import findings as findings_file
from reports.write.orders import columns
from tests.reports.conftest import make_plan
from tests.reports.twins import DUSK, N, run_of


def only_pair(found: Comparison) -> Pair:
    (pair,) = found.pairs
    return pair


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Recorded]:
    """One with orders 0 to 2 stuck and 3 lost; one with 2 and 4 stuck and 7 unpaid; one with nothing amiss."""
    folder = tmp_path_factory.mktemp("runs")
    made = [
        run_of(folder / "a", stuck=[0, 1, 2], lost=[3]),
        run_of(folder / "b", stuck=[2, 4], unpaid=[7]),
        run_of(folder / "c"),
    ]
    return [recorded(run) for run in made]


@pytest.fixture(scope="module")
def pair(runs: list[Recorded]) -> Pair:
    return only_pair(compare(runs[:2], all_orders=True))


def changed(run: Recorded, **changes: Any) -> Recorded:
    """The run as if its plan had been another one."""
    found = {
        name: value for name, value in changes.items() if name in run.findings.__struct_fields__ and name != "target"
    }
    return msgspec.structs.replace(
        run,
        plan=msgspec.structs.replace(run.plan, **changes),
        findings=msgspec.structs.replace(run.findings, **found),
    )


def test_orders_are_matched_by_key_into_saved_and_harmed(pair: Pair) -> None:
    assert (pair.saved, pair.saved_first) == (3, ["b00000000", "b00000001", "b00000003"])
    assert (pair.harmed, pair.harmed_first) == (1, ["b00000004"])


def test_an_order_paid_in_one_run_alone_is_in_no_table(pair: Pair) -> None:
    assert (pair.paid_both, pair.paid_only_a, pair.paid_only_b) == (7, 1, 0)
    for name, table in pair.tables.items():
        assert table.both + table.only_a + table.only_b + table.neither == 7, name


def test_the_matched_table_of_stuck_orders_counts_each_cell(pair: Pair) -> None:
    table = pair.tables["stuck"]
    assert (table.both, table.only_a, table.only_b, table.neither) == (1, 2, 1, 3)
    lost = pair.tables["lost"]
    assert (lost.both, lost.only_a, lost.only_b, lost.first_a) == (0, 1, 0, ["b00000003"])


def test_changes_of_outcome_are_listed_with_most_orders_first(pair: Pair) -> None:
    told = [(change.a, change.b, change.orders, change.first) for change in pair.changes]
    assert told[0] == ("open", "delivered", 2, ["b00000000", "b00000001"])
    assert sorted(told[1:]) == [
        ("delivered", "open", 1, ["b00000004"]),
        ("delivered", "unpaid", 1, ["b00000007"]),
        ("lost", "delivered", 1, ["b00000003"]),
    ]


def test_the_list_of_orders_holds_those_that_changed_and_no_other(pair: Pair) -> None:
    assert [one.key[-1] for one in pair.orders] == ["0", "1", "3", "4", "7"]
    assert (pair.orders[0].stuck_a, pair.orders[0].stuck_b) == (True, False)


def test_measures_stand_side_by_side_as_each_report_has_them(runs: list[Recorded]) -> None:
    found = compare(runs)
    (rate,) = [row for row in found.measures if row.name == "stuck.rate"]
    assert rate.found == [run.findings.measures["stuck.rate"] for run in runs]
    assert found.outcomes == {
        "unpaid": [0, 1, 0],
        "lost": [1, 0, 0],
        "delivered": [4, 5, N],
        "open": [3, 2, 0],
    }
    assert [row.s for row in found.deadlines] == sorted({d.s for run in runs for d in run.findings.deadlines})


def test_the_pace_of_both_runs_is_tested_within_channels_and_of_a_run_with_itself_it_is_the_same(
    runs: list[Recorded],
) -> None:
    told, alike = compare(runs[1:]).pace, compare([runs[0], runs[0]]).pace
    assert told is not None
    assert alike is not None
    assert (told.df, alike.df) == (1, 1)
    assert alike.chi2 == pytest.approx(0)
    assert told.p < 0.9 < alike.p


def test_causes_are_laid_side_by_side_where_the_reports_have_them(runs: list[Recorded]) -> None:
    def with_causes(run: Recorded, **orders: int) -> Recorded:
        rows = [CauseRow(c, c, c, n, n, 0, 0, 0.0, None, None, None, {}, []) for c, n in orders.items()]
        found = msgspec.structs.replace(run.findings, causes=Causes(sum(orders.values()), rows))
        return msgspec.structs.replace(run, findings=found)

    found = compare([with_causes(runs[0], lost=2, unknown=9), with_causes(runs[1], late=4)]).causes
    assert [(row.cause, row.orders) for row in found] == [("unknown", [9, 0]), ("late", [0, 4]), ("lost", [2, 0])]


def test_runs_of_different_compress_are_never_compared(runs: list[Recorded]) -> None:
    with pytest.raises(ComparisonError, match="compress differs"):
        compare([runs[0], changed(runs[1], compress=5.0)])


@pytest.mark.parametrize("n", [1, 7])
def test_one_run_or_seven_are_refused(runs: list[Recorded], n: int) -> None:
    with pytest.raises(ComparisonError, match="legal: 2 to 6"):
        compare(runs[:1] * n)


@pytest.mark.parametrize(
    ("changes", "says", "why_not"),
    [
        ({"seed": 8}, "seed differs: 7, 8", "seeds 7 and 8"),
        ({"scenario": "other"}, "scenario differs: synthetic, other", ""),
        ({"target": TargetPlan("cardshop", "cardshop.yaml", "hardened")}, "profile differs: naive, hardened", ""),
        ({"target": TargetPlan("theirs", "theirs.yaml", "naive")}, "target differs: cardshop, theirs", ""),
        ({"load": make_plan(N + 1).load}, "number of orders differs: 8, 9", "8 and 9 planned orders"),
        ({"mix": msgspec.structs.replace(make_plan().mix, region={"cn-west": Share(1)})}, "", "another mix of orders"),
        ({"faults": (DUSK,)}, "the faults differ", ""),
        ({"stuck_after": {}}, "the stuck thresholds differ", ""),
        ({}, "", ""),
    ],
)
def test_what_differs_is_told_and_other_orders_are_only_laid_side_by_side(
    runs: list[Recorded], changes: dict[str, Any], says: str, why_not: str
) -> None:
    found = compare([runs[0], changed(runs[1], **changes)])
    assert only_pair(found).why_not == why_not
    told = [words.en for words in found.warnings]
    assert says in told or not says
    assert any("side by side only" in words for words in told) is bool(why_not)
    assert bool(told) is bool(changes)


def test_every_other_run_is_matched_with_the_first(runs: list[Recorded]) -> None:
    found = compare(runs)
    assert [(pair.a, pair.b, pair.saved, pair.harmed) for pair in found.pairs] == [("A", "B", 3, 1), ("A", "C", 4, 0)]


def test_the_page_says_that_it_gives_no_verdict_in_two_languages(runs: list[Recorded]) -> None:
    told = comparison.page(compare(runs[:2], all_orders=True))
    assert "without a verdict" in told
    assert "不下结论" in told
    assert "| b00000000 |" in told
    assert "| stuck 卡住 | 1 | 2 | 1 | 3 |" in told


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A run with the two files of its report that are read."""
    run = run_of(tmp_path_factory.mktemp("reported"), stuck=[1])
    analysed(run)
    return run


def analysed(run: RunDir) -> None:
    stories = Stories(run, load_plan(run.plan))
    analysis = analyse(stories)
    stories.write_parquet(run.orders, columns(analysis))
    stories.close()
    findings_file.write(analysis.findings, run.findings)


def test_a_report_that_is_there_is_believed_and_nothing_analysed(
    reported: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.recorded.analysed", None)
    assert recorded(reported).findings.stuck.orders == 1


@pytest.mark.parametrize("spoilt", ["missing", "schema", "garbage", "columns"])
def test_a_report_that_cannot_be_used_is_made_again_and_not_written(
    reported: RunDir, tmp_path: Path, spoilt: str
) -> None:
    expected = recorded(reported)
    run = RunDir(Path(shutil.copytree(reported.path, tmp_path / reported.path.name)))
    match spoilt:
        case "missing":
            run.findings.unlink()
        case "schema":
            run.findings.write_bytes(run.findings.read_bytes().replace(b'"schema": 1', b'"schema": 99', 1))
        case "garbage":
            run.findings.write_bytes(b"{")
        case "columns":
            run.orders.write_bytes(b"PAR1")
    before = _state(run)
    again = recorded(run)
    assert again.findings == expected.findings
    assert again.orders["stuck_business_s"].tolist() == expected.orders["stuck_business_s"].tolist()
    assert _state(run) == before


def test_a_run_of_changed_journals_without_a_report_is_refused(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    journal = run.events / "driver-0.ndjson"
    journal.write_bytes(journal.read_bytes().replace(b'"state":"paying"', b'"state":"paid"', 1))
    with pytest.raises(BrokenEvidence, match=r"driver-0\.ndjson: "):
        recorded(run)


def _state(run: RunDir) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in sorted(run.path.rglob("*")) if path.is_file()}


def test_a_plan_says_what_it_leaves_out_and_so_does_the_report(tmp_path: Path) -> None:
    findings = recorded(run_of(tmp_path, without=("dusk",))).findings
    assert findings.without == ["dusk"]
    assert findings.claims.ok
    assert findings.claims.reasons[0] == "without: dusk, which the scenario has"

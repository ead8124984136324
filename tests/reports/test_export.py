import csv
import re
from pathlib import Path

import duckdb
import msgspec
import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from ledger.rundir import RunDirError
from reports.findings import CauseRow, Causes, Confused, Heat
from reports.recorded import Recorded, recorded
from reports.write import openmetrics
from reports.write.export import export, tables
from tests.reports.twins import N, run_of

RUN = {"scenario": "synthetic", "profile": "naive", "seed": "7", "run": "synthetic-run"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    from plan.gates import parse_gate

    gates = (parse_gate("stuck.rate <= 1%"),)
    return recorded(
        run_of(tmp_path_factory.mktemp("exported"), stuck=[1, 2], lost=[3], unpaid=[4], gates=gates), whole_table=True
    )


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def families(run: Recorded) -> dict[str, Metric]:
    told = text_string_to_metric_families(openmetrics.text(run.findings))
    return {family.name: family for family in told}


def test_the_orders_are_those_of_the_table_cell_by_cell(run: Recorded, tmp_path: Path) -> None:
    export(run, tmp_path / "out", as_openmetrics=False)
    rows = read(tmp_path / "out" / "orders.csv")
    assert list(rows[0]) == list(run.orders)
    assert [row["key"] for row in rows] == [f"b0000000{n}" for n in range(N)]
    assert [float(row["stuck_business_s"]) > 0 for row in rows] == [n in (1, 2) for n in range(N)]
    assert rows[4]["captured_s"] == ""  # never paid: there is no such time
    assert rows[3]["lost"] == "true"
    with duckdb.connect(":memory:") as db:
        back = db.execute("SELECT sum(captured_fen) FROM read_csv(?)", [str(tmp_path / "out/orders.csv")]).fetchone()
    assert back == (int(run.orders["captured_fen"].sum()),)


def test_every_measure_is_a_row_with_its_interval_unit_and_method(run: Recorded, tmp_path: Path) -> None:
    export(run, tmp_path, as_openmetrics=False)
    rows = {row["measure"]: row for row in read(tmp_path / "measures.csv")}
    assert list(rows) == list(run.findings.measures)
    rate, found = rows["stuck.rate"], run.findings.measures["stuck.rate"]
    assert (rate["k"], rate["n"], rate["unit"], rate["method"]) == ("2", "7", "share", found.method)
    assert [float(rate[name]) for name in ("value", "lo", "hi")] == [found.value, found.lo, found.hi]
    assert rows["open.at_end"]["lo"] == ""  # it has no interval


def test_every_table_is_a_file_with_a_head_and_as_many_rows(run: Recorded, tmp_path: Path) -> None:
    made = export(run, tmp_path)
    found = tables(run.findings)
    assert {path.name for path in made} == {"orders.csv", "metrics.txt", *(f"{name}.csv" for name in found)}
    assert {"survival", "open_orders", "invariants", "gates", "groups", "run"} <= found.keys()
    for name, rows in found.items():
        assert len(read(tmp_path / f"{name}.csv")) == len(rows), name
    assert len(found["open_orders"]) == len(run.findings.series.t_s)


def test_a_heat_map_is_one_row_a_cell_and_the_open_ones_have_no_upper_edge(run: Recorded) -> None:
    heat = Heat(t_s=[0.0, 5.0], edges_s=[10.0, 60.0], counts=[[1, 2], [3, 4]], open=[0, 5])
    rows = tables(msgspec.structs.replace(run.findings, heat=heat))["heat"]
    cells = [(row["paid_s"], row["took_up_to_s"], row["orders"]) for row in rows]
    assert cells == [(0, 10, 1), (5, 10, 2), (0, 60, 3), (5, 60, 4), (0, None, 0), (5, None, 5)]


def test_confused_causes_are_one_row_a_cell(run: Recorded) -> None:
    confused = [Confused("lost", {"lost": 8, "unknown": 2}), Confused("none", {})]
    struck = msgspec.structs.replace(run.findings.struck, confused=confused)
    rows = tables(msgspec.structs.replace(run.findings, struck=struck))["confused"]
    assert [tuple(row.values()) for row in rows] == [("lost", "lost", 8), ("lost", "unknown", 2)]


def test_words_with_commas_quotes_and_lines_come_back_as_they_were(run: Recorded, tmp_path: Path) -> None:
    odd = 'a, "b"\nc'
    export(
        msgspec.structs.replace(run, findings=msgspec.structs.replace(run.findings, replay=odd)),
        tmp_path,
        as_openmetrics=False,
    )
    assert read(tmp_path / "run.csv")[0]["replay"] == odd


def test_an_openmetrics_parser_takes_it_and_finds_the_values(run: Recorded, families: dict[str, Metric]) -> None:
    found = run.findings.measures["stuck.rate"]
    for name, value in (("rate", found.value), ("rate_lower", found.lo), ("rate_upper", found.hi)):
        family = families[f"orderjam_stuck_{name}_ratio"]
        (sample,) = family.samples
        assert (family.type, family.unit, sample.value, sample.labels) == ("gauge", "ratio", value, RUN)
    assert families["orderjam_stuck_rmst_business_seconds"].unit == "seconds"
    assert families["orderjam_lateness_p99_wire_seconds"].unit == "seconds"
    assert families["orderjam_invariants_lost_order"].samples[0].value == 1
    (orders,) = [s for s in families["orderjam_measure_orders"].samples if s.labels["measure"] == "stuck.rate"]
    assert orders.value == 7


def test_gates_are_state_sets_with_one_state_on(families: dict[str, Metric]) -> None:
    family = families["orderjam_gate"]
    assert family.type == "stateset"
    told = {sample.labels["orderjam_gate"]: sample.value for sample in family.samples}
    assert sum(told.values()) == 1
    assert told["fail"] == 1


def test_every_measure_that_has_a_value_has_a_family(run: Recorded, families: dict[str, Metric]) -> None:
    for name, found in run.findings.measures.items():
        base = f"orderjam_{name.replace('.', '_')}"
        has = any(
            family == base or re.fullmatch(f"{base}_(ratio|(wire|business)_seconds)", family) for family in families
        )
        assert has is (found.value is not None), name


def test_labels_are_escaped_and_the_text_ends_with_eof(run: Recorded) -> None:
    odd = 'a"b\\c\nd'
    causes = Causes(1, [CauseRow(odd, odd, odd, 1, 1, 0, 0, 0.0, None, None, None, {}, [])])
    text = openmetrics.text(msgspec.structs.replace(run.findings, scenario=odd, causes=causes))
    assert text.endswith("\n# EOF\n")
    assert "\n\n" not in text
    told = {family.name: family for family in text_string_to_metric_families(text)}
    assert told["orderjam_cause_orders"].samples[0].labels == {**RUN, "scenario": odd, "cause": odd}


def test_the_files_are_the_same_bytes_when_written_again_over_older_ones(run: Recorded, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("old", encoding="utf-8")
    (tmp_path / "mine.txt").write_text("kept", encoding="utf-8")
    first = {path.name: path.read_bytes() for path in export(run, tmp_path)}
    again = {path.name: path.read_bytes() for path in export(run, tmp_path)}
    assert again == first
    assert (tmp_path / "mine.txt").read_text(encoding="utf-8") == "kept"
    assert {path.name for path in tmp_path.iterdir()} == {*first, "mine.txt"}


def test_what_fails_half_way_leaves_nothing_behind(
    run: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reports.write.export._write_orders", full)
    with pytest.raises(RunDirError, match="No space left on device"):
        export(run, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_folder_to_export_to(run: Recorded, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("", encoding="utf-8")
    with pytest.raises(RunDirError, match="is not a folder"):
        export(run, tmp_path / "out")

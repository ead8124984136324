"""The commands that lay runs beside each other, in this process; what plays twins here writes synthetic runs."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from harness import cli_reports, playing
from harness.cli import app
from harness.run import Exit
from ledger.rundir import RunDir
from plan.run import Plan
from tests.reports.conftest import fault
from tests.reports.twins import DUSK, run_of

FAULTS = (fault("lost"), DUSK)


def orderjam(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def base(tmp_path: Path) -> RunDir:
    return run_of(tmp_path / "base", stuck=[1, 2], faults=FAULTS)


class Player:
    """Stands for what plays a twin: without the fault nothing gets stuck. `stops_at`: the run that is stopped."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stops_at: int = 99) -> None:
        self.seeds: list[tuple[int, tuple[str, ...]]] = []
        self.stops_at = stops_at
        monkeypatch.setattr(cli_reports, "_played", self)
        monkeypatch.setattr(cli_reports, "missing", lambda plan: "")

    def __call__(self, plan: Plan, out: Path) -> RunDir | None:
        if len(self.seeds) >= self.stops_at:
            return None
        self.seeds.append((plan.seed, plan.without))
        name = f"s{plan.seed}{''.join(plan.without)}"
        plan = playing.made(plan, [])
        stuck = [] if plan.without else [1, 2]
        fields = {name: getattr(plan, name) for name in ("seed", "faults", "without", "made")}
        return RunDir(run_of(out / f".{name}", stuck=stuck, **fields).path.rename(out / name))


def test_a_dry_run_tells_the_cost_and_plays_nothing(base: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    player = Player(monkeypatch)
    ran = orderjam("blame", base.path, "--dry-run")
    assert ran.exit_code == Exit.PASSED, ran.output
    # Its phases span 59 s, and 12 s go to what is beside them.
    cost, other = ran.stderr.splitlines()
    assert cost == "3 pairs for dusk: 6 runs, 0 played already; 6 × about 71 s = about 7 min"
    assert other.startswith("synthetic-run was played by build ?, its twins are by ")
    assert player.seeds == []
    assert not (base.path / "twins").exists()


@pytest.mark.slow
def test_blame_stops_with_130_keeps_whole_pairs_and_goes_on(base: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    Player(monkeypatch, stops_at=3)
    ran = orderjam("blame", base.path, "--pairs", "2")
    assert ran.exit_code == Exit.INTERRUPTED, ran.output
    assert "stopped; 3 of 4 runs are kept" in ran.stderr
    told = json.loads((base.path / "blame.json").read_bytes())
    assert told["seeds"] == [7]

    player = Player(monkeypatch)
    ran = orderjam("blame", base.path, "--pairs", "2", "--json")
    assert ran.exit_code == Exit.PASSED, ran.output
    assert "4 runs, 3 played already" in ran.stderr
    assert player.seeds == [(8, ("dusk",))]
    (found,) = json.loads(ran.stdout)["faults"]
    assert (found["id"], found["attributable"]["stuck"]["mean"], found["attributable"]["stuck"]["pairs"]) == (
        "dusk",
        2,
        2,
    )
    assert "+2" in (base.path / "blame.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["blame", "{run}", "--fault", "dsk"], "did you mean 'dusk'?"),
        (["blame", "{run}", "--pairs", "0"], ""),
        (["compare", "{run}", "{run}"], "one run is given twice"),
        (["compare", "{run}"], "1 given; legal: 2 to 6 runs"),
        (["export", "{run}", "--to", "{run}/plan.yaml"], "is not a folder"),
    ],
)
def test_wrong_use_is_refused(base: RunDir, words: list[str], says: str) -> None:
    ran = orderjam(*(word.format(run=base.path) for word in words))
    told = f"{ran.output} {ran.exception}"
    assert ran.exit_code != Exit.PASSED
    assert says in told, told
    assert not list(base.path.glob("twins"))


@pytest.mark.slow
def test_compare_prints_tables_markdown_or_json(base: RunDir, tmp_path: Path) -> None:
    other = run_of(tmp_path / "other", stuck=[2], faults=FAULTS)
    shown = orderjam("compare", base.path, other.path, "--orders")
    assert shown.exit_code == Exit.PASSED, shown.output
    assert "Saved (in trouble in A alone): 1 (b00000001)." in shown.stdout
    assert orderjam("compare", base.path, other.path, "--md").stdout.startswith("# Runs side by side 运行对比\n")
    found = json.loads(orderjam("compare", base.path, other.path, "--json").stdout)
    assert (found["pairs"][0]["saved"], found["pairs"][0]["harmed"]) == (1, 0)


@pytest.mark.parametrize(
    ("kind", "has", "lacks"), [("csv", "orders.csv", "metrics.txt"), ("openmetrics", "metrics.txt", "orders.csv")]
)
def test_export_writes_what_is_asked_for(base: RunDir, tmp_path: Path, kind: str, has: str, lacks: str) -> None:
    ran = orderjam("export", base.path, "--to", tmp_path / "out", "--format", kind)
    assert ran.exit_code == Exit.PASSED, ran.output
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert has in names
    assert lacks not in names

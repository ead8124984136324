import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.run import Exit

ROOT = Path(__file__).parents[2]
ORDERJAM = [sys.executable, "-P", "-m", "harness.cli"]


def orderjam(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ORDERJAM, *words], cwd=cwd, capture_output=True, text=True, timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "run", "report", "order", "list", "check", "verify", "doctor", "toxiproxy", "proxy",
        "blame", "compare", "export", "mocks up", "fault add", "fault list", "fault remove", "fault save",
    ],
)  # fmt: skip
def test_every_command_has_help_with_examples(command: str) -> None:
    ran = orderjam(*command.split(), "--help")
    assert ran.returncode == 0
    assert f"orderjam {command}" in ran.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "evening_pek"], "did you mean 'evening_peak'?"),
        (["run", "./nowhere.yaml"], "no such scenario file"),
        (["run", "evening_peak", "--rate", "fast", "--dry-run"], "--rate or --duration: 'fast' is not legal here"),
        (["run", "evening_peak", "--set", "load"], "legal: --set key.key=value"),
        (["run", "evening_peak", "--set", "target=cardshp", "--dry-run"], "did you mean 'cardshop'?"),
        (["run", "evening_peak", "--profile", "naive+setle_once", "--dry-run"], "did you mean 'settle_once'?"),
        (["run", "evening_peak", "--without", "topp"], "no fault 'topp' in evening_peak; did you mean 'top'?"),
        (["report", "runs/nothing-here"], "no such run directory"),
        (["verify", "tests"], "holds no plan.yaml"),
        (["order", "runs/nothing-here", "b00000001"], "no such run directory"),
        (["check", "nowhere.yaml"], "no such file"),
        (["check", "README.md"], "README.md"),
    ],
)
def test_wrong_use_is_one_clear_line_and_exit_code_2(words: list[str], says: str) -> None:
    ran = orderjam(*words)
    assert ran.returncode == Exit.WRONG_USE, ran.stderr
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_a_dry_run_prints_the_plan_with_its_replay_command_and_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    ran = orderjam("run", "notice_lost", "--seed", "9", "--dry-run", "--json", "--out", str(out))
    plan = json.loads(ran.stdout)
    assert plan["seed"] == 9
    assert plan["made"]["replay"].startswith("orderjam run notice_lost --seed 9")
    assert not out.exists()


@pytest.mark.slow
def test_check_and_a_dry_run_say_who_breaks_which_hops(tmp_path: Path) -> None:
    line = "wire: shop>supplier/store (wire.half_open) by the embedded server"
    checked = orderjam("check", "scenarios/half_open_supplier.yaml")
    assert line in checked.stderr
    assert checked.returncode == Exit.PASSED
    assert line in orderjam("run", "half_open_supplier", "--dry-run", "--out", str(tmp_path / "runs")).stderr


@pytest.mark.slow
def test_lists_are_json_where_asked() -> None:
    names = {row["name"] for row in json.loads(orderjam("list", "scenarios", "--json").stdout)}
    assert {"evening_peak", "notice_lost", "signature_failure", "calm_day"} <= names
    assert {row["name"] for row in json.loads(orderjam("list", "targets", "--json").stdout)} == {"cardshop"}


@pytest.mark.slow
def test_a_folder_that_is_a_file_is_refused_as_out(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    ran = orderjam("run", "calm_day", "--out", str(tmp_path / "runs"))
    assert ran.returncode == Exit.WRONG_USE
    assert "is not a folder" in ran.stderr


@pytest.mark.slow
def test_a_web_port_in_use_is_refused_before_anything_starts(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = orderjam("run", "calm_day", "--web", str(port), "--out", str(tmp_path / "runs"))
    assert ran.returncode == Exit.WRONG_USE
    assert f"--web {port}: this port is in use" in ran.stderr
    assert not (tmp_path / "runs").exists()

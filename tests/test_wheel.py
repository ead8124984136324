"""The wheel, installed outside the checkout and used inside a project whose folders are called as ours are."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = [pytest.mark.slow, pytest.mark.run]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    (made,) = out.glob("orderjam-*.whl")
    return made


def test_the_wheel_holds_what_a_run_needs_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    folders = {name.partition("/")[0] for name in names}
    assert {"ledger", "plan", "faults", "mocks", "targets", "scenarios", "load", "harness", "reports"} <= folders
    assert not {"tests", "benchmarks"} & folders
    for needed in (
        *("scenarios/evening_peak.yaml", "scenarios/scenario.schema.json", "targets/cardshop.yaml"),
        *("reports/findings.schema.json", "reports/write/report.js", "reports/write/chapters/why.html.jinja"),
    ):
        assert needed in names
    assert any(name.startswith("reports/") and name.endswith((".html", ".jinja")) for name in names)
    assert any(name.startswith("targets/cardshop/") and name.endswith(".html") for name in names)


def test_the_installed_wheel_runs_inside_a_project_with_folders_of_our_names(wheel: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    site = next((venv / "lib").glob("python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    # The libraries come from the environment of the tests, orderjam itself only from the wheel.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    project = tmp_path / "project"
    for name in ("mocks", "tests", "scenarios", "reports", "load", "ledger", "targets"):
        (project / name).mkdir(parents=True)
        (project / name / "__init__.py").write_text(f"raise RuntimeError('the project own {name} was imported')\n")
    (project / "locust.conf").write_text("host = http://192.0.2.1\n")
    words = ["run", "calm_day", "--ci", "--out", "out", "--set", "load.orders=30", "--set", "evidence.orders=20"]
    words += ["--set", "mix.pay_delay={constant: 3 s}", "--set", "deadline=75 s"]
    ran = subprocess.run(
        [str(venv / "bin" / "python"), "-P", "-c", "from harness.cli import main; main()", *words],
        cwd=project,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode in (0, 3), ran.stderr  # 3: a busy machine may send late
    assert (project / "out" / "latest" / "report.html").is_file()
    made = subprocess.run(
        [str(venv / "bin" / "python"), "-P", "-c", "import ledger; print(ledger.__file__)"],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(site) in made.stdout

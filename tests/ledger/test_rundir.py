import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from ledger import rundir
from ledger.events import Sent, Struck
from ledger.journal import Voice, Wholeness
from ledger.rundir import Manifest, RunDir, RunDirError, write_atomically
from ledger.states import Operation


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """A run with two writers, closed and sealed."""
    made = RunDir.create(tmp_path / "runs", "calm_day", 7)
    made.plan.write_text("schema: 1\n")
    for writer in ("driver-0", "epay"):
        with Voice(made.events, writer) as voice:
            voice.append(Sent(t=1, o="b00000000", late_ns=1))
            voice.append(Struck(t=2, fault="f", hop="h", operation=Operation.NOTICE, attempt=1, changed="x"))
    made.seal()
    return made


def kill_a_writer(run: RunDir) -> None:
    voice = Voice(run.events, "shop")
    voice.append(Sent(t=1, late_ns=1))
    voice.flush()


def reclose(run: RunDir) -> None:
    kill_a_writer(run)
    run.seal()


def append(file: Path, data: bytes) -> None:
    file.write_bytes(file.read_bytes() + data)


def test_a_run_that_was_closed_and_left_alone_is_closed(run: RunDir) -> None:
    found = run.verify()
    assert (found.wholeness, found.reasons) == (Wholeness.CLOSED, [])
    assert [f.file for f in found.files] == [
        "driver-0.ndjson",
        "epay.ndjson",
        "struck-driver-0.ndjson",
        "struck-epay.ndjson",
    ]


def test_the_manifest_says_what_each_journal_held(run: RunDir) -> None:
    manifest = msgspec.json.decode(run.manifest.read_bytes(), type=Manifest)
    assert manifest.files == run.verify().files
    assert [f.events for f in manifest.files] == [1, 1, 1, 1]
    assert manifest.files[0].bytes == (run.events / "driver-0.ndjson").stat().st_size


@pytest.mark.parametrize(
    ("harm", "wholeness", "reason"),
    [
        (reclose, Wholeness.UNCLOSED, r"shop\.ndjson: its writer was killed"),
        (lambda run: run.manifest.unlink(), Wholeness.UNCLOSED, "MANIFEST.json is missing"),
        (kill_a_writer, Wholeness.BROKEN, r"shop\.ndjson: not in MANIFEST\.json"),
        (
            lambda run: (run.events / "epay.ndjson").unlink(),
            Wholeness.BROKEN,
            r"epay\.ndjson: in MANIFEST\.json but gone",
        ),
        (lambda run: append(run.events / "epay.ndjson", b"x"), Wholeness.BROKEN, "goes on after its closing seal"),
        (
            lambda run: (run.events / "epay.ndjson").write_bytes(b""),
            Wholeness.BROKEN,
            "was changed after the run was closed",
        ),
        (lambda run: run.manifest.write_text("{"), Wholeness.BROKEN, "MANIFEST.json: "),
        (lambda run: run.manifest.write_bytes(b'{"schema":1,"files":["\xff"]}'), Wholeness.BROKEN, "MANIFEST.json: "),
        (lambda run: run.manifest.write_text('{"schema":1}'), Wholeness.BROKEN, "MANIFEST.json: "),
    ],
)
def test_a_harmed_run_is_told_with_the_reason(
    run: RunDir, harm: Callable[[RunDir], object], wholeness: Wholeness, reason: str
) -> None:
    harm(run)
    found = run.verify()
    assert found.wholeness is wholeness
    assert any(re.search(reason, why) for why in found.reasons)


def test_a_closed_journal_replaced_by_another_closed_one_is_broken(run: RunDir, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with Voice(other, "epay") as voice:
        voice.append(Sent(t=1, o="b00000000", late_ns=2))
    (other / "epay.ndjson").replace(run.events / "epay.ndjson")
    found = run.verify()
    assert found.wholeness is Wholeness.BROKEN
    assert "was changed after the run was closed" in found.reasons[0]


@pytest.mark.parametrize("harm", [lambda run: None, kill_a_writer])
def test_journals_checked_side_by_side_are_judged_as_one_after_the_other(
    run: RunDir, monkeypatch: pytest.MonkeyPatch, harm: Callable[[RunDir], None]
) -> None:
    harm(run)
    one_by_one = run.verify()
    monkeypatch.setattr(rundir, "SMALL_BYTES", 0)
    assert run.verify() == one_by_one


def test_blind_analysis_sees_no_struck_journal(run: RunDir) -> None:
    assert [f.name for f in run.journals(struck=False)] == ["driver-0.ndjson", "epay.ndjson"]
    assert len(run.journals()) == 4


def test_a_new_run_is_named_by_scenario_utc_time_and_seed(run: RunDir) -> None:
    assert re.fullmatch(r"calm_day-\d{8}T\d{6}-s7", run.path.name)
    assert run.events.is_dir()
    assert run.logs.is_dir()


@pytest.mark.parametrize(
    ("without", "ends"),
    [(["top"], "-s7-without-top"), (["a/b", "夜"], "-s7-without-a_b+_"), (["x" * 300], f"-s7-without-{'x' * 80}")],
)
def test_the_name_of_a_run_tells_which_faults_it_is_without(tmp_path: Path, without: list[str], ends: str) -> None:
    path = RunDir.create(tmp_path, "calm_day", 7, without).path
    assert path.parent == tmp_path
    assert path.name.endswith(ends)


def test_two_runs_in_the_same_second_get_two_folders(tmp_path: Path) -> None:
    assert len({RunDir.create(tmp_path, "x", 1).path for _ in range(3)}) == 3


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_a_run_below_something_that_is_no_folder_is_refused(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirError, match=r"folder|cannot make the run directory"):
        RunDir.create(tmp_path / where, "x", 1)


def test_latest_leads_to_the_newest_run_also_when_it_led_elsewhere(run: RunDir) -> None:
    run.point_latest()
    newer = RunDir.create(run.path.parent, "dusk", 8)
    newer.point_latest()
    latest = run.path.parent / "latest"
    assert latest.is_symlink()
    assert latest.resolve() == newer.path
    run.point_latest()
    assert RunDir.open(latest).path == run.path
    assert not list(run.path.parent.glob(".latest*"))


def test_a_run_is_opened_by_its_path(run: RunDir) -> None:
    assert RunDir.open(run.path).path == run.path


@pytest.mark.parametrize(
    ("kept", "reason"),
    [((), "holds no plan.yaml"), (("plan.yaml",), "recorded anything"), (("events/a.ndjson",), "holds no plan.yaml")],
)
def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, kept: tuple[str, ...], reason: str) -> None:
    for name in kept:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    with pytest.raises(RunDirError, match=reason):
        RunDir.open(tmp_path)


def test_a_missing_folder_is_refused_and_an_empty_one_is_not_called_closed(tmp_path: Path) -> None:
    with pytest.raises(RunDirError, match="no such run directory"):
        RunDir.open(tmp_path / "none")
    assert RunDir(tmp_path).verify().wholeness is Wholeness.UNCLOSED


def test_a_file_is_replaced_in_one_step_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "phase.json"
    write_atomically(path, b"old")
    with path.open("rb") as reader:
        write_atomically(path, b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["phase.json"]

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.run import Exit
from ledger.journal import Wholeness
from ledger.rundir import RunDir
from tests.whole_run import ORDERJAM, SHORT, Played, children_of, only_run, play, start

pytestmark = [pytest.mark.slow, pytest.mark.run]


def wait_for(what: Callable[[], Any], *, within_s: float = 30.0) -> Any:
    """What the function gives as soon as that is true; fails the test if it never is."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if found := what():
            return found
        time.sleep(0.05)
    pytest.fail(f"waited {within_s:g} s in vain")


def first_strikes(run: Played) -> set[tuple[str, str, str, str]]:
    return {(s.fault, s.o, s.hop, str(s.operation)) for s in run.events("struck") if s.attempt == 1}


@pytest.fixture(scope="module")
def lossy(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(tmp_path_factory.mktemp("lossy"), "notice_lost", *SHORT)


def test_every_planned_order_is_followed_to_its_end(lossy: Played) -> None:
    assert [p.n for p in sorted(lossy.events("planned"), key=lambda p: p.n)] == list(range(60))
    assert len(lossy.events("sent")) == 60 + 10  # and those of the warm-up
    assert lossy.findings["claims"]["ok"], lossy.findings["claims"]
    assert lossy.findings["outcomes"]["delivered"] == 60


def test_lost_notices_get_orders_stuck_and_the_gate_says_so(lossy: Played) -> None:
    stuck = lossy.findings["measures"]["stuck.rate"]
    assert stuck["n"] == 60
    assert len(first_strikes(lossy)) == stuck["k"] > 5
    verdicts = {gate["text"]: gate["verdict"] for gate in lossy.findings["gates"]}
    assert verdicts["stuck.rate <= 1%"] == "fail"
    # A machine so busy that the driver sent late makes the run inconclusive before any gate, as it should.
    assert lossy.code in (Exit.GATE_FAILED, Exit.INCONCLUSIVE), lossy.said


def test_the_seed_and_the_replay_command_stand_first_and_last(lossy: Played) -> None:
    lines = lossy.said.strip().splitlines()
    assert lines[0] == lines[-1]
    assert lines[0].startswith("seed 7 · replay: orderjam run notice_lost --seed 7")


def test_a_run_is_closed_and_its_report_can_be_made_again_byte_for_byte(lossy: Played, tmp_path: Path) -> None:
    assert lossy.folder.verify().wholeness is Wholeness.CLOSED
    made = ("findings.json", "orders.parquet", "report.html", "junit.xml", "summary.md")
    before = {name: (lossy.folder.path / name).read_bytes() for name in made}
    copy = tmp_path / lossy.folder.path.name
    shutil.copytree(lossy.folder.path, copy)
    for name in made:
        (copy / name).unlink()
    from reports import report

    report.build(RunDir(copy))
    assert {name: (copy / name).read_bytes() for name in made} == before


@pytest.mark.parametrize(
    ("damage", "code", "says"),
    [
        (lambda data: data.replace(b'"state":"paying"', b'"state":"unpaid"', 1), Exit.BROKEN, "was changed"),
        (lambda data: data[: len(data) // 2], Exit.BROKEN, "was changed after the run was closed"),
        (lambda data: data, Exit.PASSED, "closed"),
    ],
)
def test_of_a_damaged_journal_nothing_is_reported_unless_somebody_insists_and_then_less_is_claimed(
    lossy: Played, tmp_path: Path, damage: Callable[[bytes], bytes], code: Exit, says: str
) -> None:
    copy = tmp_path / lossy.folder.path.name
    shutil.copytree(lossy.folder.path, copy)
    journal = copy / "events" / "driver-0.ndjson"
    journal.write_bytes(damage(journal.read_bytes()))
    verified = subprocess.run([*ORDERJAM, "verify", str(copy)], capture_output=True, text=True, check=False)
    assert verified.returncode == code
    assert says in verified.stdout
    plain = subprocess.run([*ORDERJAM, "report", str(copy)], capture_output=True, text=True, check=False)
    assert plain.returncode == code
    assert ("--despite-broken-evidence" in plain.stderr) is (code == Exit.BROKEN)
    insisting = [*ORDERJAM, "report", str(copy), "--json", "--despite-broken-evidence"]
    reported = subprocess.run(insisting, capture_output=True, text=True, check=False)
    assert (reported.returncode, "Traceback" in reported.stderr) == (0, False)
    assert json.loads(reported.stdout)["claims"]["ok"] is (code == Exit.PASSED)


def test_an_order_is_told_to_support_with_number_payment_and_how_long_it_was_stuck(lossy: Played) -> None:
    key = min(strike.o for strike in lossy.events("struck"))
    told = subprocess.run(
        [*ORDERJAM, "order", str(lossy.folder.path), key], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    (placed,) = [p for p in lossy.events("placed") if p.o == key]
    (trade,) = [t for t in lossy.events("trade_created") if t.o == key]
    assert placed.order_no in told.stdout
    assert trade.trade_no in told.stdout
    unknown = subprocess.run(
        [*ORDERJAM, "order", str(lossy.folder.path), "b99"], capture_output=True, text=True, check=False
    )
    assert unknown.returncode == Exit.WRONG_USE
    assert "no order 'b99' in this run" in unknown.stderr


def test_no_secret_reaches_the_run_directory(lossy: Played) -> None:
    """Keys are 32 hex digits at random; digests of seals are 64 and hashes of goods 16."""
    import re

    for path in lossy.folder.path.rglob("*"):
        if path.is_file() and path.suffix in (".ndjson", ".yaml", ".log", ".json", ".md", ".xml"):
            assert not re.search(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])", path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("changes", [("--rate", "60/s"), ("--workers", "2")])
def test_the_same_orders_and_strikes_at_another_rate_and_on_two_workers(
    lossy: Played, tmp_path: Path, changes: tuple[str, str]
) -> None:
    other = play(tmp_path, "notice_lost", *SHORT, *changes)
    keys = sorted(p.o for p in other.events("planned"))
    assert keys == sorted(p.o for p in lossy.events("planned"))
    assert len(keys) == len(set(keys)) == len([s for s in other.events("sent") if s.o.startswith("b")])
    assert first_strikes(other) == first_strikes(lossy)
    amounts = {t.o: t.amount_fen for t in lossy.events("trade_created") if t.o.startswith("b")}
    assert {t.o: t.amount_fen for t in other.events("trade_created") if t.o.startswith("b")} == amounts


def test_asking_the_channel_cures_lost_notices(lossy: Played, tmp_path: Path) -> None:
    cured = play(tmp_path, "notice_lost", *SHORT, "--profile", "naive+requery_unpaid")
    assert first_strikes(cured) == first_strikes(lossy)
    assert cured.findings["measures"]["stuck.rate"]["k"] == 0


def test_a_shop_killed_in_mid_run_is_exit_5_and_still_reported(
    tmp_path: Path, running: list["subprocess.Popen[str]"]
) -> None:
    process = start(tmp_path, "calm_day", *SHORT)
    running.append(process)
    driver = wait_for(
        lambda: (f := list(tmp_path.glob("*/events/driver-0.ndjson"))) and b"planned" in f[0].read_bytes()
    )
    assert driver
    os.kill(children_of(process.pid)["targets.cardshop"], signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == Exit.BROKEN
    assert "shop was killed by SIGKILL" in said
    assert only_run(tmp_path).report.is_file()


def test_killing_the_harness_leaves_no_child_also_not_a_stopped_one(
    tmp_path: Path, running: list["subprocess.Popen[str]"]
) -> None:
    process = start(tmp_path, "calm_day", *SHORT)
    running.append(process)
    wait_for(lambda: (f := list(tmp_path.glob("*/events/driver-0.ndjson"))) and b"planned" in f[0].read_bytes())
    children = children_of(process.pid)
    assert {"targets.cardshop", "mocks.payment", "load"} <= children.keys()
    os.kill(children["targets.cardshop"], signal.SIGSTOP)
    process.kill()
    process.wait()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children.values()), within_s=10.0)
    verdict = only_run(tmp_path).verify()
    assert verdict.wholeness is Wholeness.UNCLOSED
    from reports import report

    findings = report.build(only_run(tmp_path))
    assert not findings.claims.ok
    assert findings.claims.reasons


def test_one_interrupt_stops_the_load_settles_shortly_and_reports(
    tmp_path: Path, running: list["subprocess.Popen[str]"]
) -> None:
    process = start(tmp_path, "calm_day", *SHORT, "--set", "load.orders=3000")
    running.append(process)
    wait_for(lambda: (f := list(tmp_path.glob("*/events/driver-0.ndjson"))) and b"planned" in f[0].read_bytes())
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == Exit.INTERRUPTED, said
    run = Played(process.returncode, said, only_run(tmp_path))
    assert run.folder.verify().wholeness is Wholeness.CLOSED
    assert run.folder.report.is_file()
    sent, unsent = len([s for s in run.events("sent") if s.o.startswith("b")]), run.events("unsent")
    assert sent + len(unsent) == 3000
    assert {event.why for event in unsent} == {"stopped early"}


def test_two_interrupts_stop_at_once_and_keep_what_was_recorded(
    tmp_path: Path, running: list["subprocess.Popen[str]"]
) -> None:
    process = start(tmp_path, "calm_day", *SHORT, "--set", "load.orders=3000")
    running.append(process)
    wait_for(lambda: (f := list(tmp_path.glob("*/events/driver-0.ndjson"))) and b"planned" in f[0].read_bytes())
    children = children_of(process.pid)
    process.send_signal(signal.SIGINT)
    wait_for(lambda: b'"heal"' in next(tmp_path.glob("*/events/harness.ndjson")).read_bytes())
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == Exit.INTERRUPTED, said
    assert not any(Path(f"/proc/{pid}").exists() for pid in children.values())
    assert Played(process.returncode, said, only_run(tmp_path)).events("sent")


WRONG_SHOPS = {
    "answers HTML and 404": (
        "import http.server, sys\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(404); self.end_headers(); self.wfile.write(b'<html>no</html>')\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), H).serve_forever()\n",
        "last: status 404",
    ),
    "never answers": (
        "import socket, sys, signal\ns = socket.create_server(('127.0.0.1', int(sys.argv[1])))\nsignal.pause()\n",
        "last: timeout",
    ),
    "dies at once": ("raise SystemExit('no database')\n", "its last lines"),
}


@pytest.mark.parametrize("kind", sorted(WRONG_SHOPS))
def test_a_shop_that_never_becomes_ready_is_one_clear_line_and_exit_5(tmp_path: Path, kind: str) -> None:
    source, says = WRONG_SHOPS[kind]
    (tmp_path / "shop.py").write_text(source)
    from targets import webshop

    text = webshop.find("cardshop").read_text(encoding="utf-8")
    begin, end = text.index("start:"), text.index("profiles:")
    start_it = f'start:\n  command: ["{{python}}", {tmp_path / "shop.py"}, "{{port}}"]\n  ready: /ok\n  within: 3 s\n\n'
    (tmp_path / "wrong.yaml").write_text(text[:begin] + start_it + text[end:], encoding="utf-8")
    run = play(tmp_path / "runs", "calm_day", *SHORT, "--set", f"target={tmp_path / 'wrong.yaml'}")
    assert run.code == Exit.BROKEN
    assert says in run.said
    assert "Traceback" not in run.said


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="a full disk is a tiny tmpfs, and mounting one needs root")
def test_a_full_disk_ends_the_run_with_exit_5_and_one_clear_line(tmp_path: Path) -> None:
    out = tmp_path / "tiny"
    out.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=120k", "tmpfs", str(out)], check=False).returncode:
        pytest.skip("this machine lets nobody mount a tmpfs")
    try:
        run = play(out, "calm_day", *SHORT, "--set", "load.orders=600")
    finally:
        subprocess.run(["umount", str(out)], check=True)
    assert run.code == Exit.BROKEN
    assert "No space left on device" in run.said
    assert "Traceback" not in run.said

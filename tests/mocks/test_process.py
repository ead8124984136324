"""The process of the payment mock: how it starts, stops and breaks, and what it never says."""

import json
import resource
import socket
import subprocess
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode

import pytest

from ledger.events import Captured, NoticeAnswered, Struck, TradeCreated, Unmatched
from ledger.journal import Wholeness, check
from plan.run import Plan, UpstreamPlan
from tests.mocks.running import UPSTREAMS, WITHIN_S, Running, a_run, a_shop, command, environment, running
from tests.mocks.world import KEY, PID, a_fault, a_plan, an_order, signed

pytestmark = pytest.mark.slow
TOKEN = "t0ken-t0ken-t0ken"


def played(folder: Path, *more: str, plan: Plan | None = None, env: dict[str, str] | None = None) -> tuple[int, str]:
    """How a mock that cannot start ends, and what it says."""
    done = subprocess.run(
        command(a_run(folder, plan), *more),
        env=environment(**(env or {})),
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
    )
    return done.returncode, done.stderr


def other_dialect() -> Plan:
    plan = a_plan()
    plan.upstreams["epay"] = UpstreamPlan("payment", "alipey")
    return plan


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"ORDERJAM_UPSTREAMS": ""}, "ORDERJAM_UPSTREAMS is not set"),
        ({"ORDERJAM_UPSTREAMS": f'{{"epay": {{"pid": 1, "key": "{KEY}"}}}}'}, "Expected `str`"),
        ({"ORDERJAM_UPSTREAMS": f'{{"epay": {{"pid": "1", "kee": "{KEY}"}}}}'}, "kee"),
        ({"ORDERJAM_UPSTREAMS": f'"{KEY}"'}, "Expected `object`"),
        ({"ORDERJAM_UPSTREAMS": f'{{"epay": "{KEY}'}, "ORDERJAM_UPSTREAMS"),
        ({"ORDERJAM_UPSTREAMS": "{}"}, "no keys for upstream 'epay'"),
        ({"ORDERJAM_UPSTREAMS": '{"epay": {"pid": "1", "key": "short"}}'}, "at least 8"),
        ({"ORDERJAM_UPSTREAMS": UPSTREAMS[:-1] + f', "epai": {{"pid": "1", "key": "{KEY}"}}}}'}, "did you mean 'epay'"),
    ],
)
def test_without_good_keys_it_ends_with_2_and_one_line(tmp_path: Path, env: dict[str, str], words: str) -> None:
    code, said = played(tmp_path, env=env)
    assert code == 2
    assert words in said
    assert said.count("\n") == 1
    assert KEY not in said


def test_an_unknown_dialect_ends_with_2_and_the_nearest(tmp_path: Path) -> None:
    code, said = played(tmp_path, plan=other_dialect())
    assert code == 2
    assert "upstreams.epay: the payment mock speaks no 'alipey'; did you mean 'alipay'?" in said


def test_where_others_can_reach_it_it_wants_a_token(tmp_path: Path) -> None:
    code, said = played(tmp_path, "--host", "0.0.0.0")
    assert code == 2
    assert "ORDERJAM_ADMIN_TOKEN" in said
    with running(tmp_path, None, "--host", "0.0.0.0", ORDERJAM_ADMIN_TOKEN=TOKEN) as mock:
        with pytest.raises(HTTPError, match="401"):
            mock.ask("/_admin/health")
        assert json.loads(mock.ask("/_admin/health", Authorization=f"Bearer {TOKEN}"))["ok"] is True


def test_a_missing_plan_ends_with_2(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    run.plan.unlink()
    done = subprocess.run(command(run), env=environment(), capture_output=True, text=True, timeout=WITHIN_S)
    assert done.returncode == 2
    assert "no such file" in done.stderr


def test_a_port_that_is_taken_ends_with_5_and_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, said = played(tmp_path, "--port", str(taken.getsockname()[1]))
    assert code == 5
    assert said.count("\n") == 1


def test_sigterm_closes_the_journals_with_requests_hanging_and_notices_due(tmp_path: Path) -> None:
    plan = a_plan(a_fault("stuck", "hang", params={"lasts": "60 s"}, first=1))
    with a_shop(text="fail") as shop, running(tmp_path, plan) as mock:
        no = json.loads(mock.ask("/epay/mapi.php", signed(an_order(1, notify_url=shop.url))))["trade_no"]
        mock.ask(f"/epay/cashier.php?trade_no={no}", {"key": "b00000001"})
        shop.wait_until_told()
        mock.post("/_admin/phase", b'{"phase": "load", "l0_t": 0}')
        mock.post("/_admin/lease", b"")
        address = ("127.0.0.1", int(mock.url.rpartition(":")[2]))
        with socket.create_connection(address) as hanging, socket.create_connection(address) as half:
            target = f"/epay/mapi.php?{urlencode(signed(an_order(2)))}"
            hanging.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            half.sendall(b"GET /epay/cashier.php HTTP/1.1\r\n")
            while json.loads(mock.ask("/_admin/health"))["trades"] < 2:
                time.sleep(0.01)
            began = time.monotonic()
            assert mock.stop() == (0, "")
            assert time.monotonic() - began < 5
            assert hanging.recv(1) == b""
    assert {check(path).wholeness for path in mock.run.journals()} == {Wholeness.CLOSED}
    kinds = [type(event) for event in mock.events()]
    assert [kinds.count(kind) for kind in (TradeCreated, Captured, Struck)] == [2, 1, 1]


def test_a_notice_is_not_led_on_by_a_redirect(tmp_path: Path) -> None:
    with a_shop() as other, a_shop(302, "success", location=other.url) as shop, running(tmp_path) as mock:
        no = json.loads(mock.ask("/epay/mapi.php", signed(an_order(notify_url=shop.url))))["trade_no"]
        mock.ask(f"/epay/cashier.php?trade_no={no}", {})
        shop.wait_until_told()
        mock.stop()
        assert not other.told
        answered = [event for event in mock.events() if isinstance(event, NoticeAnswered)]
        assert [(e.status, e.outcome) for e in answered] in ([(302, "refused")], [])


def test_what_matches_nothing_is_404_and_journalled_with_the_nearest_and_no_query(tmp_path: Path) -> None:
    with running(tmp_path) as mock:
        for path in (f"/epay/mapi.phq?key={KEY}", f"/epay/{KEY}", "/_admin/helth", f"/%E5%8D%A1?{KEY}"):
            with pytest.raises(HTTPError) as refused:
                mock.ask(path)
            assert refused.value.code == 404
            assert KEY not in refused.value.read().decode()
        mock.stop()
        found = [(e.method, e.path, e.nearest) for e in mock.events() if isinstance(e, Unmatched)]
    assert found[0] == ("GET", "/epay/mapi.phq", "/epay/mapi.php")
    assert found[1][1] == "/epay/***"
    assert found[2][2] == "/_admin/health"
    assert found[3][1] == "/卡"


def test_no_journal_log_or_answer_holds_the_key(tmp_path: Path) -> None:
    with a_shop(text=f"your key is {KEY}") as shop, running(tmp_path) as mock:
        answers = [mock.ask("/epay/mapi.php", signed(an_order(notify_url=shop.url)))]
        no = json.loads(answers[0])["trade_no"]
        answers += [mock.ask(f"/epay/cashier.php?trade_no={no}", {})]
        shop.wait_until_told()
        for query in (f"act=order&pid={PID}&key={KEY}&trade_no={no}", f"act=order&pid=7&key={KEY}&trade_no={no}"):
            answers.append(mock.ask(f"/epay/api.php?{query}"))
        answers += [mock.ask(path) for path in ("/_admin/trades", "/_admin/faults", "/_admin/health")]
        with socket.create_connection(("127.0.0.1", int(mock.url.rpartition(":")[2]))) as raw:
            raw.sendall(f"GET /epay/api.php?key={KEY} NONSENSE\r\n\r\n".encode())  # no HTTP at all
            answers.append(raw.recv(65536))
        _, said = mock.stop()
    left = b"".join(path.read_bytes() for path in mock.run.path.rglob("*") if path.is_file())
    assert KEY.encode() not in left
    assert KEY not in said
    assert not any(KEY.encode() in answer for answer in answers)


def test_a_full_disk_ends_it_with_5_and_one_line(tmp_path: Path) -> None:
    run = a_run(tmp_path)

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))

    process = subprocess.Popen(
        command(run),
        # Unmeasured: coverage could not write its own file either, and would say so.
        env={name: text for name, text in environment().items() if not name.startswith("COVERAGE_")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=small_files,
    )
    try:
        until = time.monotonic() + WITHIN_S
        mock = Running(run, process)
        mock.wait_until_up()
        n = 0
        while process.poll() is None and time.monotonic() < until:
            n += 1
            try:
                mock.ask("/epay/mapi.php", signed(an_order(n)))
            except OSError:
                break
        said = "".join(process.communicate(timeout=WITHIN_S))
        assert process.returncode == 5
        assert said.count("\n") == 1
        assert "payment.ndjson" in said
        assert "events lost" in said
    finally:
        process.kill()

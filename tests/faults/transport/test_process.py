"""The wire of a run as a process: how it starts, stops and breaks."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ledger import journal
from ledger.clock import Epoch
from ledger.events import Struck
from ledger.journal import Wholeness, check
from ledger.rundir import RunDir
from plan import run as plans
from plan.orders import number_of, order_key
from plan.run import Plan
from plan.units import Share
from tests.faults.transport.wired import OK, wire_fault, with_table

pytestmark = pytest.mark.slow
MakePlan = Callable[..., Plan]
WITHIN_S = 20.0


def command(run: RunDir, *more: str) -> list[str]:
    start = [sys.executable, "-P", "-m", "faults.transport", "--run", str(run.path), "--epoch", str(Epoch.now())]
    return [*start, "--port-file", str(run.path / "port"), *more]


def environment(**more: str) -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("ORDERJAM_")} | more


def a_run(folder: Path, plan: Plan) -> RunDir:
    run = RunDir.create(folder, "by_hand", 7)
    plans.save(plan, run.plan)
    return run


class Running:
    """A started server of proxies."""

    def __init__(self, run: RunDir, process: "subprocess.Popen[str]") -> None:
        self.run, self.process = run, process
        port, until = run.path / "port", time.monotonic() + WITHIN_S
        while not port.exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.01)
        self.port = int(port.read_text())

    def post(self, path: str, **fields: object) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WITHIN_S)
        connection.request("POST", path, json.dumps(fields))
        answer = connection.getresponse()
        said = json.loads(answer.read())
        connection.close()
        assert answer.status < 300, said
        return said

    def struck(self, writer: str = "wire") -> list[Struck]:
        events = journal.read(self.run.events / f"struck-{writer}.ndjson")
        return [event for event in events if isinstance(event, Struck)]


@contextmanager
def running(folder: Path, plan: Plan, *more: str) -> Iterator[Running]:
    run = a_run(folder, plan)
    process = subprocess.Popen(
        command(run, *more), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield Running(run, process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=WITHIN_S)
        assert not said, said


class _Upstream(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.wfile.write(OK)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@contextmanager
def an_upstream() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Upstream)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def buy(listen: str, *numbers: int) -> list[float]:
    """Sends the orders' creates over one connection; how many ms each took."""
    connection = http.client.HTTPConnection(listen, timeout=WITHIN_S)
    took = []
    for n in numbers:
        began = time.monotonic()
        connection.request("POST", "/epay/create", f"param={order_key(n)}&no=C{n}")
        assert connection.getresponse().read() == b"ok"
        took.append((time.monotonic() - began) * 1000)
    connection.close()
    return took


def test_a_run_strikes_the_same_orders_twice_and_journals_them(tmp_path: Path, make_plan: MakePlan) -> None:
    plan = with_table(make_plan(wire_fault(rate=Share(0.3))))
    found = []
    for folder, numbers in ((tmp_path / "a", range(30)), (tmp_path / "b", range(29, -1, -1))):
        with an_upstream() as upstream, running(folder, plan) as wire:
            asked = {"name": "pay", "hop": "shop>payment", "upstream_name": "epay", "listen": "127.0.0.1:0"}
            listen = wire.post("/_admin/proxies", **asked, upstream=upstream)["listen"]
            buy(listen, *numbers)
            wire.post("/_admin/phase", phase="load", l0_t=0)
            assert wire.post("/_admin/lease")["faults"] == ["late"]
            took = dict(zip(numbers, buy(listen, *numbers), strict=True))
            wire.post("/_admin/phase", phase="heal")
            buy(listen, *numbers)
        assert wire.process.returncode == 0
        struck = wire.struck()
        assert {check(path).wholeness for path in wire.run.events.glob("*.ndjson")} == {Wholeness.CLOSED}
        assert 0 < len(struck) < len(numbers)
        assert all(took[number_of(event.o or "") or 0] >= 50 for event in struck)
        found.append(sorted((event.o, event.operation, event.attempt, event.fault) for event in struck))
    assert found[0] == found[1]


def test_killed_it_leaves_a_journal_that_says_so(tmp_path: Path, make_plan: MakePlan) -> None:
    plan = with_table(make_plan(wire_fault()))
    with an_upstream() as upstream, running(tmp_path, plan, "--writer", "other") as wire:
        asked = {"name": "pay", "hop": "shop>payment", "upstream_name": "epay", "listen": "127.0.0.1:0"}
        listen = wire.post("/_admin/proxies", **asked, upstream=upstream)["listen"]
        wire.post("/_admin/phase", phase="load", l0_t=0)
        wire.post("/_admin/lease")
        buy(listen, 1)
        until = time.monotonic() + WITHIN_S
        while not wire.struck("other"):
            assert time.monotonic() < until
            time.sleep(0.02)
        wire.process.kill()
    assert check(wire.run.events / "struck-other.ndjson").wholeness is Wholeness.UNCLOSED


def ended(run: RunDir, *more: str) -> tuple[int, str]:
    done = subprocess.run(command(run, *more), env=environment(), capture_output=True, text=True, timeout=WITHIN_S)
    return done.returncode, done.stderr


def test_what_cannot_be_served_ends_with_one_line(tmp_path: Path, make_plan: MakePlan) -> None:
    run = a_run(tmp_path, make_plan())
    code, said = ended(run, "--host", "0.0.0.0")
    assert (code, said.count("\n")) == (2, 1)
    assert "ORDERJAM_ADMIN_TOKEN" in said
    with an_upstream() as taken:
        code, said = ended(run, "--port", taken.rpartition(":")[2])
    assert (code, said.count("\n")) == (5, 1)
    assert "in use" in said
    code, said = ended(run)  # its journals are there, of the try before
    assert (code, said.count("\n")) == (5, 1)
    assert "struck-wire.ndjson" in said or "wire.ndjson" in said
    run.plan.unlink()
    code, said = ended(run, "--writer", "second")
    assert (code, said.count("\n")) == (2, 1)
    assert "plan.yaml" in said

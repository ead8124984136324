"""The real process of a mock, and shops to be told things."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.request import Request, urlopen

import msgspec

from ledger import journal
from ledger.clock import Epoch
from ledger.events import Event
from ledger.rundir import RunDir
from mocks.identities import fresh
from mocks.keyring import Keyring
from mocks.ports import Ports
from mocks.upstreams import Keys
from plan import run as plans
from plan.run import Plan
from tests.mocks.world import KEY, PID, a_plan

UPSTREAMS = json.dumps({"epay": {"pid": PID, "key": KEY}})
WITHIN_S = 20.0


def a_run(folder: Path, plan: Plan | None = None) -> RunDir:
    run = RunDir.create(folder, "by_hand", 7)
    plans.save(plan or a_plan(), run.plan)
    return run


def command(run: RunDir, *more: str, role: str = "payment") -> list[str]:
    start = [sys.executable, "-P", "-m", f"mocks.{role}", "--run", str(run.path), "--epoch", str(Epoch.now())]
    return [*start, "--port", "0", "--port-file", str(run.path / "port"), "--writer", role, *more]


def keys_of(plan: Plan) -> dict[str, Keys]:
    """A merchant for every upstream of a plan, as the harness would make them."""
    keyring = Keyring()
    return {name: fresh(up.dialect, 1001 + i, keyring) for i, (name, up) in enumerate(plan.upstreams.items())}


def as_text(keys: dict[str, Keys]) -> str:
    """What ORDERJAM_UPSTREAMS holds."""
    return msgspec.json.encode(keys).decode()


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ORDERJAM_")}
    return kept | {"ORDERJAM_UPSTREAMS": UPSTREAMS} | more


class Running:
    """A started mock."""

    def __init__(self, run: RunDir, process: "subprocess.Popen[str]") -> None:
        self.run, self.process = run, process
        self.url = ""
        self.ports = Ports(0)

    def wait_until_up(self) -> None:
        port, until = self.run.path / "port", time.monotonic() + WITHIN_S
        while not port.exists():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < until
            time.sleep(0.01)
        self.ports = Ports.read(port.read_text())
        self.url = f"http://127.0.0.1:{self.ports.http}"

    def ask(self, path: str, fields: dict[str, str] | None = None, **headers: str) -> bytes:
        body = urlencode(fields).encode() if fields is not None else None
        with urlopen(Request(self.url + path, body, headers), timeout=WITHIN_S) as answer:
            read: bytes = answer.read()
        return read

    def post(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> bytes:
        with urlopen(Request(self.url + path, body, headers or {}), timeout=WITHIN_S) as answer:
            read: bytes = answer.read()
        return read

    def stop(self) -> tuple[int, str]:
        """The exit code after SIGTERM, and all that it said."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        said = "".join(self.process.communicate(timeout=WITHIN_S))
        return self.process.returncode, said

    def events(self) -> list[Event]:
        return [event for path in self.run.journals() for event in journal.read(path)]


@contextmanager
def running(folder: Path, plan: Plan | None = None, *more: str, role: str = "payment", **env: str) -> Iterator[Running]:
    """The mock as a process, up; killed at the end if it still runs."""
    run = a_run(folder, plan)
    started = subprocess.Popen(
        command(run, *more, role=role),
        env=environment(**env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    mock = Running(run, started)
    try:
        mock.wait_until_up()
        yield mock
    finally:
        if started.poll() is None:
            started.kill()
            started.communicate()


@contextmanager
def proxying(folder: Path, routes: dict[str, str]) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The TLS proxy as a process, and its address once it is up; killed at the end if it still runs."""
    port_file = folder / "tls-proxy.port"
    argv = [sys.executable, "-P", "-m", "mocks.tlsproxy", "--port-file", str(port_file)]
    argv += [f"--route={host}={url}" for host, url in routes.items()]
    started = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + WITHIN_S
    try:
        while not port_file.exists():
            assert started.poll() is None, started.communicate()
            assert time.monotonic() < until
            time.sleep(0.01)
        yield started, f"http://127.0.0.1:{int(port_file.read_text())}"
    finally:
        if started.poll() is None:
            started.kill()
            started.communicate()


class Shop:
    """Takes notices on a port of its own, answers them all alike, and keeps what it was told."""

    def __init__(self, status: int = 200, text: str = "success", location: str = "") -> None:
        self.told: list[dict[str, str]] = []
        self.headers: dict[str, str] = {}
        self.body = b""
        self._came = threading.Condition()
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._take(dict(parse_qsl(urlsplit(self.path).query)))

            def do_POST(self) -> None:
                shop.headers = dict(self.headers.items())
                shop.body = self.rfile.read(int(self.headers["Content-Length"]))
                is_form = self.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
                self._take(dict(parse_qsl(shop.body.decode())) if is_form else json.loads(shop.body))

            def _take(self, fields: dict[str, str]) -> None:
                with shop._came:
                    shop.told.append(fields)
                    shop._came.notify_all()
                self.send_response(status)
                if location:
                    self.send_header("Location", location)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def wait_until_told(self, count: int = 1) -> dict[str, str]:
        """The latest notice as soon as there were so many."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.told) >= count, WITHIN_S)
        return self.told[-1]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def a_shop(status: int = 200, text: str = "success", location: str = "") -> Iterator[Shop]:
    shop = Shop(status, text, location)
    try:
        yield shop
    finally:
        shop.close()

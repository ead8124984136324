"""The servers that break the wire, started side by side before one upstream, and told what to break by one API."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from harness.doctor import toxiproxy

VERSION = "2.12.0"
INSTALL = f"go install github.com/Shopify/toxiproxy/v2/cmd/server@v{VERSION}"
PORTS = ("http", "echo", "source", "sink")
NONE, REAL, EMBEDDED, LIMIT = "none", "real", "embedded", "thirty_lines"
"""The contestants: no proxy at all, Toxiproxy, ours, and the least a proxy on uvloop can be."""
PATIENCE_S = 20.0


class Refused(Exception):
    """A server's API did not do as it was told."""


class Standing:
    """A started server: its process, and the ports at which the upstream's four services are reached through it."""

    def __init__(self, name: str, pid: int, ports: dict[str, int], api: int = 0) -> None:
        self.name, self.pid, self.ports, self.api = name, pid, ports, api
        self._line: http.client.HTTPConnection | None = None

    def tell(self, method: str, path: str, body: object = None) -> Any:
        """What the API answered; the connection is kept."""
        if self._line is None:
            self._line = http.client.HTTPConnection("127.0.0.1", self.api, timeout=30)
        self._line.request(method, path, None if body is None else json.dumps(body).encode())
        answer = self._line.getresponse()
        said = answer.read()
        if answer.status >= 300:
            raise Refused(f"{self.name}: {method} {path} -> {answer.status} {said.decode(errors='replace')[:200]}")
        return json.loads(said) if said else None

    def place(
        self, service: str, kind: str, *, stream: str = "downstream", toxicity: float = 1.0, **of: object
    ) -> None:
        """A toxic of that kind, named like it, with these attributes, on the proxy of a service."""
        toxic = {"name": kind, "type": kind, "stream": stream, "toxicity": toxicity, "attributes": of}
        self.tell("POST", f"/proxies/{service}/toxics", toxic)

    def change(self, service: str, kind: str, **of: float) -> None:
        self.tell("POST", f"/proxies/{service}/toxics/{kind}", {"attributes": of})

    def heal(self, service: str, kind: str) -> None:
        self.tell("DELETE", f"/proxies/{service}/toxics/{kind}")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listened at just now, all different."""
    with ExitStack() as probes:
        taken = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in taken:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in taken]


@contextmanager
def running(
    command: list[str], env: dict[str, str] | None = None, *, stdout: int = subprocess.DEVNULL
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process, ended at the end; its errors show."""
    process = subprocess.Popen(command, stdout=stdout, env={**os.environ, **(env or {})})
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_heard(process: "subprocess.Popen[bytes]", port: int) -> None:
    """Until somebody listens there; fails when the process is gone, or after PATIENCE_S."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        assert process.poll() is None, f"{process.args!r} ended with {process.returncode}"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"{process.args!r} does not listen at {port}")


@contextmanager
def upstream() -> Iterator[Standing]:
    """The upstream of all; as a contestant it is the way without a proxy."""
    with running([sys.executable, "-m", "benchmarks.wire_upstream"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield Standing(NONE, process.pid, json.loads(process.stdout.readline()))


def command_of(name: str, api: int) -> tuple[list[str], dict[str, str]]:
    """How a server with an API is started, and with what environment."""
    if name == REAL:
        binary = toxiproxy()
        if binary is None:
            sys.exit(f"Toxiproxy {VERSION} is not here; install it with: {INSTALL}")
        return [str(binary), "-host", "127.0.0.1", "-port", str(api)], {"LOG_LEVEL": "error"}
    return [sys.executable, "-P", "-m", "harness.cli", "toxiproxy", "--port", str(api)], {}


@contextmanager
def server(name: str, before: Standing) -> Iterator[Standing]:
    """A server with a proxy before each service, by name: REAL, EMBEDDED or LIMIT."""
    api, *listen = free_ports(1 + len(PORTS))
    ports = dict(zip(PORTS, listen, strict=True))
    if name == LIMIT:
        pairs = [f"{ports[service]}:{before.ports[service]}" for service in PORTS]
        with running([sys.executable, "-m", "benchmarks.thirty_lines", *pairs]) as process:
            wait_until_heard(process, listen[-1])
            yield Standing(name, process.pid, ports)
        return
    command, env = command_of(name, api)
    with running(command, env) as process:
        wait_until_heard(process, api)
        standing = Standing(name, process.pid, ports, api)
        for service, port in ports.items():
            proxy = {"name": service, "listen": f"127.0.0.1:{port}", "upstream": f"127.0.0.1:{before.ports[service]}"}
            standing.tell("POST", "/proxies", proxy)
        yield standing

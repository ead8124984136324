"""Both Toxiproxy servers as real processes, the embedded one and the real one, and what is needed around them."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

VERSION = "2.12.0"
EMBEDDED, REAL = "embedded", "real"
NOT_HERE = f"the real Toxiproxy {VERSION} is not here: set TOXIPROXY_SERVER, or have Go and make .conformance/.made"
WITHIN_S = 20.0
_ROOT = Path(__file__).parents[3]


def real_binary() -> str | None:
    """Where the real server is: $TOXIPROXY_SERVER, on the PATH, or where `go install` or our Makefile puts it."""
    told = os.environ.get("TOXIPROXY_SERVER") or shutil.which("toxiproxy-server")
    places = [
        _ROOT / ".conformance/go/bin/server",
        Path.home() / "go/bin/server",
        Path.home() / "go/bin/toxiproxy-server",
    ]
    return told or next((str(place) for place in places if os.access(place, os.X_OK)), None)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def command(kind: str, port: int, *more: str) -> list[str]:
    if kind == EMBEDDED:
        options = [f"-{word}" if word.startswith("-") else word for word in more]
        return [sys.executable, "-P", "-m", "harness.cli", "toxiproxy", "--port", str(port), *options]
    binary = real_binary()
    assert binary is not None
    return [binary, "-port", str(port), *more]


class Answer:
    """Of the API: its status, its headers and its text."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status, self.headers = answer.status, {k.lower(): v for k, v in answer.getheaders()}
        self.text = answer.read().decode("utf-8")

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Server:
    """A started server. `is_real`: Toxiproxy itself."""

    def __init__(self, kind: str, port: int, pid: int) -> None:
        self.kind, self.port, self.is_real, self.pid = kind, port, kind == REAL, pid
        self._api = http.client.HTTPConnection("127.0.0.1", port, timeout=WITHIN_S)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Anything but bytes and text is sent as JSON."""
        data = body if body is None or isinstance(body, bytes) else str(body).encode()
        if isinstance(body, dict | list):
            data = json.dumps(body).encode()
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            self._api.request(method, path, data, told)
            return Answer(self._api.getresponse())
        except (http.client.HTTPException, OSError):
            self._api.close()
            raise

    def done(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer that must not be a refusal."""
        answer = self.ask(method, path, body)
        assert answer.status < 300, (method, path, body, answer.status, answer.text)
        return answer.json if answer.text else None

    def forget(self) -> None:
        """Takes every proxy away but those whose names no path can hold."""
        for name in (n for n in self.done("GET", "/proxies") if "/" not in n and n not in (".", "..")):
            answer = self.ask("DELETE", f"/proxies/{quote(name, safe='')}")
            assert answer.status == 204, (self.kind, name[:100], answer.status, answer.text)

    def proxy(self, upstream: int | str, *toxics: dict[str, Any], name: str = "p") -> int:
        """The port of a new proxy before an upstream (its port, or its address), with toxics."""
        address = upstream if isinstance(upstream, str) else f"127.0.0.1:{upstream}"
        made = self.done("POST", "/proxies", {"name": name, "listen": "127.0.0.1:0", "upstream": address})
        for toxic in toxics:
            self.done("POST", f"/proxies/{name}/toxics", toxic)
        return int(made["listen"].rpartition(":")[2])

    def close(self) -> None:
        self._api.close()


@contextmanager
def started(kind: str, *more: str) -> Iterator[Server]:
    """A server that answers, ended by its own pid."""
    port = free_port()
    environment = os.environ | {"LOG_LEVEL": "disabled"}
    process = subprocess.Popen(
        command(kind, port, *more), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        until = time.monotonic() + WITHIN_S
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < until, f"{kind} does not answer"
            time.sleep(0.01)
        server = Server(kind, port, process.pid)
        yield server
        server.close()
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WITHIN_S)


class Upstream:
    """A TCP server on loopback that does one thing to each of its connections, in a thread of its own."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, name="upstream", daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(accepted,), daemon=True).start()

    def _one(self, accepted: socket.socket) -> None:
        with accepted, suppress(OSError):
            accepted.settimeout(WITHIN_S)
            self._serve(accepted)

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(WITHIN_S)


def echo(accepted: socket.socket) -> None:
    """Sends back what comes, and half-closes as the other side does."""
    while data := accepted.recv(65536):
        accepted.sendall(data)


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S)


def received(link: socket.socket, size: int) -> bytes:
    """So many bytes; fewer only where the other side ended."""
    parts: list[bytes] = []
    while size and (part := link.recv(min(size, 65536))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


Start = Callable[..., int]
"""Starts an upstream that does something; gives its port."""

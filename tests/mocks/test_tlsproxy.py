"""The loopback TLS proxy: its real process, clients that trust the CA, and a mock that keeps every byte it reads."""

import asyncio
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests

from mocks import tlsproxy
from mocks.keyring import CA_FILE, Keyring
from mocks.tlsproxy import Proxy, Route
from tests.mocks.running import WITHIN_S, proxying

pytestmark = pytest.mark.slow
HOST = "api.mch.weixin.qq.com"
OTHER = "openapi.alipay.com"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Odd:  as is \r\n\r\nok"
RESET = b""
SECRET = "s3cr3t-s3cr3t-s3cr3t"


class Mock:
    """Takes connections, keeps what it reads, and answers each request that ends as told with the next answer."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.connections = 0
        self.answer = ANSWER
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        read = b""
        with connection:
            while piece := connection.recv(65536):
                read += piece
                while (whole := _whole(read)) is not None:
                    asked, read = read[:whole], read[whole:]
                    self.heard.append(asked)
                    if self.answer == RESET:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        return
                    connection.sendall(self.answer)
                    if b"Connection: close" in asked:
                        return

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # else it goes on listening as long as somebody accepts
        self._listening.close()


def _whole(read: bytes) -> int | None:
    """Where the first request ends; None where it has not yet."""
    end = read.find(b"\r\n\r\n") + 4
    if end < 4:
        return None
    if b"chunked" in read[:end]:
        last = read.find(b"\r\n0\r\n", end - 2)
        end = read.find(b"\r\n\r\n", last) + 4 if last >= 0 else 0
        return end if end > 4 else None
    length = re.search(rb"(?i)content-length: *(\d+)", read[:end])
    end += int(length[1]) if length else 0
    return end if len(read) >= end else None


class Proxied:
    """The proxy's process, with two hosts played by one mock."""

    def __init__(self, mock: Mock, process: "subprocess.Popen[str]", url: str) -> None:
        self.mock, self.process = mock, process
        self.port = int(url.rpartition(":")[2])
        self.ca = str(Keyring().folder / CA_FILE)

    def connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=WITHIN_S)

    def tunnel(self, host: str = HOST, *, trusting: bool = True) -> ssl.SSLSocket:
        """TLS to a host, through CONNECT."""
        bare = self.connected()
        bare.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
        assert read_answer(bare).startswith(b"HTTP/1.1 200 ")
        return ssl.create_default_context(cafile=self.ca if trusting else None).wrap_socket(bare, server_hostname=host)

    def said(self) -> str:
        """The exit code must be 0; all that was said until then."""
        self.process.send_signal(signal.SIGTERM)
        _, said = self.process.communicate(timeout=WITHIN_S)
        assert self.process.returncode == 0
        return said


def read_answer(connection: socket.socket) -> bytes:
    read = b""
    while not read.endswith((b"\r\n\r\n", b"ok")) and (piece := connection.recv(65536)):
        read += piece
    return read


def read_to_end(connection: socket.socket) -> bytes:
    read = b""
    while piece := connection.recv(65536):
        read += piece
    return read


@contextmanager
def proxied(folder: Path) -> Iterator[Proxied]:
    mock = Mock()
    at = f"http://127.0.0.1:{mock.port}"
    with proxying(folder, {HOST: f"{at}/wechat", OTHER: f"{at}/second"}) as (process, url):
        yield Proxied(mock, process, url)
    mock.close()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    with proxied(tmp_path_factory.mktemp("proxy")) as made:
        yield made


@pytest.fixture(autouse=True)
def _as_told(proxy: Proxied) -> None:
    proxy.mock.heard.clear()
    proxy.mock.answer = ANSWER


# --- what passes -------------------------------------------------------------------------------------------------
def test_of_a_request_only_path_and_host_change_and_nothing_of_the_answer(proxy: Proxied) -> None:
    rest = b"x-Lower: 1\r\nAuthorization:  two  blanks \r\nX-Twice: a\r\nX-Twice: b\r\n"
    rest += b"Content-Length: 6\r\n\r\n\x00\xff\r\n{}"
    with proxy.tunnel() as tls:
        tls.sendall(b"POST /v3/pay?a=%e4%B8&b=+ HTTP/1.1\r\nHost: api.mch.weixin.qq.com\r\n" + rest)
        assert read_answer(tls) == ANSWER
    host = f"Host: 127.0.0.1:{proxy.mock.port}\r\n".encode()
    assert proxy.mock.heard == [b"POST /wechat/v3/pay?a=%e4%B8&b=+ HTTP/1.1\r\n" + host + rest]


def test_every_request_of_a_connection_is_led_to_the_mock_chunks_and_trailers_untouched(proxy: Proxied) -> None:
    chunks = b"5;x=1\r\nab\r\nc\r\nA\r\n0123456789\r\n0\r\nX-After: 1\r\n\r\n"
    with proxy.tunnel(OTHER) as tls:
        tls.sendall(b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        assert read_answer(tls) == ANSWER
        tls.sendall(b"GET /b HTTP/1.1\r\n\r\n")
        assert read_answer(tls) == ANSWER
    first, second = proxy.mock.heard
    assert first.startswith(b"POST /second/a HTTP/1.1\r\n")
    assert first.endswith(b"\r\n\r\n" + chunks)
    assert second.startswith(b"GET /second/b HTTP/1.1\r\n")


def test_requests_trusts_it_by_its_environment_and_keeps_its_connection(
    proxy: Proxied, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", proxy.ca)
    monkeypatch.setenv("NO_PROXY", "")
    before = proxy.mock.connections
    with requests.Session() as session:
        session.proxies = {"https": f"http://127.0.0.1:{proxy.port}"}
        for n in range(3):
            assert session.post(f"https://{HOST}/v3/{n}", data=b"x" * 200_000, timeout=WITHIN_S).text == "ok"
    assert [heard.split(b" ")[1] for heard in proxy.mock.heard] == [b"/wechat/v3/0", b"/wechat/v3/1", b"/wechat/v3/2"]
    assert all(heard.endswith(b"x" * 200_000) for heard in proxy.mock.heard)
    assert proxy.mock.connections == before + 1


def test_a_plain_request_for_a_host_that_is_played_is_led_there_too(proxy: Proxied) -> None:
    with proxy.connected() as plain:
        plain.sendall(f"GET http://{OTHER}/gateway.do?x=http://y HTTP/1.1\r\nHost: {OTHER}\r\n\r\n".encode())
        assert read_to_end(plain) == ANSWER
    assert proxy.mock.heard[0].startswith(b"GET /second/gateway.do?x=http://y HTTP/1.1\r\n")


def test_a_connection_that_the_mock_resets_is_reset_for_the_client(proxy: Proxied) -> None:
    proxy.mock.answer = RESET
    with proxy.tunnel() as tls, socket.socket(fileno=os.dup(tls.fileno())) as below:
        tls.sendall(b"GET /v3/x HTTP/1.1\r\n\r\n")
        below.settimeout(WITHIN_S)
        with pytest.raises(ConnectionResetError):
            read_to_end(below)


# --- what is refused ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        (b"CONNECT example.com:443 HTTP/1.1\r\n\r\n", 403, "no mock plays example.com, and nothing goes outside"),
        (b"CONNECT 203.0.113.9:443 HTTP/1.1\r\n\r\n", 403, "no mock plays 203.0.113.9"),
        (b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\n\r\n", 403, "no mock plays that host"),
        (b"CONNECT api.mch.weixin.qq.com.evil.example:443 HTTP/1.1\r\n\r\n", 403, "no mock plays api.mch"),
        (b"GET http://example.com/a?key=k HTTP/1.1\r\n\r\n", 403, "no mock plays example.com"),
        (b"GET http://openapi.alipay.com@example.com/ HTTP/1.1\r\n\r\n", 403, "no mock plays example.com"),
        (b"GET http://u:p@api.mch.weixin.qq.com.@x/ HTTP/1.1\r\n\r\n", 403, "no mock plays x"),
        (b"GET /v3/certificates HTTP/1.1\r\n\r\n", 400, "this is a proxy"),
        (b"GET ftp://example.com/ HTTP/1.1\r\n\r\n", 400, "this is a proxy"),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400, "no HTTP/1 request"),
        (b"CONNECT api.mch.weixin.qq.com:443 HTTP/2\r\n\r\n", 400, "no HTTP/1 request"),
        (b"CONNECT api.mch.weixin.qq.com:443 HTTP/1.1\r\nNo colon\r\n\r\n", 400, "Name: value"),
        (b"CONNECT x HTTP/1.1\r\nA: 1\r\n folded: 1\r\n\r\n", 400, "Name: value"),
        (b"CONNECT x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "one whole number"),
        (b"CONNECT x HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "one whole number"),
        (b"CONNECT x HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "chunked alone"),
        (b"CONNECT x HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400, "chunked alone"),
        (b"CONNECT x HTTP/1.1\r\nA: " + b"a" * 70_000 + b"\r\n\r\n", 431, "at most 65536 bytes"),
    ],
    ids=str,
)
def test_it_is_refused_in_one_sentence_that_stands_in_the_first_line_too(
    proxy: Proxied, asked: bytes, status: int, words: str
) -> None:
    with proxy.connected() as plain:
        plain.sendall(asked)
        answer = read_to_end(plain).decode()
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert words in answer.partition("\r\n")[0]
    assert words in answer.partition("\r\n\r\n")[2]
    assert proxy.mock.heard == []


@pytest.mark.parametrize(
    "asked",
    [
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 10_000 + b"\r\n",
        b"GET /a HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_within_tls_too_what_two_readers_might_cut_otherwise_is_refused(proxy: Proxied, asked: bytes) -> None:
    with proxy.tunnel() as tls:
        tls.sendall(asked)
        assert read_to_end(tls).startswith(b"HTTP/1.1 400 ")
    assert proxy.mock.heard == []


def test_of_clients_that_do_not_trust_it_one_line_is_said_and_never_what_they_asked(tmp_path: Path) -> None:
    with proxied(tmp_path) as made:
        with pytest.raises(ssl.SSLCertVerificationError):
            made.tunnel(trusting=False)
        with made.tunnel() as tls:
            tls.sendall(f"GET /api.php?key={SECRET} HTTP/1.1\r\nAuthorization: {SECRET}\r\n\r\n".encode())
            read_answer(tls)
        with made.connected() as plain:
            plain.sendall(f"GET http://{SECRET}@example.com/?key={SECRET} HTTP/1.1\r\n\r\n".encode())
            read_to_end(plain)
        broke, refused = made.said().splitlines()
    assert "must trust this machine's CA" in broke
    assert made.ca in broke
    assert refused.startswith("403: no mock plays example.com")
    assert SECRET not in refused


def test_a_mock_that_has_gone_is_answered_for(tmp_path: Path) -> None:
    with proxied(tmp_path) as made:
        made.mock.close()
        with made.connected() as plain:
            plain.sendall(f"GET http://{HOST}/ HTTP/1.1\r\n\r\n".encode())
            assert read_to_end(plain).startswith(b"HTTP/1.1 502 the mock at 127.0.0.1:")


# --- bounds ------------------------------------------------------------------------------------------------------
async def test_who_owes_a_request_is_given_up_and_who_waits_for_an_answer_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tlsproxy, "IDLE_S", 0.02)
    released = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await released.wait()
        writer.write(ANSWER)
        writer.close()

    mock = await asyncio.start_server(hold, "127.0.0.1", 0)
    at = Route("127.0.0.1", mock.sockets[0].getsockname()[1], "/x")
    proxy = Proxy({HOST: at}, Keyring(), lambda line: None)
    server = await asyncio.start_server(proxy.take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    waiting, asked = await asyncio.open_connection("127.0.0.1", port)
    asked.write(f"GET http://{HOST}/ HTTP/1.1\r\n\r\n".encode())
    for begun in (b"", b"GET http://", f"POST http://{HOST}/ HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf".encode()):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begun)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
    released.set()
    assert await waiting.read() == ANSWER
    asked.close()
    server.close()
    mock.close()


async def test_too_many_connections_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tlsproxy, "CONNECTIONS_MAX", 1)
    said: list[str] = []
    proxy = Proxy({}, Keyring(), said.append)
    server = await asyncio.start_server(proxy.take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    _, first = await asyncio.open_connection("127.0.0.1", port)
    reader, second = await asyncio.open_connection("127.0.0.1", port)
    assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
    assert said == ["503: more than 1 connections at once"]
    first.close()
    second.close()
    server.close()


# --- what it is told ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("pay.example.com=http://127.0.0.1:4100/epay", Route("127.0.0.1", 4100, "/epay")),
        ("pay.example.com=http://127.0.0.2:80/a/b/", Route("127.0.0.2", 80, "/a/b")),
        ("pay.example.com=http://[::1]:4100/epay", Route("::1", 4100, "/epay")),
    ],
)
def test_a_route_leads_to_an_instance_on_this_machine(text: str, route: Route) -> None:
    assert tlsproxy.routes([text]) == {"pay.example.com": route}


@pytest.mark.parametrize(
    "text",
    [
        "pay.example.com",
        "=http://127.0.0.1:1/x",
        "Pay.Example.com=http://127.0.0.1:1/x",
        "pay.example.com:443=http://127.0.0.1:1/x",
        "pay.example.com=http://example.com:80/x",
        "pay.example.com=http://127.0.0.1.example.com:80/x",
        "pay.example.com=https://127.0.0.1:1/x",
        "pay.example.com=http://127.0.0.1/x",
        "pay.example.com=http://127.0.0.1:99999/x",
        "pay.example.com=http://10.0.0.1:80/x",
    ],
)
def test_any_other_route_is_refused_with_what_is_legal(text: str) -> None:
    with pytest.raises(ValueError, match="legal: "):
        tlsproxy.routes([text])


def test_a_wrong_route_ends_the_process_with_one_line(tmp_path: Path) -> None:
    argv = [sys.executable, "-P", "-m", "mocks.tlsproxy", "--route", "a.example=http://example.com:1/x"]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=WITHIN_S, env={**os.environ})
    assert ended.returncode == tlsproxy.WRONG_USE
    assert ended.stderr.startswith("mocks.tlsproxy: --route 'http://example.com:1/x'; legal: ")
    assert ended.stderr.count("\n") == 1

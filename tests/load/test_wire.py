"""The client against peers that misbehave: a thread with plain sockets, one script a connection."""

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from load.wire import Wire, is_loopback
from targets.storefront import Ask

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Script = list[bytes | None]
"""What is sent for each request of a connection, which is closed after the last; None: no answer ever."""


class Peer:
    def __init__(self, *scripts: Script) -> None:
        self.requests: list[bytes] = []
        self._scripts = iter(scripts)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        for script in self._scripts:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                for answer in script:
                    data = connection.recv(65536)
                    if not data:
                        break
                    self.requests.append(data)
                    if answer is None:
                        self._over.wait()
                        break
                    connection.sendall(answer)

    def close(self) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@contextmanager
def peer(*scripts: Script) -> Iterator[Peer]:
    with closing(Peer(*scripts)) as found:
        yield found


def new_wire(*allow: str) -> Wire:
    return Wire(time.monotonic_ns, frozenset(allow))


def get(url: str) -> Ask:
    return Ask("poll", "GET", url)


@pytest.mark.parametrize(
    ("answer", "status", "body", "why"),
    [
        (OK, 200, b"ok", ""),
        (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 500, b"", ""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", 200, b"abc", ""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok", ""),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, b"until the end", ""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", ""),
        (b"<html>not HTTP at all</html>", 0, b"", "not HTTP"),
        (b"\x00\xff\x00\xff", 0, b"", "not HTTP"),
        (b"", 0, b"", "closed without answer"),
        (b"HTTP/1.1 200", 0, b"", "closed in the middle of the answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", 0, b"", "closed in the middle of the answer"),
        (None, 0, b"", "timeout"),
    ],
)
def test_every_answer_becomes_a_reply(answer: bytes | None, status: int, body: bytes, why: str) -> None:
    with peer([answer]) as server:
        reply = new_wire().send(Ask("place", "POST", f"{server.url}/o", {}, b"a=1"), within_s=0.2)
    assert (reply.status, reply.body, reply.why) == (status, body, why)


def test_a_trickle_does_not_outlive_the_time_for_the_whole_answer() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
    with peer([head, None]) as server:
        begun = time.monotonic()
        reply = new_wire().send(get(f"{server.url}/o"), within_s=0.15)
    assert reply.why == "timeout"
    assert time.monotonic() - begun < 1.0


def test_nobody_listening_is_a_refused_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    assert new_wire().send(get(f"http://127.0.0.1:{port}/")).why == "connection refused"


def test_an_address_may_lead_through_another_by_the_name_its_path_begins_with() -> None:
    with peer([OK, OK]) as proxy, peer([OK, OK]) as mock:
        netloc, (host, port) = mock.url.removeprefix("http://"), proxy.url.removeprefix("http://").split(":")
        wire = Wire(time.monotonic_ns, frozenset(), {f"{netloc}/epay": (host, int(port))})
        for path in ("/epay/pay?a=1", "/epay2/pay", "/", "/epay"):
            assert wire.send(get(mock.url + path)).body == b"ok", path
        wire.close()
    asked = [[request.split(b"\r\n")[:2] for request in one.requests] for one in (proxy, mock)]
    host_line = f"Host: {netloc}".encode()
    assert asked == [
        [[b"GET /epay/pay?a=1 HTTP/1.1", host_line], [b"GET /epay HTTP/1.1", host_line]],
        [[b"GET /epay2/pay HTTP/1.1", host_line], [b"GET / HTTP/1.1", host_line]],
    ]


def test_a_connection_is_kept_for_the_next_request() -> None:
    with peer([OK, OK]) as server:
        wire = new_wire()
        assert [wire.send(get(f"{server.url}/{n}")).status for n in range(2)] == [200, 200]
        assert wire.open_now == 1
        wire.close()
        assert wire.open_now == 0


def test_a_kept_connection_that_the_peer_closed_is_not_used() -> None:
    with peer([OK], [OK]) as server:
        wire = new_wire()
        assert wire.send(get(f"{server.url}/1")).status == 200
        kept = wire._origins[server.url].idle[0]  # type: ignore[union-attr]
        assert select.select([kept.fileno()], [], [], 5.0)[0], "the peer never closed"
        assert wire.send(Ask("place", "POST", f"{server.url}/2")).status == 200


@pytest.mark.parametrize(("method", "status", "sent"), [("GET", 200, 3), ("POST", 0, 2)])
def test_only_a_get_is_repeated_when_a_kept_connection_closes_without_a_byte(
    method: str, status: int, sent: int
) -> None:
    with peer([OK, b""], [OK]) as server:
        wire = new_wire()
        assert wire.send(get(f"{server.url}/1")).status == 200
        reply = wire.send(Ask("place", method, f"{server.url}/2"))
        assert reply.status == status
        assert len(server.requests) == sent
    assert reply.why == ("" if status else "closed without answer")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.com/pay", "not allowed: host example.com"),
        ("http://10.0.0.1:80/pay", "not allowed: host 10.0.0.1"),
        ("http://127.0.0.1@evil.example/pay", "not allowed: host evil.example"),
        ("http://127.0.0.1.evil.example/", "not allowed: host 127.0.0.1.evil.example"),
        ("ftp://127.0.0.1/", "not an address for HTTP: ftp"),
        ("weixin://wxpay/bizpayurl?pr=1", "not an address for HTTP: weixin"),
        ("http://127.0.0.1:port/", "not an address"),
        ("http:///x", "not an address: no host"),
        ("", "not an address for HTTP: "),
    ],
)
def test_what_is_not_allowed_is_never_contacted(url: str, why: str) -> None:
    assert new_wire().send(get(url)).why == why


def test_a_redirect_to_another_host_is_refused() -> None:
    away = b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/x\r\nContent-Length: 0\r\n\r\n"
    with peer([away]) as server:
        assert new_wire().browse(get(f"{server.url}/o")).why == "not allowed: host 192.0.2.1"


def test_redirects_are_followed_but_not_for_ever() -> None:
    on = b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"
    with peer([on, on, OK]) as server:
        assert new_wire().browse(get(f"{server.url}/o")).body == b"ok"
    with peer([on] * 9) as server:
        assert new_wire().browse(get(f"{server.url}/o")).why == "too many redirects"


@pytest.mark.parametrize("bad", ["a\r\nX: 1", "a\nX: 1", "a\x00b"])
def test_a_header_cannot_smuggle_another(bad: str) -> None:
    with peer([OK]) as server:
        reply = new_wire().send(Ask("poll", "GET", f"{server.url}/o", {"A": bad}))
        assert (reply.status, server.requests) == (0, [])


def test_a_path_of_other_letters_is_quoted() -> None:
    with peer([OK]) as server:
        new_wire().send(get(f"{server.url}/订单 1?q=a%20b#part"))
        assert server.requests[0].startswith(b"GET /%E8%AE%A2%E5%8D%95%201?q=a%20b HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("host", "is_so"),
    [
        *(("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)),
        *(("", False), ("localhost.evil", False), ("128.0.0.1", False), ("2130706433", False)),
    ],
)
def test_only_this_machine_is_loopback(host: str, is_so: bool) -> None:
    assert is_loopback(host) is is_so


def test_a_request_that_is_sent_unheard_arrives_whole_and_its_connection_is_closed() -> None:
    wire = new_wire()
    with peer([None]) as other:
        assert wire.send_unheard(Ask("place", "POST", f"{other.url}/orders", {"X-A": "1"}, b"body")) == ""
        assert wire.open_now == 0
        until = time.monotonic() + 5
        while not other.requests and time.monotonic() < until:
            select.select([], [], [], 0.01)
        (request,) = other.requests
    assert request.startswith(b"POST /orders HTTP/1.1\r\n")
    assert request.endswith(b"\r\n\r\nbody")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:9/", "connection refused"),
        ("http://192.0.2.1/", "not allowed: host 192.0.2.1"),
        ("ftp://127.0.0.1/", "not an address for HTTP: ftp"),
        ("http://127.0.0.1:9/a\nb", "not a request that HTTP can carry"),
    ],
)
def test_a_request_that_cannot_leave_says_why(url: str, why: str) -> None:
    left: list[str] = []
    assert new_wire().send_unheard(get(url)) == why
    assert new_wire().send(get(url), written=lambda: left.append(url)).why == why
    assert left == []


def test_a_request_that_has_left_is_told_before_its_answer_comes() -> None:
    told: list[str] = []
    with peer([OK]) as other:
        reply = new_wire().send(get(f"{other.url}/x"), written=lambda: told.append("left"))
    assert (reply.status, told) == (200, ["left"])


def test_an_unanswered_request_has_left_all_the_same() -> None:
    told: list[str] = []
    with peer([None]) as other:
        reply = new_wire().send(get(f"{other.url}/x"), within_s=0.05, written=lambda: told.append("left"))
    assert (reply.why, told) == ("timeout", ["left"])

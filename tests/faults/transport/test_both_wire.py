"""What both servers must do on the wire alike, the embedded one and the real Toxiproxy 2.12.0: each test runs against
both. How exactly each keeps its times is measured in benchmarks/, not here."""

import hashlib
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.faults.transport.servers import Server, Start, connected, echo, received

SLACK_S = 0.25
"""How much later than asked a busy machine may be."""
BLOCK = bytes(range(256)) * 1024


def toxic(kind: str, stream: str = "downstream", toxicity: float = 1.0, **attributes: int) -> dict[str, Any]:
    return {"type": kind, "stream": stream, "toxicity": toxicity, "attributes": attributes}


@contextmanager
def taking(least_s: float, most_s: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert least_s <= took <= most_s, f"{took:.3f} s"


def is_silent(link: socket.socket, for_s: float) -> bool:
    return not select.select([link], [], [], for_s)[0]


def asked(link: socket.socket, data: bytes = b"hello") -> bytes:
    """What an echo gives back."""
    link.sendall(data)
    return received(link, len(data))


def test_without_a_toxic_no_byte_is_lost_or_moved(server: Server, upstream: Start) -> None:
    data = BLOCK * 16
    with connected(server.proxy(upstream(echo))) as link:
        sender = threading.Thread(target=link.sendall, args=(data,))
        sender.start()
        back = received(link, len(data))
        sender.join()
    assert hashlib.sha256(back).digest() == hashlib.sha256(data).digest()


def test_differs_in_that_only_ours_lets_one_side_end_before_the_other(server: Server, upstream: Start) -> None:
    """Where one side half-closes, Toxiproxy closes the other whole, and the answer is lost."""

    def answers_at_the_end(link: socket.socket) -> None:
        size = 0
        while data := link.recv(65536):
            size += len(data)
        time.sleep(0.05)
        link.sendall(str(size).encode())

    with connected(server.proxy(upstream(lambda link: link.sendall(b"bye")))) as link:
        assert received(link, 10) == b"bye"
    with connected(server.proxy(upstream(answers_at_the_end), name="q")) as link:
        link.sendall(b"x" * 1000)
        link.shutdown(socket.SHUT_WR)
        assert received(link, 10) == (b"" if server.is_real else b"1000")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_it_listens_on_either_family(server: Server, upstream: Start, host: str) -> None:
    listen = f"[{host}]:0" if ":" in host else f"{host}:0"
    to = f"127.0.0.1:{upstream(echo)}"
    made = server.done("POST", "/proxies", {"name": "p", "listen": listen, "upstream": to})
    with socket.create_connection((host, int(made["listen"].rpartition(":")[2])), timeout=5) as link:
        assert asked(link) == b"hello"


def test_an_upstream_that_is_not_there_closes_the_connection(server: Server) -> None:
    with connected(server.proxy("127.0.0.1:1")) as link:
        assert received(link, 1) == b""


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_latency_delays_every_exchange_in_its_direction(server: Server, upstream: Start, stream: str) -> None:
    with connected(server.proxy(upstream(echo), toxic("latency", stream, latency=60))) as link:
        for _ in range(2):
            with taking(0.06, 0.06 + SLACK_S):
                assert asked(link) == b"hello"


def test_latency_with_jitter_stays_within_its_bounds(server: Server, upstream: Start) -> None:
    with connected(server.proxy(upstream(echo), toxic("latency", latency=30, jitter=20))) as link:
        for _ in range(6):
            with taking(0.009, 0.05 + SLACK_S):
                asked(link)


def test_both_directions_add_up(server: Server, upstream: Start) -> None:
    toxics = [toxic("latency", "upstream", latency=40), toxic("latency", "downstream", latency=40)]
    with connected(server.proxy(upstream(echo), *toxics)) as link, taking(0.08, 0.08 + SLACK_S):
        asked(link)


def test_a_toxic_is_in_force_on_an_open_connection_as_soon_as_the_answer_came(server: Server, upstream: Start) -> None:
    with connected(server.proxy(upstream(echo))) as link:
        with taking(0, 0.05 + SLACK_S):
            asked(link)
        server.done("POST", "/proxies/p/toxics", toxic("latency", latency=100))
        with taking(0.1, 0.1 + SLACK_S):
            asked(link)
        server.done("POST", "/proxies/p/toxics/latency_downstream", {"attributes": {"latency": 300}})
        with taking(0.3, 0.3 + SLACK_S):
            asked(link)
        server.done("DELETE", "/proxies/p/toxics/latency_downstream")
        with taking(0, 0.1):
            asked(link)


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_bandwidth_holds_the_rate(server: Server, upstream: Start, stream: str) -> None:
    """400 KB/s: 100 KB take a quarter of a second."""
    with (
        connected(server.proxy(upstream(echo), toxic("bandwidth", stream, rate=400))) as link,
        taking(0.2, 0.25 + SLACK_S),
    ):
        assert asked(link, b"x" * 100_000) == b"x" * 100_000


def test_bandwidth_of_nothing_lets_nothing_through(server: Server, upstream: Start) -> None:
    with connected(server.proxy(upstream(echo), toxic("bandwidth", rate=0))) as link:
        link.sendall(b"x")
        assert is_silent(link, 0.15)


def test_slow_close_delays_the_end_and_not_the_data(server: Server, upstream: Start) -> None:
    port = server.proxy(upstream(lambda link: link.sendall(b"bye")), toxic("slow_close", delay=150))
    with connected(port) as link, taking(0.15, 0.15 + SLACK_S):
        with taking(0, 0.1):
            assert received(link, 3) == b"bye"
        assert received(link, 1) == b""


def test_timeout_swallows_everything_and_then_closes(server: Server, upstream: Start) -> None:
    port = server.proxy(upstream(echo), toxic("timeout", timeout=150))
    with connected(port) as link, taking(0.15, 0.15 + SLACK_S):
        assert asked(link) == b""


def test_timeout_0_swallows_for_ever_and_closes_when_it_is_taken_away(server: Server, upstream: Start) -> None:
    with connected(server.proxy(upstream(echo), toxic("timeout", timeout=0))) as link:
        link.sendall(b"x")
        assert is_silent(link, 0.15)
        server.done("DELETE", "/proxies/p/toxics/timeout_downstream")
        assert received(link, 1) == b""


@pytest.mark.parametrize("timeout_ms", [0, 100])
def test_reset_peer_resets(server: Server, upstream: Start, timeout_ms: int) -> None:
    port, asked_s = server.proxy(upstream(echo), toxic("reset_peer", timeout=timeout_ms)), timeout_ms / 1000
    with connected(port) as link, taking(asked_s, asked_s + SLACK_S), pytest.raises(ConnectionResetError):
        link.sendall(b"x")
        link.recv(1)


def test_slicer_cuts_into_pieces_and_waits_between_them(server: Server, upstream: Start) -> None:
    """It halves, give or take the variation, until a piece is at most average and variation: 120 here."""
    cut = toxic("slicer", average_size=100, size_variation=20, delay=20_000)
    with connected(server.proxy(upstream(echo), cut)) as link:
        link.sendall(b"x" * 500)
        pieces: list[int] = []
        with taking(0.06, 0.2 + SLACK_S):
            while sum(pieces) < 500:
                pieces.append(len(link.recv(500)))
    assert len(pieces) >= 4
    assert all(20 <= size <= 2 * 120 for size in pieces), pieces  # two where this machine was late to read


def test_limit_data_closes_after_so_many_bytes(server: Server, upstream: Start) -> None:
    with connected(server.proxy(upstream(echo), toxic("limit_data", bytes=100))) as link:
        assert asked(link, b"x" * 60) == b"x" * 60
        link.sendall(b"y" * 60)
        assert received(link, 200) == b"y" * 40


@pytest.mark.parametrize(("toxicity", "struck"), [(0, range(0, 1)), (1, range(40, 41)), (0.5, range(7, 34))])
def test_toxicity_is_the_share_of_connections(server: Server, upstream: Start, toxicity: float, struck: range) -> None:
    """Of 40 connections at 0.5, outside of 7 to 33 are 4 in 100,000."""
    port = server.proxy(upstream(echo), toxic("limit_data", toxicity=toxicity, bytes=1))
    count = 0
    for _ in range(40):
        with connected(port) as link:
            count += len(asked(link, b"abcde")) < 5
    assert count in struck


def test_a_proxy_that_is_disabled_closes_its_connections_and_takes_no_more(server: Server, upstream: Start) -> None:
    port = server.proxy(upstream(echo))
    with connected(port) as link:
        assert asked(link) == b"hello"
        server.done("POST", "/proxies/p", {"enabled": False})
        assert received(link, 1) == b""
    with pytest.raises(ConnectionRefusedError):
        connected(port)
    server.done("POST", "/proxies/p", {"enabled": True})
    with connected(port) as link:
        assert asked(link) == b"hello"


@pytest.mark.parametrize("how", ["delete", "upstream", "listen"])
def test_a_proxy_that_goes_or_moves_closes_its_connections(server: Server, upstream: Start, how: str) -> None:
    def answers(word: bytes) -> Callable[[socket.socket], None]:
        return lambda link: link.sendall(word) if link.recv(5) else None

    port = server.proxy(upstream(answers(b"one")))
    with connected(port) as link:
        if how == "delete":
            server.done("DELETE", "/proxies/p")
        else:
            changed = f"127.0.0.1:{upstream(answers(b'two'))}" if how == "upstream" else "127.0.0.1:0"
            moved = server.done("PATCH", "/proxies/p", {how: changed})
        assert received(link, 1) == b""
    if how != "upstream":
        with pytest.raises(ConnectionRefusedError):
            connected(port)
    if how != "delete":
        with connected(int(moved["listen"].rpartition(":")[2])) as link:
            link.sendall(b"hello")
            assert received(link, 3) == (b"two" if how == "upstream" else b"one")


def test_a_toxic_of_a_disabled_proxy_is_in_force_when_it_is_enabled_and_reset_ends_it(
    server: Server, upstream: Start
) -> None:
    made = {"name": "p", "listen": "127.0.0.1:0", "upstream": f"127.0.0.1:{upstream(echo)}", "enabled": False}
    server.done("POST", "/proxies", made)
    server.done("POST", "/proxies/p/toxics", toxic("latency", latency=100))
    port = int(server.done("POST", "/proxies/p", {"enabled": True})["listen"].rpartition(":")[2])
    with connected(port) as link:
        with taking(0.1, 0.1 + SLACK_S):
            asked(link)
        server.done("POST", "/reset")
        with taking(0, 0.09):
            asked(link)

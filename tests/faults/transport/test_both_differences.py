"""Where the two servers differ on purpose, each difference seen on both; docs/transport.md tells why."""

import re
from typing import Any

import pytest

from tests.faults.transport.servers import Server, Start, connected, echo, received

P = {"name": "p", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1", "enabled": False}
NO_PORT = "missing port in address"
ANY = ".*"


@pytest.mark.parametrize(
    ("method", "path", "body", "real", "embedded"),
    [
        ("POST", "/proxies", P | {"name": "q", "listen": "x"}, (201, ANY), (500, f"listen tcp: address x: {NO_PORT}")),
        ("POST", "/proxies", P | {"name": "q", "upstream": "x"}, (201, ANY), (400, f"upstream: address x: {NO_PORT}")),
        ("PATCH", "/proxies/p", {"upstream": "x"}, (200, ANY), (400, f"upstream: address x: {NO_PORT}")),
        (
            "POST",
            "/proxies",
            P | {"name": "q", "upstream": "example.com:80"},
            (201, ANY),
            (400, "upstream example.com:80: only addresses of this machine are allowed"),
        ),
        (
            "POST",
            "/proxies",
            {"name": "q", "listen": ":0", "upstream": "127.0.0.1:1"},
            (201, r'"listen":"\[::\]:[0-9]+"'),
            (201, r'"listen":"127\.0\.0\.1:[0-9]+"'),
        ),
        (
            "POST",
            "/proxies/p/toxics",
            {"type": "noop", "stream": "UPSTREAM"},
            (200, '"name":"noop_UPSTREAM","type":"noop","stream":"UPSTREAM"'),
            (200, '"name":"noop_UPSTREAM","type":"noop","stream":"upstream"'),
        ),
        ("POST", "/proxies/p/toxics", {"type": "corrupt"}, (400, "invalid toxic type"), (200, '"type":"corrupt"')),
        (
            "POST",
            "/proxies/p/toxics",
            {"type": "noop", "lease_s": 60},
            (200, '"toxicity":1}$'),
            (200, '"toxicity":1,"lease_s":60}$'),
        ),
        ("POST", "/proxies/p/toxics", {"type": "noop", "match": 1}, (200, ANY), (400, "match: Expected `object`")),
    ],
)
def test_differs_in_its_answer(
    server: Server, method: str, path: str, body: Any, real: tuple[int, str], embedded: tuple[int, str]
) -> None:
    server.done("POST", "/proxies", P)
    answer = server.ask(method, path, body)
    status, words = real if server.is_real else embedded
    assert answer.status == status
    assert re.search(words, answer.text), answer.text


def test_differs_in_what_a_refused_change_leaves_behind(server: Server) -> None:
    server.done("POST", "/proxies", P)
    server.done("POST", "/proxies/p/toxics", {"type": "latency"})
    path = "/proxies/p/toxics/latency_downstream"
    assert server.ask("POST", path, '{"attributes":{"jitter":4,"latency":"x"}}').status == 400
    assert server.done("GET", path)["attributes"] == {"latency": 0, "jitter": 4 if server.is_real else 0}


def test_differs_in_what_populate_takes_for_the_same_proxy(server: Server) -> None:
    """Toxiproxy compares `:0` with where it listens as text, and makes the proxy anew: its toxics are gone."""
    server.done("POST", "/proxies", P | {"listen": ""})
    server.done("POST", "/proxies/p/toxics", {"type": "noop"})
    told = server.done("POST", "/populate", [P | {"listen": ""}])
    assert len(told["proxies"][0]["toxics"]) == (0 if server.is_real else 1)


def test_differs_in_when_bytes_are_counted(server: Server, upstream: Start) -> None:
    with connected(server.proxy(upstream(echo))) as link:
        link.sendall(b"x" * 1000)
        assert received(link, 1000) == b"x" * 1000
        text = server.ask("GET", "/metrics").text
    assert bool(re.search(r'_sent_bytes_total\{direction="downstream".*proxy="p".*\} 1000\n', text)) != server.is_real

"""What the embedded server has beyond Toxiproxy, and what it refuses: only the embedded one is asked."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from faults.transport.api import BODY_MAX
from tests.faults.transport.servers import EMBEDDED, Server, Start, started

SILENT = {"name": "p", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1", "enabled": False}


@pytest.fixture(scope="module")
def process() -> Iterator[Server]:
    with started(EMBEDDED, "-allow", "198.51.100.7") as server:
        yield server


@pytest.fixture
def server(process: Server) -> Iterator[Server]:
    process.done("POST", "/proxies", SILENT)
    yield process
    process.forget()


def wait_until_gone(server: Server, path: str) -> None:
    until = time.monotonic() + 5
    while server.ask("GET", path).status != 404:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_toxic_with_a_lease_takes_itself_away(server: Server) -> None:
    made = server.done("POST", "/proxies/p/toxics", {"type": "noop", "lease_s": 0.1})
    assert made["lease_s"] == 0.1
    server.done("POST", "/proxies/p/toxics", {"type": "noop", "name": "stays"})
    wait_until_gone(server, "/proxies/p/toxics/noop_downstream")
    assert server.ask("GET", "/proxies/p/toxics/stays").status == 200


def test_a_lease_is_renewed_by_saying_it_again(server: Server) -> None:
    server.done("POST", "/proxies/p/toxics", {"type": "noop", "lease_s": 0.2})
    assert server.done("PATCH", "/proxies/p/toxics/noop_downstream", {"lease_s": 60})["lease_s"] == 60
    server.done("POST", "/proxies/p/toxics", {"type": "noop", "name": "first", "lease_s": 0.3})
    wait_until_gone(server, "/proxies/p/toxics/first")
    assert server.ask("GET", "/proxies/p/toxics/noop_downstream").status == 200


def test_a_proxy_with_a_lease_takes_itself_away(server: Server) -> None:
    made = server.done("POST", "/proxies", {"name": "q", "upstream": "127.0.0.1:1", "lease_s": 60})
    assert made["lease_s"] == 60
    server.done("PATCH", "/proxies/q", {"lease_s": 0.1})
    wait_until_gone(server, "/proxies/q")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(made["listen"].rpartition(":")[2])), timeout=5)


def test_what_toxiproxy_has_not_is_only_in_the_answer_where_it_was_said(server: Server) -> None:
    match = {"method": "POST", "path": "/pay/*", "header": {"x-kind": "a*"}}
    made = server.done("POST", "/proxies/p/toxics", {"type": "noop", "match": match})
    assert list(made) == ["attributes", "name", "type", "stream", "toxicity", "match"]
    assert made["match"] == match
    assert server.ask("GET", "/proxies/p/toxics/noop_downstream").json == made


@pytest.mark.parametrize(
    ("body", "attributes"),
    [
        ({"type": "corrupt", "attributes": {"per_mb": 2}}, {"per_mb": 2}),
        ({"type": "half_open"}, {"after": 0}),
        (
            {"type": "loss_with_load", "attributes": {"curve": [[0, 0], [50, 0.1]]}},
            {"curve": [[0, 0], [50, 0.1]], "burst": 1},
        ),
    ],
)
def test_toxics_of_our_own_are_placed_and_changed_like_all_others(
    server: Server, body: dict[str, Any], attributes: dict[str, Any]
) -> None:
    made = server.done("POST", "/proxies/p/toxics", body)
    assert made["attributes"].items() >= attributes.items()
    path = f"/proxies/p/toxics/{made['name']}"
    assert server.done("PATCH", path, {"toxicity": 0.5})["attributes"] == made["attributes"]
    name, value = next(iter(made["attributes"].items()))
    changed = [[0, 0.5]] if isinstance(value, list) else 7
    assert server.done("POST", path, {"attributes": {name: changed}})["attributes"][name] == changed


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"type": "noop", "lease_s": 0}, "lease_s: legal: seconds over 0 and up to 86400"),
        ({"type": "noop", "lease_s": "5"}, "lease_s: legal"),
        ({"type": "noop", "lease_s": True}, "lease_s: legal"),
        ({"type": "noop", "match": {"paht": "/"}}, "match: Object contains unknown field `paht`"),
        ({"type": "noop", "match": "/"}, "match: Expected `object`, got `str`"),
        ({"type": "noop", "fault": "dusk"}, "fault: only the plan of a run places toxics of faults; legal here: match"),
        (
            {"type": "corrupt", "attributes": {"per_mbb": 1}},
            "attributes.per_mbb: corrupt has no such attribute; did you mean 'per_mb'?",
        ),
        ({"type": "corrupt", "attributes": {"per_mb": "1"}}, "attributes: Expected `float`, got `str` - at `$.per_mb`"),
        ({"type": "corrupt", "attributes": []}, "cannot unmarshal array"),
    ],
)
def test_what_is_ours_and_wrong_is_refused_in_one_line(server: Server, body: dict[str, Any], words: str) -> None:
    answer = server.ask("POST", "/proxies/p/toxics", body)
    assert (answer.status, answer.text.count("\n")) == (400, 1)
    assert words in answer.json["error"]
    assert server.done("GET", "/proxies/p/toxics") == []


@pytest.mark.parametrize(
    ("field", "address"),
    [
        ("listen", "0.0.0.0:0"),
        ("listen", "[::]:0"),
        ("listen", "192.0.2.1:0"),
        ("upstream", "example.com:80"),
        ("upstream", "192.0.2.1:80"),
    ],
)
@pytest.mark.parametrize("how", ["POST", "PATCH", "populate"])
def test_only_this_machine_is_listened_on_and_dialled(server: Server, field: str, address: str, how: str) -> None:
    body: Any = {"name": "q", "upstream": "127.0.0.1:1", "enabled": False, field: address}
    path = {"POST": "/proxies", "PATCH": "/proxies/p", "populate": "/populate"}[how]
    answer = server.ask("PATCH" if how == "PATCH" else "POST", path, [body] if how == "populate" else body)
    assert answer.status == 400
    assert f"{field} {address}: only addresses of this machine are allowed" in answer.json["error"]
    assert [(one["name"], one["upstream"]) for one in server.done("GET", "/proxies").values()] == [("p", "127.0.0.1:1")]


def test_a_host_that_is_allowed_is_dialled_and_no_other(server: Server, upstream: Start) -> None:
    body = {"name": "q", "listen": "127.0.0.1:0", "upstream": "198.51.100.7:80"}
    assert server.done("POST", "/proxies", body)["upstream"] == "198.51.100.7:80"


def test_no_host_to_listen_on_is_this_machine(server: Server) -> None:
    made = server.done("POST", "/proxies", {"name": "q", "upstream": "127.0.0.1:1"})
    assert made["listen"].startswith("127.0.0.1:")


def test_a_body_is_bounded(server: Server) -> None:
    answer = server.ask("POST", "/proxies", b" " * (BODY_MAX + 1))
    assert answer.status == 413
    assert server.ask("GET", "/proxies").status == 200


def test_without_being_asked_for_there_are_no_metrics(server: Server) -> None:
    assert server.ask("GET", "/metrics").status == 404

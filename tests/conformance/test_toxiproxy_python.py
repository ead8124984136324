"""toxiproxy-python 0.1.1, unmodified, against the embedded server as a process of its own."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from toxiproxy import Toxiproxy
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from tests.faults.transport.servers import EMBEDDED, Upstream, connected, echo, received, started

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with closing(Upstream(echo)) as one:
        yield f"127.0.0.1:{one.port}"


@pytest.fixture(scope="module")
def running() -> Iterator[Toxiproxy]:
    with started(EMBEDDED) as server:
        client = Toxiproxy()
        client.update_api_consumer("127.0.0.1", server.port)
        yield client


@pytest.fixture
def client(running: Toxiproxy) -> Iterator[Toxiproxy]:
    yield running
    running.destroy_all()


def port_of(listen: str) -> int:
    return int(listen.rpartition(":")[2])


def took_s(listen: str) -> float:
    """How long an exchange takes."""
    with connected(port_of(listen)) as link:
        began = time.monotonic()
        link.sendall(b"hello")
        assert received(link, 5) == b"hello"
        return time.monotonic() - began


def test_it_creates_finds_and_destroys_proxies(client: Toxiproxy, upstream: str) -> None:
    assert client.running()
    assert client.version() == b'{"version": "2.12.0"}\n'
    made = client.create(upstream=upstream, name="db")
    assert (made.name, made.upstream, made.enabled) == ("db", upstream, True)
    assert client.get_proxy("db").listen == made.listen
    assert took_s(made.listen) < 1
    with pytest.raises(ProxyExists):
        client.create(upstream=upstream, name="db")
    assert client.destroy(made) is True
    assert client.get_proxy("db") is None
    with pytest.raises(NotFound):
        made.destroy()


def test_it_populates(client: Toxiproxy, upstream: str) -> None:
    rows = [{"name": name, "upstream": upstream, "listen": "127.0.0.1:0"} for name in ("a", "b")]
    assert [one.name for one in client.populate(rows)] == ["a", "b"]
    rows[0]["listen"], rows[1]["listen"] = client.get_proxy("a").listen, client.get_proxy("b").listen
    assert client.populate(rows) == []  # both are as they were
    assert sorted(client.proxies()) == ["a", "b"]


def test_it_adds_lists_and_destroys_toxics(client: Toxiproxy, upstream: str) -> None:
    made = client.create(upstream=upstream, name="db")
    made.add_toxic(type="latency", attributes={"latency": 120, "jitter": 0})
    made.add_toxic(name="cut", type="limit_data", stream="upstream", toxicity=0.0, attributes={"bytes": 1})
    assert sorted(made.toxics()) == ["cut", "latency_downstream"]
    toxic = made.get_toxic("latency_downstream")
    assert (toxic.type, toxic.stream, toxic.toxicity) == ("latency", "downstream", 1)
    assert toxic.attributes == {"latency": 120, "jitter": 0}
    assert took_s(made.listen) >= 0.12
    assert made.destroy_toxic("latency_downstream") is True
    assert took_s(made.listen) < 0.12
    with pytest.raises(InvalidToxic):
        made.add_toxic(type="nothing")
    with pytest.raises(NotFound):
        made.destroy_toxic("latency_downstream")


def test_it_takes_a_proxy_down_and_up(client: Toxiproxy, upstream: str) -> None:
    made = client.create(upstream=upstream, name="db")
    with made.down(), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port_of(made.listen)), timeout=5)
    assert took_s(made.listen) < 1
    made.disable()
    assert client.get_proxy("db").enabled is False
    made.add_toxic(type="timeout", attributes={"timeout": 0})
    assert client.reset() is True
    assert (client.get_proxy("db").enabled, made.toxics()) == (True, {})
    assert took_s(made.listen) < 1

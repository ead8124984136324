"""The one client, against both servers; and against those that answer nothing, or nonsense."""

import asyncio
import os
import socket
import time

import pytest
import requests

from faults.transport import client as client_module
from faults.transport.client import Client, ServerError
from faults.transport.toxic import Stream
from faults.transport.toxics.corrupt import Corrupt
from faults.transport.toxics.latency import Latency
from tests.faults.transport.servers import Server, Start, connected, received


def port_of(listen: str) -> int:
    return int(listen.rpartition(":")[2])


def echoed_ms(port: int) -> float:
    with connected(port) as link:
        begun = time.monotonic()
        link.sendall(b"x")
        assert received(link, 1) == b"x"
        return (time.monotonic() - begun) * 1000


async def test_a_proxy_is_made_led_struck_healed_closed_and_taken_away(server: Server, upstream: Start) -> None:
    client, echo = Client("127.0.0.1", server.port), upstream()
    assert await client.version() == server.done("GET", "/version")["version"]
    port = port_of(await client.create("p-1", "127.0.0.1:9"))
    await client.lead("p-1", f"127.0.0.1:{echo}")
    assert await asyncio.to_thread(echoed_ms, port) < 60
    await client.add("p-1", "slow", Stream.DOWNSTREAM, Latency(latency=60), 1.0)
    (toxic,) = server.done("GET", "/proxies/p-1/toxics")
    assert (toxic["name"], toxic["toxicity"], toxic["attributes"]["latency"]) == ("slow", 1, 60)
    assert await asyncio.to_thread(echoed_ms, port) >= 60
    await client.remove("p-1", "slow")
    await client.remove("p-1", "slow")  # gone is gone
    assert await asyncio.to_thread(echoed_ms, port) < 60
    await client.enable("p-1", False)
    with pytest.raises(ConnectionRefusedError):
        connected(port).close()
    await client.enable("p-1", True)
    assert await asyncio.to_thread(echoed_ms, port) < 60
    await client.destroy("p-1")
    await client.destroy("p-1")
    assert server.done("GET", "/proxies") == {}


async def test_what_a_server_refuses_is_told_in_its_own_words(server: Server) -> None:
    client = Client("127.0.0.1", server.port)
    await client.create("twice", "127.0.0.1:9")
    with pytest.raises(ServerError, match=rf"^Toxiproxy at 127.0.0.1:{server.port} refused: .*already exists"):
        await client.create("twice", "127.0.0.1:9")
    with pytest.raises(ServerError, match=r"refused: .*proxy not found"):
        await client.add("nobody", "t", Stream.UPSTREAM, Latency(latency=1), 1.0)
    with pytest.raises(ServerError, match=r"refused: .*proxy not found"):
        await client.lead("nobody", "127.0.0.1:9")
    if server.is_real:
        with pytest.raises(ServerError, match=r"refused: .*invalid toxic type"):
            await client.add("twice", "t", Stream.UPSTREAM, Corrupt(per_mb=1), 1.0)


async def test_a_server_that_never_answers_is_given_up_and_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "ANSWER_WITHIN_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Client("127.0.0.1", silent.getsockname()[1])
        for asking in (client.version(), client.create("p", "127.0.0.1:9"), client.destroy("p")):
            with pytest.raises(ServerError, match="did not answer"):
                await asking


async def test_a_server_that_is_not_there_and_one_that_is_no_toxiproxy_are_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # what is on this machine is not asked by way of another
    with socket.create_server(("127.0.0.1", 0)) as there:
        port = there.getsockname()[1]
    with pytest.raises(ServerError, match=r"did not answer \(ConnectionError\)"):
        await Client("127.0.0.1", port).version()
    assert "127.0.0.1" in os.environ["no_proxy"].split(",")

    async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        writer.close()

    async with await asyncio.start_server(hello, "127.0.0.1", 0) as other:
        client = Client("127.0.0.1", other.sockets[0].getsockname()[1])
        for asking in (client.version(), client.create("p", "127.0.0.1:9")):
            with pytest.raises(ServerError, match="answered otherwise than Toxiproxy does"):
                await asking
    assert requests.utils.should_bypass_proxies("http://127.0.0.1:8474", None)

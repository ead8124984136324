"""How a letter leaves: straight to its address, or through a proxy that knows where it goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mocks.post import Letter, postman, sender


class Peer:
    """Answers each request with `ok`, and keeps what it read."""

    def __init__(self, server: asyncio.Server) -> None:
        self.port = int(server.sockets[0].getsockname()[1])
        self.heads: list[list[str]] = []


@asynccontextmanager
async def peer() -> AsyncIterator[Peer]:
    heads: list[list[str]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        made = Peer(server)
        made.heads = heads
        yield made


@pytest.mark.parametrize("is_through", [False, True])
async def test_a_letter_through_a_proxy_says_still_whom_it_is_for(*, is_through: bool) -> None:
    async with peer() as shop, peer() as proxy, postman() as session:
        send = sender(session, ("127.0.0.1", proxy.port) if is_through else None)
        heard = await send(Letter("GET", f"http://127.0.0.1:{shop.port}/notify/epay?sign=%2B%20a&x=1"))
        assert (heard.status, heard.words) == (200, "ok")
        (head,) = (proxy if is_through else shop).heads
        assert head[0] == "GET /notify/epay?sign=%2B%20a&x=1 HTTP/1.1"
        assert f"Host: 127.0.0.1:{shop.port}" in head
        assert (shop if is_through else proxy).heads == []


async def test_a_proxy_that_has_gone_is_nobody_reached() -> None:
    async with peer() as shop, peer() as gone:
        pass
    async with postman() as session:
        heard = await sender(session, ("127.0.0.1", gone.port))(Letter("GET", f"http://127.0.0.1:{shop.port}/"))
    assert heard.status == 0

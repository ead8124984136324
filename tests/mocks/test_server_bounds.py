"""What a server bounds: bodies, slow senders, silent connections, and how many there are; with real sockets."""

import asyncio
import gzip
from contextlib import suppress

import pytest

from ledger.clock import ManualClock
from ledger.events import Event
from mocks import server
from mocks.reply import Reply
from mocks.server import BODY_MAX, Server, Unmatcher
from tests.mocks.test_server import OneAnswer

HEAD = b"POST /epay/mapi.php HTTP/1.1\r\nHost: a\r\n"


class Serving:
    """A server that answers everything alike, and raw connections to it."""

    def __init__(self) -> None:
        events: list[Event] = []
        self._mock = OneAnswer(lambda: Reply(fields={"ok": True}))
        self.server = Server(self._mock, Unmatcher(events.append, ManualClock(), self._mock.routes(), ()))
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> "Serving":
        self._port = await self.server.start("127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.check()
        for writer in self._writers:
            writer.close()
        await self.server.stop()

    async def said(self, *pieces: bytes) -> bytes:
        """All that comes back until the server ends the connection."""
        reader = await self.connected(*pieces)
        async with asyncio.timeout(10):
            with suppress(ConnectionError):
                return await reader.read()
        return b""

    async def connected(self, *pieces: bytes) -> asyncio.StreamReader:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers.append(writer)
        with suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
        return reader


async def test_a_body_of_the_bound_is_taken_and_one_byte_more_is_413() -> None:
    async with Serving() as serving:
        for size, status in ((BODY_MAX, b"200"), (BODY_MAX + 1, b"413")):
            head = HEAD + f"Connection: close\r\nContent-Length: {size}\r\n\r\n".encode()
            assert (await serving.said(head, b"x" * size)).startswith(b"HTTP/1.1 " + status)


async def test_a_small_body_that_unpacks_to_a_huge_one_is_413() -> None:
    packed = gzip.compress(b"\0" * 50 * BODY_MAX)
    head = HEAD + f"Content-Encoding: gzip\r\nContent-Length: {len(packed)}\r\nConnection: close\r\n\r\n".encode()
    async with Serving() as serving:
        assert (await serving.said(head, packed)).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("begun", "answered"),
    [
        (b"", b""),
        (b"POST /epay", b""),
        (HEAD + b"X-Slow: ", b""),
        (HEAD + b"Content-Length: 5\r\n\r\nab", b"HTTP/1.1 408"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", b"HTTP/1.1 408"),
        (HEAD + b"Content-Length: 0\r\n\r\nPOST /ep", b"HTTP/1.1 200"),
    ],
    ids=["silent", "half a line", "half a head", "half a body", "half a chunk", "half of the second request"],
)
async def test_who_does_not_go_on_is_given_up(begun: bytes, answered: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for bound in ("IDLE_S", "BODY_WITHIN_S", "LINGER_S"):
        monkeypatch.setattr(server, bound, 0.1)
    async with Serving() as serving:
        assert (await serving.said(begun))[:12] == answered


async def test_connections_beyond_the_bound_are_closed_and_those_within_still_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 2)
    async with Serving() as serving:
        first, _ = [await serving.connected() for _ in range(2)]
        assert await serving.said(HEAD + b"Content-Length: 0\r\n\r\n") == b""
        reader = await serving.connected()
        assert await reader.read() == b""
        assert not first.at_eof()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=", b"x"),
        ("multipart/form-data; boundary=b", b"--c\r\n\r\nx\r\n--c--"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--b--\r\n',
        ),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Type: text/plain; charset=no\r\n\r\nx\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Encoding: zstd9\r\n\r\nx\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"A: b\r\n" * 5000 + b"\r\nx\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx"),
        ("application/x-www-form-urlencoded; charset=none", b"\xff=%"),
    ],
)
async def test_a_form_that_cannot_be_read_is_refused_and_never_breaks_the_mock(kind: str, body: bytes) -> None:
    head = HEAD + f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
    async with Serving() as serving:
        assert (await serving.said(head, body))[:12] in (b"HTTP/1.1 200", b"HTTP/1.1 400")


@pytest.mark.parametrize("packed", [b"no gzip", b"", gzip.compress(b"a=b", mtime=0)[:-6]], ids=["none", "empty", "cut"])
async def test_a_body_that_cannot_be_unpacked_is_refused(packed: bytes) -> None:
    head = HEAD + f"Content-Encoding: gzip\r\nContent-Length: {len(packed)}\r\nConnection: close\r\n\r\n".encode()
    async with Serving() as serving:
        assert b"HTTP/1.1 500" not in await serving.said(head, packed)

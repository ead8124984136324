"""What a caller's socket sees of answers that are slow, cut or broken off; on both loops, with real sockets."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from ledger.clock import ManualClock
from ledger.events import Event
from mocks.reply import JSON, Reply
from mocks.server import Answer, Asked, NoRoute, Server, Unmatcher, read_fields

RUNS: list[Callable[[Coroutine[Any, Any, None]], None]] = [asyncio.run, uvloop.run]
BODY = b'{"code":1,"msg":"' + b"x" * 4096 + b'"}'


class OneAnswer:
    """A mock that answers everything alike."""

    def __init__(self, answer: Callable[[], Answer]) -> None:
        self._answer = answer

    def routes(self) -> Iterable[str]:
        return ["/epay/mapi.php"]

    async def answer(self, asked: Asked) -> Answer:
        if asked.path == "/nowhere":
            raise NoRoute
        return self._answer()


class Caller:
    """One connection to the server, spoken by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self) -> None:
        self.writer.write(b"GET /epay/mapi.php HTTP/1.1\r\nHost: a\r\n\r\n")
        await self.writer.drain()

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")


async def served(answer: Callable[[], Answer], see: Callable[[Caller, Server], Coroutine[Any, Any, None]]) -> None:
    events: list[Event] = []
    mock = OneAnswer(answer)
    server = Server(mock, Unmatcher(events.append, ManualClock(), mock.routes(), ()))
    port = await server.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(10):
            await see(Caller(reader, writer), server)
        server.check()
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        await server.stop()


@pytest.mark.parametrize("run", RUNS)
def test_a_reset_before_the_answer_is_an_rst_and_no_end_of_file(run: Callable[..., None]) -> None:
    async def see(caller: Caller, _: Server) -> None:
        await caller.ask()
        with pytest.raises(ConnectionResetError):
            await caller.reader.read()

    run(served(lambda: Reply(breaks=0.0), see))


@pytest.mark.parametrize("run", RUNS)
def test_a_connection_that_is_only_closed_ends_without_a_byte(run: Callable[..., None]) -> None:
    async def see(caller: Caller, _: Server) -> None:
        await caller.ask()
        assert await caller.reader.read() == b""

    run(served(lambda: None, see))


@pytest.mark.parametrize("run", RUNS)
def test_a_reset_in_mid_answer_comes_after_the_head_and_half_of_the_body(run: Callable[..., None]) -> None:
    got = bytearray()

    async def see(caller: Caller, _: Server) -> None:
        await caller.ask()
        head = await caller.head()
        assert f"Content-Length: {len(BODY)}".encode() in head
        assert f"Content-Type: {JSON}".encode() in head
        with pytest.raises(ConnectionResetError):
            while piece := await caller.reader.read(100):
                got.extend(piece)
        assert bytes(got) == BODY[: len(BODY) // 2]

    run(served(lambda: Reply(body=BODY, kind=JSON, breaks=0.5), see))


@pytest.mark.parametrize("run", RUNS)
def test_an_answer_of_fields_is_written_out_before_it_is_broken(run: Callable[..., None]) -> None:
    async def see(caller: Caller, _: Server) -> None:
        await caller.ask()
        assert f"Content-Type: {JSON}".encode() in await caller.head()
        with pytest.raises(ConnectionResetError):
            assert b'{"code":1}'.startswith(await caller.reader.read(100))
            await caller.reader.read()

    run(served(lambda: Reply(fields={"code": 1}, breaks=0.5), see))


@pytest.mark.parametrize("run", RUNS)
def test_the_head_comes_at_once_and_the_body_as_its_pieces_do(run: Callable[..., None]) -> None:
    async def body() -> None:
        gate = asyncio.Event()

        async def pieces() -> AsyncGenerator[bytes, None]:
            yield BODY[:10]
            await gate.wait()
            yield BODY[10:]

        async def see(caller: Caller, _: Server) -> None:
            await caller.ask()
            assert b"HTTP/1.1 201" in await caller.head()
            assert await caller.reader.readexactly(10) == BODY[:10]
            gate.set()
            assert await caller.reader.readexactly(len(BODY) - 10) == BODY[10:]
            await caller.ask()  # the connection is good for another
            await caller.head()

        await served(lambda: Reply(201, body=BODY, pieces=pieces), see)

    run(body())


@pytest.mark.parametrize("run", RUNS)
def test_a_caller_who_leaves_in_the_middle_breaks_nothing(run: Callable[..., None]) -> None:
    async def body() -> None:
        gate, over = asyncio.Event(), asyncio.Event()

        async def pieces() -> AsyncGenerator[bytes, None]:
            try:
                yield BODY
                await gate.wait()
                for _ in range(64):
                    yield BODY
                    await asyncio.sleep(0)
            finally:
                over.set()

        async def see(caller: Caller, server: Server) -> None:
            await caller.ask()
            await caller.head()
            caller.writer.transport.abort()
            gate.set()
            await over.wait()
            server.check()

        await served(lambda: Reply(body=BODY * 65, pieces=pieces), see)

    run(body())


@pytest.mark.parametrize("run", RUNS)
def test_an_error_of_our_own_in_the_middle_of_a_body_breaks_the_server(run: Callable[..., None]) -> None:
    async def pieces() -> AsyncGenerator[bytes, None]:
        yield BODY[:10]
        raise RuntimeError("the journal is full")

    async def see(caller: Caller, server: Server) -> None:
        await caller.ask()
        with pytest.raises(RuntimeError, match="journal is full"):
            await server.wait_until_broken()

    with pytest.raises(RuntimeError, match="journal is full"):
        run(served(lambda: Reply(body=BODY, pieces=pieces), see))


@pytest.mark.parametrize("run", RUNS)
def test_a_truncated_body_looks_whole_to_its_reader(run: Callable[..., None]) -> None:
    async def see(caller: Caller, _: Server) -> None:
        await caller.ask()
        assert b"Content-Length: 5\r\n" in await caller.head()
        assert await caller.reader.readexactly(5) == BODY[:5]
        await caller.ask()
        await caller.head()

    run(served(lambda: Reply(body=BODY[:5], kind=JSON), see))


@given(st.text(alphabet="aF0%\\xuN{}é+ \n\udcff中", max_size=30))
def test_escapes_are_read_as_urllib_reads_them(value: str) -> None:
    sent = value.encode("utf-8", "surrogateescape")
    expected = unquote_to_bytes(sent.replace(b"+", b" ")).decode("utf-8", "surrogateescape")
    assert read_fields(b"n=" + sent) == {"n": expected}

"""A relay on loopback: bytes, ends, resets and back-pressure of a connection are those of its peer."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from faults.kernel.relay import Relay

WITHIN_S = 5.0


def listening() -> socket.socket:
    made = socket.create_server(("127.0.0.1", 0))
    made.setblocking(False)
    return made


def dialling(address: tuple[str, int]) -> Callable[[], Awaitable[socket.socket]]:
    async def dial() -> socket.socket:
        made = socket.socket()
        made.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(made, address)
        except OSError:
            made.close()
            raise
        return made

    return dial


Pair = tuple[socket.socket, socket.socket]


@asynccontextmanager
async def relayed(most: int = 10) -> AsyncIterator[Callable[[], Awaitable[Pair]]]:
    """Makes connections through a relay: the caller's end and the callee's."""
    loop = asyncio.get_running_loop()
    with listening() as front, listening() as back:
        async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(Relay(dialling(back.getsockname()), most).serve(front))

            async def connect() -> Pair:
                caller = await dialling(front.getsockname())()
                callee, _ = await loop.sock_accept(back)
                return caller, callee

            yield connect
            serving.cancel()


async def read_all(end: socket.socket) -> bytes:
    found = b""
    while data := await asyncio.get_running_loop().sock_recv(end, 65536):
        found += data
    return found


def send_reset(end: socket.socket) -> None:
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()


async def test_bytes_arrive_whole_and_in_order_both_ways() -> None:
    sent = bytes(range(256)) * 20_000
    loop = asyncio.get_running_loop()
    async with relayed() as connect:
        caller, callee = await connect()
        with caller, callee:

            async def say(end: socket.socket, data: bytes) -> None:
                await loop.sock_sendall(end, data)
                end.shutdown(socket.SHUT_WR)

            got = await asyncio.gather(say(caller, sent), say(callee, sent[::-1]), read_all(callee), read_all(caller))
            assert list(got[2:]) == [sent, sent[::-1]]


async def test_one_end_may_close_its_half_and_still_be_answered() -> None:
    loop = asyncio.get_running_loop()
    async with relayed() as connect:
        caller, callee = await connect()
        with caller, callee:
            caller.shutdown(socket.SHUT_WR)
            assert await loop.sock_recv(callee, 100) == b""
            await loop.sock_sendall(callee, b"late answer")
            assert await loop.sock_recv(caller, 100) == b"late answer"


@pytest.mark.parametrize("who", ["caller", "callee"])
async def test_a_reset_reaches_the_other_end_as_a_reset(who: str) -> None:
    async with relayed() as connect:
        pair = dict(zip(("caller", "callee"), await connect(), strict=True))
        send_reset(pair.pop(who))
        (other,) = pair.values()
        with other, pytest.raises(ConnectionResetError):
            await read_all(other)


async def test_a_caller_whose_upstream_refuses_is_reset_and_the_next_one_is_served() -> None:
    with listening() as front:
        gone = listening()
        address = gone.getsockname()
        gone.close()
        async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(Relay(dialling(address), 1).serve(front))
            for _ in range(3):
                with await dialling(front.getsockname())() as caller, pytest.raises(ConnectionResetError):
                    await read_all(caller)
            serving.cancel()


async def test_a_peer_that_does_not_read_stops_the_sender_and_not_its_neighbours() -> None:
    loop = asyncio.get_running_loop()
    async with relayed() as connect:
        caller, deaf = await connect()
        with caller, deaf:

            async def fill() -> int:
                sent = 0
                while sent < 100_000_000:
                    sent += await asyncio.wait_for(send_some(caller), 0.2)
                return sent

            with pytest.raises(TimeoutError):
                await fill()
            other, callee = await connect()
            with other, callee:
                await loop.sock_sendall(other, b"still served")
                assert await loop.sock_recv(callee, 100) == b"still served"


async def send_some(end: socket.socket) -> int:
    await asyncio.get_running_loop().sock_sendall(end, bytes(65536))
    return 65536


async def test_more_connections_than_there_is_room_for_wait_for_their_turn() -> None:
    loop = asyncio.get_running_loop()
    with listening() as front, listening() as back:
        async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(Relay(dialling(back.getsockname()), 1).serve(front))
            first, second = await dialling(front.getsockname())(), await dialling(front.getsockname())()
            (callee, _), accepting = await loop.sock_accept(back), tasks.create_task(loop.sock_accept(back))
            await loop.sock_sendall(first, b"a")
            assert await loop.sock_recv(callee, 10) == b"a"
            assert not accepting.done()
            send_reset(first)
            other, _ = await accepting
            with second, callee, other:
                await loop.sock_sendall(second, b"b")
                assert await loop.sock_recv(other, 10) == b"b"
            serving.cancel()


async def test_a_relay_that_ends_resets_what_it_carries() -> None:
    loop = asyncio.get_running_loop()
    async with relayed() as connect:
        caller, callee = await connect()
        await loop.sock_sendall(caller, b"a")
        assert await loop.sock_recv(callee, 10) == b"a"
    for end in (caller, callee):
        with end, pytest.raises(ConnectionResetError):
            await read_all(end)

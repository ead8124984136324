"""Connections of an RCON server, over real sockets: what ends them, and that nothing else does."""

import asyncio
import struct
from typing import Any

import pytest

from ledger.states import Hop
from mocks.game import rcon_wire
from mocks.game.rcon import HELP
from mocks.game.rcon_frames import ANSWER, AUTH, AUTH_ANSWER, COMMAND, Frame, read_frame
from mocks.game.rcon_wire import IDLE_S, LOGIN_WITHIN_S
from tests.mocks.rcon import ANSWER_MAX, RconWorld, an_rcon
from tests.mocks.world import KEY, a_fault

WITHIN_S = 5.0
LIST = "There are 0 of a max of 20 players online: "


class Peer:
    """The other side of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def hear(self) -> Frame | None:
        """The next frame; None when the server has ended the connection."""
        async with asyncio.timeout(WITHIN_S):
            return await read_frame(self.reader, ANSWER_MAX)

    async def say(self, command: str) -> str:
        self.send(Frame(5, COMMAND, command.encode()).written())
        heard = await self.hear()
        assert heard is not None
        return heard.body.decode()


async def peer(w: RconWorld, port: int, password: str = KEY) -> Peer:
    """A connection, its password sent and answered."""
    made = Peer(*await asyncio.open_connection("127.0.0.1", port))
    if password:
        made.send(Frame(1, AUTH, password.encode()).written())
        assert await made.hear() == Frame(1, AUTH_ANSWER)
    return made


async def wait_until(w: RconWorld, connections: int) -> None:
    """Until the server holds so many connections."""
    async with asyncio.timeout(WITHIN_S):
        while w.server._wire.connections != connections:
            await asyncio.sleep(0)


async def port_of(w: RconWorld) -> int:
    return (await w.mock.listen("127.0.0.1", 0))["city"]


async def test_a_connection_serves_many_commands_also_such_that_came_together() -> None:
    async with an_rcon() as w:
        client = await peer(w, await port_of(w))
        assert [await client.say("list") for _ in range(3)] == [LIST] * 3
        client.send(b"".join(Frame(n, COMMAND, b"list").written() for n in range(50)))
        assert [await client.hear() for _ in range(50)] == [Frame(n, ANSWER, LIST.encode()) for n in range(50)]


async def test_a_frame_may_come_byte_by_byte() -> None:
    async with an_rcon() as w:
        client = await peer(w, await port_of(w))
        for byte in Frame(8, COMMAND, b"list").written():
            client.send(bytes([byte]))
            await asyncio.sleep(0)
        assert await client.hear() == Frame(8, ANSWER, LIST.encode())


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        struct.pack("<i", -1),
        struct.pack("<i", 2**31 - 1) + b"x" * 4096,
        Frame(1, COMMAND, b"x" * 1447).written(),
        Frame(1, COMMAND, b"list").written()[:-1] + b"x",
        b"\x16\x03\x01\x02\x00" + bytes(512),
    ],
    ids=["HTTP", "negative", "2 GB", "too long", "no end", "TLS"],
)
async def test_what_is_no_frame_ends_its_connection_and_no_other(data: bytes) -> None:
    async with an_rcon() as w:
        port = await port_of(w)
        bad, good = await peer(w, port), await peer(w, port)
        bad.send(data)
        assert await _ended(bad)
        assert await good.say("list") == LIST
        await wait_until(w, 1)


async def test_who_never_gives_a_password_is_left_after_a_while_and_who_did_stays() -> None:
    async with an_rcon() as w:
        port = await port_of(w)
        mute, known = await peer(w, port, password=""), await peer(w, port)
        mute.send(b"\x0a")  # the beginning of a frame is no password
        await wait_until(w, 2)
        await w.move_to_s(LOGIN_WITHIN_S - 1)
        assert await known.say("list") == LIST
        await w.move_to_s(LOGIN_WITHIN_S + 6)
        assert await _ended(mute)
        assert await known.say("list") == LIST


async def test_a_half_open_connection_is_given_up() -> None:
    async with an_rcon() as w:
        client = await peer(w, await port_of(w))
        client.send(Frame(1, COMMAND, b"list").written()[:9])
        await wait_until(w, 1)
        await w.settle()
        await w.move_to_s(IDLE_S + 6)
        assert await _ended(client)
        await wait_until(w, 0)


async def test_no_more_connections_are_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rcon_wire, "CONNECTIONS_MAX", 2)
    async with an_rcon() as w:
        port = await port_of(w)
        first, second = await peer(w, port), await peer(w, port)
        third = await peer(w, port, password="")
        assert await _ended(third)
        first.writer.close()
        await wait_until(w, 1)
        assert await (await peer(w, port)).say("list") == await second.say("list") == LIST


async def test_a_peer_that_reads_nothing_is_read_no_more() -> None:
    """Its commands wait in its own buffers; the server's memory does not grow with them."""
    async with an_rcon(a_fault("big", "big_answer", Hop.SHOP_GAME, params={"bytes": 65_536})) as w:
        client = await peer(w, await port_of(w))
        many = Frame(5, COMMAND, b"give someone topup_10").written() * 2000
        client.send(many)
        async with asyncio.timeout(WITHIN_S):
            while not len(w.mock.accounts.top_ups):
                await asyncio.sleep(0)
        asked = -1
        while asked != len(w.mock.accounts.top_ups):
            asked = len(w.mock.accounts.top_ups)
            for _ in range(200):
                await asyncio.sleep(0)
        assert 0 < asked < 1000
        client.writer.transport.abort()
        await wait_until(w, 0)


@pytest.mark.parametrize(
    ("fault", "params", "error"),
    [("reset", {"when": "mid_answer"}, True), ("reset", {"when": "after"}, True), ("lose_answer", {}, False)],
)
async def test_a_connection_is_reset_or_closed_as_the_fault_says(
    fault: str, params: dict[str, Any], error: bool
) -> None:
    async with an_rcon(a_fault("it", fault, Hop.SHOP_GAME, params=params, first=1)) as w:
        port = await port_of(w)
        client = await peer(w, port, password="")
        client.send(Frame(1, AUTH, KEY.encode()).written())
        async with asyncio.timeout(WITHIN_S):
            try:
                heard, was_reset = await client.reader.read(), False
            except ConnectionResetError:
                heard, was_reset = b"", True
        assert (was_reset, heard) == (error, b"")
        await peer(w, port)


async def test_a_slow_body_comes_in_pieces() -> None:
    slow = a_fault("slow", "slow_body", Hop.SHOP_GAME, params={"over": "1 s"})
    async with an_rcon(slow) as w:
        client = await peer(w, await port_of(w))
        client.send(Frame(5, COMMAND, b"help").written())
        assert len(await client.reader.readexactly(4)) == 4
        hearing = asyncio.ensure_future(client.reader.readexactly(10 + len(HELP)))
        await w.settle()
        assert not hearing.done()
        for n in range(1, 12):
            await w.move_to_s(n / 10)
        async with asyncio.timeout(WITHIN_S):
            assert (await hearing).endswith(b"\n/list\0\0")


async def test_the_end_of_the_mock_ends_all_connections() -> None:
    async with an_rcon() as w:
        client = await peer(w, await port_of(w))
        w.mock.stop()
        assert await _ended(client)


async def test_a_port_that_is_taken_is_an_error() -> None:
    async with an_rcon() as w:
        port = await port_of(w)
        with pytest.raises(OSError, match="address"):
            await w.mock.listen("127.0.0.1", port)


async def _ended(client: Peer) -> bool:
    async with asyncio.timeout(WITHIN_S):
        try:
            return await client.reader.read() == b""
        except ConnectionResetError:
            return True

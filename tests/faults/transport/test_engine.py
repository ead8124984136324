"""The embedded proxy under peers that misbehave: nothing is lost, nothing grows, nothing is left behind."""

import asyncio
import fcntl
import hashlib
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from itertools import count

import psutil
import pytest
import uvloop

from faults.transport.stage import HELD_MAX
from faults.transport.toxic import Match, Placed, Stream, Toxic
from faults.transport.toxics.bandwidth import Bandwidth
from faults.transport.toxics.latency import Latency, LatencyStage
from faults.transport.toxics.noop import Noop
from faults.transport.toxics.slicer import Slicer
from faults.transport.toxics.slow_close import SlowClose
from plan.chance import draw
from tests.faults.transport.bed import (
    WITHIN_S,
    Bed,
    a_bed,
    address_of,
    before,
    descriptors,
    echo,
    listening,
    serving,
    until,
)

UP, DOWN = Stream.UPSTREAM, Stream.DOWNSTREAM
RST = struct.pack("ii", 1, 0)
READ_AT_ONCE = 256 * 1024
"""A source is read in pieces of so many bytes: by so much a bound may be passed."""


def noise(size: int, name: str) -> bytes:
    return hashlib.shake_256(name.encode()).digest(size)


def break_off(writer: asyncio.StreamWriter) -> None:
    """Closes with RST."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
    writer.transport.abort()


# --- upstreams --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("toxic", [None, Latency(latency=50), Slicer(average_size=1)])
async def test_where_the_upstream_refuses_the_client_is_closed_at_once(toxic: Toxic | None) -> None:
    with listening() as made:
        nobody = address_of(made)
    async with before(nobody) as bed:
        if toxic is not None:
            bed.place(toxic)
        reader, writer = await bed.connect()
        async with asyncio.timeout(1):
            assert await reader.read() == b""
        writer.close()
        await bed.gone()


async def test_an_upstream_that_vanishes_in_the_middle_is_a_reset_behind_what_it_had_sent() -> None:
    sent = noise(100_000, "answer")

    async def vanish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(sent)
        await writer.drain()
        await reader.read(1)
        break_off(writer)

    async with a_bed(vanish) as bed:
        reader, writer = await bed.connect()
        writer.write(b"?")
        assert await reader.readexactly(len(sent)) == sent
        writer.write(b"!")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        await bed.gone()


async def test_an_answer_arrives_whole_though_its_sender_broke_off_while_the_request_still_went() -> None:
    """Part of it is yet to be read by the proxy when that can no longer write."""
    first, rest = noise(100_000, "first"), noise(50_000, "rest")

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(first)
        await until(lambda: not bed.links[0].down.is_reading and bed.links[0].up._pending_bytes > HELD_MAX)
        writer.write(rest)
        unread = writer.get_extra_info("socket").fileno()
        await until(lambda: not int.from_bytes(fcntl.ioctl(unread, termios.TIOCOUTQ, bytes(4)), sys.byteorder))
        break_off(writer)

    async with a_bed(play) as bed:
        bed.place(Bandwidth(rate=0), DOWN)
        reader, writer = await bed.connect()
        writer.write(bytes(24 * 2**20))
        await until(lambda: bed.links[0].up.is_done)
        bed.proxy.reset()
        assert await reader.readexactly(150_000) == first + rest
        with pytest.raises(ConnectionResetError):
            await reader.read()
        await bed.gone()


CHAINS: dict[str, list[Toxic]] = {
    "none": [],
    "latency": [Latency(latency=20)],
    "bandwidth": [Bandwidth(rate=500_000)],
    "slicer": [Slicer(average_size=2000, size_variation=500)],
    "all": [Latency(latency=5, jitter=3), Bandwidth(rate=500_000), Slicer(average_size=3000, size_variation=900)],
}


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("stream", Stream)
async def test_who_does_not_read_pauses_the_source_and_gets_all_of_it_later(stream: Stream, chain: str) -> None:
    ends: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    over = asyncio.Event()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends.put_nowait((reader, writer))
        await over.wait()

    async with a_bed(play) as bed:
        for n, toxic in enumerate(CHAINS[chain]):
            bed.place(toxic, stream, f"t{n}")
        client, upstream = await bed.connect(), await ends.get()
        writer, reader = (client[1], upstream[0]) if stream is UP else (upstream[1], client[0])
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        sent = noise(24 * 2**20, chain)
        writer.write(sent)
        writer.write_eof()
        (link,) = bed.links
        side = link.side(stream)
        await until(lambda: not side.is_reading and side.totals.received > 0)
        bound = side.held_max
        assert bound <= LatencyStage.held_max
        before_s = side.totals.received
        assert bed.held <= 2 * bound + READ_AT_ONCE
        reader._transport.resume_reading()  # type: ignore[attr-defined]
        got = hashlib.sha256()
        while data := await reader.read(2**18):
            got.update(data)
            assert not bed.links or bed.held <= 2 * bound + READ_AT_ONCE
        assert got.digest() == hashlib.sha256(sent).digest()
        assert before_s < len(sent)
        over.set()


# --- many of them ------------------------------------------------------------------------------------------------
AT_ONCE = 250


def dialled(bed: Bed, count: int) -> list[socket.socket]:
    """So many connections to the proxy, as fast as the kernel takes them."""
    return [socket.create_connection((bed.host, bed.port)) for _ in range(count)]


async def dropped(bed: Bed, count: int, *, says: bytes = b"", how: bytes = b"") -> None:
    """So many connections, in batches: each says this, is carried on, and is dropped; none of them is left."""
    for _ in range(0, count, AT_ONCE):
        clients = dialled(bed, AT_ONCE)
        for client in clients:
            client.sendall(says)
        await until(lambda: len(bed.links) == AT_ONCE and all(link.is_begun for link in bed.links))
        if says:
            await until(lambda: all(link.up.totals.received or link.up._held for link in bed.links))
        for client in clients:
            if how:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, how)
            client.close()
        await bed.gone()


async def listen_to(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


def test_a_reset_that_comes_together_with_bytes_is_noticed_behind_them() -> None:
    """uvloop tells of both once."""

    async def run() -> None:
        heard = asyncio.get_running_loop().create_future()

        async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.set_result(await reader.readexactly(30_000))
            await reader.read()

        async with a_bed(play) as bed:
            bed.place(Noop(), name="framed", match=Match())
            (client,) = dialled(bed, 1)
            await until(lambda: any(link.is_begun for link in bed.links))
            client.sendall(bytes(30_000))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
            client.close()
            await bed.gone()
            assert await heard == bytes(30_000)

    uvloop.run(run())


@pytest.mark.slow
def test_ten_thousand_connections_opened_and_dropped_leave_nothing() -> None:
    async def run() -> None:
        async with a_bed(listen_to) as bed:
            await dropped(bed, AT_ONCE)
            at_first = descriptors()
            await dropped(bed, 5000)
            await dropped(bed, 2000, how=RST)
            bed.place(Latency(latency=50), name="holds")
            await dropped(bed, 1000, says=b"held", how=RST)
            bed.proxy.reset()
            bed.place(Noop(), name="framed", match=Match(path="/x"))
            await dropped(bed, 1000, says=b"GET /withheld HTTP/1.1\r\n")
            await dropped(bed, 1000, says=b"POST /x HTTP/1.1\r\nContent-Length: 9\r\n\r\n", how=RST)
            assert (bed.proxy.accepted, bed.proxy.connections) == (10_000 + AT_ONCE, 0)
            await until(lambda: descriptors() == at_first)

    uvloop.run(run())


async def test_connections_dropped_while_the_upstream_is_dialled_leave_nothing() -> None:
    """Who waits in a full backlog is neither accepted nor refused."""
    with listening(backlog=0) as made:
        full = [socket.create_connection(made.getsockname()) for _ in range(1)]
        async with before(address_of(made)) as bed:
            at_first = descriptors()
            clients = dialled(bed, 50)
            await until(lambda: len(bed.links) == 50)
            assert not any(link.is_begun for link in bed.links)
            for client in clients:
                client.close()
            bed.proxy.stop()
            assert (bed.links, descriptors()) == ([], at_first - 1)
        for one in full:
            one.close()


# --- no descriptor is left ----------------------------------------------------------------------------------------
SHORT_OF_DESCRIPTORS = """
import asyncio, logging, resource, sys, uvloop
from faults.transport.proxies import Proxies

async def serve():
    logging.basicConfig(stream=sys.stderr, format="%(message)s")
    resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))
    print(Proxies().add("p", "127.0.0.1:0", sys.argv[1]).listen, flush=True)
    await asyncio.Event().wait()

uvloop.run(serve())
"""


@pytest.fixture
def short() -> Iterator[tuple[int, socket.socket, "subprocess.Popen[str]"]]:
    """A proxy in a process that may have few descriptors: its port, its upstream, the process."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as made:
        command = [sys.executable, "-P", "-c", SHORT_OF_DESCRIPTORS, address_of(made)]
        environment = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        ) as process:
            try:
                assert process.stdout is not None
                yield int(process.stdout.readline().rpartition(":")[2]), made, process
            finally:
                process.kill()


@pytest.mark.slow
def test_without_descriptors_the_proxy_waits_tells_of_it_once_a_second_and_goes_on(
    short: tuple[int, socket.socket, "subprocess.Popen[str]"],
) -> None:
    port, upstream, process = short
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
    of = psutil.Process(process.pid)
    upstream.settimeout(WITHIN_S)
    accepted = [upstream.accept()[0] for _ in range(10)]
    begun, used = time.monotonic(), sum(of.cpu_times()[:2])
    while time.monotonic() < begun + 1.5:
        assert process.poll() is None
        time.sleep(0.05)
    assert sum(of.cpu_times()[:2]) - used < 0.3
    for one in (*clients, *accepted):
        one.close()
    with socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S) as late:
        late.sendall(b"late")
        while True:
            served = upstream.accept()[0]
            served.settimeout(WITHIN_S)
            if served.recv(4) == b"late":
                break
            served.close()
    process.terminate()
    took_s = time.monotonic() - begun
    assert process.stderr is not None
    told = process.stderr.read().splitlines()
    assert told
    assert all("Too many open files" in line for line in told)
    assert len(told) <= took_s + 2


# --- both ways ----------------------------------------------------------------------------------------------------
async def test_each_side_may_end_first_and_goes_on_hearing_the_other() -> None:
    async def hear_then_talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = await reader.read()
        writer.write(heard[::-1])
        writer.write_eof()

    async def talk_then_hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"first")
        writer.write_eof()
        heard.set_result(await reader.read())

    async with a_bed(hear_then_talk) as bed:
        reader, writer = await bed.connect()
        writer.write(b"asked")
        writer.write_eof()
        assert await reader.read() == b"deksa"
        await bed.gone()
        writer.close()
    heard = asyncio.get_running_loop().create_future()
    async with a_bed(talk_then_hear) as bed:
        reader, writer = await bed.connect()
        assert await reader.read() == b"first"
        (link,) = bed.links
        assert (link.down.is_done, link.up.is_done) == (True, False)
        writer.write(b"after")
        writer.write_eof()
        assert await heard == b"after"
        await bed.gone()
        writer.close()


async def chatter(bed: Bed, name: str, size: int) -> None:
    """Sends so many bytes in pieces of any size, and hears exactly those back."""
    data = noise(size, name)
    reader, writer = await bed.connect()
    got = hashlib.sha256()

    async def hear() -> None:
        while piece := await reader.read(1 + int(draw(1, name, got.digest().hex()) * 60_000)):
            got.update(piece)

    async def talk() -> None:
        at = n = 0
        while at < size:
            step = 1 + int(draw(2, name, n) ** 3 * 120_000)
            writer.write(data[at : at + step])
            await writer.drain()
            at, n = at + step, n + 1
        writer.write_eof()

    async with asyncio.timeout(4 * WITHIN_S), asyncio.TaskGroup() as both:
        both.create_task(hear(), name="hear")
        both.create_task(talk(), name="talk")
    assert got.digest() == hashlib.sha256(data).digest()
    writer.close()


@pytest.mark.slow
async def test_five_megabytes_each_way_at_once_pass_a_row_of_toxics_unchanged() -> None:
    async with a_bed() as bed:
        for stream in Stream:
            for n, toxic in enumerate(CHAINS["all"]):
                bed.place(toxic, stream, f"{stream}{n}")
        await chatter(bed, "five", 5_000_000)
        await bed.gone()


PASSING: list[Toxic] = [
    Latency(latency=3, jitter=2),
    Latency(latency=0),
    Bandwidth(rate=30_000),
    Bandwidth(rate=0),
    Slicer(average_size=5000, size_variation=2000, delay=50),
    Slicer(average_size=900),
    SlowClose(delay=5),
    Noop(),
]


@pytest.mark.slow
async def test_toxics_that_come_change_and_go_while_bytes_flow_lose_and_move_none() -> None:
    async def meddle() -> None:
        for n in count():
            name, toxic = f"t{int(draw(3, 'name', n) * 4)}", PASSING[int(draw(4, "toxic", n) * len(PASSING))]
            stream = UP if name in ("t0", "t1") else DOWN
            there = [placed for placed in bed.proxy.toxics if placed.name == name]
            if not there:
                bed.place(toxic, stream, name)
            elif there[0].toxic.kind == toxic.kind:
                bed.proxy.update_toxic(Placed(name, stream, toxic))
            else:
                bed.proxy.remove_toxic(name)
            await asyncio.sleep(0.002)

    async with a_bed() as bed:
        async with asyncio.TaskGroup() as tasks:
            meddling = tasks.create_task(meddle(), name="meddle")
            async with asyncio.TaskGroup() as talks:
                for n in range(3):
                    talks.create_task(chatter(bed, f"talk {n}", 5_000_000), name=f"talk {n}")
            meddling.cancel()
        bed.proxy.reset()
        await bed.gone()


@pytest.mark.parametrize("who", ["client", "upstream"])
@pytest.mark.parametrize("toxic", [None, Latency(latency=10), Slicer(average_size=1)])
async def test_a_reset_of_one_side_is_a_reset_at_the_other_behind_what_was_sent(who: str, toxic: Toxic | None) -> None:
    ends: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    over = asyncio.Event()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends.put_nowait((reader, writer))
        await over.wait()

    async with a_bed(play) as bed:
        if toxic is not None:
            bed.place(toxic, UP if who == "client" else DOWN)
        client = await bed.connect()
        upstream = await ends.get()
        from_, to = (client, upstream) if who == "client" else (upstream, client)
        from_[1].write(b"last words")
        await until(lambda: any(totals.received for totals in bed.links[0].totals.values()))
        break_off(from_[1])
        assert await to[0].readexactly(10) == b"last words"
        with pytest.raises(ConnectionResetError):
            await to[0].read()
        await bed.gone()
        over.set()
        to[1].close()


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "[::1]:0", "localhost:0"])
@pytest.mark.parametrize("upstream", ["127.0.0.1", "::1", "localhost"])
async def test_both_versions_of_ip_are_listened_at_and_dialled(listen: str, upstream: str) -> None:
    host = "::1" if upstream == "localhost" else upstream
    async with serving(echo, host) as address:
        if upstream == "localhost":
            address = f"localhost:{address.rpartition(':')[2]}"
        async with before(address, listen) as bed:
            reader, writer = await bed.connect()
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            writer.close()
            await bed.gone()


# --- of single requests ------------------------------------------------------------------------------------------
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def answer_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        writer.write(OK)


async def took_ms(bed: Bed, client: tuple[asyncio.StreamReader, asyncio.StreamWriter], path: str) -> float:
    begun = bed.proxies.timers.now()
    client[1].write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert await client[0].readexactly(len(OK)) == OK
    return (bed.proxies.timers.now() - begun) * 1000


@pytest.mark.parametrize("when", ["before", "new connection", "after a request"])
async def test_one_kept_connection_carries_requests_that_a_toxic_strikes_and_others(when: str) -> None:
    slow = Match(path="/a")
    async with a_bed(answer_all) as bed:
        if when == "before":
            bed.place(Latency(latency=40), DOWN, match=slow)
        client = await bed.connect()
        await until(lambda: any(link.is_begun for link in bed.links))
        if when == "after a request":
            assert await took_ms(bed, client, "/a") < 40
        if when != "before":
            bed.place(Latency(latency=40), DOWN, match=slow)
        assert [await took_ms(bed, client, path) >= 40 for path in ("/a", "/b", "/a", "/b")] == [True, False] * 2
        bed.proxy.reset()
        assert await took_ms(bed, client, "/a") < 40
        client[1].close()
        await bed.gone()


async def test_a_toxic_for_requests_that_comes_amid_an_exchange_is_for_the_next_one() -> None:
    """A body that looks like a request is none, and its answer is not the answer of the next request."""
    ends: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    over = asyncio.Event()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends.put_nowait((reader, writer))
        await over.wait()

    async with a_bed(play) as bed:
        (reader, writer), (heard, answering) = await bed.connect(), await ends.get()
        head, body = b"POST /b HTTP/1.1\r\nContent-Length: 20\r\n\r\n", b"GET /a HTTP/1.1\r\n\r\n "
        writer.write(head)
        await heard.readexactly(len(head))
        bed.place(Latency(latency=10_000), DOWN, match=Match(path="/a"))
        writer.write(body)
        await heard.readexactly(len(body))
        answering.write(OK)
        assert await reader.readexactly(len(OK)) == OK
        writer.write(b"GET /a HTTP/1.1\r\n\r\n")
        await heard.readuntil(b"\r\n\r\n")
        answering.write(OK)
        await until(lambda: bed.held > 0)
        bed.proxy.remove_toxic("toxic")
        assert await reader.readexactly(len(OK)) == OK
        writer.close()
        over.set()
        await bed.gone()


# --- leases -------------------------------------------------------------------------------------------------------
async def test_what_a_toxic_held_goes_on_when_its_lease_ends_and_a_proxy_takes_its_connections_along() -> None:
    async with a_bed() as bed:
        bed.place(Bandwidth(rate=0), lease_s=0.05)
        reader, writer = await bed.connect()
        writer.write(b"held")
        assert await reader.readexactly(4) == b"held"
        assert bed.proxy.toxics == []
        bed.proxies.lend(bed.proxy, 0.02)
        assert await reader.read() == b""
        assert bed.proxies.all() == []
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await bed.connect()

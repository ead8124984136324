"""Connections through a proxy, over real sockets: every byte, both halves of an end, resets, and bounded memory."""

import asyncio
import hashlib
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from faults.transport import link as link_module
from faults.transport import proxy as proxy_module
from faults.transport.stage import HELD_MAX
from faults.transport.toxic import Match, Stream, Toxic
from faults.transport.toxics.bandwidth import Bandwidth
from faults.transport.toxics.half_open import HalfOpen
from faults.transport.toxics.latency import Latency
from faults.transport.toxics.limit_data import LimitData
from faults.transport.toxics.noop import Noop
from faults.transport.toxics.reset_peer import ResetPeer
from faults.transport.toxics.slicer import Slicer
from faults.transport.toxics.slow_close import SlowClose
from faults.transport.toxics.timeout import Timeout
from plan.chance import draw
from tests.faults.transport.ends import (
    DOWN,
    UP,
    break_off,
    connected,
    is_reset,
    joined,
    placed,
    proxied,
    rest,
    send,
    settled,
    stuff,
    take,
    upstream,
)

SLACK_S = 0.25
"""How much later than asked a busy machine may be."""


@pytest.fixture(autouse=True)
async def nothing_fails() -> AsyncIterator[None]:
    """Whatever fails in a callback fails the test."""
    failed: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
    yield
    assert failed == []


async def pour(end: socket.socket, seed: int, size: int) -> str:
    """Sends so many bytes in pieces of drawn sizes, and ends; their hash."""
    block, sent, n, hashed = bytes(range(251)) * 400, 0, 0, hashlib.sha256()
    while sent < size:
        n += 1
        begin, length = int(draw(seed, "begin", n) * 250), int(draw(seed, "size", n) ** 4 * 90_000) + 1
        data = block[begin : begin + min(length, size - sent)]
        hashed.update(data)
        await send(end, data)
        sent += len(data)
    end.shutdown(socket.SHUT_WR)
    return hashed.hexdigest()


LONG, SHORT = 3_000_000, 60_000
ROW = (Slicer(average_size=9000), Latency(latency=2), SlowClose(delay=9))
WAYS: list[tuple[str, int, list[Any]]] = [
    ("without a toxic", LONG, []),
    ("a noop", LONG, [placed(Noop(), UP), placed(Noop(), DOWN, name="n")]),
    ("latency with jitter", LONG, [placed(Latency(latency=3, jitter=2), UP), placed(Latency(latency=1), name="l")]),
    ("bandwidth", LONG, [placed(Bandwidth(rate=40_000), UP), placed(Bandwidth(rate=50_000), name="b")]),
    ("slices", SHORT, [placed(Slicer(40, 30), UP), placed(Slicer(average_size=9), name="s")]),
    ("a row", LONG, [placed(toxic, UP) for toxic in ROW]),
    ("requests told apart", LONG, [placed(Latency(latency=50), match=Match(method="GET"))]),
]


@pytest.mark.parametrize(("size", "toxics"), [way[1:] for way in WAYS], ids=[way[0] for way in WAYS])
async def test_no_byte_is_lost_or_moved_in_either_direction(size: int, toxics: list[Any]) -> None:
    with upstream() as to, proxied(to.address, *toxics) as proxy:
        client, server = await joined(proxy, to)
        with client, server:
            sent_up, sent_down, came_down, came_up = await asyncio.gather(
                pour(client, 1, size), pour(server, 2, size), rest(client), rest(server)
            )
        assert hashlib.sha256(came_up).hexdigest() == sent_up
        assert hashlib.sha256(came_down).hexdigest() == sent_down
        await settled(proxy)
        counted = {one.direction: (one.received, one.sent) for one in proxy.counted()}
        assert counted == {UP: (size, size), DOWN: (size, size)}


# --- ends ---------------------------------------------------------------------------------------------------------
async def test_one_half_may_end_long_before_the_other() -> None:
    with upstream() as to, proxied(to.address) as proxy:
        client, server = await joined(proxy, to)
        with client, server:
            await send(client, b"question")
            client.shutdown(socket.SHUT_WR)
            assert await rest(server) == b"question"
            await send(server, b"answer")
            assert await take(client, 6) == b"answer"
            assert proxy.connections == 1
            server.shutdown(socket.SHUT_WR)
            assert await rest(client) == b""
            await settled(proxy)


@pytest.mark.parametrize("stream", [UP, DOWN])
@pytest.mark.parametrize("toxics", [[], [Latency(latency=30)]], ids=["plain", "late"])
async def test_a_reset_reaches_the_other_side_behind_what_came_before_it(stream: Stream, toxics: list[Any]) -> None:
    with upstream() as to, proxied(to.address, *[placed(toxic, stream) for toxic in toxics]) as proxy:
        client, server = await joined(proxy, to)
        here, there = (client, server) if stream is UP else (server, client)
        with there:
            await send(here, b"first ")
            assert await take(there, 6) == b"first "
            await send(here, b"last words")
            if not toxics:
                assert await take(there, 10) == b"last words"
            break_off(here)
            if toxics:
                assert await take(there, 10) == b"last words"
            assert await is_reset(there)
            await settled(proxy)


async def test_who_closed_before_an_answer_came_is_told_to_the_upstream() -> None:
    """The client has closed for good, which looks like half of an end until it is written to."""
    with upstream() as to, proxied(to.address) as proxy:
        client, server = await joined(proxy, to)
        with server:
            await send(client, b"never mind")
            client.close()
            assert await rest(server) == b"never mind"
            await send(server, b"answer")
            await settled(proxy)
            assert server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


@pytest.mark.parametrize("toxics", [[], [Bandwidth(rate=0)]], ids=["half-closed", "held back"])
async def test_who_is_gone_without_a_word_is_noticed_although_nothing_is_read(toxics: list[Any]) -> None:
    with upstream() as to, proxied(to.address, *[placed(toxic, DOWN) for toxic in toxics]) as proxy:
        client, server = await joined(proxy, to)
        with server:
            if toxics:
                assert await stuff(server, 64 * 2**20)
            client.shutdown(socket.SHUT_WR)
            assert await rest(server) == b""
            break_off(client)
            await settled(proxy)
            assert server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


@pytest.mark.slow
async def test_who_closed_is_forgotten_although_the_upstream_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel forgets such a connection after a second here, and answers probes of it with a reset."""
    monkeypatch.setattr(proxy_module, "PROBE_EVERY_S", 0.1)
    monkeypatch.setattr(link_module, "_PROBES", [(*one[:2], 1) for one in link_module._PROBES])
    with upstream() as to, proxied(to.address) as proxy:
        client, server = await joined(proxy, to)
        with server:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 1)
            client.close()
            assert await rest(server) == b""
            await settled(proxy)
            assert server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


async def test_an_upstream_that_refuses_closes_the_client() -> None:
    with upstream() as to:
        address = to.address
    with proxied(address) as proxy, await connected(proxy.listen) as client:
        assert await rest(client) == b""
        await settled(proxy)


async def test_an_upstream_that_vanishes_takes_the_client_along_and_nobody_else() -> None:
    with upstream() as to, proxied(to.address) as proxy:
        client, server = await joined(proxy, to)
        other, others = await joined(proxy, to)
        with client, other, others:
            await send(server, b"half an ans")
            assert await take(client, 11) == b"half an ans"
            break_off(server)
            assert await is_reset(client)
            await settled(proxy, 1)
            await send(other, b"still here")
            assert await take(others, 10) == b"still here"


# --- bounds -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("toxics", "held_max"),
    [([], HELD_MAX), ([Noop()], HELD_MAX), ([Latency(latency=60_000)], 4 * 2**20), ([Bandwidth(rate=1)], 65_536)],
    ids=["plain", "noop", "latency", "bandwidth"],
)
async def test_a_slow_reader_stops_the_sender_and_what_is_held_is_bounded(toxics: list[Any], held_max: int) -> None:
    with upstream() as to, proxied(to.address, *[placed(toxic, UP) for toxic in toxics]) as proxy:
        client, server = await joined(proxy, to)
        with client, server:
            sent = await stuff(client, 64 * 2**20)
            assert sent < 64 * 2**20
            up = next(proxy.counted())
            assert held_max // 2 < up.received - up.sent <= held_max + 256 * 1024
            for toxic in toxics:
                proxy.remove_toxic(toxic.kind)
            assert await take(server, sent) == bytes(range(256)) * (sent // 256)


async def test_many_small_pieces_are_not_held_for_nothing() -> None:
    with upstream() as to, proxied(to.address, placed(Bandwidth(rate=0), UP)) as proxy:
        client, server = await joined(proxy, to)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with client, server:
            for _ in range(3000):
                await send(client, b"x")
                await asyncio.sleep(0)
            assert 100 < next(proxy.counted()).received < 1500
            proxy.remove_toxic("bandwidth")
            assert await take(server, 3000) == b"x" * 3000


async def test_a_silent_connection_says_nothing_whatever_happens_at_its_ends() -> None:
    toxics = [placed(Latency(latency=60)), placed(HalfOpen(after=40))]
    with upstream() as to, proxied(to.address, *toxics) as proxy:
        client, server = await joined(proxy, to)
        with client:
            await took_s(client, server)
            await send(server, b"late")
            break_off(server)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await asyncio.get_running_loop().sock_recv(client, 1)
            assert proxy.connections == 1
            proxy.remove_toxic("half_open")
            assert await rest(client) == b""
            assert proxy.connections == 0


# --- toxics that come and go --------------------------------------------------------------------------------------
async def took_s(end: socket.socket, there: socket.socket, data: bytes = b"x") -> float:
    """Seconds that bytes took from one end to the other."""
    began = time.perf_counter()
    await send(end, data)
    assert await take(there, len(data)) == data
    return time.perf_counter() - began


async def test_a_toxic_is_in_force_on_open_connections_when_the_call_returns_and_gone_likewise() -> None:
    with upstream() as to, proxied(to.address) as proxy:
        client, server = await joined(proxy, to)
        with client, server:
            assert await took_s(server, client) < SLACK_S
            proxy.add_toxic(placed(Latency(latency=40)))
            assert 0.04 <= await took_s(server, client) < 0.04 + SLACK_S
            assert await took_s(client, server) < 0.04
            proxy.update_toxic(placed(Latency(latency=80)))
            assert 0.08 <= await took_s(server, client) < 0.08 + SLACK_S
            proxy.remove_toxic("latency")
            assert await took_s(server, client) < 0.04


async def test_a_toxic_taken_away_lets_go_of_what_it_holds_in_order() -> None:
    with upstream() as to, proxied(to.address, placed(Latency(latency=60_000), UP)) as proxy:
        client, server = await joined(proxy, to)
        with client, server:
            for data in (b"one ", b"two ", b"three "):
                await send(client, data)
            client.shutdown(socket.SHUT_WR)
            while next(proxy.counted()).received < 14:
                await asyncio.sleep(0.001)
            proxy.remove_toxic("latency")
            assert await rest(server) == b"one two three "


async def test_what_one_toxic_cuts_off_the_next_still_delays() -> None:
    toxics = [placed(LimitData(bytes=5)), placed(Latency(latency=50))]
    with upstream() as to, proxied(to.address, *toxics) as proxy:
        client, server = await joined(proxy, to)
        with client, server:
            began = time.perf_counter()
            await send(server, b"hello world")
            assert await rest(client) == b"hello"
            assert 0.05 <= time.perf_counter() - began < 0.05 + SLACK_S
            await settled(proxy)


CHANGES = 120


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_toxics_that_come_and_go_at_any_moment_lose_no_byte_and_move_none(seed: int) -> None:
    """Only those that delay: the others are there to lose bytes. One in each direction stays, so that they flow for as
    long as others change."""
    kinds: list[Toxic] = [
        Latency(latency=4, jitter=3),
        Latency(latency=1),
        Bandwidth(rate=20_000),
        Bandwidth(rate=0),
        Slicer(average_size=3000, size_variation=2000, delay=50),
        Slicer(average_size=9000),
        SlowClose(delay=5),
        Noop(),
    ]
    staying = [placed(Bandwidth(rate=20_000), UP, name="up"), placed(Bandwidth(rate=20_000), name="down")]
    with upstream() as to, proxied(to.address, *staying) as proxy:

        async def meddle() -> None:
            for n in range(CHANGES):
                a, b, c = (draw(seed, "change", what, n) for what in ("what", "which", "kind"))
                there = [one for one in proxy.toxics if one not in staying]
                toxic, changed = kinds[int(c * len(kinds))], there[int(b * len(there))] if there else None
                if changed is not None and a < 0.4:
                    proxy.remove_toxic(changed.name)
                elif changed is not None and a < 0.6:
                    alike = [one for one in kinds if type(one) is type(changed.toxic)]
                    proxy.update_toxic(msgspec.structs.replace(changed, toxic=alike[int(c * len(alike))], toxicity=b))
                elif len(there) < 8:
                    proxy.add_toxic(placed(toxic, UP if b < 0.5 else DOWN, name=f"n{n}"))
                await asyncio.sleep(0.001)
            proxy.reset()

        client, server = await joined(proxy, to)
        with client, server:
            sent_up, sent_down, came_down, came_up, _ = await asyncio.gather(
                pour(client, seed, LONG), pour(server, -seed, LONG), rest(client), rest(server), meddle()
            )
        assert hashlib.sha256(came_up).hexdigest() == sent_up
        assert hashlib.sha256(came_down).hexdigest() == sent_down
        await settled(proxy)


async def test_without_epoll_and_timerfd_all_goes_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("select.epoll")
    monkeypatch.setattr("faults.transport.timer._timerfd", lambda: None)
    with upstream() as to, proxied(to.address, placed(Latency(latency=10))) as proxy:
        client, server = await joined(proxy, to)
        with client, server:
            assert await took_s(client, server) < SLACK_S
            assert 0.01 <= await took_s(server, client) < 0.01 + SLACK_S
            break_off(client)
            assert await is_reset(server)
            await settled(proxy)


@pytest.mark.parametrize("is_open", [False, True], ids=["before", "on an open connection"])
@pytest.mark.parametrize("stream", [UP, DOWN])
async def test_reset_peer_resets_both_sides(stream: Stream, is_open: bool) -> None:
    toxic = placed(ResetPeer(timeout=20), stream)
    with upstream() as to, proxied(to.address, *([] if is_open else [toxic])) as proxy:
        client, server = await joined(proxy, to)
        with client, server:
            if is_open:
                proxy.add_toxic(toxic)
            began = time.perf_counter()
            await send(client if stream is UP else server, b"x")
            assert await is_reset(client)
            assert 0.02 <= time.perf_counter() - began < 0.02 + SLACK_S
            assert await is_reset(server)


@pytest.mark.parametrize("stream", [UP, DOWN])
async def test_timeout_swallows_and_then_closes_both_sides(stream: Stream) -> None:
    with upstream() as to, proxied(to.address, placed(Timeout(timeout=40), stream)) as proxy:
        client, server = await joined(proxy, to)
        with client, server:
            began = time.perf_counter()
            here, there = (client, server) if stream is UP else (server, client)
            await send(here, b"lost")
            assert await rest(there) == b""
            assert 0.04 <= time.perf_counter() - began < 0.04 + SLACK_S
            await settled(proxy)
            assert await rest(here) == b""


async def test_slow_close_delays_the_end_alone() -> None:
    with upstream() as to, proxied(to.address, placed(SlowClose(delay=60))) as proxy:
        client, server = await joined(proxy, to)
        with client:
            began = time.perf_counter()
            await send(server, b"bye")
            server.close()
            assert await take(client, 3) == b"bye"
            assert time.perf_counter() - began < 0.06
            assert await rest(client) == b""
            assert 0.06 <= time.perf_counter() - began < 0.06 + SLACK_S


async def test_bandwidth_holds_the_rate_of_a_long_answer() -> None:
    with upstream() as to, proxied(to.address, placed(Bandwidth(rate=5000))) as proxy:
        client, server = await joined(proxy, to)
        with client, server:
            began = time.perf_counter()
            sending = asyncio.ensure_future(send(server, bytes(1_000_000)))
            assert len(await take(client, 1_000_000)) == 1_000_000
            assert 0.199 <= time.perf_counter() - began < 0.2 + SLACK_S
            await sending


async def test_a_share_of_the_connections_is_struck_the_same_in_each_run() -> None:
    async def struck() -> list[bool]:
        with upstream() as to, proxied(to.address, placed(LimitData(bytes=1), toxicity=0.5)) as proxy:
            found = []
            for _ in range(30):
                client, server = await joined(proxy, to)
                with client, server:
                    await send(server, b"two")
                    server.shutdown(socket.SHUT_WR)
                    found.append(await rest(client) == b"t")
            return found

    first = await struck()
    assert 5 <= sum(first) <= 25
    assert await struck() == first


# --- where it leads -----------------------------------------------------------------------------------------------
async def test_who_waits_for_a_slow_upstream_holds_up_nobody() -> None:
    """Its backlog is full, so that the kernel lets dials wait."""
    with upstream(backlog=0) as slow, upstream() as to, proxied(slow.address) as proxy:
        waiting = [await connected(proxy.listen) for _ in range(6)]
        await settled(proxy, 6)
        with proxied(to.address) as quick:
            client, server = await joined(quick, to)
            with client, server:
                assert await took_s(client, server) < SLACK_S
        for client in waiting:
            client.close()
        proxy.stop()
        assert proxy.connections == 0

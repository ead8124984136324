"""Proxies: on and off, where they may lead, leases, what is let go of, and a machine without descriptors."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable

import pytest

from faults.transport.addresses import AddressError, NotAllowedError
from faults.transport.proxies import Proxies, ProxyExists
from faults.transport.proxy import ToxicExists, ToxicNotFound
from faults.transport.toxic import Head
from faults.transport.toxics.latency import Latency
from faults.transport.toxics.noop import Noop
from faults.transport.toxics.timeout import Timeout
from tests.faults.transport.ends import (
    DOWN,
    UP,
    WITHIN_S,
    connected,
    joined,
    placed,
    proxied,
    rest,
    send,
    settled,
    take,
    upstream,
)

NOWHERE = "127.0.0.1:1"


@pytest.fixture
async def closing() -> AsyncIterator[Proxies]:
    proxies = Proxies()
    yield proxies
    proxies.close()


# --- on and off ---------------------------------------------------------------------------------------------------
async def test_a_proxy_is_found_by_its_name_until_it_is_removed(closing: Proxies) -> None:
    made = closing.add("p", "127.0.0.1:0", NOWHERE)
    assert (closing.get("p"), closing.all()) == (made, [made])
    with pytest.raises(ProxyExists):
        closing.add("p", "127.0.0.1:0", NOWHERE)
    closing.remove("p")
    closing.remove("p")
    assert (closing.get("p"), closing.all()) == (None, [])
    with pytest.raises(ConnectionRefusedError):
        await connected(made.listen)


async def test_off_it_refuses_and_closes_and_on_again_it_has_the_same_port(closing: Proxies) -> None:
    with upstream() as to:
        proxy = closing.add("p", "127.0.0.1:0", to.address, enabled=False)
        proxy.start()
        port = proxy.listen
        client, server = await joined(proxy, to)
        with client, server:
            proxy.update(enabled=False)
            assert (proxy.enabled, proxy.connections) == (False, 0)
            assert await rest(client) == await rest(server) == b""
        with pytest.raises(ConnectionRefusedError):
            await connected(port)
        proxy.update(enabled=True)
        assert (proxy.enabled, proxy.listen) == (True, port)
        client, server = await joined(proxy, to)
        client.close()
        server.close()


async def test_another_upstream_closes_the_connections_and_the_same_does_not(closing: Proxies) -> None:
    with upstream() as first, upstream() as second:
        proxy = closing.add("p", "127.0.0.1:0", first.address)
        client, server = await joined(proxy, first)
        proxy.update(listen=proxy.listen, upstream=first.address, enabled=True)
        assert proxy.connections == 1
        proxy.update(upstream=second.address)
        with client, server:
            assert await rest(client) == b""
        client, server = await joined(proxy, second)
        client.close()
        server.close()


async def test_a_port_that_is_taken_is_told_and_leaves_no_proxy(closing: Proxies) -> None:
    with upstream() as other:
        with pytest.raises(OSError, match="in use"):
            closing.add("p", other.address, NOWHERE)
        assert closing.all() == []


# --- where it may listen and lead ---------------------------------------------------------------------------------
@pytest.mark.parametrize("listen", ["127.0.0.1:0", "127.8.8.8:0", "[::1]:0", "localhost:0", ":0", ""])
async def test_this_machine_may_be_listened_on(closing: Proxies, listen: str) -> None:
    assert closing.add("p", listen, NOWHERE).enabled


@pytest.mark.parametrize("upstream", ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "localhost:1", ":1"])
async def test_this_machine_may_be_led_to(closing: Proxies, upstream: str) -> None:
    assert closing.add("p", "127.0.0.1:0", upstream).upstream == upstream


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[2001:db8::1]:0", "example.com:0"])
async def test_no_other_machine_is_met_unless_it_is_allowed(closing: Proxies, address: str) -> None:
    with pytest.raises(NotAllowedError, match="--allow HOST"):
        closing.add("p", address, NOWHERE)
    with pytest.raises(NotAllowedError, match="--allow HOST"):
        closing.add("p", "127.0.0.1:0", address)
    proxy = closing.add("p", "127.0.0.1:0", NOWHERE)
    with pytest.raises(NotAllowedError):
        proxy.update(upstream=address)
    assert (proxy.upstream, proxy.enabled) == (NOWHERE, True)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1:1", "127.0.0.1:66000", "127.0.0.1:-1", "[::1:1"])
async def test_what_is_no_address_is_refused(closing: Proxies, address: str) -> None:
    with pytest.raises(AddressError):
        closing.add("p", address, NOWHERE)


async def test_a_name_that_is_allowed_and_not_known_closes_the_client() -> None:
    proxies = Proxies(allow=["no-such-host.invalid"])
    proxy = proxies.add("p", "127.0.0.1:0", "no-such-host.invalid:80")
    with await connected(proxy.listen) as client:
        assert await rest(client) == b""
    proxies.close()


async def test_a_name_that_is_allowed_is_looked_up() -> None:
    name = socket.gethostname()
    proxies = Proxies(allow=[name])
    with upstream() as to:
        port = int(to.address.rpartition(":")[2])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, 1, 6, "", ("127.0.0.1", port))])
            client, server = await joined(proxies.add("p", "127.0.0.1:0", f"{name}:{port}"), to)
        client.close()
        server.close()
    proxies.close()


# --- toxics -------------------------------------------------------------------------------------------------------
async def test_toxics_stand_by_direction_in_the_order_they_came() -> None:
    with proxied(NOWHERE) as proxy:
        for name, stream in (("a", DOWN), ("b", UP), ("c", DOWN), ("d", UP)):
            proxy.add_toxic(placed(Noop(), stream, name=name))
        assert [one.name for one in proxy.toxics] == ["b", "d", "a", "c"]
        proxy.update_toxic(placed(Noop(), DOWN, name="a", toxicity=0.5))
        assert [one.toxicity for one in proxy.toxics] == [1.0, 1.0, 0.5, 1.0]
        with pytest.raises(ToxicExists):
            proxy.add_toxic(placed(Noop(), UP, name="c"))
        for refused in (proxy.remove_toxic, proxy.toxic):
            with pytest.raises(ToxicNotFound):
                refused("e")
        with pytest.raises(ToxicNotFound):
            proxy.update_toxic(placed(Noop(), name="e"))
        proxy.reset()
        assert proxy.toxics == []


async def test_removed_a_proxy_lets_go_of_nothing(closing: Proxies) -> None:
    with upstream() as to:
        proxy = closing.add("p", "127.0.0.1:0", to.address)
        proxy.add_toxic(placed(Latency(latency=60_000), UP))
        client, server = await joined(proxy, to)
        with client, server:
            await send(client, b"held")
            while not next(proxy.counted()).received:
                await asyncio.sleep(0.001)
            closing.remove("p")
            assert await rest(server) == b""


class Striking:
    """A judge of whole connections: the first is struck."""

    reads_requests = False
    rate = 0.0

    def __init__(self) -> None:
        self.struck = frozenset({"by_fault"})
        self.told: list[str] = []

    def connection(self, n: int) -> "Striking":
        return self

    def request(self, connection: int, n: int, head: Head) -> "Striking":
        raise AssertionError("no requests are read")

    def draw(self, toxic: str, n: int) -> float:
        return 0.5

    def changed(self, toxic: str, words: str, size: int) -> None:
        self.told.append(f"{toxic}: {words}, {size}")

    def end(self) -> None:
        self.told.append("end")


async def test_released_what_faults_hold_goes_on_and_what_the_api_placed_stays(closing: Proxies) -> None:
    with upstream() as to:
        judge = Striking()
        proxy = closing.add("p", "127.0.0.1:0", to.address, judge=judge)
        proxy.add_toxic(placed(Latency(latency=60_000), UP, name="by_fault", fault="late"))
        proxy.add_toxic(placed(Latency(latency=60_000), DOWN, name="by_api"))
        client, server = await joined(proxy, to)
        with client, server:
            await send(client, b"up")
            await send(server, b"down")
            while {one.received for one in proxy.counted()} != {2, 4}:
                await asyncio.sleep(0.001)
            judge.struck = frozenset()
            proxy.release()
            assert await take(server, 2) == b"up"
            await send(client, b"no more")
            assert await take(server, 7) == b"no more"
            assert [one.sent for one in proxy.counted()] == [9, 0]
            proxy.remove_toxic("by_api")
        await settled(proxy)
        assert judge.told == ["by_fault: request delayed by 60000 ms, 2", "end"]


# --- leases -------------------------------------------------------------------------------------------------------
async def until(is_so: Callable[[], bool]) -> float:
    """Seconds until it is so."""
    began = time.perf_counter()
    async with asyncio.timeout(WITHIN_S):
        while not is_so():
            await asyncio.sleep(0.001)
    return time.perf_counter() - began


async def test_a_toxic_on_a_lease_takes_itself_away_and_a_change_renews_it() -> None:
    with proxied(NOWHERE) as proxy:
        proxy.add_toxic(placed(Timeout(), lease_s=0.02))
        proxy.add_toxic(placed(Noop()))
        assert await until(lambda: len(proxy.toxics) == 1) < 0.25
        proxy.add_toxic(placed(Timeout(), lease_s=0.02))
        proxy.update_toxic(placed(Timeout(), lease_s=60.0))
        await asyncio.sleep(0.03)
        assert [one.name for one in proxy.toxics] == ["noop", "timeout"]
        proxy.update_toxic(placed(Timeout(), lease_s=0.01))
        await until(lambda: len(proxy.toxics) == 1)


async def test_a_proxy_on_a_lease_takes_itself_away_and_its_connections(closing: Proxies) -> None:
    with upstream() as to:
        proxy = closing.add("p", "127.0.0.1:0", to.address, lease_s=0.05)
        client, server = await joined(proxy, to)
        with client, server:
            closing.lend(proxy, 0.02)
            assert await until(lambda: not closing.all()) < 0.25
            assert await rest(client) == b""
        kept = closing.add("p", "127.0.0.1:0", to.address, lease_s=0.01)
        closing.lend(kept, None)
        await asyncio.sleep(0.03)
        assert closing.all() == [kept]

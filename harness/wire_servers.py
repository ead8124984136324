"""Who holds the proxies of a run: our own server, or a Toxiproxy of the user's with a guard of ours by it."""

import asyncio
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import aiohttp
import msgspec

from faults.transport.client import Client, ServerError
from faults.transport.judge import effect_of
from faults.transport.toxic import Down, OnWire, Stream, Toxic
from harness.children import PYTHON, Child, ChildDied, Children, died, wait_for_file
from harness.wire_places import Place
from harness.wiring import TOKEN_VARIABLE, free_port, port_is_free
from plan.faults import FaultPlan

WIRE = "wire"
"""The child that is the embedded server."""
TOXIPROXY = "toxiproxy"
"""The child that is a Toxiproxy, started from its binary."""
READY_WITHIN_S = 20.0
_ODD = re.compile(r"[^A-Za-z0-9.-]+")


class Server(Protocol):
    """Who holds the proxies. ChildDied where it does not do what it is asked."""

    @property
    def words(self) -> str:
        """Who it is."""
        ...

    async def create(self, place: Place, upstream: str) -> str:
        """A proxy for the place; HOST:PORT where it listens."""
        ...

    async def lead(self, place: Place, upstream: str) -> None:
        """New connections of the proxy go there."""
        ...

    async def gone(self) -> str:
        """How it ended, in words; empty while it is there. Asked once a second: it keeps what must be kept alive."""
        ...

    async def close(self) -> None: ...


class Embedded:
    """Our own server: it decides by the plan, and journals what it struck."""

    words = "the embedded server"

    def __init__(self, child: Child, url: str) -> None:
        self.url, self._child = url, child
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=READY_WITHIN_S))

    @classmethod
    async def started(cls, children: Children, state: Path, arguments: Sequence[str]) -> "Embedded":
        port_file = state / f"{WIRE}.port"
        argv = [*PYTHON, "faults.transport", *arguments, "--writer", WIRE, "--port-file", str(port_file)]
        child = await children.start(WIRE, argv, {TOKEN_VARIABLE: ""})
        port = int(await wait_for_file(child, port_file, within_s=READY_WITHIN_S))
        return cls(child, f"http://127.0.0.1:{port}")

    async def create(self, place: Place, upstream: str) -> str:
        wanted = {"name": place.name, "hop": place.hop, "upstream_name": place.upstream}
        answer = await self._post("/_admin/proxies", {**wanted, "listen": "127.0.0.1:0", "upstream": upstream})
        return str(answer["listen"])

    async def lead(self, place: Place, upstream: str) -> None:
        await self._post(f"/proxies/{quote(place.name, safe='')}", {"upstream": upstream})

    async def gone(self) -> str:
        return "" if self._child.is_running else f"{WIRE} {self._child.ended()}"

    def may_die(self) -> None:
        """The run goes on without it."""
        self._child.expected = True

    async def close(self) -> None:
        await self._http.close()

    async def _post(self, path: str, fields: Mapping[str, object]) -> Any:
        try:
            async with self._http.post(self.url + path, data=msgspec.json.encode(fields)) as reply:
                body = await reply.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ChildDied(f"{WIRE} did not answer {path}: {error or 'timeout'}") from None
        if reply.status >= 300:
            raise ChildDied(f"{WIRE} refused {path}: {body.decode(errors='replace').strip()[:300]}")
        return msgspec.json.decode(body)


class External:
    """A Toxiproxy of the user's, or one started from his binary. Toxics come and go with their windows; a guard takes
    all that is ours away when the run has gone. Every name carries the run's tag, and no other is ever touched."""

    def __init__(self, client: Client, version: str, at: str, guard: asyncio.subprocess.Process, tag: str) -> None:
        self.words = f"Toxiproxy {version} at {at}"
        self._client, self._guard, self._tag = client, guard, _plain(tag)
        self._child: Child | None = None
        self._down_by: dict[Place, set[str]] = {}

    @classmethod
    async def found(cls, at: str, tag: str) -> "External":
        """The one at an address, with a guard by it."""
        host, _, port = at.rpartition(":")
        client = Client(host, int(port))
        try:
            version = await client.version()
        except ServerError as error:
            raise ChildDied(str(error)) from None
        guard = await asyncio.create_subprocess_exec(
            *PYTHON, "faults.transport.guard", host, port, stdin=asyncio.subprocess.PIPE, start_new_session=True
        )
        return cls(client, version, at, guard, f"{tag}-{secrets.token_hex(4)}")

    @classmethod
    async def started(cls, children: Children, binary: str, tag: str) -> "External":
        """The user's binary on a free port, as a child."""
        port = free_port()
        child = await children.start(TOXIPROXY, [binary, "-host", "127.0.0.1", "-port", str(port)], {})
        loop = asyncio.get_running_loop()
        until = loop.time() + READY_WITHIN_S
        while port_is_free(port):
            if not child.is_running:
                raise died(child)
            if loop.time() > until:
                raise ChildDied(f"{TOXIPROXY} ({binary}) does not listen after {READY_WITHIN_S:g} s")
            await asyncio.sleep(0.02)
        made = await cls.found(f"127.0.0.1:{port}", tag)
        made._child = child
        return made

    async def create(self, place: Place, upstream: str) -> str:
        """The guard knows of it before it is there: whoever is killed in between leaves nothing."""
        name = self._named(place)
        self._tell_guard(f"+ {name}")
        assert self._guard.stdin is not None
        await self._guard.stdin.drain()
        try:
            return await self._client.create(name, upstream)
        except ServerError as error:
            raise ChildDied(str(error)) from None

    async def lead(self, place: Place, upstream: str) -> None:
        try:
            await self._client.lead(self._named(place), upstream)
        except ServerError as error:
            raise ChildDied(str(error)) from None

    async def gone(self) -> str:
        """Also renews the lease of the guard; ChildDied when that has ended."""
        if self._guard.returncode is not None:
            raise ChildDied("wire-guard ended: nobody would take a killed run's toxics away")
        self._tell_guard("beat")
        if self._child is not None and not self._child.is_running:
            return f"{TOXIPROXY} {self._child.ended()}"
        try:
            await self._client.version()
        except ServerError as error:
            return str(error)
        return ""

    def may_die(self) -> None:
        """The run goes on without it."""
        if self._child is not None:
            self._child.expected = True

    async def close(self) -> None:
        """The guard, whose pipe ends, takes the proxies away."""
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        await self._guard.wait()

    # --- faults -------------------------------------------------------------------------------------------------
    async def begin(self, place: Place, fault: FaultPlan) -> None:
        """The fault is in force at the place from now on; ServerError where it cannot be."""
        effect = effect_of(fault)
        if isinstance(effect, Down):
            self._down_by.setdefault(place, set()).add(fault.id)
            await self._client.enable(self._named(place), False)
        for name, stream, toxic in _toxics(fault):
            await self._client.add(self._named(place), name, stream, toxic, float(fault.rate))

    async def end(self, place: Place, fault: FaultPlan) -> None:
        """It is not in force any more; a hop is up again when no fault wants it down."""
        down_by = self._down_by.get(place, set())
        if fault.id in down_by:
            down_by.discard(fault.id)
            if not down_by:
                await self._client.enable(self._named(place), True)
        for name, _, _ in _toxics(fault):
            await self._client.remove(self._named(place), name)

    def _named(self, place: Place) -> str:
        return f"orderjam-{self._tag}-{_plain(place.name)}"

    def _tell_guard(self, line: str) -> None:
        assert self._guard.stdin is not None
        self._guard.stdin.write(f"{line}\n".encode())


def _toxics(fault: FaultPlan) -> list[tuple[str, Stream, Toxic]]:
    """The toxics of a fault and their names."""
    effect = effect_of(fault)
    if not isinstance(effect, OnWire):
        return []
    return [(f"{_plain(fault.id)}_{stream}_{toxic.kind}", stream, toxic) for stream, toxic in effect.toxics]


def _plain(text: str) -> str:
    """As it can stand in a path and in a line: other letters by their code, so that no two become one."""
    return _ODD.sub(lambda odd: "".join(f"_{ord(letter):x}_" for letter in odd[0]), text)

"""One client for both servers: toxiproxy-python, which blocks and knows one server a process, in threads."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec
import requests
from toxiproxy import Toxiproxy
from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists
from toxiproxy.proxy import Proxy

from faults.transport.toxic import Stream, Toxic

ANSWER_WITHIN_S = 5.0
T = TypeVar("T")


class ServerError(Exception):
    """The server did not do what it was asked: which, and what it said."""


class Client:
    """Speaks to the server at an address. toxiproxy-python keeps the address in a class: one server a process."""

    def __init__(self, host: str, port: int) -> None:
        APIConsumer.host, APIConsumer.port = host, port
        self._server = Toxiproxy()
        self._at = f"{host}:{port}"

    async def version(self) -> str:
        """What the server calls its version; ServerError where none answers."""

        def asked() -> str:
            return str(APIConsumer.get("/version", timeout=ANSWER_WITHIN_S).json()["version"])

        return await self._ask(asked)

    async def create(self, name: str, upstream: str) -> str:
        """A proxy at a free port; where it listens."""

        def asked() -> str:
            return str(self._server.create(upstream=upstream, name=name, listen="127.0.0.1:0").listen)

        return await self._ask(asked)

    async def lead(self, name: str, upstream: str) -> None:
        """Other connections of the proxy go there from now on. toxiproxy-python cannot say this."""
        await self._ask(lambda: _post(f"/proxies/{name}", {"upstream": upstream}))

    async def enable(self, name: str, enabled: bool) -> None:
        await self._ask(lambda: _post(f"/proxies/{name}", {"enabled": enabled}))

    async def add(self, name: str, toxic_name: str, stream: Stream, toxic: Toxic, toxicity: float) -> None:
        """A toxic on the proxy, for a share of its connections."""
        await self._ask(
            lambda: _proxy(name).add_toxic(
                type=toxic.kind,
                name=toxic_name,
                stream=str(stream),
                toxicity=toxicity,
                attributes=msgspec.to_builtins(toxic),
            )
        )

    async def remove(self, name: str, toxic_names: Sequence[str]) -> None:
        """Takes toxics away; one that is not there is no error."""
        proxy = _proxy(name)
        for toxic_name in toxic_names:
            await self._ask(partial(_unless_gone, partial(proxy.destroy_toxic, toxic_name)))

    async def destroy(self, name: str) -> None:
        """Takes the proxy away; one that is not there is no error."""
        await self._ask(partial(_unless_gone, _proxy(name).destroy))

    async def _ask(self, call: Callable[[], T]) -> T:
        try:
            return await asyncio.wait_for(asyncio.to_thread(call), 2 * ANSWER_WITHIN_S)
        except (ProxyExists, NotFound, InvalidToxic) as error:
            said = error.args[0] if error.args else b""
            words = said.decode(errors="replace").strip() if isinstance(said, bytes) else str(said)
            raise ServerError(f"Toxiproxy at {self._at} refused: {words}") from None
        except (requests.RequestException, TimeoutError, ValueError, KeyError) as error:
            raise ServerError(f"Toxiproxy at {self._at} did not answer ({type(error).__name__})") from None


def _proxy(name: str) -> Proxy:
    """The proxy as toxiproxy-python holds it; only its name is ever used."""
    return Proxy(name=name, upstream="", enabled=True, listen="")


def _post(path: str, fields: dict[str, Any]) -> None:
    APIConsumer.post(path, json=fields, timeout=ANSWER_WITHIN_S).raise_for_status()


def _unless_gone(call: Callable[[], object]) -> None:
    try:
        call()
    except NotFound:
        return

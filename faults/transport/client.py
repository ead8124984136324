"""One client for both servers: toxiproxy-python, which blocks, waits for ever and knows one server a process, kept in
threads with a deadline; and what it cannot say."""

import asyncio
import os
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import msgspec
import requests
from toxiproxy import Toxiproxy
from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists
from toxiproxy.proxy import Proxy

from faults.transport.toxic import Stream, Toxic

ANSWER_WITHIN_S = 3.0
T = TypeVar("T")


class ServerError(Exception):
    """The server did not do what it was asked: which, and what it said."""


class Client:
    """Speaks to the server at an address of this machine. toxiproxy-python keeps the address in a class: one server a
    process. Names stand in paths as they are: letters, digits and `.-_`."""

    def __init__(self, host: str, port: int) -> None:
        APIConsumer.host, APIConsumer.port = host, port
        self._server = Toxiproxy()
        self._at = f"{host}:{port}"
        _go_straight(host)

    async def version(self) -> str:
        """What the server calls its version; ServerError where none answers."""
        return await self._ask(lambda: str(APIConsumer.get("/version", timeout=ANSWER_WITHIN_S).json()["version"]))

    async def create(self, name: str, upstream: str) -> str:
        """A proxy at a free port; HOST:PORT where it listens."""
        create = partial(self._server.create, upstream=upstream, name=name, listen="127.0.0.1:0")
        return await self._ask(lambda: str(create().listen))

    async def lead(self, name: str, upstream: str) -> None:
        """New connections of the proxy go there. toxiproxy-python cannot say this."""
        await self._ask(lambda: _post(f"/proxies/{name}", {"upstream": upstream}))

    async def enable(self, name: str, enabled: bool) -> None:
        """Not enabled, it drops its connections and takes none."""
        await self._ask(lambda: _post(f"/proxies/{name}", {"enabled": enabled}))

    async def add(self, name: str, toxic_name: str, stream: Stream, toxic: Toxic, toxicity: float) -> None:
        """A toxic on the proxy, for a share of its connections."""
        attributes: dict[str, Any] = msgspec.to_builtins(toxic)
        add = partial(_proxy(name).add_toxic, type=toxic.kind, name=toxic_name, stream=str(stream), toxicity=toxicity)
        await self._ask(partial(add, attributes=attributes))

    async def remove(self, name: str, toxic_name: str) -> None:
        """Takes a toxic away; one that is not there is no error."""
        await self._ask(partial(_unless_gone, partial(_proxy(name).destroy_toxic, toxic_name)))

    async def destroy(self, name: str) -> None:
        """Takes the proxy away; one that is not there is no error."""
        await self._ask(partial(_unless_gone, _proxy(name).destroy))

    async def _ask(self, call: Callable[[], T]) -> T:
        """What the call gives; ServerError with what the server said, or that it said nothing in time."""
        try:
            return await asyncio.wait_for(_in_thread(call), ANSWER_WITHIN_S)
        except (ProxyExists, NotFound, InvalidToxic) as error:
            said = error.args[0] if error.args else b""
            words = said.decode(errors="replace").strip() if isinstance(said, bytes) else str(said)
            raise ServerError(f"Toxiproxy at {self._at} refused: {words}") from None
        except (requests.HTTPError, ValueError, KeyError) as error:
            raise ServerError(f"Toxiproxy at {self._at} answered otherwise than Toxiproxy does: {error}") from None
        except (requests.RequestException, TimeoutError) as error:
            raise ServerError(f"Toxiproxy at {self._at} did not answer ({type(error).__name__})") from None


async def _in_thread(call: Callable[[], T]) -> T:
    """What the call gives. Its thread is a daemon, unlike those of asyncio: one that never ends keeps nobody here."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(error: Exception | None, value: T | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(value)  # type: ignore[arg-type]  # None only where the call gave that

    def run() -> None:
        error, value = None, None
        try:
            value = call()
        except Exception as raised:
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, error, value)

    threading.Thread(target=run, name="toxiproxy-python", daemon=True).start()
    return await answer


def _go_straight(host: str) -> None:
    """`requests` would ask a proxy that the environment names, also for what is on this machine."""
    for name in ("no_proxy", "NO_PROXY"):
        others = [one for one in os.environ.get(name, "").split(",") if one and one != host]
        os.environ[name] = ",".join([*others, host])


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

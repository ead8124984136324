"""Toxiproxy's HTTP API over the embedded server: api.go of Shopify/toxiproxy v2.12.0, paths as gorilla/mux 1.8.1."""

import asyncio
import itertools
import os
import posixpath
import re
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias
from urllib.parse import quote, unquote_to_bytes

import msgspec
from aiohttp import web

from faults.transport import api_read, go_json, metrics
from faults.transport.addresses import AddressError, NotAllowedError, UpstreamError
from faults.transport.api_read import ApiError, ProxyBody
from faults.transport.match import ByMatch
from faults.transport.proxies import Proxies
from faults.transport.proxy import Proxy
from faults.transport.toxic import Placed

VERSION = "2.12.0"
BODY_MAX = 256 * 1024
"""Bytes of a body; a longer one is answered 413. Toxiproxy knows no bound."""
READ_WITHIN_S = 15.0
_JSON, _TEXT = "application/json", "text/plain; charset=utf-8"
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
_SAFE = "/:@!$&'()*+,;=~"

Handler: TypeAlias = Callable[[web.Request, list[str]], Awaitable[web.Response]]


def app(proxies: Proxies, *, proxy_metrics: bool = False, runtime_metrics: bool = False) -> web.Application:
    """The API over these proxies. /metrics is only there where one of its halves is asked for."""
    api = _Api(proxies, proxy_metrics=proxy_metrics, runtime_metrics=runtime_metrics)
    made = web.Application(client_max_size=BODY_MAX)
    made.router.add_route("*", r"/{anything:[\s\S]*}", api.answer)
    made.on_response_prepare.append(_without_server)
    return made


async def _without_server(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop("Server", None)


class _Api:
    def __init__(self, proxies: Proxies, *, proxy_metrics: bool, runtime_metrics: bool) -> None:
        self._proxies = proxies
        self._proxy_metrics, self._runtime_metrics = proxy_metrics, runtime_metrics
        self._asked = itertools.count(1)
        routes: dict[str, dict[str, Handler]] = {
            "/reset": {"POST": self._reset},
            "/proxies": {"GET": self._list, "POST": self._create},
            "/populate": {"POST": self._populate},
            "/proxies/*": {"GET": self._show, "POST": self._update, "PATCH": self._update, "DELETE": self._delete},
            "/proxies/*/toxics": {"GET": self._toxics, "POST": self._add_toxic},
            "/proxies/*/toxics/*": {
                "GET": self._toxic,
                "POST": self._update_toxic,
                "PATCH": self._update_toxic,
                "DELETE": self._remove_toxic,
            },
            "/version": {"GET": self._version},
        }
        if proxy_metrics or runtime_metrics:
            routes["/metrics"] = {"*": self._metrics}
        self._routes = [(re.compile(path.replace("*", "([^/]+)")), methods) for path, methods in routes.items()]

    async def answer(self, request: web.Request) -> web.Response:
        """Finds the route as gorilla/mux does: unescaped, cleaned, and browsers sent away only where there is one."""
        raw, _, query = request.raw_path.partition("?")
        if _BAD_ESCAPE.search(raw):
            return _answer("400 Bad Request", 400, _TEXT)
        path = unquote_to_bytes(raw).decode("utf-8", "surrogateescape")
        if (clean := _clean(path)) != path:
            to = quote(clean.encode("utf-8", "surrogateescape"), safe=_SAFE)
            return web.Response(status=301, headers={"Location": f"{to}?{query}" if query else to})
        found = [(m, methods) for pattern, methods in self._routes if (m := pattern.fullmatch(path))]
        if not found:
            return _text("404 page not found\n", 404)
        match, methods = found[0]
        handler = methods.get(request.method) or methods.get("*")
        if handler is None:
            return web.Response(status=405)
        answer = await self._handled(handler, request, list(match.groups()))
        answer.headers["X-Toxiproxy-Request-Id"] = f"{next(self._asked):020x}"
        return answer

    async def _handled(self, handler: Handler, request: web.Request, names: list[str]) -> web.Response:
        if request.headers.get("User-Agent", "").startswith("Mozilla/"):
            return _text("User agent not allowed\n", 403)
        try:
            return await handler(request, names)
        except ApiError as error:
            return _text(go_json.text(_error(error)) + "\n", error.status)

    # --- proxies ------------------------------------------------------------------------------------------------
    def _proxy(self, names: list[str]) -> Proxy:
        found = self._proxies.get(names[0])
        if found is None:
            raise ApiError("proxy not found", 404)
        return found

    async def _list(self, _: web.Request, __: list[str]) -> web.Response:
        return _json({proxy.name: _proxy_fields(proxy) for proxy in sorted(self._proxies.all(), key=lambda p: p.name)})

    async def _show(self, _: web.Request, names: list[str]) -> web.Response:
        return _json(_proxy_fields(self._proxy(names)))

    async def _create(self, request: web.Request, _: list[str]) -> web.Response:
        said = api_read.proxy(await _body(request))
        for name in ("name", "upstream"):
            if not getattr(said, name):
                raise api_read.missing(name)
        if self._proxies.get(said.name) is not None:
            raise ApiError("proxy already exists", 409)
        return _json(_proxy_fields(_added(self._proxies, said)), 201)

    async def _update(self, request: web.Request, names: list[str]) -> web.Response:
        body = await _body(request)  # before anything is looked up: it may take its time
        proxy = self._proxy(names)
        said = api_read.proxy(body)
        with _refusals(proxy.listen if said.listen is None else said.listen):
            proxy.update(listen=said.listen, upstream=said.upstream, enabled=said.enabled)
        if said.lease_s is not None:
            self._proxies.lend(proxy, said.lease_s)
        return _json(_proxy_fields(proxy))

    async def _delete(self, _: web.Request, names: list[str]) -> web.Response:
        self._proxies.remove(self._proxy(names).name)
        return web.Response(status=204)

    async def _populate(self, request: web.Request, _: list[str]) -> web.Response:
        done: list[Proxy] = []
        try:
            populate(self._proxies, await _body(request), done)
        except ApiError as error:
            return _json(_error(error) | {"proxies": [_proxy_fields(proxy) for proxy in done] or None}, error.status)
        return _json({"proxies": [_proxy_fields(proxy) for proxy in done] or None}, 201)

    async def _reset(self, _: web.Request, __: list[str]) -> web.Response:
        for proxy in self._proxies.all():
            with _refusals(proxy.listen, starts=True):
                proxy.start()
            proxy.reset()
        return web.Response(status=204)

    # --- toxics -------------------------------------------------------------------------------------------------
    async def _toxics(self, _: web.Request, names: list[str]) -> web.Response:
        return _json([_toxic_fields(placed) for placed in self._proxy(names).toxics])

    def _placed(self, names: list[str]) -> tuple[Proxy, Placed]:
        proxy = self._proxy(names)
        for placed in proxy.toxics:
            if placed.name == names[1]:
                return proxy, placed
        raise ApiError("toxic not found", 404)

    async def _toxic(self, _: web.Request, names: list[str]) -> web.Response:
        return _json(_toxic_fields(self._placed(names)[1]))

    async def _add_toxic(self, request: web.Request, names: list[str]) -> web.Response:
        body = await _body(request)
        proxy = self._proxy(names)
        placed = api_read.placed(body, [placed.name for placed in proxy.toxics])
        if placed.match is not None and not isinstance(proxy.judge, ByMatch):
            words = "match: on a proxy of a run the plan decides about requests; legal: a toxic for whole connections"
            raise ApiError(f"bad request body: {words}", 400)
        proxy.add_toxic(placed)
        return _json(_toxic_fields(placed))

    async def _update_toxic(self, request: web.Request, names: list[str]) -> web.Response:
        body = await _body(request)
        proxy, was = self._placed(names)
        placed = api_read.changed(body, was)
        proxy.update_toxic(placed)
        return _json(_toxic_fields(placed))

    async def _remove_toxic(self, _: web.Request, names: list[str]) -> web.Response:
        proxy, placed = self._placed(names)
        proxy.remove_toxic(placed.name)
        return web.Response(status=204)

    # --- the server ---------------------------------------------------------------------------------------------
    async def _version(self, _: web.Request, __: list[str]) -> web.Response:
        return _answer(f'{{"version": "{VERSION}"}}\n', 200, "application/json;charset=utf-8")

    async def _metrics(self, _: web.Request, __: list[str]) -> web.Response:
        text = metrics.of_process() if self._runtime_metrics else ""
        text += metrics.of_proxies(self._proxies.links()) if self._proxy_metrics else ""
        return _answer(text, 200, metrics.CONTENT_TYPE)


def populate(proxies: Proxies, body: bytes, done: list[Proxy]) -> None:
    """Makes what a body of /populate, or a file of `--config`, lists. What there is and is the same stays as it is. The
    first that fails ends it with an ApiError; `done` holds those before it, which stay."""
    for said in api_read.proxies(body):
        was = proxies.get(said.name)
        if was is None:
            done.append(_added(proxies, said))
            continue
        with _refusals(said.listen or ""):
            differs = was.differs(said.listen or "", said.upstream or "")
        done.append(_replaced(proxies, was, said) if differs else was)


def _replaced(proxies: Proxies, was: Proxy, said: ProxyBody) -> Proxy:
    """The new one in the place of the other; where it cannot be, the other is left there, disabled."""
    toxics = was.toxics
    proxies.remove(was.name)
    try:
        return _added(proxies, said)
    except ApiError:
        left = proxies.add(was.name, was.listen, was.upstream, enabled=False)
        for placed in toxics:
            left.add_toxic(placed)
        raise


def _added(proxies: Proxies, said: ProxyBody) -> Proxy:
    enabled = said.enabled is not False
    with _refusals(said.listen or "", starts=True):
        return proxies.add(said.name, said.listen or "", said.upstream or "", enabled=enabled, lease_s=said.lease_s)


def _clean(path: str) -> str:
    """As path.Clean of Go, with the slash at the end kept."""
    clean = posixpath.normpath(f"/{path}").replace("//", "/", 1)
    return f"{clean}/" if path.endswith("/") and clean != "/" else clean


async def _body(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise ApiError("bad request body: http: request body too large", 413) from None
    except TimeoutError:
        raise ApiError("bad request body: i/o timeout", 400) from None


@contextmanager
def _refusals(listen: str, *, starts: bool = False) -> Iterator[None]:
    """What an address, or the system, refuses, as an answer in Go's words. `starts`: it is about to be listened on."""
    try:
        yield
    except NotAllowedError as error:
        raise ApiError(str(error), 400) from None
    except UpstreamError as error:
        raise ApiError(f"upstream: {error}", 400) from None
    except AddressError as error:
        raise ApiError(f"listen tcp: {error}" if starts else str(error), 500) from None
    except socket.gaierror as error:
        raise ApiError(f"upstream: no such host: {error.strerror}", 500) from None
    except OSError as error:
        words = os.strerror(error.errno) if error.errno else str(error)
        raise ApiError(f"listen tcp {listen}: bind: {words.lower()}", 500) from None


def _proxy_fields(proxy: Proxy) -> dict[str, Any]:
    fields = {"name": proxy.name, "listen": proxy.listen, "upstream": proxy.upstream, "enabled": proxy.enabled}
    # A field that Toxiproxy 2.12.0 forgot to hide; its clients pass over it.
    fields |= {"Logger": {}, "toxics": [_toxic_fields(placed) for placed in proxy.toxics]}
    return fields if proxy.lease_s is None else fields | {"lease_s": proxy.lease_s}


def _toxic_fields(placed: Placed) -> dict[str, Any]:
    """A toxic as Toxiproxy writes it, and what Toxiproxy has not where it is set."""
    fields = {"attributes": msgspec.to_builtins(placed.toxic), "name": placed.name, "type": placed.toxic.kind}
    fields |= {"stream": placed.stream.value, "toxicity": go_json.Float32(placed.toxicity)}
    if placed.lease_s is not None:
        fields["lease_s"] = placed.lease_s
    if placed.match is not None:
        fields["match"] = msgspec.to_builtins(placed.match)
    return fields | ({"fault": placed.fault} if placed.fault else {})


def toxic_text(placed: Placed) -> str:
    """A toxic as the API writes it."""
    return go_json.text(_toxic_fields(placed))


def _error(error: ApiError) -> dict[str, Any]:
    return {"error": str(error), "status": error.status}


def _json(value: Any, status: int = 200) -> web.Response:
    return _answer(go_json.text(value), status, _JSON)


def _text(text: str, status: int) -> web.Response:
    """As http.Error of Go."""
    answer = _answer(text, status, _TEXT)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


def _answer(text: str, status: int, kind: str) -> web.Response:
    # A name may hold half a character, where a path did: never in what was read as JSON.
    return web.Response(body=text.encode("utf-8", "replace"), status=status, headers={"Content-Type": kind})

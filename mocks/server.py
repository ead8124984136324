"""One process, one loop, one journal: start, stop, flush, and what becomes of requests that nobody takes."""

import asyncio
import difflib
import re
import socket
import struct
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from functools import partial
from http import HTTPStatus
from typing import Protocol, TypeAlias, TypeVar
from urllib.parse import unquote, unquote_to_bytes

import msgspec
from aiohttp import ClientError, web
from aiohttp.http import HttpProcessingError

from ledger.clock import Clock
from ledger.events import Unmatched
from mocks.call import Append
from mocks.reply import JSON, Fields, Reply

BACKLOG = 4096
FINISH_WITHIN_S = 2.0
BODY_MAX = 1024 * 1024
"""Bytes of a request's body, unpacked; a longer one is answered 413."""
IDLE_S, BODY_WITHIN_S, LINGER_S = 75.0, 30.0, 2.0
"""Until the head of a request has come, the first or the next of a connection; then its body; and how long what is left
of one that was refused is read: how slow a sender may be, and how long a half-open connection stays."""
CONNECTIONS_MAX = 8192
"""Those beyond are closed at once. Faults that hold answers back hold connections: an upstream that hangs has many."""
FLUSH_TURNS = 100
"""Of the loop, at most, that the first half of an answer may take to leave."""
_NO_LINGER = struct.pack("ii", 1, 0)
_PATH_MAX = 200
KEY_HEADER = "X-Orderjam-Order"
"""The bare order key, in the calls that our own buyers make; people's browsers send none."""
_MULTIPART = "multipart/form-data"
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")
"""What may stand in the addresses of answers; any other Host is as none."""
T = TypeVar("T")


class Asked(msgspec.Struct):
    """A request as values. `path` is as sent, without the query; `form` is set where the body was multipart.

    `order_key` is what a buyer of ours said of itself; `headers` are all, their names in any case.
    """

    method: str
    path: str
    query: str = ""
    body: bytes = b""
    host: str = ""
    accept: str = ""
    authorization: str = ""
    order_key: str = ""
    form: Fields | None = None
    headers: Mapping[str, str] = {}

    def query_fields(self) -> Fields:
        return read_fields(self.query.encode("utf-8", "surrogateescape"))

    def body_fields(self) -> Fields:
        return self.form if self.form is not None else read_fields(self.body)


Answer: TypeAlias = Reply | None
"""None: the connection is closed without a byte."""


class NoRoute(Exception):
    """Nothing takes this request."""


class Mock(Protocol):
    """What a server serves: everything below the names of its upstream instances, and its own /_admin."""

    def routes(self) -> Iterable[str]: ...

    async def answer(self, asked: Asked) -> Answer:
        """The answer; NoRoute where the request matches nothing."""
        ...


def read_fields(text: bytes) -> Fields:
    """A query or form as PHP reads it: the last of equal names counts; bytes that are no UTF-8 are kept as escapes."""
    fields: Fields = {}
    if not text:
        return fields
    for part in text.decode("utf-8", "surrogateescape").replace("+", " ").split("&"):
        name, _, value = part.partition("=")
        if "%" in name:
            name = _unquoted(name)
        fields[name] = _unquoted(value) if "%" in value else value
    return fields


def _unquoted(text: str) -> str:
    if "\\" not in text and text.isascii():
        try:  # many times as fast as urllib, where each escape is one
            escaped = text.replace("%", "\\x").encode()
            return escaped.decode("unicode_escape").encode("latin-1").decode("utf-8", "surrogateescape")
        except UnicodeDecodeError:
            pass
    return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def read_json(text: bytes | str, kind: type[T]) -> T:
    """The JSON text as what it must be; msgspec.DecodeError for any other, for what is no UTF-8 or nested deep too."""
    try:
        return msgspec.json.decode(text, type=kind)
    except UnicodeError:
        raise msgspec.DecodeError("not UTF-8") from None
    except RecursionError:
        raise msgspec.DecodeError("nested too deep") from None


def readable(text: str) -> str:
    """The text with every byte that is no UTF-8 replaced, fit for journals and answers."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def masked(text: str, secrets: Iterable[str]) -> str:
    """The text without any of the secrets."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


class Unmatcher:
    """Answers and journals what matches no route, and says which route looks most like it."""

    def __init__(self, append: Append, clock: Clock, routes: Iterable[str], secrets: Iterable[str]) -> None:
        self._append, self._clock = append, clock
        self._routes, self._secrets = sorted(routes), tuple(secrets)

    def refuse(self, asked: Asked) -> Reply:
        path = masked(readable(unquote(asked.path, errors="replace")), self._secrets)[:_PATH_MAX]
        nearest = difflib.get_close_matches(path, self._routes, n=1, cutoff=0.0)[0]
        self._append(Unmatched(t=self._clock.t(), method=asked.method, path=path, nearest=nearest))
        return Reply(404, body=f"nothing here takes {asked.method} {path}; nearest: {nearest}\n".encode())


class _Exchanges(web.RequestHandler):
    """aiohttp's side of a connection, bounded, and silent about requests that are no HTTP: their text may hold a
    secret."""

    __slots__ = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self._manager is not None
        if len(self._manager.connections) > CONNECTIONS_MAX:
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        answer = web.Response(status=status, text=f"{HTTPStatus(status).phrase}\n")
        answer.force_close()
        return answer


class Server:
    """Serves one mock. An error of our own in any exchange breaks it: a lost fact would make the report a lie."""

    def __init__(self, mock: Mock, unmatched: Unmatcher) -> None:
        self._mock, self._unmatched = mock, unmatched
        loop = asyncio.get_running_loop()
        self._web = web.Server(
            self._handle, request_factory=partial(web.BaseRequest, loop=loop, client_max_size=BODY_MAX)
        )
        self._listening: asyncio.Server | None = None
        self._error: Exception | None = None
        self._broken = asyncio.Event()
        self._json = {"Content-Type": JSON}

    async def start(self, host: str, port: int) -> int:
        """Listens; the port it got. OSError where it cannot."""
        loop = asyncio.get_running_loop()
        bounds = {"loop": loop, "access_log": None, "keepalive_timeout": IDLE_S, "lingering_time": LINGER_S}
        self._listening = await loop.create_server(
            lambda: _Exchanges(self._web, **bounds),  # type: ignore[arg-type]
            host,
            port,
            backlog=BACKLOG,
        )
        return int(self._listening.sockets[0].getsockname()[1])

    async def wait_until_broken(self) -> None:
        """Raises what broke the server."""
        await self._broken.wait()
        self.check()

    def check(self) -> None:
        """Raises what broke the server, if something did."""
        if self._error is not None:
            raise self._error

    async def stop(self) -> None:
        """Takes no more requests and lets those under way finish."""
        if self._listening is not None:
            self._listening.close()
        self._web.pre_shutdown()
        await self._web.shutdown(FINISH_WITHIN_S)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            asked = await _read(request)
        except (ConnectionError, ClientError, asyncio.IncompleteReadError):
            return _close(request)  # the caller went away in the middle of its own request
        except TimeoutError:
            return self._unread(408)
        except (web.RequestPayloadError, HttpProcessingError, ValueError, LookupError):
            return self._unread(
                400
            )  # it cannot be unpacked, or is multipart that is none, or in a charset that is none
        try:
            reply = await self._reply(asked)
            if reply is None:
                return _close(request)
            if reply.breaks is None and reply.pieces is None:
                return self._whole(reply)
            return await self._in_part(request, reply)
        except web.HTTPException:
            raise
        except Exception as error:
            self._error = self._error or error
            self._broken.set()
            return _close(request)

    def _unread(self, status: int) -> web.Response:
        """A request that could not be read to its end; nothing of it may come after the answer."""
        answer = web.Response(status=status, text=f"{HTTPStatus(status).phrase}\n")
        answer.force_close()
        return answer

    def _whole(self, reply: Reply) -> web.Response:
        if reply.fields is not None:
            headers = {**self._json, **reply.headers} if reply.headers else self._json
            return web.Response(body=msgspec.json.encode(reply.fields), status=reply.status, headers=headers)
        return web.Response(body=reply.body, status=reply.status, headers=_headers(reply))

    async def _in_part(self, request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
        """Sends an answer piece by piece, or a part of it before the connection is reset."""
        if reply.breaks == 0.0:
            return _reset(request)
        flat = reply.flat()
        response = web.StreamResponse(status=flat.status, headers=_headers(flat))
        response.content_length = len(flat.body)
        try:
            await response.prepare(request)
            if flat.breaks is not None:
                await response.write(flat.body[: int(len(flat.body) * flat.breaks)])
                await _flushed(request)
                return _reset(request)
            assert flat.pieces is not None
            async with aclosing(flat.pieces()) as pieces:
                async for piece in pieces:
                    await response.write(piece)
            await response.write_eof()
        except (ConnectionError, ClientError):
            return _close(request)  # the caller did not wait for the end
        return response

    async def _reply(self, asked: Asked) -> Answer:
        try:
            return await self._mock.answer(asked)
        except NoRoute:
            return self._unmatched.refuse(asked)


async def _read(request: web.BaseRequest) -> Asked:
    target, headers = request.raw_path, request.headers
    if not target.startswith("/"):  # absolute form, as some clients send it to what they think is a proxy
        target = request.rel_url.raw_path_qs
    path, _, query = target.partition("#")[0].partition("?")
    host = headers.get("Host", "")
    asked = Asked(request.method, path, query, b"", host if _HOST.fullmatch(host) else "", headers.get("Accept", ""))
    asked.authorization = headers.get("Authorization", "")
    asked.order_key = headers.get(KEY_HEADER, "")
    asked.headers = headers
    if request.can_read_body:
        async with asyncio.timeout(BODY_WITHIN_S):
            if headers.get("Content-Type", "").startswith(_MULTIPART):
                form = await request.post()
                asked.form = {name: value for name, value in form.items() if isinstance(value, str)}
            else:
                asked.body = await request.read()
    return asked


def _headers(reply: Reply) -> Fields:
    headers = {"Content-Type": reply.kind, **reply.headers}
    if reply.location is not None:
        headers["Location"] = reply.location
    return headers


async def _flushed(request: web.BaseRequest) -> None:
    """Lets the loop hand what was written to the system, which else would drop it with the reset."""
    for _ in range(FLUSH_TURNS):
        if request.transport is None or not request.transport.get_write_buffer_size():
            return
        await asyncio.sleep(0)


def _reset(request: web.BaseRequest) -> web.Response:
    """Resets the connection (RST, where a plain close would send FIN)."""
    if request.transport is not None:
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    return _close(request)


def _close(request: web.BaseRequest) -> web.Response:
    """Closes the connection; what is returned then has nowhere to go."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def serve(
    server: Server,
    host: str,
    port: int,
    *,
    announce: Callable[[int], None],
    until: asyncio.Event,
    release: Callable[[], None],
) -> None:
    """Serves until the event is set, then lets what is under way finish; raises what broke the server."""
    announce(await server.start(host, port))
    async with asyncio.TaskGroup() as both:
        broken = both.create_task(server.wait_until_broken(), name="broken")
        await until.wait()
        broken.cancel()
    release()
    await server.stop()
    server.check()

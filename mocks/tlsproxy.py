"""python -P -m mocks.tlsproxy: a forward proxy on loopback for clients with an https host built in.

It answers CONNECT, ends TLS itself with a certificate for that very host, signed by this machine's own CA, and hands
what it reads to the mock that plays the host. Of a request two things change, neither of which any signature covers:
its path gets the name of the upstream instance in front, and Host says where the mock really is, so that the addresses
in its answers lead there and not to the real host. All else passes as it is, answers without being looked at. A host
that no mock plays is refused: nothing goes outside.
"""

import argparse
import asyncio
import re
import signal
import socket
import ssl
import struct
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import uvloop

from ledger.errors import first_of
from ledger.rundir import write_atomically
from mocks.keyring import CA_FILE, Keyring
from plan.loopback import is_loopback

HOSTS = {
    "api.mch.weixin.qq.com": "wechat",
    "api2.mch.weixin.qq.com": "wechat",
    "openapi.alipay.com": "alipay",
    "openapi.alipaydev.com": "alipay",
    "openapi-sandbox.dl.alipaydev.com": "alipay",
    "openapi.fulu.com": "fulu",
    "plugin.tebex.io": "command_queue",
}
"""The hosts that clients have built in, and the dialect spoken there."""

HEAD_MAX = 64 * 1024
LINE_MAX = 8 * 1024
"""Of a chunk's length, and of each line after the last chunk."""
PIECE = 64 * 1024
CONNECTIONS_MAX = 512
IDLE_S = 75.0
"""A connection that owes us a request, or the rest of one, is closed after so long. One that waits for an answer is
not: holding answers back is the mock's business."""
HANDSHAKE_S = 10.0
WRONG_USE, BROKE = 2, 5

_HOST = re.compile(r"[a-z0-9.-]{1,253}")
_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([!-~\x80-\xff]+) (HTTP/1\.[01])")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*?)[ \t]*")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")


def is_host(name: str) -> bool:
    """Whether it is the name of a host as routes write it: in lower case, without a port."""
    return _HOST.fullmatch(name) is not None


class Route(msgspec.Struct, frozen=True):
    """Where a host is played: the address of the mock, and the path of the instance there."""

    host: str
    port: int
    prefix: str

    @classmethod
    def parse(cls, url: str) -> "Route":
        """From `http://127.0.0.1:PORT/NAME`; ValueError for anything else, and for what is not on this machine."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = None
        if parts.scheme != "http" or not is_loopback(url) or not port or not parts.hostname:
            raise ValueError(f"{url!r}; legal: the address of an instance on this machine, http://127.0.0.1:PORT/NAME")
        return cls(parts.hostname, port, parts.path.rstrip("/"))

    @property
    def netloc(self) -> bytes:
        return f"[{self.host}]:{self.port}".encode() if ":" in self.host else f"{self.host}:{self.port}".encode()


class Refused(Exception):
    """The request is not handed on: the status, and one sentence for the client."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Head(msgspec.Struct, frozen=True):
    """The head of a request: its target, its headers as sent, and how long its body is (None: in chunks)."""

    method: bytes
    target: bytes
    version: bytes
    lines: tuple[bytes, ...]
    length: int | None

    @classmethod
    def parse(cls, head: bytes) -> "Head":
        """From all bytes up to the empty line; Refused where it is no HTTP/1 that everybody reads alike."""
        first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        request = _REQUEST_LINE.fullmatch(first)
        if request is None:
            raise Refused(400, "the first line is no HTTP/1 request")
        found: dict[bytes, set[bytes]] = {}
        for line in lines:
            header = _HEADER.fullmatch(line)
            if header is None:
                raise Refused(400, "a header line is not of the form Name: value")
            found.setdefault(header[1].lower(), set()).add(header[2])
        return cls(request[1], request[2], request[3], tuple(lines), _length(found))

    def written(self, route: Route, path: bytes, *, is_last: bool) -> bytes:
        """As the mock gets it. `is_last`: the connection ends with the answer."""
        kept = [line for line in self.lines if not line.lower().startswith(b"host:")]
        if is_last:
            kept = [line for line in kept if not line.lower().startswith((b"connection:", b"proxy-"))]
            kept.append(b"Connection: close")
        request = self.method + b" " + route.prefix.encode() + path + b" " + self.version
        return b"\r\n".join([request, b"Host: " + route.netloc, *kept, b"", b""])


def _length(headers: Mapping[bytes, set[bytes]]) -> int | None:
    codings, lengths = headers.get(b"transfer-encoding", set()), headers.get(b"content-length", set())
    if codings:
        if lengths or {coding.lower() for coding in codings} != {b"chunked"}:
            raise Refused(400, "Transfer-Encoding is chunked alone, and without Content-Length")
        return None
    if len(lengths) > 1 or any(not re.fullmatch(rb"[0-9]{1,15}", length) for length in lengths):
        raise Refused(400, "Content-Length is one whole number")
    return int(lengths.pop()) if lengths else 0


class Tunnel:
    """One connection of a client. `serve` may be called once."""

    def __init__(self, proxy: "Proxy", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy, self._reader, self._writer = proxy, reader, writer
        self._waits = self._moved = False
        """Whether the client waits for an answer to begin; whether any byte of one has come since we last looked."""

    async def serve(self) -> None:
        """Until either side ends it. Refused where the client must be told why."""
        head = await self._head()
        if head is None:
            return
        if head.method != b"CONNECT":
            route, path = self._proxy.route_of(head.target)
            await self._relay(route, lambda mock: self._hand_on(head, route, path, mock, is_last=True))
            return
        host = head.target.rpartition(b":")[0] or head.target
        route = self._proxy.route(host)
        self._writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await self._writer.start_tls(self._proxy.context(host), ssl_handshake_timeout=HANDSHAKE_S)
        await self._relay(route, lambda mock: self._hand_on_all(route, mock))

    async def _head(self) -> Head | None:
        """The next head; None where the client has no more to ask."""
        while True:
            try:
                async with asyncio.timeout(IDLE_S):
                    return Head.parse(await self._reader.readuntil(b"\r\n\r\n"))
            except TimeoutError:
                if not self._waits and not self._moved:
                    return None
                self._moved = False
            except asyncio.IncompleteReadError:
                return None
            except asyncio.LimitOverrunError:
                raise Refused(431, f"the head of a request has at most {HEAD_MAX} bytes") from None

    async def _relay(self, route: Route, ask: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> None:
        """Requests there, answers back, until one side has no more to say."""
        try:
            answers, mock = await asyncio.open_connection(route.host, route.port)
        except OSError as error:
            raise Refused(502, f"the mock at {route.netloc.decode()} cannot be reached: {error.strerror}") from None
        try:
            async with asyncio.TaskGroup() as group:
                answering = group.create_task(self._hand_back(answers), name="answers")
                asking = group.create_task(_awaited(ask(mock)), name="requests")
                await asyncio.wait((asking, answering), return_when=asyncio.FIRST_COMPLETED)
                asking.cancel()
                answering.cancel()
        except* (Refused, OSError, asyncio.IncompleteReadError) as errors:
            raise first_of(errors) from None
        finally:
            mock.transport.abort()

    async def _hand_on_all(self, route: Route, mock: asyncio.StreamWriter) -> None:
        while (head := await self._head()) is not None:
            path = head.target if head.target.startswith(b"/") else self._proxy.path_of(head.target)
            await self._hand_on(head, route, path, mock, is_last=False)

    async def _hand_on(
        self, head: Head, route: Route, path: bytes, mock: asyncio.StreamWriter, *, is_last: bool
    ) -> None:
        self._waits = True
        mock.write(head.written(route, path, is_last=is_last))
        if head.length is None:
            await self._hand_on_chunks(mock)
        else:
            await self._hand_on_bytes(head.length, mock)
        if is_last:
            await asyncio.Event().wait()  # the answer ends it

    async def _hand_on_bytes(self, length: int, mock: asyncio.StreamWriter) -> None:
        while True:
            await mock.drain()
            if not length:
                return
            async with asyncio.timeout(IDLE_S):
                piece = await self._reader.read(min(length, PIECE))
            if not piece:
                raise asyncio.IncompleteReadError(b"", length)
            mock.write(piece)
            length -= len(piece)

    async def _hand_on_chunks(self, mock: asyncio.StreamWriter) -> None:
        """A body in chunks, with the lines that may follow it."""
        size = 1
        while size:
            line = await self._line()
            chunk = _CHUNK.fullmatch(line)
            if chunk is None:
                raise Refused(400, "a chunk begins with its length in hex")
            mock.write(line)
            size = int(chunk[1], 16)
            if size:
                await self._hand_on_bytes(size, mock)
                if (end := await self._line()) != b"\r\n":
                    raise Refused(400, "a chunk ends with its line")
                mock.write(end)
        while line := await self._line():
            mock.write(line)
            if line == b"\r\n":
                break
        await mock.drain()

    async def _line(self) -> bytes:
        async with asyncio.timeout(IDLE_S):
            try:
                line = await self._reader.readuntil(b"\r\n")
            except asyncio.LimitOverrunError:
                raise Refused(400, f"a line has at most {LINE_MAX} bytes") from None
        if len(line) > LINE_MAX:
            raise Refused(400, f"a line has at most {LINE_MAX} bytes")
        return line

    async def _hand_back(self, answers: asyncio.StreamReader) -> None:
        while piece := await answers.read(PIECE):
            self._waits, self._moved = False, True
            self._writer.write(piece)
            await self._writer.drain()


async def _awaited(what: Awaitable[None]) -> None:
    await what


class Proxy:
    """Which hosts are played, and by whom. `say` gets one line for each connection that is turned away."""

    def __init__(self, routes: Mapping[str, Route], keyring: Keyring, say: Callable[[str], None]) -> None:
        """Makes the certificates of hosts that this machine has none for; OSError where they cannot be kept."""
        self._routes, self._say = dict(routes), say
        self._contexts = {host: _context(host, keyring) for host in routes}
        self.ca = keyring.folder / CA_FILE
        self._open = 0

    def route(self, host: bytes) -> Route:
        """Who plays a host; Refused where nobody does."""
        name = host.decode("ascii", "replace").lower()
        if route := self._routes.get(name):
            return route
        shown = name if is_host(name) else "that host"
        raise Refused(403, f"no mock plays {shown}, and nothing goes outside; legal: {', '.join(self._routes)}")

    def route_of(self, target: bytes) -> tuple[Route, bytes]:
        """Who plays the host of an absolute target, and the path there."""
        if not re.match(rb"https?://", target, re.I):
            raise Refused(400, "this is a proxy: send CONNECT HOST:443, or a whole address")
        netloc = target.split(b"/", 3)[2].partition(b"?")[0]
        host = netloc.rpartition(b"@")[2].partition(b":")[0]
        return self.route(host), self.path_of(target)

    @staticmethod
    def path_of(target: bytes) -> bytes:
        """Path and query of an absolute target, as written."""
        found = re.fullmatch(rb"https?://[^/?#]*(.*)", target, re.I)
        if found is None:
            raise Refused(400, "a request names a path, or a whole address")
        return found[1] if found[1].startswith(b"/") else b"/" + found[1]

    def context(self, host: bytes) -> ssl.SSLContext:
        return self._contexts[host.decode().lower()]

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection; every reason that ends it early becomes an answer, a line, or a reset."""
        self._open += 1
        try:
            if self._open > CONNECTIONS_MAX:
                raise Refused(503, f"more than {CONNECTIONS_MAX} connections at once")
            await Tunnel(self, reader, writer).serve()
            await writer.drain()
            writer.close()
        except Refused as refused:
            self._say(f"{refused.status}: {refused}")
            await _tell(writer, refused)
        except ssl.SSLError as error:
            self._say(f"a client broke TLS off ({error.reason}); it must trust this machine's CA: {self.ca}")
            writer.transport.abort()
        except (OSError, asyncio.IncompleteReadError):
            _reset(writer)  # one side went away in the middle; the other is told so in the same way
        finally:
            self._open -= 1


def _context(host: str, keyring: Keyring) -> ssl.SSLContext:
    name = f"tls-{host}"
    keyring.certificate(name, subject=host, hosts=(host,))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(keyring.folder / f"{name}.crt", keyring.folder / f"{name}.key")
    return context


def _reset(writer: asyncio.StreamWriter) -> None:
    """RST, where a plain close would send FIN: what a mock does to a connection its client is to see."""
    connection = writer.get_extra_info("socket")
    if connection is not None:  # else it has gone already
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _tell(writer: asyncio.StreamWriter, refused: Refused) -> None:
    """The sentence is in the first line too: of a refused CONNECT most clients show no more than that."""
    body = f"{refused}\n".encode()
    head = f"HTTP/1.1 {refused.status} {refused}\r\nContent-Type: text/plain; charset=utf-8\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
    try:
        async with asyncio.timeout(HANDSHAKE_S):
            await writer.drain()
            writer.close()
            await writer.wait_closed()
    except (OSError, TimeoutError):
        writer.transport.abort()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -P -m mocks.tlsproxy", description=__doc__.partition("\n")[0])
    parser.add_argument("--route", action="append", default=[], metavar="HOST=URL", help="who plays a host")
    parser.add_argument("--port", default=0, type=int, help="0 takes a free one (default)")
    parser.add_argument("--port-file", type=Path, help="gets the port as soon as connections are accepted")
    return parser.parse_args()


def routes(texts: list[str]) -> dict[str, Route]:
    """From texts HOST=URL; ValueError for what is no host or no address of this machine."""
    found = {}
    for text in texts:
        host, equals, url = text.partition("=")
        if not equals or not is_host(host):
            raise ValueError(f"{text!r}; legal: HOST=URL, the host in lower case and without a port")
        found[host] = Route.parse(url)
    return found


async def _run(proxy: Proxy, port: int, port_file: Path | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as tasks:
        taken: set[asyncio.Task[None]] = set()

        def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = tasks.create_task(proxy.take(reader, writer))
            taken.add(task)
            task.add_done_callback(taken.discard)

        listening = await asyncio.start_server(take, "127.0.0.1", port, limit=HEAD_MAX)
        if port_file is not None:
            write_atomically(port_file, f"{listening.sockets[0].getsockname()[1]}\n".encode())
        await stop.wait()
        listening.close()
        for task in taken:
            task.cancel()


def main() -> int:
    """Serves until SIGTERM or SIGINT; the exit code, after one line for what went wrong."""
    args = _arguments()
    try:
        proxy = Proxy(routes(args.route), Keyring(), lambda line: print(line, file=sys.stderr, flush=True))
        uvloop.run(_run(proxy, args.port, args.port_file))
    except ValueError as error:
        print(f"mocks.tlsproxy: --route {error}", file=sys.stderr)
        return WRONG_USE
    except OSError as error:
        print(f"mocks.tlsproxy: {error}", file=sys.stderr)
        return BROKE
    return 0


if __name__ == "__main__":
    sys.exit(main())

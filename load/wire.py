"""HTTP as the buyers speak it: one request and its answer as values, keep-alive per origin, nothing sent to a host
that is not allowed, and no exception whatever the peer does."""

import errno
import ipaddress
import resource
import socket as plain_socket
from collections.abc import Callable, Mapping
from types import MappingProxyType
from urllib.parse import quote, urljoin, urlsplit

import gevent
from gevent import socket, ssl
from geventhttpclient.response import HTTPParseError, HTTPResponseParser

from ledger.clock import SECOND_NS
from targets.storefront import Ask, Reply

CONNECT_S = 5.0
ANSWER_S = 30.0
POLL_S = 5.0
BODY_MAX = 4 * 2**20
IDLE_MAX = 512
REDIRECTS_MAX = 5
UNSPEAKABLE = "not a request that HTTP can carry"
_RECEIVE = 65536
_PEEK = plain_socket.MSG_PEEK | plain_socket.MSG_DONTWAIT
_AGENT = "orderjam"
_URL_SAFE = "%/:=&?~#+!$,;'@()*[]"
_OWN_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection"})


class _Answer(HTTPResponseParser):  # type: ignore[misc]  # a C type without stubs
    """One answer as llhttp reads it."""

    def __init__(self, is_head: bool) -> None:
        super().__init__()
        self._is_head = is_head
        self._name = ""
        self._value = ""
        self._is_value = False
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.is_complete = False

    def _on_message_begin(self) -> None:
        self.headers, self.is_complete = {}, False

    def _on_status(self, text: str) -> None:
        pass

    def _on_header_field(self, text: str) -> None:
        if self._is_value:
            self._end_header()
        self._name += text

    def _on_header_value(self, text: str) -> None:
        self._is_value = True
        self._value += text

    def _end_header(self) -> None:
        if self._name:
            name = self._name.lower()
            before = self.headers.get(name)
            self.headers[name] = self._value if before is None else f"{before}, {self._value}"
        self._name, self._value, self._is_value = "", "", False

    def _on_headers_complete(self) -> bool:
        self._end_header()
        return self._is_head

    def _on_body(self, part: bytearray) -> None:
        self.body += part

    def _on_message_complete(self) -> None:
        self.is_complete = self.get_code() >= 200


class _Closed(Exception):
    """The peer closed: `before_any` byte of its answer, or in the middle."""

    def __init__(self, *, before_any: bool) -> None:
        super().__init__("closed without answer" if before_any else "closed in the middle of the answer")
        self.before_any = before_any


class _Origin:
    """One scheme, host and port: its addresses, and its idle connections, the latest used first. `through`: who is
    connected to instead."""

    def __init__(self, scheme: str, host: str, port: int, through: tuple[str, int] | None = None) -> None:
        self.host, self.port = through or (host, port)
        self.is_tls = scheme == "https"
        default = 443 if self.is_tls else 80
        shown = f"[{host}]" if ":" in host else host
        self.header = shown if port == default else f"{shown}:{port}"
        self.idle: list[socket.socket] = []
        self._addresses: list[tuple[int, tuple[object, ...]]] = []
        self._tls: ssl.SSLContext | None = ssl.create_default_context() if self.is_tls else None

    def connect(self, within_s: float) -> socket.socket:
        error: OSError | None = None
        for family, address in self._resolved():
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                connection.settimeout(within_s)
                connection.connect(address)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._tls is not None:
                    connection = self._tls.wrap_socket(connection, server_hostname=self.host)
            except OSError as failed:
                connection.close()
                error = failed
            except BaseException:
                connection.close()
                raise
            else:
                return connection
        raise error or OSError(errno.EHOSTUNREACH, "no address")

    def _resolved(self) -> list[tuple[int, tuple[object, ...]]]:
        """Asked once: a resolver in every order's way would be measured as the shop's slowness."""
        if not self._addresses:
            try:
                family = socket.AF_INET6 if ipaddress.ip_address(self.host).version == 6 else socket.AF_INET
                self._addresses = [(family, (self.host, self.port))]
            except ValueError:
                found = socket.getaddrinfo(self.host, self.port, 0, socket.SOCK_STREAM)
                self._addresses = [(family, address) for family, _, _, _, address in found]
        return self._addresses


class _Target:
    """An address taken apart: where to connect and what to ask there."""

    __slots__ = ("origin", "path")

    def __init__(self, origin: _Origin, path: str) -> None:
        self.origin = origin
        self.path = path


class Wire:
    """All connections of this process. Not for several threads.

    `through`: for HOST:PORT/NAME of an address whose path begins with a name, who is connected to instead; the request
    stays as it is.
    """

    def __init__(
        self,
        now: Callable[[], int],
        allow: frozenset[str],
        through: Mapping[str, tuple[str, int]] = MappingProxyType({}),
    ) -> None:
        self._now = now
        self._allow = allow
        self._through = through
        self._origins: dict[str, _Origin | str] = {}
        self.open_now = 0
        self.open_max = _room_for_connections()

    def send(self, ask: Ask, *, within_s: float = ANSWER_S, written: Callable[[], None] | None = None) -> Reply:
        """The answer to one request, redirects not followed; status 0 and `why` where none came in time.

        Only a GET whose kept connection was closed before any byte is sent a second time, on a new one; whatever
        places an order or pays never is. `written` is called as soon as the request has left.
        """
        target = self._target(ask.url)
        if isinstance(target, str):
            return Reply(0, {}, b"", ask.url, target)
        head = _head(ask, target)
        if head is None:
            return Reply(0, {}, b"", ask.url, UNSPEAKABLE)
        until = self._now() + int(within_s * SECOND_NS)
        try:
            return self._exchange(ask, target.origin, head, until, written)
        except _Closed as closed:
            return Reply(0, {}, b"", ask.url, str(closed))
        except HTTPParseError:
            return Reply(0, {}, b"", ask.url, "not HTTP")
        except OSError as error:
            return Reply(0, {}, b"", ask.url, _why(error))

    def browse(self, ask: Ask, *, within_s: float = ANSWER_S) -> Reply:
        """Like `send`, and follows redirects as a browser does; each leads to an allowed host or is refused."""
        reply = self.send(ask, within_s=within_s)
        for _ in range(REDIRECTS_MAX):
            location = reply.headers.get("location")
            if not 300 <= reply.status < 400 or not location:
                return reply
            ask = Ask(ask.name, "GET", urljoin(reply.url, location), ask.headers)
            reply = self.send(ask, within_s=within_s)
        return Reply(0, {}, b"", reply.url, "too many redirects")

    def send_unheard(self, ask: Ask, *, within_s: float = CONNECT_S) -> str:
        """Sends one request on a new connection and closes it without reading; why it could not leave, or nothing."""
        target = self._target(ask.url)
        if isinstance(target, str):
            return target
        head = _head(ask, target)
        if head is None:
            return UNSPEAKABLE
        until = self._now() + int(within_s * SECOND_NS)
        try:
            connection = self._connected(target.origin, until)
            try:
                connection.settimeout(self._left_s(until))
                connection.sendall(head)
            finally:
                self._drop(connection)
        except OSError as error:
            return _why(error)
        return ""

    def close(self) -> None:
        for origin in self._origins.values():
            if isinstance(origin, _Origin):
                while origin.idle:
                    self._drop(origin.idle.pop())

    def _target(self, url: str) -> _Target | str:
        scheme, _, rest = url.partition("://")
        slash = rest.find("/")
        netloc, path = (rest, "/") if slash < 0 else (rest[:slash], rest[slash:])
        if "?" in netloc or "#" in netloc:
            return "not an address: no path"
        through = self._through.get(f"{netloc}/{path.split('/', 2)[1]}") if self._through else None
        known_by = f"{scheme}://{netloc}" + (f" {through}" if through else "")
        origin = self._origins.get(known_by)
        if origin is None:
            origin = self._origins[known_by] = self._judge(scheme, netloc, through)
        if isinstance(origin, str):
            return origin
        if not path.isascii() or " " in path or "#" in path:
            path = quote(path.partition("#")[0], safe=_URL_SAFE)
        return _Target(origin, path)

    def _judge(self, scheme: str, netloc: str, through: tuple[str, int] | None) -> _Origin | str:
        if scheme not in ("http", "https"):
            return f"not an address for HTTP: {scheme[:20]}"
        try:
            parts = urlsplit(f"{scheme}://{netloc}/")
            host, port = parts.hostname or "", parts.port or (443 if scheme == "https" else 80)
        except ValueError:
            return "not an address"
        if not host or not netloc.isprintable():
            return "not an address: no host"
        if not (is_loopback(host) or host in self._allow):
            return f"not allowed: host {host}"
        return _Origin(scheme, host, port, through)

    def _exchange(
        self, ask: Ask, origin: _Origin, head: bytes, until: int, written: Callable[[], None] | None
    ) -> Reply:
        may_repeat = ask.method == "GET"
        kept = self._kept(origin) if may_repeat or not origin.is_tls else None
        if kept is not None:
            try:
                return self._on(kept, ask, origin, head, until, written)
            except _Closed as closed:
                if not (may_repeat and closed.before_any):
                    raise
        return self._on(self._connected(origin, until), ask, origin, head, until, written)

    def _connected(self, origin: _Origin, until: int) -> socket.socket:
        if self.open_now >= self.open_max:
            raise OSError(errno.EMFILE, "too many connections at once")
        connection = origin.connect(min(CONNECT_S, self._left_s(until)))
        self.open_now += 1
        return connection

    def _on(
        self,
        connection: socket.socket,
        ask: Ask,
        origin: _Origin,
        head: bytes,
        until: int,
        written: Callable[[], None] | None,
    ) -> Reply:
        """The exchange on one connection, which afterwards is kept or closed."""
        keep = False
        try:
            connection.settimeout(self._left_s(until))
            try:
                connection.sendall(head)
            except (BrokenPipeError, ConnectionResetError):
                raise _Closed(before_any=True) from None
            if written is not None:
                written()
            answer = self._receive(connection, ask.method == "HEAD", until)
            keep = answer.should_keep_alive() and len(origin.idle) < IDLE_MAX
            return Reply(answer.get_code(), answer.headers, bytes(answer.body), ask.url)
        finally:
            if keep:
                origin.idle.append(connection)
            else:
                self._drop(connection)

    def _receive(self, connection: socket.socket, is_head: bool, until: int) -> _Answer:
        answer = _Answer(is_head)
        received = 0
        while not answer.is_complete:
            connection.settimeout(self._left_s(until))
            try:
                data = connection.recv(_RECEIVE)
            except ConnectionResetError:
                raise _Closed(before_any=not received) from None
            if not data and not received:
                raise _Closed(before_any=True)
            received += len(data)
            if received > BODY_MAX:
                raise OSError(errno.EMSGSIZE, f"an answer of over {BODY_MAX} bytes")
            try:
                answer.feed(data)
            except HTTPParseError:
                if not data:
                    raise _Closed(before_any=False) from None
                raise
            if not data and not answer.is_complete:
                raise _Closed(before_any=False)
        return answer

    def _left_s(self, until: int) -> float:
        left = until - self._now()
        if left <= 0:
            raise TimeoutError("timeout")
        return left / SECOND_NS

    def _kept(self, origin: _Origin) -> socket.socket | None:
        """An idle connection that the peer has not closed meanwhile."""
        while origin.idle:
            connection = origin.idle.pop()
            if origin.is_tls:
                return connection
            try:
                connection._sock.recv(1, _PEEK)  # gevent's own socket would wait here
            except BlockingIOError:
                return connection
            except OSError:
                pass
            self._drop(connection)
        return None

    def _drop(self, connection: socket.socket) -> None:
        self.open_now -= 1
        connection.close()


def _head(ask: Ask, target: _Target) -> bytes | None:
    """The request as bytes; None where a header or the path would break out of its line."""
    lines = [f"{ask.method} {target.path} HTTP/1.1", f"Host: {target.origin.header}"]
    named = {"user-agent": False}
    for name, value in ask.headers.items():
        low = name.lower()
        if low not in _OWN_HEADERS:
            named[low] = True
            lines.append(f"{name}: {value}")
    if not named["user-agent"]:
        lines.append(f"User-Agent: {_AGENT}")
    if ask.body or ask.method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(ask.body)}")
    text = "\x00".join(lines)
    if "\r" in text or "\n" in text or text.count("\x00") != len(lines) - 1:
        return None
    try:
        return (text.replace("\x00", "\r\n") + "\r\n\r\n").encode("latin-1") + ask.body
    except UnicodeEncodeError:
        return None


def is_loopback(host: str) -> bool:
    """Whether a host of an address is this machine: 127.0.0.0/8, ::1 or localhost."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _why(error: OSError) -> str:
    if isinstance(error, TimeoutError | gevent.Timeout):
        return "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "closed without answer"
    if isinstance(error, socket.gaierror):
        return "no such host"
    if isinstance(error, plain_socket.timeout):
        return "timeout"
    return (error.strerror or str(error) or type(error).__name__).lower()


def _room_for_connections() -> int:
    """How many connections may be open at once; asks the system for as many as it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 65536) if hard != resource.RLIM_INFINITY else 65536
    if soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError):
            pass
    return min(max(soft - 256, 64), 20_000)

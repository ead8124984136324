"""What must be read of an HTTP/1.1 message to know where it ends: its first line, and how its body is framed.

Source: RFC 9112 (HTTP/1.1), sections 2.2 to 7.1. Whatever two servers might read differently is told as `NoHttp`:
a proxy that guessed the border would give the rest of the connection to the wrong orders.
"""

import re
from collections.abc import Iterator, Mapping
from typing import TypeVar

T = TypeVar("T")

LINE_MAX = 16 * 1024
"""Bytes of a chunk's size line, or of all trailers together."""
KNOWN_HEAD_MAX, KNOWN_MAX = 1024, 1024
"""Heads of up to so many bytes are remembered, so many of requests and of answers."""
CHUNKED, TO_END = -1, -2
"""Bodies whose length is not said ahead: in chunks, and (answers only) until the connection ends."""

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_REQUEST = re.compile(rb"(" + _TOKEN + rb"{1,32}) ([^\x00-\x20\x7f]+) HTTP/1\.[01]\r\n")
_REQUEST_BEGUN = re.compile(rb"\r|" + _TOKEN + rb"{0,32}(?: [^\x00-\x1f\x7f]*\r?)?")
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9][0-9])[ \r]")
_STATUS_BEGUN = re.compile(rb"(?:H(?:T(?:T(?:P(?:/(?:1(?:\.(?:[01](?: [^\x00-\x1f]*\r?)?)?)?)?)?)?)?)?)?")
_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\n]*)?\r\n")
_LENGTH_DIGITS_MAX = 15


class NoHttp(Exception):
    """These bytes are no HTTP/1.1, or not surely: the borders of exchanges cannot be told from here on."""


class Headers(Mapping[str, str]):
    """The headers of a head, their names in lower case, read when first asked for. Of equal names the values stand
    behind each other, with a comma between."""

    __slots__ = ("_lines", "_read")

    def __init__(self, lines: bytes) -> None:
        self._lines = lines
        self._read: dict[str, str] | None = None

    def _all(self) -> dict[str, str]:
        if self._read is None:
            self._read = {}
            for line in self._lines.decode("latin-1").split("\r\n"):
                name, colon, value = line.partition(":")
                if colon:
                    name, value = name.strip().lower(), value.strip()
                    self._read[name] = f"{self._read[name]}, {value}" if name in self._read else value
        return self._read

    def __getitem__(self, name: str) -> str:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


class RequestHead:
    """The head of a request. `body_at`: how many bytes it takes; `size`: of the whole message, or CHUNKED; `expects`:
    the client wants to hear from the server before it sends the body; `switches`: it asks to speak something else from
    here on."""

    __slots__ = ("body_at", "expects", "headers", "method", "size", "switches", "target")

    def __init__(self, text: bytes) -> None:
        """Reads a head, its empty line included; NoHttp where it is none."""
        begin = 0
        while text.startswith(b"\r\n", begin):
            begin += 2
        line = _REQUEST.match(text, begin)
        if line is None:
            raise NoHttp
        self.method, self.target = line[1].decode("latin-1"), line[2].decode("latin-1")
        self.headers = Headers(text[line.end() :])
        lower = text[line.end() - 2 :].lower()
        body = body_size(lower)
        if body == TO_END:
            body = 0
        self.body_at = len(text)
        self.size = CHUNKED if body == CHUNKED else len(text) + body
        self.expects = body != 0 and b"\r\nexpect:" in lower
        self.switches = b"\r\nupgrade:" in lower or self.method == "CONNECT"


def request_head(text: bytes) -> RequestHead:
    """The head that this text is; clients say the same again and again, it is read once. NoHttp where it is none."""
    known = _heads.get(text)
    if known is None:
        known = RequestHead(text)
        _keep(_heads, text, known)
    return known


def answer_head(text: bytes) -> tuple[int, int]:
    """Status and size of the body (as `body_size`) of an answer with this head; NoHttp where it is none."""
    known = _answers.get(text)
    if known is None:
        status = _STATUS.match(text)
        if status is None:
            raise NoHttp
        known = int(status[1]), body_size(text.lower())
        _keep(_answers, text, known)
    return known


_heads: dict[bytes, RequestHead] = {}
_answers: dict[bytes, tuple[int, int]] = {}


def _keep(known: dict[bytes, T], text: bytes, head: T) -> None:
    if len(text) <= KNOWN_HEAD_MAX:
        if len(known) >= KNOWN_MAX:
            known.clear()
        known[text] = head


def begins_request(data: bytes) -> bool:
    """Whether the whole first line of a request stands there."""
    return _REQUEST.match(data) is not None


def check_request_begun(text: bytes, begin: int) -> None:
    """NoHttp where text[begin:] cannot be the beginning of a request's head."""
    line_end = text.find(b"\r\n", begin)
    if line_end < 0:
        if _REQUEST_BEGUN.fullmatch(text, begin) is None:
            raise NoHttp
    elif _REQUEST.match(text, begin) is None:
        raise NoHttp
    _check_line_ends(text[begin:])


def check_answer_begun(text: bytes) -> None:
    """NoHttp where the text cannot be the beginning of an answer's head."""
    line_end = text.find(b"\r\n")
    if line_end < 0:
        if _STATUS_BEGUN.fullmatch(text) is None:
            raise NoHttp
    elif _STATUS.match(text) is None:
        raise NoHttp
    _check_line_ends(text)


def _check_line_ends(head: bytes) -> None:
    """Some servers take a bare line feed for the end of a line, others do not."""
    if head.count(b"\n") != head.count(b"\r\n"):
        raise NoHttp


def body_size(head: bytes) -> int:
    """Bytes of the body, CHUNKED, or TO_END where nothing is said of it. `head` in lower case, each header with the
    line end before it. NoHttp where it contradicts itself."""
    _check_line_ends(head)
    length = _value(head, b"\r\ncontent-length")
    coding = _value(head, b"\r\ntransfer-encoding")
    if coding is not None:
        if length is not None:
            raise NoHttp
        return CHUNKED if coding.rpartition(b",")[2].strip() == b"chunked" else _no_chunks(coding)
    if length is None:
        return TO_END
    if not length.isdigit() or len(length) > _LENGTH_DIGITS_MAX:
        raise NoHttp
    return int(length)


def _no_chunks(coding: bytes) -> int:
    if b"chunked" in coding:
        raise NoHttp
    return TO_END


def _value(head: bytes, name: bytes) -> bytes | None:
    """The value of a header that may stand once."""
    at = head.find(name)
    if at < 0:
        return None
    colon = at + len(name)
    if head[colon : colon + 1] != b":" or head.find(name, colon) >= 0:
        raise NoHttp
    return head[colon + 1 : head.find(b"\r\n", colon)].strip(b" \t")


class Chunks:
    """Follows a chunked body through its bytes to the end of its trailers. `kept` gathers the data until it is set to
    None."""

    __slots__ = ("_left", "_line", "_take", "_trailers", "is_done", "kept")

    def __init__(self, kept: bytearray | None = None) -> None:
        self.kept = kept
        self.is_done = False
        self._left = self._trailers = 0
        self._line = b""
        self._take = self._take_size

    def feed(self, data: bytes, at: int, end: int) -> int:
        """Goes on with data[at:end]; where it stopped: there, or behind the body. NoHttp where it is no such body."""
        while at < end and not self.is_done:
            if self._left:
                stop = min(at + self._left, end)
                if self.kept is not None:
                    self.kept += data[at:stop]
                self._left -= stop - at
            else:
                stop = data.find(b"\n", at, end) + 1 or end
                self._line += data[at:stop]
                if len(self._line) > LINE_MAX:
                    raise NoHttp
                if self._line.endswith(b"\n"):
                    line, self._line = self._line, b""
                    self._take(line)
            at = stop
        return at

    def _take_size(self, line: bytes) -> None:
        size = _SIZE.fullmatch(line)
        if size is None:
            raise NoHttp
        self._left = int(size[1], 16)
        self._take = self._take_end if self._left else self._take_trailer

    def _take_end(self, line: bytes) -> None:
        if line != b"\r\n":
            raise NoHttp
        self._take = self._take_size

    def _take_trailer(self, line: bytes) -> None:
        self._trailers += len(line)
        if self._trailers > LINE_MAX or not line.endswith(b"\r\n"):
            raise NoHttp
        self.is_done = line == b"\r\n"

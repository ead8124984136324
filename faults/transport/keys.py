"""Whose request it is: operation and order key, read from a request by the patterns that the plan carries for its hop.

Only whole values count, never what looks like a key somewhere in a body, and nothing that was cut off.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias
from urllib.parse import quote, unquote, unquote_to_bytes

import msgspec

from faults.transport.toxic import Head
from ledger.states import Operation
from plan.orders import find_key, key_of_account
from plan.transport import Request

BY_KEY, BY_NUMBER, BY_CONNECTION = "key", "order_number", "connection"
"""What an exchange was keyed by. Only the first is the same in every run: a shop's own numbers are new each time, and
which connection carries a request is chance (exposure)."""
NUMBERS_MAX = 1 << 17
"""Numbers whose order is remembered; the oldest go first."""
VALUE_MAX = 1024
"""Characters of a value in which a key is looked for, or that a number may have."""
PATHS_MAX = 1024

_DIGITS = "0123456789abcdefABCDEF"
_ESCAPED = {(a + b).encode(): bytes([int(a + b, 16)]) for a in _DIGITS for b in _DIGITS}
_BOUNDARY = re.compile(r'boundary="?([^";,]{1,200})')
_PART_NAME = re.compile(rb'[; ]name="([^"\r\n]*)"')


class Subject(msgspec.Struct, frozen=True):
    """What a request is about: `key` is empty where nothing tells whose it is."""

    operation: Operation
    key: str = ""
    keyed_by: str = BY_CONNECTION


class _Asked:
    """A request whose parts are read when they are first asked for. Query and form stand as they were sent, each field
    with an & before it, so that a field is found without reading the others."""

    __slots__ = ("_form", "_json", "_query", "groups", "head", "path", "with_parts")

    def __init__(self, head: Head) -> None:
        self.head = head
        self.path, _, query = head.target.partition("?")
        self._query = b"&" + query.encode("latin-1") if query else b""
        self.with_parts = (2 if query else 0) + (1 if head.body else 0)
        self.groups: dict[str, str] = {}
        self._form: bytes | None = None
        self._json: Any = msgspec.UNSET

    def query(self) -> bytes:
        return self._query

    def form(self) -> bytes:
        if self._form is None:
            body, is_whole = self.head.body, self.head.is_whole
            if not body or body.startswith((b"{", b"[")):
                self._form = b""
            elif body.startswith(b"--"):
                self._form = _parts(body, self.head.headers.get("content-type", ""), is_whole=is_whole)
            else:  # of one that was cut off, the last field is left out
                self._form = b"&" + (body if is_whole else body.rpartition(b"&")[0])
        return self._form

    def json(self) -> Any:
        if self._json is msgspec.UNSET:
            self._json = _json(self.head.body)
        return self._json


def _field(text: bytes, begins: bytes) -> tuple[str, ...]:
    """The value of the field that begins so (&NAME=), if there is one; of equal names the last one's."""
    at = text.rfind(begins)
    if at < 0:
        return ()
    at += len(begins)
    end = text.find(b"&", at)
    return (_text(text[at:] if end < 0 else text[at:end]),)


def _text(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    if "+" in text:
        text, data = text.replace("+", " "), data.replace(b"+", b" ")
    if "%" not in text:
        return text
    first, *escaped = data.split(b"%")
    try:
        data = first + b"".join([_ESCAPED[part[:2]] + part[2:] for part in escaped])
    except KeyError:  # a percent sign that escapes nothing stands for itself
        data = unquote_to_bytes(data)
    return data.decode("utf-8", "replace")


def _parts(body: bytes, kind: str, *, is_whole: bool) -> bytes:
    """Multipart/form-data (RFC 7578), as PHP's curl sends forms, as a plain form; of one cut off, what was whole."""
    boundary = _BOUNDARY.search(kind)
    if boundary is None:
        return b""
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode("latin-1"))[1:]
    form = ""
    for part in parts if is_whole else parts[:-1]:
        head, border, value = part.partition(b"\r\n\r\n")
        if border and (name := _PART_NAME.search(head)):
            form += f"&{quote(name[1])}={quote(value)}"
    return form.encode()


def _json(text: bytes | str) -> Any:
    """The JSON as values; None where it is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


_Values: TypeAlias = Callable[[_Asked], Iterable[str]]


def _places(written: Iterable[str]) -> list[list[_Values]]:
    """What reads these places, by `with_parts`: those of a query or a body are left out where there is none."""
    made = [(place.partition(".")[0], _place(place)) for place in written]
    without = ({"query", "form", "json"}, {"query"}, {"form", "json"}, set[str]())
    return [[values for source, values in made if source not in left_out] for left_out in without]


def _place(written: str) -> _Values:
    """What reads the texts that stand at a place of plan.transport.Request."""
    source, *names = written.split(".")
    first, deeper = names[0], names[1:]
    match source:
        case "json":
            return lambda asked: _deep(asked.json(), names)
        case "header":
            name = ".".join(names).lower()
            return lambda asked: (asked.head.headers[name],) if name in asked.head.headers else ()
        case "path":
            return lambda asked: (unquote(asked.groups[first]),) if asked.groups.get(first) else ()
        case "query":
            return _field_reader(_Asked.query, first, deeper)
        case "form":
            return _field_reader(_Asked.form, first, deeper)
    raise AssertionError(f"{written!r} is no place of a request")


def _field_reader(part: Callable[[_Asked], bytes], name: str, deeper: list[str]) -> _Values:
    begins = f"&{name}=".encode()

    def one(asked: _Asked) -> Iterable[str]:
        return _field(part(asked), begins)

    def every(asked: _Asked) -> Iterable[str]:
        return (_text(field.partition(b"=")[2]) for field in part(asked).split(b"&"))

    values = every if name == "*" else one
    if not deeper:
        return values
    return lambda asked: (inner for text in values(asked) for inner in _deep(_json(text), deeper))


def _deep(value: Any, names: list[str]) -> Iterator[str]:
    """The texts and numbers below these names; of a list each item in turn, of a text the JSON that it is."""
    if isinstance(value, list):
        for item in value:
            yield from _deep(item, names)
    elif not names:
        if isinstance(value, str | int) and not isinstance(value, bool):
            yield str(value)
    elif isinstance(value, str):
        inner = _json(value) if value.startswith(("{", "[")) else None
        if inner is not None:
            yield from _deep(inner, names)
    elif isinstance(value, dict):
        yield from _deep(value.get(names[0]), names[1:])


def key_in(text: str) -> str | None:
    """The bare order key that a value tells: by itself, as a game account, or percent-encoded once more."""
    text = text[:VALUE_MAX]
    found = find_key(text) or key_of_account(text)
    return found if found or "%" not in text else find_key(unquote(text))


class _Pattern:
    """A plan.transport.Request, ready to be compared."""

    def __init__(self, request: Request) -> None:
        self.operation = request.operation
        self.method = request.method
        self.path = re.compile(request.path)
        self.when = [(_place(place), re.compile(text, re.S)) for place, text in request.when.items()]
        self.key, self.number = _places(request.key), _places(request.number)

    def fits(self, asked: _Asked) -> bool:
        return all(any(text.fullmatch(value) for value in values(asked)) for values, text in self.when)


class Numbers:
    """Which order goes by which number at one upstream: learned from requests that carried both."""

    def __init__(self) -> None:
        self._keys: dict[str, str] = {}

    def key_of(self, number: str) -> str | None:
        return self._keys.get(number)

    def learn(self, number: str, key: str) -> None:
        """The first key that came with a number keeps it."""
        if number not in self._keys:
            if len(self._keys) >= NUMBERS_MAX:
                del self._keys[next(iter(self._keys))]
            self._keys[number] = key


class Reader:
    """Tells the subject of every request at one hop.

    `instance`: the folder that all paths begin with on their way to a mock, which patterns leave out. `numbers`: those
    of the hop's upstream, shared by its hops.
    """

    def __init__(
        self, requests: Iterable[Request], instance: str | None = None, numbers: Numbers | None = None
    ) -> None:
        self._patterns = [_Pattern(request) for request in requests]
        self._prefix = f"/{instance}/" if instance else ""
        self._numbers = numbers if numbers is not None else Numbers()
        self._at: dict[tuple[str, str], list[tuple[_Pattern, dict[str, str]]]] = {}

    def read(self, head: Head) -> Subject | None:
        """Operation and key; None where the request is of no kind that is known at this hop."""
        asked = _Asked(head)
        known = self._at.get((head.method, asked.path))
        for pattern, groups in self._fitting(head.method, asked.path) if known is None else known:
            asked.groups = groups
            if not pattern.when or pattern.fits(asked):
                return self._subject(pattern, asked)
        return None

    def _fitting(self, method: str, sent: str) -> list[tuple[_Pattern, dict[str, str]]]:
        """The patterns for this method and path, worked out once each."""
        path = sent.partition("#")[0]
        if "://" in path:  # in absolute form, as clients write it that take the server for a proxy
            path = "/" + path.partition("://")[2].partition("/")[2]
        if self._prefix and path.startswith(self._prefix):
            path = path[len(self._prefix) - 1 :]
        found = [
            (pattern, match.groupdict(""))
            for pattern in self._patterns
            if pattern.method in ("", method) and (match := pattern.path.fullmatch(path))
        ]
        if len(self._at) >= PATHS_MAX:
            self._at.clear()
        self._at[method, sent] = found
        return found

    def _subject(self, pattern: _Pattern, asked: _Asked) -> Subject:
        key = _first_key(pattern, asked)
        numbers: list[str] = []
        for values in pattern.number[asked.with_parts]:
            numbers += values(asked)
        numbers = [text for text in numbers if 0 < len(text) <= VALUE_MAX]
        if key is None:
            key = next(filter(None, map(self._numbers.key_of, numbers)), None)
            if key is None:
                return Subject(pattern.operation, numbers[0], BY_NUMBER) if numbers else Subject(pattern.operation)
        for number in numbers:
            self._numbers.learn(number, key)
        return Subject(pattern.operation, key, BY_KEY)


def _first_key(pattern: _Pattern, asked: _Asked) -> str | None:
    for values in pattern.key[asked.with_parts]:
        for text in values(asked):
            if (key := key_in(text)) is not None:
                return key
    return None

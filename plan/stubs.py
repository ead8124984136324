"""Answers that a user writes down for an upstream that we do not know: a YAML file of paths and what is said there."""

import re
from pathlib import Path
from typing import Any

import msgspec

from plan import document
from plan.document import Document, nearest
from plan.units import WireTime, by_default

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
PARAM = re.compile(r"\{([^{}/]*)\}")
TEXT = "text/plain; charset=utf-8"
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_BY_US = ("content-length", "transfer-encoding", "connection")
_SPOKEN = ("json", "body", "file")


class StubDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One answer of a stubs file. `path` begins with / and may hold {names}, each of which stands for one part of a
    path and may stand in the answer's texts again. At most one of `json`, `body` and `file` (beside the stubs file)."""

    name: str
    path: str
    method: str = "GET"
    status: int = 200
    headers: dict[str, str] = {}
    json: Any = msgspec.UNSET
    body: str | None = None
    file: str | None = None
    delay: WireTime = by_default(WireTime(0.0))


class StubsDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stubs file."""

    stubs: list[StubDoc]
    about: str = ""


class Stub(msgspec.Struct, frozen=True):
    """One answer, resolved: `value` is a mapping or list that is said as JSON, else `body` is said as it is. `delay` is
    wire time."""

    name: str
    method: str
    path: str
    status: int = 200
    headers: dict[str, str] = {}
    value: Any = None
    body: str = ""
    delay: WireTime = by_default(WireTime(0.0))


def read(path: Path) -> tuple[Stub, ...]:
    """The stubs in a file; DocumentError for the first flaw, with place, value and what is legal."""
    found = document.read_file(path)
    doc = document.convert(found, StubsDoc)
    if not doc.stubs:
        raise found.error(("stubs",), "is empty; legal: one answer or more")
    names: set[str] = set()
    places: set[tuple[str, str]] = set()
    for i, stub in enumerate(doc.stubs):
        _check(found, i, stub)
        place = (stub.method, PARAM.sub("{}", stub.path))
        if stub.name in names:
            raise found.error(("stubs", i, "name"), f"{stub.name!r} stands twice")
        if place in places:
            raise found.error(("stubs", i, "path"), f"{stub.method} {stub.path} stands twice")
        names.add(stub.name)
        places.add(place)
    return tuple(_resolved(found, i, stub, path.parent) for i, stub in enumerate(doc.stubs))


def _check(found: Document, i: int, stub: StubDoc) -> None:
    at = ("stubs", i)
    if not stub.name:
        raise found.error((*at, "name"), "is empty")
    if stub.method not in METHODS:
        raise found.error((*at, "method"), f"{stub.method!r} is not legal here{nearest(stub.method, METHODS)}")
    params = PARAM.findall(stub.path)
    if not re.fullmatch(r"/[^\s?#]*", stub.path) or not PARAM.sub("", stub.path).isascii():
        raise found.error((*at, "path"), f"{stub.path!r} is no path; legal: /prices/{{sku}}, without query")
    if not all(name.isidentifier() for name in params) or set(PARAM.sub("", stub.path)) & set("{}"):
        raise found.error((*at, "path"), f"{stub.path!r}: names in braces are letters, digits and _, as in {{sku}}")
    if len(set(params)) != len(params):
        raise found.error((*at, "path"), f"{stub.path!r} has one name twice")
    if not 200 <= stub.status <= 599:
        raise found.error((*at, "status"), f"{stub.status} is not legal here; legal: 200 to 599")
    for name, text in stub.headers.items():
        if not _HEADER.fullmatch(name) or name.lower() in _BY_US or not text.isascii() or not text.isprintable():
            raise found.error(
                (*at, "headers", name), "is not legal here; legal: a header that a stub may set, in ASCII"
            )
    said = [word for word in _SPOKEN if getattr(stub, word) not in (None, msgspec.UNSET)]
    if len(said) > 1:
        raise found.error((*at, said[1]), f"stands beside {said[0]}; legal: one of json, body, file")


def _resolved(found: Document, i: int, stub: StubDoc, folder: Path) -> Stub:
    body, value, headers = stub.body or "", None, dict(stub.headers)
    if stub.file is not None:
        try:
            body = (folder / stub.file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no UTF-8"
            raise found.error(("stubs", i, "file"), f"{stub.file!r} cannot be read: {reason}") from None
    elif isinstance(stub.json, dict | list):
        value = stub.json
    elif stub.json is not msgspec.UNSET:
        body = msgspec.json.encode(stub.json).decode()
        headers.setdefault("Content-Type", "application/json")
    return Stub(stub.name, stub.method, stub.path, stub.status, headers, value, body, stub.delay)

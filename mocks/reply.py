"""What a mock answers: as its dialect made it, in another wrapping, or a page of somebody who stands in front of it."""

import gzip
from codecs import BOM_UTF8
from collections.abc import AsyncGenerator, Callable
from http import HTTPStatus
from typing import TypeAlias

import msgspec

from faults.verdict import Effect, Moved, Page, Wrapping

Fields: TypeAlias = dict[str, str]

TEXT = "text/plain; charset=utf-8"
JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"

ELSEWHERE = "/v2/"
"""Where a moved path leads: a place that no mock of this version takes."""
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_PAGE = """<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>TITLE</title></head><body><h1>TITLE</h1><hr>nginx</body></html>
"""


class Reply(msgspec.Struct):
    """What to answer: `fields` as a JSON object, or else `body` as it is.

    `pieces` sends the body piece by piece, whenever the next comes. `breaks`: the connection is reset (RST) after this
    share of the body; at 0 before the first byte of the answer.
    """

    status: int = 200
    fields: dict[str, object] | None = None
    body: bytes = b""
    kind: str = TEXT
    location: str | None = None
    headers: Fields = {}
    pieces: Callable[[], AsyncGenerator[bytes, None]] | None = None
    breaks: float | None = None

    def flat(self) -> "Reply":
        """The same answer with its body written out."""
        if self.fields is None:
            return self
        return msgspec.structs.replace(self, fields=None, body=msgspec.json.encode(self.fields), kind=JSON)


def wrapped(reply: Reply, wrapping: Wrapping) -> Reply:
    """An answer of JSON in another wrapping; any other as it is."""
    flat = reply.flat()
    if flat.body[:1] not in (b"{", b"["):
        return reply
    match wrapping:
        case Wrapping.HTML | Wrapping.PLAIN:
            kind = HTML if wrapping is Wrapping.HTML else TEXT
            return reply if flat.kind == kind else msgspec.structs.replace(flat, kind=kind)
        case Wrapping.BOM:
            return msgspec.structs.replace(flat, body=BOM_UTF8 + flat.body)
        case Wrapping.GZIP:
            zipped = gzip.compress(flat.body, mtime=0)
            return msgspec.structs.replace(flat, body=zipped, headers={**flat.headers, "Content-Encoding": "gzip"})


def page_of(effect: Effect) -> Reply:
    """The page that a server in front, or one of another version, answers with."""
    assert isinstance(effect, Page | Moved)
    title = "欢迎访问 Welcome" if effect.status < 300 else f"{effect.status} {_PHRASES.get(effect.status, 'Error')}"
    location = ELSEWHERE if isinstance(effect, Moved) and effect.status != 404 else None
    return Reply(effect.status, body=_PAGE.replace("TITLE", title).encode(), kind=HTML, location=location)

"""What a browser does next with a page of the cashier: follow a jump, send a form, or stay. Pure."""

import re
from html import unescape
from html.parser import HTMLParser
from typing import TypeAlias
from urllib.parse import urlencode, urljoin

import msgspec

from targets.storefront import Reply

_JUMP = re.compile(
    r"""(?:location(?:\.href)?\s*=(?!=)|location\.(?:replace|assign)\()\s*(?P<quote>["'])(?P<to>[^"']+)(?P=quote)"""
)
_REFRESH = re.compile(r"""http-equiv=["']?refresh["']?[^>]*url=(?P<to>[^"'>]+)""", re.IGNORECASE)
_SUBMITS_ITSELF = re.compile(r"\.submit\(\)")
FORM = "application/x-www-form-urlencoded"


class Jump(msgspec.Struct, frozen=True):
    """The page leads on: a redirect, a script or a refresh."""

    url: str


class Send(msgspec.Struct, frozen=True):
    """The page holds a form. `by_itself`: a script sends it; else it waits for the buyer to press."""

    method: str
    url: str
    body: bytes
    by_itself: bool


class Stay(msgspec.Struct, frozen=True):
    """The page leads nowhere by itself."""

    url: str


Step: TypeAlias = Jump | Send | Stay


def next_step(reply: Reply) -> Step:
    """What the page makes a browser do. Never raises, whatever the page holds."""
    location = reply.headers.get("location")
    if 300 <= reply.status < 400 and location:
        return Jump(urljoin(reply.url, location))
    text = reply.body.decode("utf-8", errors="replace")
    form = _first_form(text)
    if form is not None:
        return _sending(form, reply.url, by_itself=_SUBMITS_ITSELF.search(text) is not None)
    found = _JUMP.search(text) or _REFRESH.search(text)
    if found:
        return Jump(urljoin(reply.url, unescape(found["to"]).strip()))
    return Stay(reply.url)


def _sending(form: "_Form", url: str, *, by_itself: bool) -> Send:
    target = urljoin(url, form.action)
    fields = urlencode(form.fields)
    if form.method == "POST":
        return Send("POST", target, fields.encode(), by_itself)
    return Send("GET", f"{target}{'&' if '?' in target else '?'}{fields}" if fields else target, b"", by_itself)


class _Form(HTMLParser):
    """The first form of a page with its named values."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.method = "GET"
        self.fields: list[tuple[str, str]] = []
        self.seen = False
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and not self.seen:
            self.seen = self._inside = True
            self.action, self.method = values.get("action", ""), values.get("method", "get").upper()
        elif tag == "input" and self._inside and values.get("name"):
            self.fields.append((values["name"], values.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


def _first_form(text: str) -> _Form | None:
    if "<form" not in text.lower():
        return None
    form = _Form()
    try:
        form.feed(text)
    except (AssertionError, ValueError):  # html.parser gives up on some malformed declarations
        return None
    return form if form.seen else None

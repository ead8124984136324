"""How notices leave this machine's mocks: letters, what is heard of them, and the one session that carries them."""

from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from mocks.evidence import message
from mocks.reply import Fields

AT_ONCE = 200
"""Notices under way at the same time; the rest wait for their turn, and are journalled as sent when it has come."""
_BODY_MAX = 64 * 1024


class Letter(msgspec.Struct, frozen=True):
    """A notice as it goes out: a complete, quoted URL, and for those dialects that post a body and its headers."""

    method: str
    url: str
    body: bytes | None = None
    headers: Fields = {}


class Heard(msgspec.Struct, frozen=True):
    """What came back: `status` 0 and `words` where nobody could be reached."""

    status: int
    words: str


Send = Callable[[Letter], Coroutine[Any, Any, Heard]]
"""Sends a letter and never raises for what the other side does; waits as long as it takes."""


def went_out(letter: Letter) -> bytes:
    return message(f"{letter.method} {letter.url} HTTP/1.1", letter.headers, letter.body or b"")


def came_back(heard: Heard | None) -> bytes:
    if heard is None or heard.status == 0:
        return f"({heard.words if heard is not None else 'no answer in time'})".encode()
    return message(f"HTTP/1.1 {heard.status}", {}, heard.words.encode())


def postman() -> aiohttp.ClientSession:
    """The one session that carries notices: no cookies, no proxies, no more than AT_ONCE connections.

    Each notice has a connection of its own, as a gateway's curl has: on a kept one aiohttp would silently repeat a
    GET that a dying shop had already read, and count a shop's closing of an idle connection as a failed notice.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=AT_ONCE, force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        headers={"User-Agent": "Mozilla/4.0"},
    )


def sender(session: aiohttp.ClientSession, through: tuple[str, int] | None = None) -> Send:
    """Sends letters over HTTP; `through` a proxy, which knows where they go. Its timeout is its caller's."""

    async def send(letter: Letter) -> Heard:
        try:
            url, headers = URL(letter.url, encoded=True), dict(letter.headers)
            if through is not None and url.scheme == "http":
                headers["Host"] = url.raw_authority
                url = url.with_host(through[0]).with_port(through[1])
            async with session.request(
                letter.method, url, data=letter.body, headers=headers, allow_redirects=False
            ) as reply:
                body = bytearray()
                async for chunk in reply.content.iter_chunked(_BODY_MAX):
                    body += chunk
                    if len(body) >= _BODY_MAX:
                        break
                return Heard(reply.status, body.decode("utf-8", "replace"))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or ""  # never str(error): it may quote the address
            return Heard(0, f"{type(error).__name__} {reason}".strip())

    return send

"""The very messages of struck exchanges, so that an engineer sees the forged one: kept apart from the facts, which
blind analysis reads. Secrets are masked; what is long is cut."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import urlencode

from ledger.events import Exchanged, Struck
from mocks.call import Append
from mocks.reply import Fields, Reply
from mocks.server import Asked

TEXT_MAX = 16 * 1024
"""Characters of one message."""
CLOSED = "(the connection was closed without a byte)"

_STRUCK: ContextVar[list[Struck] | None] = ContextVar("struck", default=None)


class Evidence:
    """Writes down struck exchanges. One for a process."""

    def __init__(self, append: Append, secrets: Iterable[str]) -> None:
        self._append, self._secrets = append, tuple(secrets)

    def note(self, struck: Struck) -> None:
        """Something was struck in the exchange that is under way."""
        found = _STRUCK.get()
        if found is not None:
            found.append(struck)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Gathers what is noted while this task, and those it starts, are in the context."""
        token = _STRUCK.set([])
        try:
            yield
        finally:
            _STRUCK.reset(token)

    def keep(self, received: Callable[[], bytes], sent: Callable[[], bytes]) -> None:
        """Writes down the exchange that is under way, if something was struck in it: one record for all of that."""
        struck = _STRUCK.get()
        if not struck:
            return
        last = struck[-1]
        self._append(
            Exchanged(
                t=last.t,
                o=last.o,
                faults=tuple(dict.fromkeys(one.fault for one in struck)),
                hop=last.hop,
                operation=last.operation,
                attempt=last.attempt,
                received=self._text(received()),
                sent=self._text(sent()),
            )
        )

    def _text(self, message: bytes) -> str:
        """The message as text: bytes that are no UTF-8 are written as escapes, so that GBK stays to be seen."""
        text = message[: 4 * TEXT_MAX].decode("utf-8", "backslashreplace")
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}… ({len(message)} bytes)"


def message(first: str, headers: Fields, body: bytes) -> bytes:
    """An HTTP message: its first line, headers and body."""
    lines = [first, *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


def asked_for(asked: Asked) -> bytes:
    """The request as it came in."""
    query = f"?{asked.query}" if asked.query else ""
    body = asked.body if asked.form is None else urlencode(asked.form).encode()
    return message(f"{asked.method} {asked.path}{query} HTTP/1.1", dict(asked.headers), body)


def answered(reply: Reply | None) -> bytes:
    """The answer as it goes out."""
    if reply is None:
        return CLOSED.encode()
    flat = reply.flat()
    headers = {"Content-Type": flat.kind, **flat.headers}
    if flat.location is not None:
        headers["Location"] = flat.location
    cut = "" if flat.breaks is None else f" (the connection is reset after {flat.breaks:.0%} of the body)"
    return message(f"HTTP/1.1 {flat.status}{cut}", headers, flat.body)

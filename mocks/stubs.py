"""An upstream that we do not know, as its user wrote it down (plan/stubs.py): paths, and what is said there."""

import re
from typing import Any
from urllib.parse import unquote

import msgspec

from ledger.clock import SECOND_NS, Clock
from ledger.states import Hop, Operation
from mocks.apply import Injector
from mocks.call import Call, Place, Subject
from mocks.mangle import Schema
from mocks.reply import JSON, Fields, Reply
from mocks.server import Answer, Asked, NoRoute, readable
from plan.orders import find_key, key_of_account
from plan.stubs import PARAM, TEXT, Stub

BODY_MAX = 64 * 1024
"""So much of a body is searched for an order key."""
_ACCOUNT = re.compile(r"player-w?[0-9]{8}(?:\.[0-9]+)?", re.ASCII)


class Stubs:
    """One instance: the answers of one file, below one name. Whoever asks is believed; nothing is sold or counted."""

    def __init__(
        self, name: str, stubs: tuple[Stub, ...], *, clock: Clock, injector: Injector, hop: Hop = Hop.SHOP_SUPPLIER
    ) -> None:
        self.name, self._clock, self._injector = name, clock, injector
        self._place = Place(hop, Operation.STUB, name, _schema(stubs))
        # What is written out in full is meant before what has names in it.
        ordered = sorted(stubs, key=lambda stub: len(PARAM.findall(stub.path)))
        self._stubs = [(stub, _pattern(stub.path)) for stub in ordered]

    def routes(self) -> list[str]:
        return [f"/{self.name}{stub.path}" for stub, _ in self._stubs]

    def forget(self) -> None:
        self._place.counts.clear()

    async def answer(self, asked: Asked, path: str) -> Answer:
        """The answer to a request below this instance's name; NoRoute where no stub takes it."""
        for stub, pattern in self._stubs:
            if stub.method == asked.method and (match := pattern.fullmatch(f"/{path}")):
                params = {name: readable(unquote(text, errors="replace")) for name, text in match.groupdict().items()}
                return await self._say(stub, params, _subject_of(asked))
        raise NoRoute

    async def _say(self, stub: Stub, params: Fields, subject: Subject) -> Answer:
        if stub.delay > 0:
            await self._clock.wait_until(self._clock.t() + int(stub.delay * SECOND_NS))

        def act() -> Reply:
            return _reply(stub, params)

        return await self._injector.answer(Call(self._place, subject, is_genuine=True, act=act, refuse=act))


def _pattern(path: str) -> re.Pattern[str]:
    """What a request's path must be: `{name}` stands for one part of it, or for a piece of one, that is not empty."""
    parts = PARAM.split(path)
    return re.compile("".join(f"(?P<{part}>[^/]+)" if i % 2 else re.escape(part) for i, part in enumerate(parts)))


def _reply(stub: Stub, params: Fields) -> Reply:
    headers = dict(stub.headers)
    kind = next((headers.pop(name) for name in list(headers) if name.lower() == "content-type"), None)
    value = _filled(stub.value, params)
    if isinstance(value, dict) and kind is None:
        return Reply(stub.status, value, headers=headers)
    body = _filled(stub.body, params) if value is None else msgspec.json.encode(value).decode()
    return Reply(stub.status, body=body.encode(), kind=kind or (TEXT if value is None else JSON), headers=headers)


def _filled(value: Any, params: Fields) -> Any:
    """The value with each {name} of the path replaced in all its texts; other braces stay."""
    if isinstance(value, str) and params:
        return PARAM.sub(lambda match: params.get(match[1], match[0]), value)
    if isinstance(value, dict):
        return {key: _filled(inner, params) for key, inner in value.items()}
    return [_filled(inner, params) for inner in value] if isinstance(value, list) else value


def _subject_of(asked: Asked) -> Subject:
    """Whom a request is about: the order whose key or game account stands anywhere in it, else nobody."""
    body = asked.body[:BODY_MAX].decode("utf-8", "replace") if asked.form is None else " ".join(asked.form.values())
    text = unquote(f"{asked.path} {asked.query} {body}", errors="replace")
    account = _ACCOUNT.search(text)
    key = find_key(text) or (key_of_account(account[0]) if account else None)
    return Subject(key, "key", key) if key else Subject(Operation.STUB.value, "operation", None)


def _schema(stubs: tuple[Stub, ...]) -> Schema:
    """For faults that name no field: the first field of the first answer that has any."""
    first = next((name for stub in stubs if isinstance(stub.value, dict) for name in stub.value), "")
    return Schema(pair=(first, f"{first}_v2") if first else ("", ""), missing=first)

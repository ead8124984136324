"""What suppliers and game servers have in common: what can be asked of them, and what can come of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp

from targets.cardshop.states import Code


@dataclass(frozen=True)
class Wanted:
    """The goods of one order, as an upstream is asked for them; `request_no` is the same however often it is asked."""

    request_no: str
    product: str
    account: str
    region: str
    contact: str


@dataclass(frozen=True)
class Delivered:
    """The goods are there: texts for the buyer, or a receipt for what went into the game account."""

    cards: tuple[str, ...] = ()
    receipt: str = ""


@dataclass(frozen=True)
class Accepted:
    """Taken on; the goods come later. `receipt` is the upstream's own number."""

    receipt: str


@dataclass(frozen=True)
class Refused:
    """No goods, and none will come. `is_certain` is False where that is only how a strict reader takes it; `is_final`
    where the same upstream would say so again under the same number."""

    code: Code
    is_certain: bool = True
    is_final: bool = False


@dataclass(frozen=True)
class Nothing:
    """Asked what came of a request, the upstream knows of none."""


@dataclass(frozen=True)
class Unknown:
    """Nobody can tell: there was no answer, or none that says anything."""

    code: Code


Outcome = Delivered | Accepted | Refused | Nothing | Unknown


class Upstream(Protocol):
    """One supplier or game server. Neither method raises: what goes wrong is an outcome."""

    async def buy(self, wanted: Wanted) -> Delivered | Accepted | Refused | Unknown:
        """Ask for the goods."""
        ...

    async def query(self, wanted: Wanted) -> Outcome:
        """Ask what came of the request under this number."""
        ...


@dataclass(frozen=True)
class Answer:
    """A JSON object that came back, with its HTTP status."""

    status: int
    body: dict[str, Any]


async def exchange(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    data: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer | Refused | Unknown:
    """One exchange: a JSON object, or what its lack means. Only a connection that was refused is certain."""
    try:
        async with session.request(method, url, data=data, headers=headers, allow_redirects=False) as answer:
            status, body = answer.status, await answer.read()
    except aiohttp.ClientConnectorError:
        return Refused(Code.REFUSED)
    except TimeoutError:
        return Unknown(Code.TIMEOUT)
    except aiohttp.ClientError:
        return Unknown(Code.UNKNOWN_RESULT)
    try:
        read = json.loads(body)
    except ValueError:
        return Unknown(_code_of(status))
    return Answer(status, read) if isinstance(read, dict) else Unknown(_code_of(status))


def _code_of(status: int) -> Code:
    """The reason of an answer that is no JSON object, from its HTTP status."""
    if status in (429, 503):
        return Code.OVERLOADED
    return Code.REFUSED if status >= 500 else Code.VERSION

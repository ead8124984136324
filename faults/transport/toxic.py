"""What a toxic is: attributes with their units, which stage of a link applies them, and where it is placed."""

import importlib
import pkgutil
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any, ClassVar, Protocol

import msgspec


class Stream(StrEnum):
    """Which bytes of a connection: those towards the upstream (requests), or those back (answers)."""

    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"


class Toxic(msgspec.Struct, frozen=True):
    """The attributes of one kind of toxic, as the API writes them. A subclass is one file of `toxics/`.

    `kind` is its `type` in the API; `is_ours` marks what Toxiproxy has not; `stage` (a class of
    `faults.transport.stage`) is what applies it to one direction of one connection.
    """

    kind: ClassVar[str]
    stage: ClassVar[type[Any]]
    is_ours: ClassVar[bool] = False


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which exchanges of HTTP/1.1 a toxic is for. `path` is a glob of the path without its query, `header` names
    headers and globs of their values; empty means any."""

    method: str = ""
    path: str = ""
    header: dict[str, str] = {}


class Placed(msgspec.Struct, frozen=True):
    """A toxic on a proxy. `toxicity` is the share of connections it is for. Beyond Toxiproxy: `match` the exchanges it
    is for, `lease_s` after which it takes itself away, and `fault`: the fault of a plan that decides, exchange by
    exchange or connection by connection, whom it strikes."""

    name: str
    stream: Stream
    toxic: Toxic
    toxicity: float = 1.0
    match: Match | None = None
    lease_s: float | None = None
    fault: str = ""


class OnWire(msgspec.Struct, frozen=True):
    """What a wire fault does: toxics, each in its direction. An effect like those of faults/verdict.py."""

    toxics: tuple[tuple[Stream, Toxic], ...]


class Down(msgspec.Struct, frozen=True):
    """What `wire.down` does: nobody listens at the proxy, and open connections are closed."""


class Head(msgspec.Struct, frozen=True):
    """A request as a proxy sees it: header names in lower case, and of the body what stood in the first 16 KiB of the
    request; `is_whole` where that is all of it."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool


class Exchange(Protocol):
    """One request and its answer on a link, or a whole connection where no requests are told apart."""

    @property
    def struck(self) -> frozenset[str]:
        """Names of the placed toxics that are for it, now: faults end, and connections outlive them."""
        ...

    @property
    def rate(self) -> float:
        """How many requests a second the proxy carried over the last second; connections, where none are told apart."""
        ...

    def draw(self, toxic: str, n: int) -> float:
        """The n-th number in [0, 1) that this toxic draws for this exchange; the same in every run where the exchange
        is keyed."""
        ...

    def changed(self, toxic: str, words: str, size: int) -> None:
        """Told each time the toxic really changed something: what, and how many bytes it concerned. The first time
        makes the fault struck."""
        ...

    def end(self) -> None:
        """The exchange, or the connection, is over."""
        ...


class Judge(Protocol):
    """Who decides for one proxy what is struck. `reads_requests`: connections carry HTTP/1.1 exchanges to be told
    apart; else each connection is one exchange."""

    @property
    def reads_requests(self) -> bool: ...

    def connection(self, n: int) -> Exchange:
        """The n-th connection of the proxy, counted from 1."""
        ...

    def request(self, connection: int, n: int, head: Head) -> Exchange:
        """The n-th request of a connection."""
        ...


@cache
def toxics() -> dict[str, type[Toxic]]:
    """All kinds of toxics by the name the API uses, sorted."""
    package = importlib.import_module("faults.transport.toxics")
    found: dict[str, type[Toxic]] = {}
    for module in pkgutil.iter_modules(package.__path__):
        toxic: type[Toxic] = importlib.import_module(f"faults.transport.toxics.{module.name}").TOXIC
        assert toxic.kind == module.name, f"faults/transport/toxics/{module.name}.py holds a toxic {toxic.kind!r}"
        found[toxic.kind] = toxic
    return dict(sorted(found.items()))

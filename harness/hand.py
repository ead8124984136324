"""What `orderjam fault` says to mocks that are up: found by a file that `orderjam mocks up` leaves, or by address."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec
import psutil

from faults.catalog import catalog
from faults.read import LEASE_KEY, Around, HandFault, read_by_hand, role_of, written
from plan import document
from plan.document import Document, DocumentError, nearest
from plan.run import Plan

FILE = "mocks-up.json"
TIMEOUT_S = 5.0
CLOCK_STEP_S = 5.0
"""When a process began is counted from when the machine did, which moves as its clock is corrected."""


class HandError(Exception):
    """Mocks cannot be found, or will not do it: one line with the way out."""


class Known(msgspec.Struct, frozen=True):
    """Which mocks are up: who started them and when (as the system tells it), their addresses by role, the token for
    /_admin."""

    pid: int
    began: float
    run: str
    mocks: dict[str, str]
    token: str = ""

    @property
    def is_alive(self) -> bool:
        """Whether that process still runs, and not another that got its number."""
        try:
            return abs(psutil.Process(self.pid).create_time() - self.began) < CLOCK_STEP_S
        except psutil.NoSuchProcess:
            return False


class Added(msgspec.Struct, frozen=True):
    """A fault that was added by hand, as it is written, and the seconds since the mocks came up between which it is or
    was in force."""

    fault: dict[str, Any]
    from_s: float
    until_s: float
    left_s: float
    struck: int

    @property
    def id(self) -> str:
        return str(self.fault["id"])


class Said(msgspec.Struct, frozen=True):
    """What one mock says of its faults: those of its plan, and those by hand, which ended ones too."""

    faults: list[dict[str, Any]]
    role: str = ""
    load_s: float = 0.0
    by_hand: list[Added] | None = None


def remember(folder: Path, known: Known) -> Path:
    """Writes the file that `find` reads, for the eyes of its owner only; HandError where it cannot be."""
    path, temporary = folder / FILE, folder / f".{FILE}.{known.pid}"
    try:
        write_secret(temporary, msgspec.json.format(msgspec.json.encode(known), indent=1))
        temporary.replace(path)
    except OSError as error:
        raise HandError(f"{path}: cannot be written: {error.strerror}") from None
    return path


def write_secret(path: Path, data: bytes) -> None:
    """A new file of mode 0600 in place of what was there."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)


def known_in(folder: Path) -> Known | None:
    """The mocks that were last started with this folder, whether they still run or not."""
    path = folder / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Known)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise HandError(f"{path}: cannot be read: {error}") from None


def find(folder: Path) -> Known:
    """The mocks that are up; HandError where none are."""
    known = known_in(folder)
    if known is None or not known.is_alive:
        raise HandError(
            f"no mocks are up ({folder / FILE}); start them with `orderjam mocks up`, or name them with --mocks URL"
        )
    return known


class Hand:
    """A hand on the faults of the mocks at some addresses, one mock a role."""

    def __init__(self, urls: Sequence[str], token: str = "") -> None:
        self._urls = [url.rstrip("/") for url in urls]
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S), headers=self._headers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._http.close()

    async def _ask(self, method: str, url: str, body: bytes | None = None) -> bytes:
        try:
            async with self._http.request(method, url, data=body, allow_redirects=False) as reply:
                text = await reply.read()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise HandError(f"{url}: no answer ({reason})") from None
        if reply.status != 200:
            raise HandError(_error_in(text) or f"{url}: answered {reply.status}; is a mock of orderjam there?")
        return text

    async def look(self) -> list[Said]:
        """What each mock says; HandError where one does not answer or takes no faults by hand."""
        found = []
        for url in self._urls:
            address = f"{url}/_admin/faults"
            said = _said(await self._ask("GET", address), address)
            if said.by_hand is None:
                raise HandError(f"{url}: these mocks belong to a run; faults by hand need `orderjam mocks up`")
            found.append(said)
        return found

    async def plan(self) -> Plan:
        """What the mocks play."""
        url = f"{self._urls[0]}/_admin/plan"
        text = (await self._ask("GET", url)).decode("utf-8", "replace")
        try:
            return document.convert(document.read(text, url), Plan)
        except DocumentError as error:
            raise HandError(f"these mocks are of another orderjam: {error}") from None

    async def add(self, raw: dict[str, Any], source: str) -> HandFault:
        """Adds a fault as it is written, its id its name unless it says another, at the one hop that is legal unless it
        names one; DocumentError for a flaw in it."""
        said, plan = await self.look(), await self.plan()
        if "at" not in raw:
            raw = {**raw, **_only_place(str(raw.get("fault")), {upstream.role for upstream in plan.upstreams.values()})}
        taken = {f["id"] for one in said for f in one.faults} | {a.id for one in said for a in _in_force(one)}
        if "id" not in raw:
            name = str(raw.get("fault", ""))
            raw = {"id": next(i for i in _numbered(name) if i not in taken), **raw}
        found = Document(source, raw, {})
        fault = read_by_hand(found, (), raw, Around.of(plan))
        if fault.plan.id in taken:
            raise found.error(("id",), f"{fault.plan.id!r} is taken; remove that one first, or choose another")
        n = _of_role(said, role_of(fault.plan))
        if n is None:
            asked = ", ".join(one.role for one in said)
            raise found.error(("at",), f"no mock of role {role_of(fault.plan)} was asked; asked: {asked}")
        new = {**written(fault.plan), LEASE_KEY: fault.lease_s}
        await self._replace(n, [*map(_kept, _in_force(said[n])), new])
        return fault

    async def remove(self, id_: str) -> Added:
        """Takes a fault by hand away; HandError where there is none of this id."""
        said = await self.look()
        for n, one in enumerate(said):
            in_force = _in_force(one)
            gone = next((added for added in in_force if added.id == id_), None)
            if gone is not None:
                await self._replace(n, [_kept(added) for added in in_force if added is not gone])
                return gone
        if any(fault["id"] == id_ for one in said for fault in one.faults):
            raise HandError(f"{id_!r} is a fault of the scenario; by hand only what was added by hand is removed")
        if any(added.id == id_ for one in said for added in one.by_hand or []):
            raise HandError(f"{id_!r} has ended already")
        known = [added.id for one in said for added in _in_force(one)]
        raise HandError(f"no fault {id_!r} was added by hand{nearest(id_, known)}")

    async def _replace(self, n: int, faults: list[dict[str, Any]]) -> None:
        await self._ask("PUT", f"{self._urls[n]}/_admin/faults", msgspec.json.encode({"faults": faults}))


def _only_place(name: str, roles: set[str]) -> dict[str, str]:
    """The hop of a fault that is legal at only one of these roles' mocks; HandError where it may stand at several."""
    fault = catalog().get(name)
    if fault is None:
        return {}
    here = [hop for hop in fault.hops if not roles.isdisjoint(hop.split(">"))] or list(fault.hops)
    if len(here) > 1:
        raise HandError(f"{name} needs --at; legal: {', '.join(map(repr, map(str, here)))}, with quotes in a shell")
    return {"at": str(here[0])}


def _in_force(said: Said) -> list[Added]:
    return [added for added in said.by_hand or [] if added.left_s > 0]


def _kept(added: Added) -> dict[str, Any]:
    """A fault that is in force, as it is told once more so that it stays."""
    return {**added.fault, LEASE_KEY: added.left_s}


def _of_role(said: list[Said], role: str) -> int | None:
    return next((n for n, one in enumerate(said) if one.role == role), None)


def _numbered(name: str) -> Iterator[str]:
    yield name
    n = 2
    while True:
        yield f"{name}.{n}"
        n += 1


def _error_in(text: bytes) -> str:
    try:
        return str(msgspec.json.decode(text)["error"])
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return ""


def _said(text: bytes, url: str) -> Said:
    try:
        return msgspec.json.decode(text, type=Said)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise HandError(f"{url}: no answer of a mock of orderjam") from None

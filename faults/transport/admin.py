"""/_admin of the wire: the harness has proxies made for the hops of a run, and tells them what it tells mocks."""

import hmac
from collections.abc import Callable
from typing import Annotated

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from faults.transport.addresses import AddressError, NotAllowedError
from faults.transport.wires import HopError, Wires
from ledger.states import Hop, Phase

PREFIX = "/_admin/"
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /_admin/phase."""

    phase: Phase
    l0_t: Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)] | None = None


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /_admin/proxies. `upstream_name`: the instance that the proxy leads to, or comes from; null for
    all of them. `listen` and `upstream`: HOST:PORT."""

    name: _Text
    hop: Hop
    listen: _Text
    upstream: _Text
    upstream_name: _Text | None = None


class Admin:
    """Answers /_admin. `token`: what must stand in `Authorization: Bearer` of every request, also of those to
    Toxiproxy's API, if anything must."""

    def __init__(self, wires: Wires, token: str | None = None) -> None:
        self._wires = wires
        self._expected = f"Bearer {token}".encode() if token else None
        self._steps: dict[tuple[str, str], Callable[[bytes], web.Response]] = {
            ("GET", "health"): self._health,
            ("POST", "phase"): self._phase,
            ("POST", "lease"): self._lease,
            ("POST", "proxies"): self._add,
        }

    def install(self, api: web.Application) -> None:
        """Puts /_admin before the routes of the API."""

        @web.middleware
        async def before(request: web.Request, handler: Handler) -> web.StreamResponse:
            if self._expected is not None and not hmac.compare_digest(
                request.headers.get("Authorization", "").encode("utf-8", "surrogateescape"), self._expected
            ):
                return refusal(401, "Authorization: Bearer <ORDERJAM_ADMIN_TOKEN> is missing or wrong")
            if not request.raw_path.startswith(PREFIX):
                return await handler(request)
            return await self._answer(request)

        api.middlewares.append(before)

    async def _answer(self, request: web.Request) -> web.Response:
        asked = request.method, request.raw_path.partition("?")[0].removeprefix(PREFIX)
        try:
            if asked in self._steps:
                return self._steps[asked](await request.read())
        except msgspec.DecodeError as error:
            return refusal(400, str(error))
        except UnicodeError:
            return refusal(400, "not UTF-8")
        except RecursionError:
            return refusal(400, "nested too deep")
        except web.HTTPRequestEntityTooLarge:
            return refusal(413, "the body is too long")
        legal = ", ".join(f"{method} {PREFIX}{name}" for method, name in self._steps)
        return refusal(404, f"nothing here takes this request; legal: {legal}")

    def _add(self, body: bytes) -> web.Response:
        wanted = msgspec.json.decode(body, type=Wanted)
        try:
            listen = self._wires.add(
                wanted.name, wanted.hop, wanted.upstream_name, listen=wanted.listen, upstream=wanted.upstream
            )
        except (HopError, AddressError, NotAllowedError) as error:
            return refusal(400, str(error))
        except OSError as error:
            return refusal(500, f"listen {wanted.listen}: {error.strerror or error}")
        return _json(201, {"name": wanted.name, "listen": listen})

    def _health(self, _: bytes) -> web.Response:
        return _json(200, self._wires.health())

    def _phase(self, body: bytes) -> web.Response:
        try:
            told = msgspec.json.decode(body, type=Told)
        except msgspec.DecodeError as error:
            legal = ", ".join(phase.value for phase in Phase)
            return refusal(400, f'{error}; send {{"phase": one of {legal}, "l0_t": nanoseconds or null}}')
        self._wires.begin(told.phase, told.l0_t)
        return self._health(body)

    def _lease(self, body: bytes) -> web.Response:
        self._wires.renew()
        return self._health(body)


def refusal(status: int, words: str) -> web.Response:
    return _json(status, {"ok": False, "error": words})


def _json(status: int, fields: dict[str, object]) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(fields), content_type="application/json")

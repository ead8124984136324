"""What the bodies of Toxiproxy's API say, as Toxiproxy 2.12.0 reads them, and what may stand there beyond it.

Shapes: api.go, proxy.go, proxy_collection.go, toxic_collection.go and toxics/*.go of Shopify/toxiproxy v2.12.0.
"""

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

import msgspec

from faults.transport import go_json
from faults.transport.go_json import JsonError, Shape
from faults.transport.toxic import Match, Placed, Stream, Toxic, toxics
from plan.document import nearest

LEASE_S_MAX = 86_400.0
_LOGGER = Shape("zerolog.Logger", {})
_OWN_OF_PROXY = {"lease_s": go_json.OURS}
_OWN_OF_TOXIC = {"lease_s": go_json.OURS, "match": go_json.OURS, "fault": go_json.OURS}
_PROXY_FIELDS: dict[str, str | Shape] = {
    "name": go_json.STRING,
    "listen": go_json.STRING,
    "upstream": go_json.STRING,
    "enabled": go_json.BOOL,
    "Logger": _LOGGER,
    **_OWN_OF_PROXY,
}
_PROXY = Shape("toxiproxy.Proxy", _PROXY_FIELDS)
_POPULATED = Shape('struct { toxiproxy.Proxy; Enabled *bool "json:\\"enabled\\"" }', _PROXY_FIELDS)
_WRAPPER = Shape(
    "toxics.ToxicWrapper",
    {
        "attributes": Shape("toxics.NoopToxic", {}, once_null="toxics.Toxic"),
        "name": go_json.STRING,
        "type": go_json.STRING,
        "stream": go_json.STRING,
        "toxicity": go_json.FLOAT32,
        **_OWN_OF_TOXIC,
    },
)
_CHANGED = 'struct { Attributes interface {} "json:\\"attributes\\""; Toxicity float32 "json:\\"toxicity\\"" }'
_GO_NAMES = {"reset_peer": "Reset"}
_GO_TYPES: dict[type, str] = {
    int: go_json.INT64,
    float: go_json.FLOAT64,
    str: go_json.STRING,
    bool: go_json.BOOL,
}


class ApiError(Exception):
    """An answer that refuses: its words and its status."""

    def __init__(self, words: str, status: int) -> None:
        super().__init__(words)
        self.status = status


class ProxyBody(msgspec.Struct, frozen=True):
    """What a body says of a proxy; None is not said."""

    name: str = ""
    listen: str | None = None
    upstream: str | None = None
    enabled: bool | None = None
    lease_s: float | None = None


def proxy(body: bytes) -> ProxyBody:
    """Of a proxy that is to be made, or changed. ApiError."""
    return _proxy(_fields(_value(body), _PROXY))


def proxies(body: bytes) -> list[ProxyBody]:
    """Of proxies that are all to be there; every one has a name and an upstream. ApiError."""
    value = _value(body)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _bad(go_json.misfit(value, f"[]{_POPULATED.go}"))
    found = [_proxy({} if one is None else _fields(one, _POPULATED)) for one in value]
    for n, one in enumerate(found, 1):
        for name in ("name", "upstream"):
            if not getattr(one, name):
                raise missing(f"{name} at proxy {n}")
    return found


def missing(what: str) -> ApiError:
    return ApiError(f"missing required field: {what}", 400)


def placed(body: bytes, names: Collection[str]) -> Placed:
    """A toxic that is to be placed beside others of these names. ApiError."""
    value = _value(body)
    said = _fields(value, _WRAPPER)
    kind, stream = said.get("type", ""), said.get("stream", Stream.DOWNSTREAM.value)
    if stream.lower() not in tuple(Stream):
        raise ApiError("stream was invalid, can be either upstream or downstream", 400)
    if (toxic := toxics().get(kind)) is None:
        raise ApiError("invalid toxic type", 400)
    if said.get("fault") is not None:
        raise _bad("fault: only the plan of a run places toxics of faults; legal here: match")
    name = said.get("name") or f"{kind}_{stream}"
    if name in names:
        raise ApiError("toxic already exists", 409)
    return Placed(
        name,
        Stream(stream.lower()),
        _attributes(toxic(), value),
        said.get("toxicity", 1.0),
        _match(said.get("match")),
        _lease_s(said.get("lease_s")),
    )


def changed(body: bytes, was: Placed) -> Placed:
    """A placed toxic with what a body changes of it: its attributes, its toxicity, its lease. ApiError."""
    value = _value(body)
    attributes = go_json.OURS if was.toxic.is_ours else _shape(type(was.toxic))
    fields: dict[str, str | Shape] = {"attributes": attributes, "toxicity": go_json.FLOAT32, "lease_s": go_json.OURS}
    said = _fields(value, Shape(_CHANGED, fields))
    return msgspec.structs.replace(
        was,
        toxic=_attributes(was.toxic, value),
        toxicity=said.get("toxicity", was.toxicity),
        lease_s=_lease_s(said.get("lease_s")) or was.lease_s,
    )


def _value(body: bytes) -> go_json.Value:
    try:
        return go_json.read(body)
    except JsonError as error:
        raise _bad(error) from None


def _fields(value: go_json.Value, shape: Shape) -> dict[str, Any]:
    try:
        return {} if value is None else go_json.fields(value, shape)
    except JsonError as error:
        raise _bad(error) from None


def _bad(error: object) -> ApiError:
    return ApiError(f"bad request body: {error}", 400)


def _proxy(said: Mapping[str, Any]) -> ProxyBody:
    lease_s = _lease_s(said.get("lease_s"))
    return ProxyBody(said.get("name", ""), said.get("listen"), said.get("upstream"), said.get("enabled"), lease_s)


# --- attributes -------------------------------------------------------------------------------------------------
@cache
def _shape(kind: type[Toxic]) -> Shape:
    """Of the attributes of a toxic that Toxiproxy has."""
    name = _GO_NAMES.get(kind.kind) or kind.kind.title().replace("_", "")
    types = {field.encode_name: _go_type(kind, field.type) for field in msgspec.structs.fields(kind)}
    return Shape(f"toxics.{name}Toxic", types, once_null=go_json.OURS)


def _go_type(kind: type[Toxic], annotation: Any) -> str:
    found = _GO_TYPES[getattr(annotation, "__origin__", annotation)]
    return go_json.INT if kind.kind == "slicer" else found


def _attributes(was: Toxic, value: go_json.Value) -> Toxic:
    """The toxic with what a body says of its attributes."""
    if was.is_ours:
        return _own_attributes(was, _fields(value, Shape(_CHANGED, {"attributes": go_json.OURS})).get("attributes"))
    said = _fields(value, Shape(_CHANGED, {"attributes": _shape(type(was))})).get("attributes", {})
    return msgspec.structs.replace(was, **said)


def _own_attributes(was: Toxic, said: Any) -> Toxic:
    """Attributes of a toxic of our own: unknown ones are refused, and values checked."""
    if said is None:
        return was
    if not isinstance(said, dict):
        raise _bad("attributes: legal: an object")
    legal = was.__struct_fields__
    for name in said:
        if name not in legal:
            raise _bad(f"attributes.{name}: {was.kind} has no such attribute{nearest(name, legal)}")
    try:
        return msgspec.convert(msgspec.to_builtins(was) | said, type(was))
    except msgspec.ValidationError as error:
        raise _bad(f"attributes: {error}") from None


# --- beyond Toxiproxy -------------------------------------------------------------------------------------------
def _lease_s(said: Any) -> float | None:
    if said is None:
        return None
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 < said <= LEASE_S_MAX:
        raise _bad(f"lease_s: legal: seconds over 0 and up to {LEASE_S_MAX:.0f}")
    return float(said)


def _match(said: Any) -> Match | None:
    try:
        return None if said is None else msgspec.convert(said, Match)
    except msgspec.ValidationError as error:
        raise _bad(f"match: {error}") from None

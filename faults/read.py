"""One fault as people write it, read and checked: in a scenario, or by hand while mocks are up, in the same words."""

from collections.abc import Mapping
from typing import Any

import msgspec

from faults import whom
from faults.catalog import ON_THE_WIRE, TO_MOCKS, Fault, catalog, is_legal
from ledger.states import Hop
from plan import document
from plan.dialects import DIALECTS
from plan.document import Document, Path_, nearest
from plan.faults import VERSION, FaultPlan
from plan.orders import Mix
from plan.run import Plan
from plan.transport import Request
from plan.units import BusinessTime, Share, ShareRange, Window, WireTime, by_default, to_text

LEASE_BY_HAND_S = 300.0
"""Wire seconds after which a fault that was added by hand ends by itself, unless told otherwise."""
LEASE_BY_HAND_S_MAX = 24 * 3600.0
LEASE_KEY = "lease_s"


class FaultDoc(msgspec.Struct, frozen=True):
    """What every fault of a scenario may say; its own parameters stand beside these keys."""

    id: str
    fault: str
    at: str
    rate: Share = by_default(Share(1.0))
    orders: ShareRange | None = None
    select: dict[str, list[str] | str] = {}
    first: int | None = None
    window: Window | None = None
    rolling: Window | None = None


COMMON = frozenset(f.encode_name for f in msgspec.structs.fields(FaultDoc))
WHOSE = {
    "buyer": "a fault of the buyers",
    "house": "done to the shop itself",
    "wire": "done to the wire, where only a run has its proxies",
    "kernel": "done to packets, in network namespaces that only a run has",
}
"""Of the layers whose faults are not added by hand."""
NOT_BY_HAND = ("orders", "select", "window", "rolling")
"""Keys that speak of planned orders or of the load's time, which mocks that stand alone have not."""


class Around(msgspec.Struct, frozen=True):
    """What a fault may speak of: the dialect of each upstream by name, the mix, when the load ends (wire seconds), and
    what the target offers that a fault may need. Of the wire: what buyers say to the shop, whether the shop reaches its
    database over a link, and whether a Toxiproxy of its own breaks the hops."""

    dialects: Mapping[str, str]
    mix: Mix
    end_s: float
    offers: tuple[str, ...] = ()
    buyer: tuple[Request, ...] = ()
    has_database_link: bool = False
    is_external: bool = False

    @property
    def roles(self) -> dict[str, str]:
        """The role of each upstream by name."""
        return {name: DIALECTS[dialect].role for name, dialect in self.dialects.items()}

    @classmethod
    def of(cls, plan: Plan) -> "Around":
        """What surrounds a fault that is added to a plan by hand."""
        dialects = {name: upstream.dialect for name, upstream in plan.upstreams.items()}
        return cls(dialects, plan.mix, float(plan.load.points[-1][0]))


class HandFault(msgspec.Struct, frozen=True):
    """A fault added by hand, and the wire seconds after which it ends by itself."""

    plan: FaultPlan
    lease_s: float


def read(found: Document, at: Path_, raw: dict[str, Any], around: Around) -> FaultPlan:
    """The fault that stands at a path of a document; DocumentError for the first flaw."""
    fault = _named(found, at, raw)
    name, own = fault.name, {key: value for key, value in raw.items() if key not in COMMON}
    legal = COMMON | fault.units().keys()
    for key in own:
        if key not in legal:
            raise found.error((*at, key), f"unknown key {key!r} of fault {name}{nearest(key, legal)}")
    doc = document.convert(found, FaultDoc, {k: v for k, v in raw.items() if k in COMMON}, at)
    params = document.convert(found, fault.params, own, at)
    if fault.needs and fault.needs not in around.offers:
        offered = ", ".join(around.offers) or "nothing"
        raise found.error((*at, "fault"), f"{name} needs {fault.needs!r} of the target, which offers {offered}")
    hop, upstream = _hop(found, at, doc.at, fault, around.roles)
    _check_dialects(found, at, fault, hop, upstream, around)
    if fault.misplaced is not None and (why := fault.misplaced(params, hop)):
        raise found.error((*at, "at"), f"{name} at {hop}: {why}")
    tables = whom.tables(hop, upstream, around.dialects, around.buyer)
    for key in raw:
        if why := whom.refused(fault, hop, key, tables, is_external=around.is_external):
            raise found.error((*at, key), why)
    if fault.layer in ON_THE_WIRE:
        _check_wire(found, at, fault, params, hop, doc, around)
    select = {row: [names] if isinstance(names, str) else names for row, names in doc.select.items()}
    _check_select(found, at, select, around.mix, hop)
    _check_times(found, at, doc, around.end_s)
    return FaultPlan(
        id=doc.id,
        fault=name,
        hops=(hop,),
        label=fault.label,
        cause=str(whom.cause(fault, hop)),
        params=own,
        upstream=upstream,
        rate=doc.rate,
        orders=doc.orders,
        select=select,
        first=doc.first,
        window=doc.window,
        rolling=doc.rolling,
        layer=fault.layer,
        by_exposure=fault.by_exposure or whom.is_blind(fault, tables, is_external=around.is_external),
        lengthens=BusinessTime(fault.lengthens(params) if fault.lengthens else 0.0),
    )


def _check_wire(
    found: Document, at: Path_, fault: Fault[Any], params: Any, hop: Hop, doc: FaultDoc, around: Around
) -> None:
    """Whether there is a link at this hop, and whether whoever breaks it can do this to it."""
    if hop is Hop.SHOP_DB and not around.has_database_link:
        words = (
            "the shop's database is a file, which no link leads to; legal: a database of the target that is a server"
        )
        raise found.error((*at, "at"), words)
    if VERSION in doc.select:
        raise found.error((*at, "select", VERSION), f"is read by mocks alone; {fault.name} is on the wire")
    assert fault.effect is not None
    if around.is_external and whom.needs_embedded(fault.effect(params)):
        raise found.error((*at, "fault"), f"{fault.name} is no toxic of the real Toxiproxy; legal: transport: embedded")


def read_by_hand(found: Document, at: Path_, raw: Any, around: Around) -> HandFault:
    """The same for a fault added by hand: of the mocks' own layer, without keys that speak of planned orders, and with
    an end. `lease_s` is a number of wire seconds, up to a day."""
    if not isinstance(raw, dict):
        raise found.error(at, f"{raw!r} is no fault; legal: a mapping of id, fault, at, …")
    fault = _named(found, at, raw)
    if fault.layer != "application":
        whose = WHOSE[fault.layer]
        raise found.error(
            (*at, "fault"), f"{fault.name} is {whose}; by hand: faults of the mocks, a run of a scenario plays the rest"
        )
    for key in NOT_BY_HAND:
        if key in raw and not (key == "select" and isinstance(raw[key], dict) and raw[key].keys() == {VERSION}):
            legal = f"rate, first, and as its end {LEASE_KEY} (--for)"
            raise found.error((*at, key), f"{key!r} cannot be given by hand; legal: {legal}")
    lease_s = _lease(found, at, raw)
    plan = read(found, at, {key: value for key, value in raw.items() if key != LEASE_KEY}, around)
    if not plan.id:
        raise found.error((*at, "id"), "is empty; every fault has an id of its own")
    if role_of(plan) not in around.roles.values():
        up = ", ".join(sorted(set(around.roles.values())))
        raise found.error((*at, "at"), f"no mock of role {role_of(plan)} is up; up: {up}")
    return HandFault(plan, lease_s)


def _lease(found: Document, at: Path_, raw: dict[str, Any]) -> float:
    lease_s = raw.get(LEASE_KEY, LEASE_BY_HAND_S)
    if isinstance(lease_s, bool) or not isinstance(lease_s, int | float) or not 0 < lease_s <= LEASE_BY_HAND_S_MAX:
        legal = f"seconds, above 0 and up to {LEASE_BY_HAND_S_MAX:g}"
        raise found.error((*at, LEASE_KEY), f"{lease_s!r} is not legal here; legal: {legal}")
    return float(lease_s)


def role_of(fault: FaultPlan) -> str:
    """The role of the mock that applies a fault of the application layer: the end of its hop that is neither shop nor
    buyer."""
    return next(end for end in fault.hops[0].split(">") if end not in ("shop", "buyer"))


def at_of(fault: FaultPlan) -> str:
    """Where a fault is applied, as it is written: `shop>payment/cheap`."""
    return f"{fault.hops[0]}/{fault.upstream}" if fault.upstream else str(fault.hops[0])


def written(fault: FaultPlan) -> dict[str, object]:
    """The fault as a scenario writes it, and `read` reads it back. What is as by default is left out."""
    doc = FaultDoc(
        id=fault.id,
        fault=fault.fault,
        at=at_of(fault),
        rate=fault.rate,
        orders=fault.orders,
        select=dict(fault.select),
        first=fault.first,
        window=fault.window,
        rolling=fault.rolling,
    )
    plain = msgspec.to_builtins(doc, enc_hook=to_text)
    is_set = {
        key: value for key, value in plain.items() if value not in (None, {}) and (key, value) != ("rate", "100%")
    }
    return {**is_set, **fault.params}


def _named(found: Document, at: Path_, raw: dict[str, Any]) -> Fault[Any]:
    name = str(raw.get("fault", ""))
    fault = catalog().get(name)
    if fault is None:
        raise found.error((*at, "fault"), f"no fault {name!r}{nearest(name, catalog())}")
    return fault


def _hop(found: Document, at: Path_, text: str, fault: Fault[Any], roles: Mapping[str, str]) -> tuple[Hop, str | None]:
    word, slash, upstream = text.partition("/")
    place = (*at, "at")
    if word not in list(Hop):
        raise found.error(place, f"no hop {word!r}{nearest(word, list(Hop))}")
    hop = Hop(word)
    if hop not in fault.hops:
        raise found.error(place, f"{fault.name} is not legal at {hop}; legal: {', '.join(fault.hops)}")
    if slash and upstream not in roles:
        raise found.error(place, f"no upstream {upstream!r}{nearest(upstream, roles)}")
    if slash and roles[upstream] not in word.split(">"):
        raise found.error(place, f"{upstream!r} plays {roles[upstream]}, which is no end of {word}")
    return hop, upstream or None


def _check_dialects(
    found: Document, at: Path_, fault: Fault[Any], hop: Hop, upstream: str | None, around: Around
) -> None:
    """Of a fault that means something in some dialects only: whether it does in what the upstream speaks, or, where
    none is named, in what one of them does. It then strikes those alone."""
    names = [upstream] if upstream else [name for name, role in around.roles.items() if role in hop.split(">")]
    spoken = list(dict.fromkeys(around.dialects[name] for name in names))
    if names and not any(is_legal(fault.dialects, dialect, hop) for dialect in spoken):
        legal = [dialect for dialect in DIALECTS if is_legal(fault.dialects, dialect, hop)]
        who = f"{upstream!r} speaks" if upstream else "the upstreams speak"
        raise found.error(
            (*at, "at"),
            f"{fault.name} means nothing at {hop} in {', '.join(spoken)}, which {who}; legal: {', '.join(legal)}",
        )


def _check_select(found: Document, at: Path_, select: dict[str, list[str]], mix: Mix, hop: Hop) -> None:
    rows = ("product", "channel", "region", "buyer", VERSION)
    for row, names in select.items():
        if row not in rows:
            raise found.error((*at, "select", row), f"unknown key {row!r}{nearest(row, rows)}")
        if row == VERSION:
            _check_versions(found, (*at, "select", row), names, hop)
            continue
        for name in names:
            if name not in getattr(mix, row):
                raise found.error(
                    (*at, "select", row), f"no {row} {name!r} in the mix{nearest(name, getattr(mix, row))}"
                )


def _check_versions(found: Document, at: Path_, names: list[str], hop: Hop) -> None:
    if hop not in TO_MOCKS:
        raise found.error(
            at, f"only requests say their version, and there is none at {hop}; legal: {', '.join(TO_MOCKS)}"
        )
    if not names or not all(names):
        raise found.error(at, "names no version; legal: the words of docs/faults.md, such as ['1.0']")


def _check_times(found: Document, at: Path_, doc: FaultDoc, end_s: float) -> None:
    if doc.first is not None and doc.first < 1:
        raise found.error((*at, "first"), f"{doc.first} is not legal here; legal: 1 or more attempts")
    if doc.window is not None and doc.window.low >= end_s:
        raise found.error(
            (*at, "window"),
            f"begins at {WireTime(doc.window.low).text()}, after the load has ended "
            f"({WireTime(round(end_s, 3)).text()})",
        )
    if doc.rolling is not None and doc.window is not None:
        raise found.error((*at, "rolling"), "a rolling upgrade has no window; legal: one of the two")

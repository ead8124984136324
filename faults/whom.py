"""Whom a fault may be for, by the place that it stands at: some orders, some connections, or all that is there."""

from collections.abc import Mapping
from typing import Any

from faults.catalog import ON_THE_WIRE, Cause, Fault, is_legal
from faults.verdict import Effect, OnWire
from ledger.states import Hop
from plan import requests
from plan.transport import Request

OF_ORDERS = ("rate", "orders", "select", "first", "rolling")
"""Keys that tell some orders from others, which what is done to the shop itself cannot."""
BY_KEY = tuple(key for key in OF_ORDERS if key != "rate")
"""What a proxy cannot heed where it does not know whose a connection is. A share of them it can strike."""

Tables = Mapping[str, tuple[Request, ...]]


def tables(hop: Hop, upstream: str | None, dialects: Mapping[str, str], buyer: tuple[Request, ...]) -> Tables:
    """For each instance at a hop (`shop>payment/epay`, `buyer>shop`) the requests that a proxy can read there, none
    where they do not tell whose they are. `buyer`: what buyers say to the shop."""
    if hop in (Hop.BUYER_SHOP, Hop.SHOP_DB):
        found = {str(hop): buyer if hop is Hop.BUYER_SHOP else ()}
    else:
        names = [upstream] if upstream else [name for name, dialect in dialects.items() if is_legal({}, dialect, hop)]
        found = {f"{hop}/{name}": requests.of(hop, dialects[name]) for name in names}
    return {at: table if any(r.tells_order for r in table) else () for at, table in found.items()}


def cause(fault: Fault[Any], hop: Hop) -> Cause:
    """The cause that it belongs to at this hop: on the wire it is the link of whoever is at its end."""
    if fault.layer in ON_THE_WIRE and hop in (Hop.SHOP_DB, Hop.BUYER_SHOP):
        return Cause.DATABASE_LINK if hop is Hop.SHOP_DB else Cause.BUYER
    return fault.cause


def refused(fault: Fault[Any], hop: Hop, key: str, at: Tables, *, is_external: bool) -> str:
    """Why a fault cannot heed a key at this place; empty where it can. `at` are the tables of the place."""
    if key not in OF_ORDERS:
        return ""
    if fault.of_hop:
        return f"{fault.name} at {hop} strikes all that is on the hop; legal: window"
    if fault.layer not in ON_THE_WIRE:
        is_house = hop in (Hop.SHOP, Hop.SHOP_DB)
        return f"{fault.name} at {hop} strikes the shop, whoever buys; legal: window" if is_house else ""
    if key not in BY_KEY:
        return ""
    if is_external:
        return f"a Toxiproxy of its own heeds no {key!r}; legal: rate, window, or transport: embedded"
    if blind := [place for place, table in at.items() if not table]:
        return f"what passes at {', '.join(blind)} does not tell whose it is; legal: rate, window"
    return ""


def is_blind(fault: Fault[Any], at: Tables, *, is_external: bool) -> bool:
    """Whether whoever applies a fault here strikes connections, not knowing whose they are."""
    return fault.layer in ON_THE_WIRE and (is_external or not all(at.values()))


def needs_embedded(effect: Effect) -> bool:
    """Whether only our own server can do this; the real Toxiproxy has no such toxic."""
    return isinstance(effect, OnWire) and any(toxic.is_ours for _, toxic in effect.toxics)

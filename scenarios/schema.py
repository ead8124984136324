"""The shape of a scenario file, as types; the JSON Schema for editors is made from them and from the catalogue."""

from typing import Any, Literal

import msgspec

from faults.catalog import catalog
from faults.read import FaultDoc
from ledger.states import State
from plan.arrivals import AnyShape
from plan.orders import Delay
from plan.run import COMPLAINT_AFTER, FORCED_AFTER, Evidence
from plan.units import BusinessTime, Share, WireTime, by_default, schema_of


class MixDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the orders are made of. The shares of each row sum to 100 %."""

    product: dict[str, Share]
    channel: dict[str, Share]
    pay_delay: Delay
    region: dict[str, Share] = {}
    buyer: dict[str, Share] = {}


class UpstreamDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named instance of a mock. `ladder`: gaps between the attempts of a notice, or the name of one of
    plan/ladders.py (none said: the dialect's own). `options` are the dialect's own settings (plan/dialects.py). A
    supplier's `stock` by product (none said: as many as are asked for); `on_repeat`, of a request number seen before:
    replay, reject or sell_again; `takes`: how long a game server works on a top-up; `complaint_after` a
    payment its channel takes the buyer's complaint, `forced_after` that it gives the money back; `file`: what an
    upstream of the dialect stub says."""

    dialect: str
    ladder: list[BusinessTime] | str | None = None
    notice_timeout: WireTime | None = None
    options: dict[str, str] = {}
    stock: dict[str, int] = {}
    on_repeat: Literal["replay", "reject", "sell_again"] = "replay"
    takes: WireTime = by_default(WireTime(0.2))
    complaint_after: BusinessTime = by_default(COMPLAINT_AFTER)
    forced_after: BusinessTime = by_default(FORCED_AFTER)
    file: str = ""


class ExternalDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Toxiproxy of the user's own: the address of its API (host:port, on this machine), or its binary (a path, or a
    name that is found in PATH)."""

    external: str


class ScenarioDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scenario file. `extends` names a base; `ci` says what changes in the short cut; `business_time` sets
    limits of the target that are business time, by their names in the target file. `transport`: who breaks the hops of
    wire faults (embedded, or a Toxiproxy); `on_proxy_death`: whether the run stops with it. `database`: which of the
    target's databases (none said: its first)."""

    about: str
    load: AnyShape
    mix: MixDoc
    upstreams: dict[str, UpstreamDoc]
    extends: str | None = None
    target: str = "cardshop"
    profile: str = "naive"
    seed: int = 7
    compress: float = 1.0
    business_time: dict[str, BusinessTime] = {}
    faults: list[dict[str, Any]] = []
    transport: Literal["embedded"] | ExternalDoc = "embedded"
    on_proxy_death: Literal["stop", "continue"] = "stop"
    database: str = ""
    deadline: BusinessTime = by_default(BusinessTime(300.0))
    stuck_after: dict[State, BusinessTime] = {}
    poll_every: WireTime | None = None
    warm_up: int = 10
    evidence: Evidence = Evidence()
    gates: list[str] = []
    abort_when: list[str] = []
    ci: dict[str, Any] = {}


def json_schema() -> dict[str, Any]:
    """JSON Schema of a scenario file, with every fault and its parameters."""
    schema = msgspec.json.schema(ScenarioDoc, schema_hook=schema_of)
    definitions = schema["$defs"]
    variants = []
    for name, fault in catalog().items():
        own = msgspec.json.schema(fault.params, schema_hook=schema_of)
        definitions.update({k: v for k, v in own["$defs"].items() if k != fault.params.__name__})
        common = msgspec.json.schema(FaultDoc, schema_hook=schema_of)["$defs"]["FaultDoc"]["properties"]
        params = own["$defs"][fault.params.__name__]
        variants.append(
            {
                "type": "object",
                "title": name,
                "description": f"{fault.label.en}: {fault.imitates}",
                "properties": {
                    **common,
                    "fault": {"const": name},
                    "at": {"type": "string", "pattern": f"^({'|'.join(fault.hops)})(/[a-z0-9_]+)?$"},
                    **params["properties"],
                },
                "required": ["id", "fault", "at", *params.get("required", [])],
                "additionalProperties": False,
            }
        )
    scenario = definitions["ScenarioDoc"]
    scenario["properties"]["faults"]["items"] = {"oneOf": variants}
    # A scenario that extends another gives only what it changes.
    scenario["required"] = ["about"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "orderjam scenario", **schema}

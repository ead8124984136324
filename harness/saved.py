"""A session of faults by hand, written as a scenario: each in force in the window in which it was."""

from collections.abc import Sequence
from typing import Any

import msgspec
import yaml

from faults.read import written
from harness.hand import Added, Said
from ledger.states import STUCK_AFTER_S
from plan.arrivals import Arrivals
from plan.faults import FaultPlan
from plan.run import Plan, UpstreamPlan
from plan.transport import EXTERNAL, STOP, Transport
from plan.units import Window, WireTime, to_text

SHORTEST_S = 0.1


def as_scenario(plan: Plan, said: Sequence[Said]) -> str | None:
    """The YAML of a scenario that plays what was done, beside what the plan itself breaks; None if nothing was done.

    The load is the plan's, longer where the session was: its last rate goes on. What is still in force ends now.
    """
    now_s = max((one.load_s for one in said), default=0.0)
    added = sorted((a for one in said for a in one.by_hand or []), key=lambda a: a.from_s)
    if not added:
        return None
    windows = [_window(a, now_s) for a in added]
    end_s = max(float(plan.load.points[-1][0]), *(w.high for w in windows))
    planned = [fault for fault in plan.faults if not _is_of_the_mix(fault)]
    scenario = {
        "about": f"Done by hand while mocks were up ({plan.scenario}). {plan.about}".strip(),
        "target": plan.target.file if _is_path(plan.target.name) else plan.target.name,
        "profile": plan.target.profile,
        "seed": plan.seed,
        "compress": plan.compress,
        "database": plan.target.database or None,
        **_transport(plan.transport),
        "business_time": plan.target.business_time,
        "load": _load(plan.load, end_s),
        "mix": plan.mix,
        "upstreams": {name: _upstream(upstream) for name, upstream in plan.upstreams.items()},
        "faults": [*map(written, planned), *_faults(added, windows, {fault.id for fault in planned})],
        "deadline": plan.deadline,
        "stuck_after": {state: s for state, s in plan.stuck_after.items() if s != STUCK_AFTER_S[state]},
        "poll_every": plan.poll_every,
        "warm_up": plan.warm_up_orders,
        "evidence": plan.evidence,
        "gates": [gate.text for gate in plan.gates],
        "abort_when": [abort.text for abort in plan.abort_when],
    }
    plain = _bare(msgspec.to_builtins(scenario, enc_hook=to_text, str_keys=True))
    return yaml.safe_dump(plain, allow_unicode=True, sort_keys=False, width=120, default_flow_style=None)


def _window(added: Added, now_s: float) -> Window:
    until_s = min(added.until_s, now_s)
    return Window(added.from_s, max(until_s, added.from_s + SHORTEST_S))


def _faults(added: list[Added], windows: list[Window], taken: set[str]) -> list[dict[str, Any]]:
    """Each as it was, in its window; one that was added twice is there twice, under ids of their own."""
    found = []
    for one, window in zip(added, windows, strict=True):
        name, n = one.id, 2
        while name in taken:
            name, n = f"{one.id}.{n}", n + 1
        taken.add(name)
        found.append({**one.fault, "id": name, "window": window.text()})
    return found


def _load(load: Arrivals, end_s: float) -> dict[str, Any]:
    """The same curve, to the end of the session at least."""
    last_s, rate = load.points[-1]
    longer, orders = end_s > float(last_s), {"orders": load.orders}
    if load.poisson:
        return {"shape": "poisson", "rate": rate, "orders": load.orders + round(max(0.0, end_s - last_s) * rate)}
    if load.shape == "constant":
        return {"shape": "constant", "rate": rate, **({"duration": WireTime(end_s)} if longer else orders)}
    points = [list(point) for point in load.points]
    if longer:
        return {"shape": "curve", "points": [*points, [WireTime(end_s), rate]]}
    return {"shape": "curve", "points": points, **orders}


def _transport(transport: Transport) -> dict[str, Any]:
    """Who breaks the hops, where it is not as usual."""
    found: dict[str, Any] = {} if transport.on_proxy_death == STOP else {"on_proxy_death": transport.on_proxy_death}
    return found | ({"transport": {EXTERNAL: transport.external}} if transport.server == EXTERNAL else {})


def _is_of_the_mix(fault: FaultPlan) -> bool:
    """Whether the loader made it from a kind of buyer in the mix, and will again."""
    own = fault.layer == "buyer" and fault.id == fault.fault and fault.select == {"buyer": [fault.id]}
    return own and not fault.params


def _is_path(name: str) -> bool:
    return name.endswith((".yaml", ".yml")) or "/" in name


def _upstream(upstream: UpstreamPlan) -> dict[str, Any]:
    """As a scenario writes it: its dialect says its role, its file its stubs, and the usual goes without saying."""
    plain: dict[str, Any] = msgspec.to_builtins(upstream, enc_hook=to_text)
    usual = msgspec.to_builtins(UpstreamPlan(upstream.role, "", stubs=upstream.stubs), enc_hook=to_text)
    return {key: value for key, value in plain.items() if value != usual[key]}


def _bare(value: Any) -> Any:
    """Without what says nothing: null, and empty lists and mappings."""
    if isinstance(value, dict):
        return {key: _bare(inner) for key, inner in value.items() if inner not in (None, [], {}, ())}
    return [_bare(inner) for inner in value] if isinstance(value, list | tuple) else value

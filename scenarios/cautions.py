"""What is said of a plan before it is played: what may mislead, and who breaks which hops."""

from collections.abc import Iterator
from typing import Any

import msgspec

from faults import whom
from faults.catalog import ON_THE_WIRE, Fault, catalog
from plan.arrivals import Schedule
from plan.faults import FaultPlan
from plan.run import Plan
from plan.transport import EXTERNAL
from plan.units import WireTime, from_text


def warnings(plan: Plan) -> list[str]:
    """What `check` says of a plan that can be run but may mislead."""
    found = []
    shortest = min(plan.wire_s(s) for s in plan.stuck_after.values())
    last_due_s = Schedule(plan.load, plan.seed).last_due_s
    for fault in plan.faults:
        for key, value in fault.params.items():
            wire = _wire_seconds(catalog()[fault.fault], key, value)
            if wire is not None and wire >= shortest:
                found.append(
                    f"fault {fault.id}: {key} {value} weighs {wire * plan.compress:g} s of business time at compress "
                    f"{plan.compress:g} and reaches the stuck threshold of {shortest * plan.compress:g} s"
                )
        if fault.window and fault.window.low > last_due_s:
            found.append(f"fault {fault.id}: begins after the last order is due")
    found += _of_the_wire(plan)
    if plan.load.orders < plan.evidence.orders:
        wanted = plan.evidence.orders
        found.append(f"{plan.load.orders} orders are planned, but an invariant passes only on {wanted} paid ones")
    return found


def _wire_seconds(fault: Fault[Any], key: str, value: object) -> float | None:
    if key == "ms" and isinstance(value, int | float):
        return value / 1000
    kinds = {f.encode_name: f.type for f in msgspec.structs.fields(fault.params)}
    if kinds.get(key) is WireTime:
        return float(from_text(WireTime, value))
    return None


def _of_the_wire(plan: Plan) -> list[str]:
    """Of wire faults that strike connections, for nobody can tell there whose they are."""
    found = []
    for fault in _on_the_wire(plan):
        if catalog()[fault.fault].of_hop:  # its window says when, and nobody is drawn
            continue
        if blind := [at for at in _places(plan, fault) if at not in plan.requests]:
            found.append(f"fault {fault.id}: at {', '.join(blind)} by connection, not repeatable")
        elif plan.transport.server == EXTERNAL:
            found.append(f"fault {fault.id}: a Toxiproxy of its own draws whom it strikes, not repeatable")
    return found


def told(plan: Plan) -> str:
    """Who breaks which hops, for `check` and dry runs; empty where no fault is on the wire."""
    faults = list(_on_the_wire(plan))
    if not faults:
        return ""
    transport = plan.transport
    server = f"Toxiproxy ({transport.external})" if transport.server == EXTERNAL else "the embedded server"
    hops: dict[str, str] = {}
    for fault in faults:
        by = "the kernel" if fault.layer == "kernel" else server
        hops |= {f"{at} ({fault.fault})": by for at in _places(plan, fault)}
    return f"wire: {'; '.join(f'{at} by {by}' for at, by in hops.items())}; on its death: {transport.on_proxy_death}"


def _on_the_wire(plan: Plan) -> Iterator[FaultPlan]:
    return (fault for fault in plan.faults if fault.layer in ON_THE_WIRE)


def _places(plan: Plan, fault: FaultPlan) -> list[str]:
    dialects = {name: upstream.dialect for name, upstream in plan.upstreams.items()}
    return [at for hop in fault.hops for at in whom.tables(hop, fault.upstream, dialects, ())]

"""Which server broke which hop, how often, and whether whom it struck can be repeated."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from plan.run import Plan
from plan.transport import EXTERNAL
from reports.findings import WireRow

Columns = dict[str, npt.NDArray[Any]]
_KERNEL = ("the kernel, true loss", "内核，真实丢包")
_EMBEDDED = ("the embedded server", "内置代理")


_NAMED = re.compile(r"through Toxiproxy (?P<version>\S+) at (?P<at>[^\s;]+)")


def rows(plan: Plan, struck: Columns, notes: Iterable[str] = ()) -> list[WireRow]:
    """One row for each fault on the wire and hop where it struck, and one for each that struck nowhere. `struck`: see
    `Stories.struck_at`; `notes`: what the harness noted, also which Toxiproxy it found."""
    named = next((m for note in notes if (m := _NAMED.search(note))), None)
    found = []
    for fault in plan.faults:
        if fault.layer not in ("wire", "kernel"):
            continue
        en, zh = _server(plan, fault.layer, named)
        is_kernel = fault.layer == "kernel"
        is_counted = not is_kernel and plan.transport.server != EXTERNAL
        mine = struck["fault"] == fault.id
        hops = sorted(set(struck["hop"][mine].tolist())) or [
            f"{hop}/{fault.upstream}" if fault.upstream else str(hop) for hop in fault.hops
        ]
        for hop in hops:
            here = mine & (struck["hop"] == hop)
            keyed = here & (struck["keyed_by"] == "key")
            n, by_key = (_sum(struck["n"], here), _sum(struck["n"], keyed)) if is_counted else (None, None)
            packets = _sum(struck["packets"], here) if is_kernel else None
            is_repeatable = is_counted and not fault.is_exposure and n == by_key
            found.append(WireRow(fault.id, hop, en, zh, n, by_key, packets, is_repeatable))
    return found


def _sum(column: npt.NDArray[Any], which: npt.NDArray[np.bool_]) -> int:
    return int(column[which].sum())


def _server(plan: Plan, layer: str, named: re.Match[str] | None) -> tuple[str, str]:
    if layer == "kernel":
        return _KERNEL
    if plan.transport.server == EXTERNAL and named is not None:
        version, at = named["version"], named["at"]
        return f"Toxiproxy {version} at {at}", f"外部 Toxiproxy {version}（{at}）"
    if plan.transport.server == EXTERNAL:
        return f"Toxiproxy ({plan.transport.external})", f"外部 Toxiproxy（{plan.transport.external}）"
    return _EMBEDDED

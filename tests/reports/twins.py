"""Runs of the same few orders, made by tests to be laid beside each other: who was stuck, lost or well."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from ledger import events as facts
from ledger.rundir import RunDir
from ledger.states import Phase, State
from tests.reports.conftest import L0_S, RunMaker, fault, make_plan, ns

DUSK = fault("dusk", (1.0, 3.0))
"""On from 11 s to 13 s of the run's axis."""
N = 8


def run_of(
    folder: Path,
    *,
    stuck: Collection[int] = (),
    lost: Collection[int] = (),
    unpaid: Collection[int] = (),
    heal_note: str = "",
    **plan: Any,
) -> RunDir:
    """A whole run of N orders, one due every tenth of a second and paid a second later, in a folder of its own."""
    made = RunMaker(folder, make_plan(N, **plan))
    for n in range(N):
        at = L0_S + n / 10
        order = made.order(n)
        if n in unpaid:
            order.placed(at).seen(State.PAYING, at + 0.2).booked(State.PAYING)
        elif n in lost:
            order.placed(at).seen(State.PAYING, at + 0.2).captured(at + 1).seen(State.EXPIRED, at + 2)
            order.booked(State.EXPIRED)
        elif n in stuck:
            order.sleeping(at)
        else:
            order.happy(at)
    if heal_note:
        made.put("harness", facts.PhaseBegan(t=ns(made.heal_s) - 1, phase=Phase.HEAL, note=heal_note))
    return made.write()

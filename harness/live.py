"""What a person sees while a run goes on: one screen on a terminal, a line every ten seconds elsewhere."""

import asyncio
import sys

from rich.console import Console
from rich.live import Live
from rich.table import Table

from harness.run import Run
from harness.timeline import MockStatus
from ledger.clock import SECOND_NS
from ledger.states import Phase, State
from ledger.status import DriverStatus

FRAME_S = 0.5
LINE_S = 10.0


async def show(run: Run, console: Console) -> None:
    """Shows the run until cancelled."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=2, transient=True) as live:
            while True:
                live.update(_screen(run))
                await asyncio.sleep(FRAME_S)
    while True:
        await asyncio.sleep(LINE_S)
        print(_line(run), file=sys.stderr, flush=True)


def _line(run: Run) -> str:
    if run.timeline is None:
        return "preparing"
    totals = run.timeline.totals()
    faults = ", ".join(_faults(run)) or "none"
    return (
        f"{_where(run)} | sent {totals.sent}/{run.plan.load.orders} placed {totals.placed} paid {totals.paid} "
        f"open {totals.open} overdue {totals.overdue} lost {totals.lost} errors {totals.errors} | "
        + "".join(f"{words} | " for words in _beside(run, totals))
        + f"faults in force: {faults}"
    )


def _where(run: Run) -> str:
    timeline = run.timeline
    if timeline is None:
        return "prepare"
    if timeline.phase is Phase.LOAD and timeline.l0_t is not None:
        load_s = (timeline.clock.t() - timeline.l0_t) / SECOND_NS
        return f"load {max(load_s, 0):.0f}/{run.load_s:.0f} s"
    return str(timeline.phase)


def _faults(run: Run) -> list[str]:
    """The faults in force, whoever applies them."""
    if run.timeline is None:
        return []
    found = {fault for status in run.timeline.mock_status.values() for fault in status.faults}
    found |= {*run.timeline.totals().faults, *(run.house.in_force if run.house else ())}
    found |= {*run.wires.in_force} if run.wires else set()
    return sorted(found)


def _beside(run: Run, totals: DriverStatus) -> list[str]:
    """What is worth a word only where there is some of it: restarts of the shop, conditions to stop early."""
    restarts = run.shop.restarts if run.shop else 0
    return [*([f"shop restarts {restarts}"] if restarts else []), *run.watchman.counts(totals)]


def _screen(run: Run) -> Table:
    totals = run.timeline.totals() if run.timeline else DriverStatus()
    mocks = run.timeline.mock_status if run.timeline else {}
    table = Table(
        title=f"orderjam {run.plan.scenario} · {run.plan.target.name} {run.plan.target.profile} · {_where(run)}"
    )
    table.add_column("orders")
    table.add_column("open, by state 未完成")
    table.add_column("health")
    table.add_column("faults in force 故障")
    orders = "\n".join(
        f"{name:<8}{value:>8}"
        for name, value in (
            ("planned", run.plan.load.orders),
            ("sent", totals.sent),
            ("unsent", totals.unsent),
            ("placed", totals.placed),
            ("paid", totals.paid),
            ("ended", totals.ended),
            ("open", totals.open),
            ("overdue", totals.overdue),
            ("lost", totals.lost),
        )
    )
    health = "\n".join([_health(totals, mocks), *_beside(run, totals)])
    table.add_row(orders, _states(totals), health, "\n".join(_faults(run)) or "–")
    return table


def _states(totals: DriverStatus) -> str:
    known = {str(s): s for s in State}
    rows = sorted(totals.by_state.items(), key=lambda item: -item[1])
    return "\n".join(f"{known[s].zh if s in known else '':<6} {s:<12}{n:>6}" for s, n in rows) or "–"


def _health(totals: DriverStatus, mocks: dict[str, MockStatus]) -> str:
    rows = [f"send p99 late {totals.late_p99_ms:8.1f} ms", f"driver lag     {totals.lag_ms:8.1f} ms"]
    rows += [
        f"{name:<14} {status.lag_ms:8.1f} ms lag, {status.open_notices} notices due" for name, status in mocks.items()
    ]
    return "\n".join([*rows, f"requests {totals.requests}, errors {totals.errors}"])

"""One hop with true packet loss as a process: in a run by plan.yaml and phase.json, or alone by its arguments."""

import argparse
import asyncio
import ctypes
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec
import uvloop

from faults.kernel.hop import hop, lay
from faults.kernel.keeper import LOOK_NS, Keeper, is_in_force, next_edge
from faults.kernel.loss import TrueLoss
from faults.kernel.machine import Machine, none
from faults.kernel.space import Refused, ToolError, sweep
from ledger.clock import Epoch, RunClock
from ledger.errors import first_of
from ledger.events import Struck
from ledger.journal import JournalError, Voice, keep_sealing
from ledger.phasefile import PhaseFile
from ledger.rundir import RunDir, RunDirError, write_atomically
from plan import run as plans
from plan.document import DocumentError
from plan.faults import FaultPlan
from plan.loopback import is_loopback_host
from plan.units import from_text

WRONG_USE, BROKE = 2, 5
_PR_SET_PDEATHSIG = 1


class WrongUse(Exception):
    """An argument that is not legal: which, its value and what is."""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -P -m faults.kernel",
        description="Carries connections over a wire whose packets the kernel really drops. Linux; root or user"
        " namespaces; `ip` and netem or `nft`. Nothing outside its own two network namespaces is changed.",
    )
    parser.add_argument("--probe", action="store_true", help="print what this machine allows, as JSON, and end")
    parser.add_argument("--listen", default="127.0.0.1:0", help="HOST:PORT, loopback; 0 takes a free one (default)")
    parser.add_argument("--upstream", help="HOST:PORT, loopback")
    parser.add_argument("--port-file", type=Path, help="gets the port as soon as connections are accepted")
    run = parser.add_argument_group("in a run")
    run.add_argument("--run", type=Path, help="run directory: plan.yaml and events/")
    run.add_argument("--epoch", type=Epoch.parse, help="where the run's axis begins: MONOTONIC:WALL")
    run.add_argument("--writer", default="kernel-0", help="name of its journals (default: %(default)s)")
    run.add_argument("--state", type=Path, help="folder in which the harness replaces phase.json")
    run.add_argument("--fault", help="id of a fault of the plan, of layer kernel")
    run.add_argument("--hop", help="what stands in the journal, as shop>supplier/cheap (default: the fault's first)")
    alone = parser.add_argument_group("alone", "always in force; see wire.true_loss in docs/faults.md")
    for field in msgspec.structs.fields(TrueLoss):
        alone.add_argument(f"--{field.name.replace('_', '-')}", dest=field.name, metavar=_METAVARS[field.name])
    return parser


_METAVARS = {
    "loss": "5%%", "burst": "3", "curve": "1000/s:1%%,2000/s:5%%", "delay": "20ms", "jitter": "5ms", "reorder": "10%%",
    "duplicate": "1%%", "kb_s": "500",
}  # fmt: skip


def _address(text: str, flag: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isdecimal() or not port.isascii() or int(port) > 65535:
        raise WrongUse(f"{flag} {text!r}: legal is HOST:PORT, such as 127.0.0.1:8080")
    if not is_loopback_host(host):
        raise WrongUse(f"{flag} {text!r}: only addresses of this machine, such as 127.0.0.1 or [::1]")
    return ("127.0.0.1" if host == "localhost" else host), int(port)


def _asked_alone(args: argparse.Namespace) -> TrueLoss:
    given = {f.name: value for f in msgspec.structs.fields(TrueLoss) if (value := getattr(args, f.name)) is not None}
    if "curve" in given:
        given["curve"] = [step.split(":") for step in given["curve"].split(",")]
        if any(len(step) != 2 for step in given["curve"]):
            raise WrongUse(f"--curve {args.curve!r}: legal are steps RATE:SHARE, such as 1000/s:1%,2000/s:5%")
    try:
        return msgspec.convert(given, TrueLoss, dec_hook=from_text, strict=False)
    except msgspec.ValidationError as error:
        words, _, place = str(error).partition(" - at `$.")
        raise WrongUse(f"--{place.strip('`').replace('_', '-')}: {words}" if place else words) from None


def _planned(args: argparse.Namespace) -> tuple[FaultPlan, TrueLoss]:
    """The fault of the plan and what it asks of the wire."""
    faults = {fault.id: fault for fault in plans.load(RunDir(args.run).plan).faults if fault.layer == "kernel"}
    fault = faults.get(args.fault)
    if fault is None:
        raise WrongUse(f"--fault {args.fault!r}: the plan's faults of layer kernel are {', '.join(faults) or 'none'}")
    if fault.chooses_orders or fault.first is not None or fault.rolling is not None or float(fault.rate) != 1.0:
        raise WrongUse(f"--fault {fault.id}: true loss strikes packets, not orders: it takes a window, nothing else")
    try:
        return fault, msgspec.convert(fault.params, TrueLoss, dec_hook=from_text)
    except msgspec.ValidationError as error:
        raise WrongUse(f"--fault {fault.id}: {error}") from None


class Setup(msgspec.Struct, frozen=True):
    """The command line, checked. In a run `fault` says when and `run` where to journal."""

    listen: tuple[str, int]
    upstream: tuple[str, int]
    asked: TrueLoss
    hop: str
    epoch: Epoch
    writer: str
    port_file: Path | None
    fault: FaultPlan | None = None
    run: Path | None = None
    state: Path | None = None


def set_up(args: argparse.Namespace) -> Setup:
    if args.upstream is None:
        raise WrongUse("--upstream HOST:PORT is missing: where connections are carried to")
    in_run = {"--run": args.run, "--epoch": args.epoch, "--state": args.state, "--fault": args.fault}
    missing = [name for name, value in in_run.items() if value is None]
    if 0 < len(missing) < len(in_run):
        raise WrongUse(f"{', '.join(missing)} missing: {', '.join(in_run)} go together")
    is_alone = bool(missing)
    fault, asked = (None, _asked_alone(args)) if is_alone else _planned(args)
    return Setup(
        listen=_address(args.listen, "--listen"),
        upstream=_address(args.upstream, "--upstream"),
        asked=asked,
        hop=args.hop or (fault.hops[0] if fault else "wire"),
        epoch=args.epoch or Epoch.now(),
        writer=args.writer,
        port_file=args.port_file,
        fault=fault,
        run=args.run,
        state=args.state,
    )


async def _run(setup: Setup) -> None:
    clock, stop = RunClock(setup.epoch), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with ExitStack() as stack:
        voice = stack.enter_context(Voice(RunDir(setup.run).events, setup.writer)) if setup.run else None
        async with (
            hop(setup.asked, setup.listen, setup.upstream) as laid,
            asyncio.TaskGroup() as tasks,
        ):
            keeper = Keeper(
                laid.wire,
                setup.asked,
                clock,
                fault=setup.fault.id if setup.fault else "wire",
                hop=setup.hop,
                in_force=_in_force(setup.fault, setup.state),
                report=voice.append if voice else _show,
                say=_say,
            )
            sealing = [tasks.create_task(keep_sealing(voice, clock), name="seal")] if voice else []
            await keeper.look()
            if setup.run is not None:
                _die_with_parent()
            if setup.port_file is not None:
                write_atomically(setup.port_file, str(laid.port).encode())
            _say(f"listens on {setup.listen[0]}:{laid.port}; packets are dropped by {laid.by}")
            await keeper.keep(stop)
            for task in sealing:
                task.cancel()


def _in_force(fault: FaultPlan | None, state: Path | None) -> Callable[[int], tuple[bool, int]]:
    if fault is None:
        return lambda t: (True, t + LOOK_NS)
    assert state is not None
    file = PhaseFile(state)

    def now(t: int) -> tuple[bool, int]:
        told = file.look()
        return is_in_force(fault, told, t), next_edge(fault, told, t)

    return now


def _say(words: str) -> None:
    print(words, flush=True)


def _show(event: Struck) -> None:
    _say(event.changed)


def _probe() -> Machine:
    """What can be laid and dropped here, tried out."""
    with ExitStack() as stack:
        try:
            return lay(stack)[0]
        except Refused as error:
            return none(str(error))


def _die_with_parent() -> None:
    """SIGTERM as soon as the harness has gone, however it went; the guard comes later."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def main() -> int:
    """Carries connections until SIGTERM or SIGINT; the exit code, after one line for what went wrong."""
    args = parser().parse_args()
    try:
        if args.probe:
            print(msgspec.json.encode(_probe()).decode())
            return 0
        setup = set_up(args)
        for pid in sweep():
            _say(f"ended process {pid}, left over by one of us that was killed")
        uvloop.run(_run(setup))
    except Exception as error:
        reason = first_of(error)
        if not isinstance(
            reason, Refused | WrongUse | DocumentError | JournalError | RunDirError | ToolError | OSError
        ):
            raise
        print(f"faults.kernel: {reason}", file=sys.stderr)
        return WRONG_USE if isinstance(reason, Refused | WrongUse | DocumentError) else BROKE
    return 0


if __name__ == "__main__":
    sys.exit(main())

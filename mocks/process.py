"""One mock as a process: its arguments, its keys from the environment, its journal, its exit codes."""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

import uvloop

from ledger.clock import Epoch, RunClock
from ledger.errors import first_of
from ledger.journal import JournalError, Voice, keep_sealing
from ledger.rundir import RunDir, write_atomically
from mocks.ports import Ports, own_first
from mocks.post import postman, sender
from mocks.server import Server, Unmatcher, serve
from mocks.tripwire import Tripwire
from mocks.upstreams import SetupError, Upstreams, read_keys
from plan import run as plans
from plan.document import DocumentError
from plan.loopback import is_loopback_host
from plan.run import Plan

KEYS_VARIABLE = "ORDERJAM_UPSTREAMS"
TOKEN_VARIABLE = "ORDERJAM_ADMIN_TOKEN"
WRONG_USE, BROKE = 2, 5


def _arguments(role: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -P -m mocks.{role}",
        description=f"The {role} upstreams of a run, as one server.",
        epilog=f"{KEYS_VARIABLE} holds the merchants, {TOKEN_VARIABLE} the token for /_admin.",
    )
    parser.add_argument("--run", required=True, type=Path, help="run directory: plan.yaml and events/")
    parser.add_argument("--epoch", required=True, type=Epoch.parse, help="where the run's axis begins: MONOTONIC:WALL")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: %(default)s)")
    parser.add_argument("--port", default=0, type=int, help="0 takes a free one (default)")
    parser.add_argument("--port-file", type=Path, help="gets the ports as soon as connections are accepted")
    parser.add_argument("--writer", default=role, help="name of its journals (default: %(default)s)")
    parser.add_argument("--by-hand", action="store_true", help="PUT /_admin/faults may switch faults while it runs")
    parser.add_argument("--signal-fd", type=int, help="pipe that is told of struck notices that were acknowledged")
    parser.add_argument(
        "--through", type=_place, action="append", default=[], metavar="NAME=HOST:PORT",
        help="the proxy of the wire through which an instance tells the shop",
    )  # fmt: skip
    return parser.parse_args()


def _place(text: str) -> tuple[str, str, int]:
    name, _, at = text.partition("=")
    host, _, port = at.rpartition(":")
    if not name or not is_loopback_host(host) or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}; legal: NAME=HOST:PORT, on this machine")
    return name, host, int(port)


async def _run(kind: type[Upstreams], args: argparse.Namespace, plan: Plan, token: str | None) -> None:
    keys = read_keys(os.environ.get(KEYS_VARIABLE), plan, role=kind.role, variable=KEYS_VARIABLE)
    clock, stop = RunClock(args.epoch), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    with Voice(RunDir(args.run).events, args.writer) as voice:
        async with postman() as session, asyncio.TaskGroup() as tasks:
            mock = kind(
                plan,
                keys,
                clock=clock,
                wall_ns=args.epoch.wall_ns,
                append=voice.append,
                send=sender(session),
                tasks=tasks,
                token=token,
                by_hand=args.by_hand,
                sends={name: sender(session, (host, at)) for name, host, at in args.through},
                signal=Tripwire(args.signal_fd) if args.signal_fd is not None else None,
            )
            server = Server(mock, Unmatcher(voice.append, clock, mock.routes(), mock.secrets))
            owned = [
                tasks.create_task(keep_sealing(voice, clock), name="flush"),
                tasks.create_task(mock.lag.watch(clock), name="lag"),
            ]
            own = await mock.listen(args.host, own_first(args.port))

            def announce(port: int) -> None:
                if args.port_file is not None:
                    write_atomically(args.port_file, Ports(port, own).written().encode())

            await serve(server, args.host, args.port, announce=announce, until=stop, release=mock.injector.release)
            mock.stop()
            for task in owned:
                task.cancel()


def main(kind: type[Upstreams]) -> int:
    """Serves every instance of a role until SIGTERM or SIGINT; the exit code, after one line for what went wrong."""
    args = _arguments(kind.role)
    token = os.environ.get(TOKEN_VARIABLE) or None
    try:
        if token is None and not is_loopback_host(args.host):
            raise SetupError(f"--host {args.host} can be reached from outside; set {TOKEN_VARIABLE} to protect /_admin")
        plan = plans.load(RunDir(args.run).plan)
        uvloop.run(_run(kind, args, plan, token))
    except Exception as error:
        reason = first_of(error)
        if not isinstance(reason, SetupError | DocumentError | JournalError | OSError):
            raise
        print(f"mocks.{kind.role}: {reason}", file=sys.stderr)
        return WRONG_USE if isinstance(reason, SetupError | DocumentError) else BROKE
    return 0

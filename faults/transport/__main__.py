"""The wire of a run as a process: python -P -m faults.transport, its journal, its exit codes."""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import uvloop

from faults.transport.addresses import bound
from faults.transport.admin import Admin
from faults.transport.api import app
from faults.transport.proxies import Proxies
from faults.transport.serving import serve, take_all_descriptors
from faults.transport.wires import Wires
from ledger.clock import Epoch, RunClock
from ledger.errors import first_of
from ledger.journal import JournalError, Voice, keep_sealing
from ledger.rundir import RunDir, write_atomically
from plan import run as plans
from plan.document import DocumentError
from plan.loopback import is_loopback_host
from plan.run import Plan

TOKEN_VARIABLE = "ORDERJAM_ADMIN_TOKEN"
WRONG_USE, BROKE = 2, 5


class SetupError(Exception):
    """The flags and the environment do not fit together: one line with the way out."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -P -m faults.transport",
        description="The proxies of a run: Toxiproxy's API, and /_admin for the harness.",
        epilog=f"{TOKEN_VARIABLE} holds the token for all of it.",
    )
    parser.add_argument("--run", required=True, type=Path, help="run directory: plan.yaml and events/")
    parser.add_argument("--epoch", required=True, type=Epoch.parse, help="where the run's axis begins: MONOTONIC:WALL")
    parser.add_argument("--host", default="127.0.0.1", help="where the API listens (default: %(default)s)")
    parser.add_argument("--port", default=0, type=int, help="0 takes a free one (default)")
    parser.add_argument("--port-file", type=Path, help="gets the port as soon as connections are accepted")
    parser.add_argument("--writer", default="wire", help="name of its journals (default: %(default)s)")
    return parser.parse_args()


class Breaks:
    """Notes the first error of our own that a callback of the loop raised: no task would tell of it."""

    def __init__(self, stop: asyncio.Event) -> None:
        self.error: Exception | None = None
        self._stop = stop

    def take(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, Exception) and not isinstance(error, ConnectionError | TimeoutError):
            self.error = self.error or error
            self._stop.set()
        else:
            loop.default_exception_handler(context)


async def _run(args: argparse.Namespace, plan: Plan, token: str | None) -> None:
    clock, stop, loop = RunClock(args.epoch), asyncio.Event(), asyncio.get_running_loop()
    breaks = Breaks(stop)
    loop.set_exception_handler(breaks.take)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with Voice(RunDir(args.run).events, args.writer) as voice, bound(args.host, args.port) as listening:
        proxies = Proxies(seed=plan.seed)
        wires = Wires(plan, proxies, clock=clock, append=voice.append)
        application = app(proxies)
        Admin(wires, token).install(application)

        def announce(port: int) -> None:
            if args.port_file is not None:
                write_atomically(args.port_file, f"{port}\n".encode())

        async with asyncio.TaskGroup() as tasks:
            owned = [
                tasks.create_task(keep_sealing(voice, clock), name="flush"),
                tasks.create_task(wires.lag.watch(clock), name="lag"),
                tasks.create_task(wires.watch(), name="watch"),
            ]
            await serve(application, listening, announce=announce, until=stop)
            for task in owned:
                task.cancel()
        proxies.close()
        if breaks.error is not None:
            raise breaks.error


def main() -> int:
    """Serves until SIGTERM or SIGINT; the exit code, after one line for what went wrong."""
    args = _arguments()
    token = os.environ.get(TOKEN_VARIABLE) or None
    try:
        if token is None and not is_loopback_host(args.host):
            raise SetupError(f"--host {args.host} can be reached from outside; set {TOKEN_VARIABLE} to protect it")
        plan = plans.load(RunDir(args.run).plan)
        take_all_descriptors()
        uvloop.run(_run(args, plan, token))
    except Exception as error:
        reason = first_of(error)
        if not isinstance(reason, SetupError | DocumentError | JournalError | OSError):
            raise
        print(f"faults.transport: {reason}", file=sys.stderr)
        return WRONG_USE if isinstance(reason, SetupError | DocumentError) else BROKE
    return 0


if __name__ == "__main__":
    sys.exit(main())

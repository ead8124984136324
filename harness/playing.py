"""A plan played on this machine into a run directory: what made it, its folder, the live screen beside it."""

import asyncio
import platform
import shlex
import socket
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec
from rich.console import Console

from harness import live
from harness.cli_common import say
from harness.run import Ended, Options, Run
from ledger.clock import utc_now
from ledger.rundir import RunDir
from plan import run as plans
from plan.run import Made, Plan


def made(plan: Plan, replay_words: Sequence[str]) -> Plan:
    """The plan, and in it what plays it; `replay_words` follow `orderjam run`."""
    found = Made(
        orderjam=version("orderjam"),
        python=platform.python_version(),
        git=_git(),
        host=f"{socket.gethostname()}, {platform.system()} {platform.machine()}",
        at=utc_now().isoformat(timespec="seconds"),
        replay=shlex.join(["orderjam", "run", *replay_words]),
    )
    return msgspec.structs.replace(plan, made=found)


def _git() -> str:
    try:
        ran = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout.strip()


def folder_for(plan: Plan, out: Path) -> RunDir:
    """A new run directory below `out` that holds the plan; RunDirError where it cannot be made."""
    folder = RunDir.create(out, plan.scenario, plan.seed, plan.without)
    plans.save(plan, folder.plan)
    return folder


def play(plan: Plan, folder: RunDir, options: Options) -> Ended:
    """Plays the plan to its end, with what goes on told on standard error; no report is made."""
    return asyncio.run(_play(plan, folder, options))


async def _play(plan: Plan, folder: RunDir, options: Options) -> Ended:
    run = Run(plan, folder, options, say)
    async with asyncio.TaskGroup() as group:
        shown = group.create_task(live.show(run, Console(stderr=True)), name="live screen")
        ended = await run.play()
        shown.cancel()
    return ended

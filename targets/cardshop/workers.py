"""The worker processes: started by the web process in its own process group, poked by it, replaced when they die."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from targets.cardshop.database import DATABASE_AWAY
from targets.cardshop.delivering import LOG
from targets.cardshop.jobs import Jobs

_RESTART_AFTER_S = 0.1
_GOODBYE_S = 5.0


class Workers:
    """A fixed number of workers. Each reads its standard input: a byte is a poke, the end of it means that the web
    process is gone."""

    def __init__(self, command: Sequence[str], pid_file: Path) -> None:
        self._command = command
        self._pid_file = pid_file
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._turn = 0

    def poke(self) -> None:
        """Tell one of the workers, each in its turn, that there is something in the queue."""
        names = list(self._running)
        if not names:
            return
        self._turn = (self._turn + 1) % len(names)
        stdin = self._running[names[self._turn]].stdin
        # A stopped worker does not read: what has not left yet is poke enough.
        if stdin is not None and not stdin.is_closing() and stdin.transport.get_write_buffer_size() == 0:
            stdin.write(b".")

    async def keep(self, name: str, jobs: Jobs, *, now: Callable[[], float], releases: bool) -> None:
        """Run one worker for ever; when it dies, free what it held (switch recover_after_crash) and start another."""
        while True:
            process = await asyncio.create_subprocess_exec(
                *self._command, "--worker", name, stdin=asyncio.subprocess.PIPE
            )
            self._note(name, process)
            try:
                await process.wait()
            except asyncio.CancelledError:
                await self._end(process)
                self._note(name, None)
                raise
            self._note(name, None)
            LOG.error("%s: ended with %s, starting another", name, process.returncode)
            if releases:
                try:
                    await jobs.release("worker", now=now(), worker=name)
                except DATABASE_AWAY as error:  # its leases run out by themselves
                    LOG.warning("%s: database away (%s)", name, type(error).__name__)
            await asyncio.sleep(_RESTART_AFTER_S)

    def _note(self, name: str, process: asyncio.subprocess.Process | None) -> None:
        self._running.pop(name, None)
        if process is not None:
            self._running[name] = process
        write_pids(self._pid_file, [running.pid for running in self._running.values()])

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        """Ask it to finish what it is at; what does not is killed."""
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(_GOODBYE_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def own_command(arguments: Sequence[str]) -> list[str]:
    """What starts a process of this shop again with the same arguments."""
    return [sys.executable, "-P", "-m", "targets.cardshop", *arguments]


def write_pids(file: Path, pids: Sequence[int]) -> None:
    """One process number a line; whoever reads the file never reads half of it."""
    beside = file.with_name(file.name + ".part")
    beside.write_text("".join(f"{pid}\n" for pid in pids))
    beside.replace(file)

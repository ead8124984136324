"""The processes of a run: each in a group of its own, told to the guard, logged, watched, and ended with the run."""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from harness.guard import ALL_ENDED, MARK

PYTHON = [sys.executable, "-P", "-m"]
STOP_WITHIN_S = 5.0
GONE_WITHIN_S = 5.0
WATCH_EVERY_S = 0.05
LAST_LINES = 8


class ChildDied(Exception):
    """A child ended although nobody had asked it to: its name, exit status and last lines."""


class Child:
    """One running child. `expected` is set before it is asked to end, which `ends_by` does."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.process = process
        self.log = log
        self.expected = False
        self.ends_by = signal.SIGTERM

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process.returncode is None

    def last_lines(self) -> str:
        """The end of its log, one line; what a person needs to see when it died."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return (
            " | ".join(line.strip() for line in text.splitlines()[-LAST_LINES:] if line.strip()) or "(it said nothing)"
        )

    def ended(self) -> str:
        """How it ended, in words."""
        return _ended(self.process.returncode)

    def signal_group(self, number: signal.Signals) -> None:
        """Signals the child's whole group; nothing where it has gone."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return

    async def stop(self, *, within_s: float = STOP_WITHIN_S) -> None:
        """SIGTERM (or what it ends by), then SIGKILL to the group if it has not ended by then."""
        self.expected = True
        if self.is_running:
            self.signal_group(self.ends_by)
            try:
                await asyncio.wait_for(self.process.wait(), within_s)
            except TimeoutError:
                self.signal_group(signal.SIGCONT)
        self.signal_group(signal.SIGKILL)
        await self.process.wait()


class Children:
    """All children of a run, and the guard. Leaving the context ends every one of them, however it is left."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: list[Child] = []
        self._guard: asyncio.subprocess.Process | None = None
        self._mark = secrets.token_hex(16)

    async def __aenter__(self) -> Self:
        self._guard = await asyncio.create_subprocess_exec(
            *PYTHON,
            "harness.guard",
            self._mark,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for child in reversed(self._children):
            await self.stop(child, within_s=1.0 if kind else STOP_WITHIN_S)
        assert self._guard is not None
        assert self._guard.stdin is not None
        self._tell_guard(f"{ALL_ENDED}\n")
        self._guard.stdin.close()
        await self._guard.wait()

    def running(self) -> list[Child]:
        return [child for child in self._children if child.is_running]

    def named(self, prefix: str) -> list[Child]:
        return [child for child in self._children if child.name.startswith(prefix)]

    def _tell_guard(self, line: str) -> None:
        assert self._guard is not None
        assert self._guard.stdin is not None
        self._guard.stdin.write(line.encode())

    async def start(
        self, name: str, command: list[str], env: dict[str, str], cwd: Path | None = None, pass_fds: Sequence[int] = ()
    ) -> Child:
        """Starts a child in a session of its own, its output in logs/NAME.log; ChildDied if it cannot be started.

        `pass_fds`: the file descriptors that it inherits beside its output."""
        log = self._logs / f"{name}.log"
        with log.open("ab") as output:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    env={**os.environ, "PYTHONUNBUFFERED": "1", MARK: self._mark, **env},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=cwd,
                    pass_fds=pass_fds,
                    start_new_session=True,
                )
            except OSError as error:
                raise ChildDied(f"{name}: cannot be started ({command[0]}: {error.strerror})") from None
        self._tell_guard(f"+ {process.pid}\n")
        child = Child(name, process, log)
        self._children.append(child)
        return child

    async def stop(self, child: Child, *, within_s: float = STOP_WITHIN_S) -> None:
        """Ends a child and takes its group back from the guard."""
        await child.stop(within_s=within_s)
        self._tell_guard(f"- {child.pid}\n")

    async def kill(self, child: Child) -> None:
        """SIGKILL to its whole group, as in a crash; returns when no process of it runs. The child is forgotten then.

        ChildDied if it had ended by itself before, or if something of it outlives the signal."""
        child.expected = True
        child.signal_group(signal.SIGKILL)
        code = await child.process.wait()
        if code != -signal.SIGKILL:
            raise died(child)
        loop = asyncio.get_running_loop()
        until = loop.time() + GONE_WITHIN_S
        while any(_running_in(child.pid)):
            if loop.time() > until:
                raise ChildDied(f"{child.name}: processes of its group still run {GONE_WITHIN_S:g} s after SIGKILL")
            await asyncio.sleep(0.01)
        self._children.remove(child)
        self._tell_guard(f"- {child.pid}\n")

    async def watch(self) -> None:
        """ChildDied as soon as a child ends unasked, be it one that is started later, or the guard; until cancelled."""
        assert self._guard is not None
        while True:
            for child in self._children:
                if not child.is_running and not child.expected:
                    raise died(child)
            if (code := self._guard.returncode) is not None:
                raise ChildDied(f"guard {_ended(code)}: nobody would end the children of a killed harness")
            await asyncio.sleep(WATCH_EVERY_S)


def _ended(code: int | None) -> str:
    if code is None:
        return "still runs"
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"


def _running_in(group: int) -> Iterator[int]:
    """The processes of a group that still run; a zombie does not, whoever forgot to reap it."""
    for process in psutil.process_iter(["status"]):
        try:
            if os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                yield process.pid
        except ProcessLookupError:
            continue


def died(child: Child) -> ChildDied:
    """What to say of a child that ended unasked."""
    return ChildDied(f"{child.name} {child.ended()}; its last lines ({child.log}): {child.last_lines()}")


async def wait_for_file(child: Child, path: Path, *, within_s: float) -> str:
    """The content of a file that the child writes once it is ready; ChildDied if it ends or stays silent."""

    def ready() -> str | None:
        return path.read_text() if path.exists() else None

    return await wait_for(child, ready, within_s=within_s, what="its port")


async def wait_for(child: Child, ready: Callable[[], str | None], *, within_s: float, what: str) -> str:
    """What `ready` returns as soon as that is not None; ChildDied if the child ends first or time runs out."""
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    while loop.time() < until:
        if (found := ready()) is not None:
            return found
        if not child.is_running:
            raise died(child)
        await asyncio.sleep(0.02)
    raise ChildDied(f"{child.name} did not give {what} within {within_s:g} s; its last lines: {child.last_lines()}")

"""The worker processes: forked before the web process starts its loop, poked by it, replaced at once when they die.

A nursery stands between: a child of the web process that does nothing but fork workers and wait for them. It holds all
code already and runs no loop and no thread, so that a worker is there as soon as the web process, and again within
milliseconds. All stay in one process group.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Work = Callable[[str, int, bool], None]
"""What a worker does until it is told to end: its name, where it hears pokes, and whether it is the first of its name.

A byte is a poke; the end of the pipe means that the web process is gone.
"""

_RESTART_AFTER_S = 0.05
_SHORT_LIFE_S, _LONG_PAUSE_S = 1.0, 1.0
"""A worker that did not live longer than that dies of itself: the next one waits a while."""
_GOODBYE_S = 5.0


class NurseryGone(RuntimeError):
    """The process that keeps the workers has ended, and nobody told it to."""


@dataclass
class Workers:
    """The workers as the web process has them; none where delivery is not queued."""

    nursery: int = 0
    pokes: list[int] = field(default_factory=list)
    deaths: int = -1
    _turn: int = 0

    def poke(self) -> None:
        """Tell one of the workers, each in its turn, that there is something in the queue."""
        if self.pokes:
            self._turn = (self._turn + 1) % len(self.pokes)
            self._poke(self.pokes[self._turn])

    def poke_all(self) -> None:
        """Tell all of them; the first of each name wait for it."""
        for pipe in self.pokes:
            self._poke(pipe)

    async def hear_of_deaths(self, hear: Callable[[str], Awaitable[None]]) -> None:
        """Say the name of every worker that has died, for ever. NurseryGone where nobody would replace it."""
        reader = asyncio.StreamReader()
        pipe = os.fdopen(self.deaths, "rb", buffering=0)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        async for line in reader:
            await hear(line.decode().strip())
        raise NurseryGone

    async def end(self) -> None:
        """Ask all to finish what they are at; what does not is killed."""
        if not self.nursery:
            return
        os.kill(self.nursery, signal.SIGTERM)
        async with asyncio.TaskGroup() as group:
            ended = group.create_task(asyncio.to_thread(os.waitpid, self.nursery, 0))
            done, _ = await asyncio.wait([ended], timeout=_GOODBYE_S)
            for pipe in self.pokes:  # whoever still lives hears that nobody is left
                os.close(pipe)
            if not done:
                with contextlib.suppress(ProcessLookupError):  # it has ended in this very moment
                    os.kill(self.nursery, signal.SIGKILL)

    @staticmethod
    def _poke(pipe: int) -> None:
        with contextlib.suppress(BlockingIOError):  # a stopped worker does not read: what lies there is poke enough
            os.write(pipe, b".")


def fork_workers(names: Sequence[str], work: Work, *, pid_file: Path, listener: socket.socket) -> Workers:
    """Fork the nursery with its workers. To be called while this process runs no loop and no thread."""
    ears = {name: os.pipe() for name in names}
    deaths_read, deaths_write = os.pipe()
    web = os.getpid()
    nursery = os.fork()
    if nursery == 0:
        listener.close()  # else a worker that is stopped would keep the port
        for pipe in (deaths_read, *(write for _, write in ears.values())):
            os.close(pipe)
        heard = {name: read for name, (read, _) in ears.items()}
        _Nursery(web, heard, deaths_write, work, pid_file).run_and_exit()
    os.close(deaths_write)
    for read, write in ears.values():
        os.close(read)
        os.set_blocking(write, False)
    return Workers(nursery, [write for _, write in ears.values()], deaths_read)


class _Nursery:
    def __init__(self, web: int, ears: dict[str, int], deaths: int, work: Work, pid_file: Path) -> None:
        self._web, self._ears, self._deaths = web, ears, deaths
        self._work, self._pid_file = work, pid_file
        self._running: dict[int, str] = {}
        self._started: dict[str, float] = {}
        self._is_ending = False

    def run_and_exit(self) -> None:
        """Keep one worker of each name until told to end, or until the web process is gone. Does not return."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        for name in self._ears:
            self._start(name, is_first=True)
        while self._running:
            pid, status = os.wait()
            name = self._running.pop(pid)
            # A worker comes to a good end only when told to, or when the web process is gone: then another one may have
            # its own workers by now, and its own file. Its pipes close a moment before its children get a new parent.
            if os.getppid() != self._web or (status == 0 and not self._is_ending):
                continue
            write_pids(self._pid_file, list(self._running))
            if self._is_ending:
                continue
            os.write(self._deaths, f"{name}\n".encode())
            has_lived_s = time.monotonic() - self._started[name]
            time.sleep(_RESTART_AFTER_S if has_lived_s > _SHORT_LIFE_S else _LONG_PAUSE_S)
            self._start(name, is_first=False)
        os._exit(0)

    def _start(self, name: str, *, is_first: bool) -> None:
        # The signal is held back until the list of those to end is complete.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
        pid = os.fork()
        if pid == 0:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
            os.close(self._deaths)
            self._work_and_exit(name, is_first=is_first)
        self._running[pid], self._started[name] = name, time.monotonic()
        write_pids(self._pid_file, list(self._running))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))

    def _work_and_exit(self, name: str, *, is_first: bool) -> None:
        try:
            self._work(name, self._ears[name], is_first)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)

    def _end(self, _number: int, _frame: object) -> None:
        self._is_ending = True
        for pid in list(self._running):
            os.kill(pid, signal.SIGTERM)


def write_pids(file: Path, pids: Sequence[int]) -> None:
    """One process number a line; whoever reads the file never reads half of it."""
    beside = file.with_name(file.name + ".part")
    beside.write_text("".join(f"{pid}\n" for pid in pids))
    beside.replace(file)

"""The shop under test as the harness holds it: started, stopped in its tracks, killed, and started again."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import aiohttp

from harness.children import Child, ChildDied, Children, died, wait_for_file
from harness.timeline import LOOK_EVERY_S
from harness.wiring import Command, reserved_port
from targets.house import House
from targets.webshop import Target, filled

READY_TIMEOUT_S = 2.0


class HouseError(Exception):
    """The target's `house:` does not fit the shop that runs: place, value, and what is legal."""


class Shop:
    """One shop, whichever process it is by now. Killed and started again it has the same command, data and port.

    `up` is set while it is ready to answer; it stays so while its processes are stopped.
    """

    def __init__(
        self, target: Target, children: Children, state: Path, command: Callable[[dict[str, str]], Command]
    ) -> None:
        """`command`: what to start, given what a target file may fill in of the shop itself (see `values`)."""
        self._target, self.children, self._command = target, children, command
        self._port_file = state / "shop.port"
        self._writes_port = target.start.names("port_file")
        self._reserved = reserved_port() if target.start.names("port") else None
        self._port = int(self._reserved.getsockname()[1]) if self._reserved else 0
        self.data = state / "shop"
        self.up = asyncio.Event()
        self.restarts = 0
        self.database: dict[str, str] = {}
        """What a target file may fill in of a database that the harness has started."""
        self._child: Child | None = None
        self._holds: Counter[int] = Counter()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def house(self) -> House:
        assert self._target.house is not None, "a fault of the house needs one: the scenario loader sees to that"
        return self._target.house

    @property
    def child(self) -> Child:
        assert self._child is not None
        return self._child

    @property
    def values(self) -> dict[str, str]:
        """What a target file may fill in of the shop itself. Port 0: it names none and takes any at its first start."""
        return {"data": str(self.data), "port_file": str(self._port_file), "port": str(self._port), **self.database}

    async def start(self) -> None:
        """Starts it and returns when it is ready; ChildDied if it ends, comes up elsewhere or takes too long."""
        self.data.mkdir(exist_ok=True)
        self._port_file.unlink(missing_ok=True)
        command, within_s = self._command(self.values), float(self._target.start.within)
        self._child = shop = await self.children.start("shop", command.argv, command.env)
        if self._writes_port:
            port = int(await wait_for_file(shop, self._port_file, within_s=within_s))
            if self._port not in (0, port):
                raise ChildDied(f"shop belongs at port {self._port} and came up at {port}; legal: start it at {{port}}")
            self._port = port
        await self._wait_until_ready(shop, self.url + self._target.start.ready, within_s)
        self.up.set()

    async def _wait_until_ready(self, shop: Child, url: str, within_s: float) -> None:
        loop = asyncio.get_running_loop()
        until, last = loop.time() + within_s, "no answer"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=READY_TIMEOUT_S)) as http:
            while loop.time() < until:
                if not shop.is_running:
                    raise died(shop)
                try:
                    async with http.get(url, allow_redirects=False) as reply:
                        if reply.status == 200:
                            return
                        last = f"status {reply.status}"
                except (aiohttp.ClientError, TimeoutError) as error:
                    last = str(error) or "timeout"
                await asyncio.sleep(LOOK_EVERY_S)
        raise ChildDied(
            f"shop did not answer {url} with status 200 within {within_s:g} s; last: {last}; "
            f"its last lines: {shop.last_lines()}"
        )

    def close(self) -> None:
        """Gives the port back; the shop is not started again."""
        if self._reserved is not None:
            self._reserved.close()

    async def kill(self) -> None:
        """Kills all of it, as a crash would. It is down until it is started again."""
        self.up.clear()
        await self.children.kill(self.child)

    async def restart(self) -> None:
        """Starts it again after a kill; ChildDied as `start`."""
        await self.start()
        self.restarts += 1

    # --- stopped in its tracks -----------------------------------------------------------------------------------
    @contextmanager
    def stopped(self, name: str) -> Iterator[tuple[int, ...]]:
        """The processes of that name in the target's house, stopped until the context is left, however that is.

        Whoever stops a process that is stopped already shares it: the last to leave lets it go on. None where no such
        process runs. HouseError where the file names something that is not the shop's.
        """
        stopped = [pid for pid in self._processes(name) if self._signal(pid, signal.SIGSTOP)]
        self._holds.update(stopped)
        try:
            yield tuple(stopped)
        finally:
            self._holds.subtract(stopped)
            for pid in stopped:
                if not self._holds[pid]:
                    self._signal(pid, signal.SIGCONT)

    def _processes(self, name: str) -> list[int]:
        file = self.house.processes.get(name)
        if file is None:
            return []
        path = Path(filled(file, self.values))
        try:
            words = path.read_text(encoding="utf-8").split()
        except FileNotFoundError:
            return []
        found = []
        for word in words:
            if not (word.isascii() and word.isdigit() and int(word) > 1):
                raise HouseError(f"house.processes.{name}: {path} holds {word!r}; legal: process numbers, one a line")
            with suppress(ProcessLookupError):
                if os.getpgid(int(word)) != self.child.pid:
                    raise HouseError(
                        f"house.processes.{name}: process {word} is not of the group that the shop was started in "
                        f"({self.child.pid}); legal: processes that end with the shop"
                    )
                found.append(int(word))
        return found

    def _signal(self, pid: int, number: signal.Signals) -> bool:
        """Whether there still was such a process of the shop's to signal."""
        try:
            if os.getpgid(pid) != self.child.pid:
                return False
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

"""One run, from start to exit code: prepare, warm up, load, heal, settle, collect, report."""

import asyncio
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path

import aiohttp
import msgspec

from harness import books, wiring
from harness.children import Child, ChildDied, Children, died, wait_for, wait_for_file
from harness.timeline import LOOK_EVERY_S, Timeline
from ledger.clock import SECOND_NS, Epoch, RunClock
from ledger.journal import Journal, JournalError
from ledger.rundir import RunDir, RunDirError
from ledger.states import Phase
from plan.arrivals import Schedule
from plan.run import LOAD_TAIL_S, Plan
from targets import webshop

READY_WITHIN_S = 20.0
WARM_WITHIN_S = 15.0
ANNOUNCED_AHEAD_S = 1.2
SETTLE_AFTER_INTERRUPT_S = 5.0
CLOSE_WITHIN_S = 10.0


class Exit(IntEnum):
    """Exit codes; docs/decisions.md tells which wins."""

    PASSED = 0
    GATE_FAILED = 1
    WRONG_USE = 2
    INCONCLUSIVE = 3
    STOPPED_EARLY = 4
    BROKEN = 5
    INTERRUPTED = 130


class Options(msgspec.Struct, frozen=True):
    """How to run, beside what to run."""

    web: int | None = None
    workers: int = 1


class Ended(msgspec.Struct, frozen=True):
    """How the processes of a run ended. `code` is None where the findings decide; `why` is one line for people."""

    code: Exit | None = None
    why: str = ""


class StoppedNow(Exception):
    """The second interrupt: end everything, keep what is recorded."""


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Exception)
    return error


class Run:
    """One run of a plan. `play` may be called once."""

    def __init__(self, plan: Plan, run: RunDir, options: Options, show: Callable[[str], None]) -> None:
        self.plan = plan
        self.run = run
        self.options = options
        self.show = show
        self.timeline: Timeline | None = None
        self.last_due_s = Schedule(plan.load, plan.seed).last_due_s
        self.load_s = self.last_due_s + plan.longest_pay_delay_s + LOAD_TAIL_S
        self._target = webshop.load(Path(plan.target.file))
        self._secrets = wiring.Secrets.fresh(plan)
        self._stop = asyncio.Event()
        self._stop_now = asyncio.Event()
        self._values: dict[str, str] = {}
        self._shop_url = ""

    def interrupt(self) -> None:
        """Once: stop the load, settle shortly, report. Twice: stop now, keep what is recorded."""
        if self._stop.is_set():
            self._stop_now.set()
            self.show("stopping now; what was recorded is kept")
        else:
            self._stop.set()
            self.show("stopping the load, then a short settle and the report; once more stops now")

    async def play(self) -> Ended:
        """Plays all phases up to collect; every child has ended and the journals are sealed when it returns."""
        epoch = Epoch.now()
        clock = RunClock(epoch)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.interrupt)
        state = Path(tempfile.mkdtemp(prefix="orderjam-"))
        try:
            with Journal(self.run.events / "harness.ndjson", "harness") as journal:
                ended = await self._with_children(epoch, clock, journal, state)
        except (JournalError, RunDirError, OSError) as error:
            ended = Ended(Exit.BROKEN, str(error))
        shutil.rmtree(state, ignore_errors=True)
        try:
            self.run.seal()
        except RunDirError as error:
            ended = Ended(ended.code or Exit.BROKEN, f"{ended.why}; {error}" if ended.why else str(error))
        return ended

    async def _with_children(self, epoch: Epoch, clock: RunClock, journal: Journal, state: Path) -> Ended:
        try:
            async with Children(self.run.logs) as children:
                self.timeline = timeline = Timeline(clock, journal, state, children)
                try:
                    await self._phases(epoch, timeline)
                finally:
                    await timeline.close()
        except ChildDied as error:
            return Ended(Exit.BROKEN, str(error))
        except StoppedNow:
            return Ended(Exit.INTERRUPTED, "stopped at once by a second interrupt")
        return Ended(Exit.INTERRUPTED, "interrupted") if self._stop.is_set() else Ended()

    async def _phases(self, epoch: Epoch, timeline: Timeline) -> None:
        """Everything between the first child and the last; a child's death or a second interrupt ends it at once."""
        try:
            async with asyncio.TaskGroup() as group:
                beside = [group.create_task(self._give_up_when_told(), name="second interrupt")]
                await timeline.begin(Phase.PREPARE)
                drivers = await self._prepare(epoch, timeline)
                for child in timeline.children.running():
                    beside.append(group.create_task(timeline.children.watch(child), name=f"watch {child.name}"))
                beside.append(group.create_task(timeline.beat(), name="heartbeat"))
                await self._warm_up(timeline)
                await self._load_and_settle(timeline)
                await self._collect(timeline, drivers)
                for task in beside:
                    task.cancel()
        except* (ChildDied, JournalError, RunDirError, StoppedNow) as errors:
            raise _first(errors) from None

    async def _give_up_when_told(self) -> None:
        await self._stop_now.wait()
        raise StoppedNow

    async def _prepare(self, epoch: Epoch, timeline: Timeline) -> list[Child]:
        """Starts mocks, shop and drivers, each checked before the next needs it. The drivers."""
        plan, run, state, children = self.plan, self.run, timeline.state, timeline.children
        await self._start_mocks(epoch, timeline)
        await timeline.begin(Phase.PREPARE, note="mocks are up")
        await self._start_shop(timeline)
        allow = self._target.allow
        drivers = []
        for name, extra in self._driver_arguments(state):
            made = wiring.driver(run, epoch, state, Path(plan.target.file), self._shop_url, allow, extra())
            child = await children.start(name, made.argv, made.env)
            if name == "locust-master":
                await wait_for_file(child, state / "master.json", within_s=READY_WITHIN_S)
            drivers.append(child)
        await wait_for(drivers[-1], lambda: self._ready(timeline), within_s=READY_WITHIN_S, what="readiness")
        self._tell_web()
        return drivers

    async def _start_mocks(self, epoch: Epoch, timeline: Timeline) -> None:
        """One process for each role, started together; their addresses once all answer."""
        started = []
        for role in wiring.roles(self.plan):
            port_file = timeline.state / f"{role}.port"
            command = wiring.mock(role, self.plan, self.run, epoch, self._secrets, port_file)
            started.append((role, await timeline.children.start(role, command.argv, command.env), port_file))
        for role, child, port_file in started:
            port = await wait_for_file(child, port_file, within_s=READY_WITHIN_S)
            timeline.mocks[role] = f"http://127.0.0.1:{port.strip()}"

    def _driver_arguments(self, state: Path) -> list[tuple[str, Callable[[], list[str]]]]:
        """Name and own arguments of each driver process; a worker's need the master's port, so they come late."""
        web = ["--web", str(self.options.web)] if self.options.web is not None else []
        workers = self.plan.workers
        if workers == 1:
            return [("driver-0", lambda: ["--role", "local", "--index", "0", "--workers", "1", *web])]

        def worker(index: int) -> list[str]:
            port = msgspec.json.decode((state / "master.json").read_bytes())["port"]
            own = ["--role", "worker", "--index", str(index), "--workers", str(workers)]
            return [*own, "--master-port", str(port)]

        master = ["--role", "master", "--index", "0", "--workers", str(workers), *web]
        each = [(f"driver-{i}", lambda i=i: worker(i)) for i in range(workers)]
        return [("locust-master", lambda: master), *each]

    def _tell_web(self) -> None:
        if self.options.web is not None:
            self.show(f"Locust's page: http://127.0.0.1:{self.options.web}")

    def _ready(self, timeline: Timeline) -> str | None:
        each = timeline.driver_status()
        return "ready" if len(each) == self.plan.workers and all(s.ready for s in each.values()) else None

    async def _start_shop(self, timeline: Timeline) -> None:
        state, start = timeline.state, self._target.start
        port_file, data = state / "shop.port", state / "shop"
        data.mkdir()
        port = _free_port()
        self._values = wiring.shop_values(
            self.plan, self._secrets, timeline.mocks, data=data, port_file=port_file, port=port
        )
        command = wiring.shop(self._target, self.plan, self._values)
        shop = await timeline.children.start("shop", command.argv, command.env)
        if any("{port_file}" in part for part in start.command):
            port = int(await wait_for_file(shop, port_file, within_s=start.within))
        self._shop_url = f"http://127.0.0.1:{port}"
        await self._wait_for_shop(shop, self._shop_url + start.ready, start.within)

    async def _wait_for_shop(self, shop: Child, url: str, within_s: float) -> None:
        loop = asyncio.get_running_loop()
        until, last = loop.time() + within_s, "no answer"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0)) as http:
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
        raise ChildDied(f"shop did not answer {url} with status 200 within {within_s:g} s; last: {last}")

    async def _warm_up(self, timeline: Timeline) -> None:
        if not self.plan.warm_up_orders:
            return
        await timeline.begin(Phase.WARM_UP)
        loop = asyncio.get_running_loop()
        until = loop.time() + WARM_WITHIN_S
        while not timeline.totals().warm and not self._stop.is_set():
            if loop.time() > until:
                raise ChildDied(
                    f"the warm-up of {self.plan.warm_up_orders} orders did not end within {WARM_WITHIN_S:g} s"
                )
            await asyncio.sleep(LOOK_EVERY_S)

    async def _load_and_settle(self, timeline: Timeline) -> None:
        if not self._stop.is_set():
            l0_t = timeline.clock.t() + int(ANNOUNCED_AHEAD_S * SECOND_NS)
            await timeline.begin(Phase.LOAD, l0_t=l0_t)
            await timeline.wait_until_s(self.load_s, self._stop)
        interrupted = self._stop.is_set()
        await timeline.begin(Phase.HEAL, note="interrupted" if interrupted else "")
        await timeline.begin(Phase.SETTLE)
        deadline_s = self.plan.wire_s(self.plan.deadline)
        await self._settle(timeline, min(deadline_s, SETTLE_AFTER_INTERRUPT_S) if interrupted else deadline_s)

    async def _settle(self, timeline: Timeline, at_most_s: float) -> None:
        """Follows open orders until the deadline has passed since the last capture (none comes after load), or until
        no order is open and no notice is due."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        quiet_s = max(3 * float(self.plan.poll_every), 1.5)
        quiet_since: float | None = None
        while loop.time() - begun < at_most_s:
            totals = timeline.totals()
            is_quiet = totals.open == 0 and timeline.open_notices == 0
            quiet_since = (quiet_since or loop.time()) if is_quiet else None
            if quiet_since is not None and loop.time() - quiet_since >= quiet_s:
                return
            await asyncio.sleep(LOOK_EVERY_S)

    async def _collect(self, timeline: Timeline, drivers: list[Child]) -> None:
        """Reads the books while the shop still lives, then lets everyone close its journal."""
        for child in drivers:
            child.expected = True
        note = await self._read_books(timeline)
        await timeline.begin(Phase.COLLECT, note=note)
        loop = asyncio.get_running_loop()
        until = loop.time() + CLOSE_WITHIN_S
        for child in drivers:
            if child.name == "locust-master":
                continue
            try:
                await asyncio.wait_for(child.process.wait(), max(until - loop.time(), 0.1))
            except TimeoutError:
                raise ChildDied(f"{child.name} did not close its journal within {CLOSE_WITHIN_S:g} s") from None
            if child.process.returncode != 0:
                raise died(child)
        for name in ("locust-master", "shop", *timeline.mocks):
            for child in timeline.children.named(name):
                await timeline.children.stop(child)
                if name in timeline.mocks and child.process.returncode != 0:
                    raise died(child)

    async def _read_books(self, timeline: Timeline) -> str:
        if self._target.books is None:
            return "this target gives no books"
        try:
            n = await books.read(self._target, self._shop_url, self._values, timeline.clock, timeline.journal)
        except books.BooksError as error:
            self.show(f"the shop's books were not read: {error}")
            return f"books not read: {error}"
        return f"{n} rows of the books read"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int) -> bool:
    """Whether nobody listens on a loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

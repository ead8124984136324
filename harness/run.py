"""One run, from start to exit code: prepare, warm up, load, heal, settle, collect, report."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping
from enum import IntEnum
from pathlib import Path

import msgspec

from harness import books, postgres, wiring
from harness.abort import Watchman
from harness.children import Child, ChildDied, Children, died, wait_for, wait_for_file
from harness.house import House, house_faults
from harness.postgres import Postgres
from harness.shop import HouseError, Shop
from harness.timeline import LOOK_EVERY_S, Timeline
from harness.wires import KERNEL, Wires
from ledger.clock import SECOND_NS, Epoch, RunClock
from ledger.errors import first_of
from ledger.journal import JournalError, Voice
from ledger.rundir import RunDir, RunDirError
from ledger.states import Phase
from mocks.ports import Ports
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


PROXY = "tls-proxy"
"""The process of the loopback TLS proxy."""


async def start_proxy(children: Children, routes: Mapping[str, str], state: Path, port: int = 0) -> str:
    """The address of the TLS proxy once it answers. `routes`: the instance that plays each host."""
    port_file = state / f"{PROXY}.port"
    made = wiring.tls_proxy(routes, port_file, port)
    child = await children.start(PROXY, made.argv, made.env)
    return f"http://127.0.0.1:{int(await wait_for_file(child, port_file, within_s=READY_WITHIN_S))}"


class StoppedNow(Exception):
    """The second interrupt: end everything, keep what is recorded."""


class Run:
    """One run of a plan. `play` may be called once."""

    def __init__(self, plan: Plan, run: RunDir, options: Options, show: Callable[[str], None]) -> None:
        self.plan = plan
        self.run = run
        self.options = options
        self.show = show
        self.timeline: Timeline | None = None
        self.shop: Shop | None = None
        self.house: House | None = None
        self.watchman = Watchman(plan.abort_when)
        self.last_due_s = Schedule(plan.load, plan.seed).last_due_s
        self.load_s = self.last_due_s + plan.longest_pay_delay_s + LOAD_TAIL_S
        self._target = webshop.load(Path(plan.target.file)).having(plan.target.database)
        self._database: Postgres | None = None
        self._database_values: dict[str, str] = {}
        self._secrets = wiring.Secrets.fresh(plan)
        self._proxy = ""
        self.wires: Wires | None = None
        self._house_faults = house_faults(plan)
        self._stop = asyncio.Event()
        self._stop_now = asyncio.Event()
        self._stop_load = asyncio.Event()

    def interrupt(self) -> None:
        """Once: stop the load, settle shortly, report. Twice: stop now, keep what is recorded."""
        if self._stop.is_set():
            self._stop_now.set()
            self.show("stopping now; what was recorded is kept")
        else:
            self._stop.set()
            self._stop_load.set()
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
            with Voice(self.run.events, "harness") as voice:
                ended = await self._with_children(epoch, clock, voice, state)
        except (JournalError, RunDirError, OSError) as error:
            ended = self._broken(error)
        shutil.rmtree(state, ignore_errors=True)
        if self._database is not None:
            self._database.remove()
        try:
            self.run.seal()
        except RunDirError as error:
            ended = Ended(ended.code or Exit.BROKEN, f"{ended.why}; {error}" if ended.why else str(error))
        return ended

    async def _with_children(self, epoch: Epoch, clock: RunClock, voice: Voice, state: Path) -> Ended:
        try:
            async with Children(self.run.logs) as children:
                self.timeline = timeline = Timeline(clock, voice, state, children)
                try:
                    await self._phases(epoch, timeline)
                finally:
                    await timeline.close()
                    if self.wires is not None:
                        await self.wires.close()
                    if self.shop is not None:
                        self.shop.close()
        except (ChildDied, HouseError) as error:
            return self._broken(error)
        except StoppedNow:
            return Ended(Exit.INTERRUPTED, "stopped at once by a second interrupt")
        if self._stop.is_set():
            return Ended(Exit.INTERRUPTED, "interrupted")
        return Ended(Exit.STOPPED_EARLY, self.watchman.why) if self.watchman.why else Ended()

    def _broken(self, error: Exception) -> Ended:
        """What broke the run; an interrupt before it still is what the exit code tells."""
        return Ended(Exit.INTERRUPTED if self._stop.is_set() else Exit.BROKEN, str(error))

    async def _phases(self, epoch: Epoch, timeline: Timeline) -> None:
        """Everything between the first child and the last; a child's death or a second interrupt ends it at once."""
        try:
            async with asyncio.TaskGroup() as group:
                beside = [
                    group.create_task(self._give_up_when_told(), name="second interrupt"),
                    group.create_task(timeline.children.watch(), name="watch children"),
                ]
                await timeline.begin(Phase.PREPARE)
                shop = self.shop = self._new_shop(timeline)
                wires = self.wires = Wires(self.plan, self.run, epoch, timeline)
                await wires.open()
                beside.append(group.create_task(wires.watch(), name="proxies"))
                house = self.house = House(self._house_faults, shop, timeline.clock, timeline.struck, self.show)
                if (fd := await self._start_mocks(epoch, timeline, signals=house.listens)) is not None:
                    beside.append(group.create_task(house.listen(fd), name="acknowledged notices"))
                await self._start_database(timeline, wires, shop)
                await shop.start()
                await house.rehearse()
                buyers_url = await wires.lead_to_shop(shop.url)
                drivers = await self._start_drivers(epoch, timeline, buyers_url)
                beside.append(group.create_task(timeline.beat(), name="heartbeat"))
                await self._warm_up(timeline)
                await self._load(timeline, house)
                await self._settle(timeline)
                await self._collect(timeline, drivers)
                for task in beside:
                    task.cancel()
        except* (ChildDied, HouseError, JournalError, RunDirError, StoppedNow) as errors:
            raise first_of(errors) from None

    async def _give_up_when_told(self) -> None:
        await self._stop_now.wait()
        raise StoppedNow

    def _new_shop(self, timeline: Timeline) -> Shop:
        def command(own: dict[str, str]) -> wiring.Command:
            return wiring.shop(self._target, self.plan, {**self._values(timeline), **own})

        return Shop(self._target, timeline.children, timeline.state, command)

    async def _start_database(self, timeline: Timeline, wires: Wires, shop: Shop) -> None:
        """The shop's database where the harness has to see to one, reached through its proxy if it has one."""
        chosen = self._target.databases.get(self.plan.target.database)
        if chosen is None or not chosen.server:
            return
        self._database = database = await postgres.start(timeline.children)
        at = await wires.lead_to_database(database.address)
        self._database_values = {"database_url": database.url(at), "database_direct": database.url()}
        shop.database = self._database_values

    def _values(self, timeline: Timeline) -> dict[str, str]:
        values = wiring.shop_values(self.plan, self._secrets, timeline.mocks, timeline.own_urls) | self._database_values
        return values | wiring.tls_values(self._proxy) if self._proxy else values

    async def _start_drivers(self, epoch: Epoch, timeline: Timeline, shop_url: str) -> list[Child]:
        """The processes of the load generator, once all of them are ready."""
        plan, run, state, children = self.plan, self.run, timeline.state, timeline.children
        drivers = []
        assert self.wires is not None
        through = self.wires.buyer_arguments()
        for name, extra in self._driver_arguments(state):
            target = Path(plan.target.file)
            made = wiring.driver(run, epoch, state, target, shop_url, self._target.allow, [*extra(), *through])
            child = await children.start(name, made.argv, made.env)
            if name == "locust-master":
                await wait_for_file(child, state / "master.json", within_s=READY_WITHIN_S)
            drivers.append(child)
        await wait_for(drivers[-1], lambda: self._ready(timeline), within_s=READY_WITHIN_S, what="readiness")
        self._tell_web()
        return drivers

    async def _start_mocks(self, epoch: Epoch, timeline: Timeline, *, signals: bool) -> int | None:
        """One process for each role, started together; returns when all answer, with the reading end of the pipe in
        which the payment mock tells of acknowledged notices, where `signals` asks for it."""
        started = []
        reading, writing = os.pipe() if signals else (None, None)
        try:
            for role in wiring.roles(self.plan):
                port_file = timeline.state / f"{role}.port"
                fd = writing if role == "payment" else None
                command = wiring.mock(role, self.plan, self.run, epoch, self._secrets, port_file, signal_fd=fd)
                assert self.wires is not None
                command.argv.extend(self.wires.mock_arguments(role))
                fds = () if fd is None else (fd,)
                child = await timeline.children.start(role, command.argv, command.env, pass_fds=fds)
                started.append((role, child, port_file))
        finally:
            if writing is not None:
                os.close(writing)
        for role, child, port_file in started:
            ports = Ports.read(await wait_for_file(child, port_file, within_s=READY_WITHIN_S))
            url = timeline.mocks[role] = f"http://127.0.0.1:{ports.http}"
            timeline.own_urls |= wiring.own_urls(self.plan, url, ports)
        assert self.wires is not None
        await self.wires.lead_to_mocks()
        if self._target.start.wants_tls_proxy:
            routes = wiring.tls_routes(self.plan, timeline.mocks, {}, timeline.own_urls)
            self._proxy = await start_proxy(timeline.children, routes, timeline.state)
        broken = f"; {self.wires.words}" if self.wires.words else ""
        await timeline.begin(Phase.PREPARE, note=f"mocks are up{broken}")
        return reading

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

    async def _load(self, timeline: Timeline, house: House) -> None:
        """The load and the house faults beside it, until its end, an interrupt or a condition to stop early; healed."""
        if not self._stop.is_set():
            l0_t = timeline.clock.t() + int(ANNOUNCED_AHEAD_S * SECOND_NS)
            await timeline.begin(Phase.LOAD, l0_t=l0_t)
            async with asyncio.TaskGroup() as group:
                group.create_task(house.play(l0_t, self.load_s), name="house faults")
                assert self.wires is not None
                group.create_task(self.wires.play(self.load_s, self._stop_load), name="faults of an external server")
                watching = group.create_task(self.watchman.watch(timeline.totals, self._stop_load), name="abort")
                await timeline.wait_until_s(self.load_s, self._stop_load)
                watching.cancel()
                house.heal()
                await timeline.begin(Phase.HEAL, note=self._why_early())
        else:
            await timeline.begin(Phase.HEAL, note=self._why_early())
        await timeline.begin(Phase.SETTLE)

    def _why_early(self) -> str:
        return "interrupted" if self._stop.is_set() else self.watchman.why

    async def _settle(self, timeline: Timeline) -> None:
        """Follows open orders until the deadline has passed since the last capture (none comes after load), or until
        no order is open or lost (a lost one may yet be refunded) and no notice is due; an interrupt, whenever it
        comes, makes it short."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.plan.wire_s(self.plan.deadline)
        quiet_s = max(3 * float(self.plan.poll_every), 1.5)
        quiet_since: float | None = None
        in_short = False
        while loop.time() < until:
            if self._stop.is_set() and not in_short:
                in_short, until = True, min(until, loop.time() + SETTLE_AFTER_INTERRUPT_S)
            totals = timeline.totals()
            is_quiet = totals.open == 0 and totals.lost == 0 and timeline.open_notices == 0
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
        journalling = (*timeline.mocks, KERNEL)
        for name in ("locust-master", "shop", PROXY, *journalling, postgres.NAME):
            for child in timeline.children.named(name):
                await timeline.children.stop(child)
                if name in journalling and child.process.returncode != 0:
                    raise died(child)

    async def _read_books(self, timeline: Timeline) -> str:
        assert self.shop is not None
        if self._target.books is None:
            return "this target gives no books"
        try:
            values = {**self._values(timeline), **self.shop.values}
            n = await books.read(self._target, self.shop.url, values, timeline.clock, timeline.journal.facts)
        except books.BooksError as error:
            self.show(f"the shop's books were not read: {error}")
            return f"books not read: {error}"
        return f"{n} rows of the books read"

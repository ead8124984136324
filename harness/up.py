"""The mocks alone, for a shop of one's own: started, kept by the heartbeat, ended with their journals closed."""

import asyncio
import signal
import socket
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from harness import wiring
from harness.children import ChildDied, Children, died, wait_for_file
from harness.hand import Hand, HandError
from harness.run import PROXY, READY_WITHIN_S, Ended, Exit, start_proxy
from harness.saved import as_scenario
from harness.timeline import Timeline
from ledger.clock import Epoch, RunClock
from ledger.errors import first_of
from ledger.journal import JournalError, Voice
from ledger.rundir import RunDir, RunDirError, write_atomically
from ledger.states import Phase
from mocks.ports import Ports
from plan.arrivals import Constant, arrivals
from plan.dialects import DIALECTS, STUB
from plan.ladders import LADDERS
from plan.orders import Delay, Mix
from plan.run import SCHEMA, Evidence, Plan, TargetPlan, UpstreamPlan, stuck_after
from plan.units import BusinessTime, Rate, Share, WireTime
from targets.webshop import Target

NAMES = {"epay": "epay", "sharedstore": "store", "topup": "game"}
"""Without a scenario: one instance of each dialect that the target speaks, by this name or else that of the dialect."""
LADDER_NAMES = {"epay": "epay_public", "topup": "epay_public"}
"""Whose notices are repeated otherwise than plan/dialects.py says: here a shop's own patience is tried, not a run's."""
AS_IF_RATE, AS_IF_S = 5.0, 60.0
"""The load that a saved scenario has at least: nobody told us another."""
LISTENERS = (*wiring.ROLES, PROXY)
"""What listens, in the order of its ports."""
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class UpOptions(msgspec.Struct, frozen=True):
    """Where the mocks listen: ports from `port_base` on, one a role, or free ones. `token` guards /_admin.

    `tls`: the loopback TLS proxy is wanted; `tls_hosts`: the instance that plays a host there, by the host.
    """

    host: str = "127.0.0.1"
    port_base: int | None = None
    token: str = ""
    tls: bool = False
    tls_hosts: dict[str, str] = {}

    def port(self, role: str) -> int:
        """The port of a role's mock or of the proxy, the same whichever others are played; 0: a free one."""
        return self.port_base + LISTENERS.index(role) if self.port_base is not None else 0

    def url(self, port: int) -> str:
        """Where this machine reaches what listens there."""
        host = WILDCARDS.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def taken(self, roles: list[str]) -> int | None:
        """The first of the ports that cannot be listened on."""
        for port in (self.port(role) for role in (*roles, *([PROXY] if self.tls else []))):
            family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((self.host, port))
                except (OSError, OverflowError):
                    return port
        return None


class Standing(msgspec.Struct, frozen=True):
    """The mocks as they stand: address and process of each role, who may speak to them, the addresses of those
    instances that speak no HTTP, and the TLS proxy, if any: its address, and that of the instance for each host."""

    urls: dict[str, str]
    pids: dict[str, int]
    secrets: wiring.Secrets
    own_urls: dict[str, str] = {}
    proxy: str = ""
    hosts: dict[str, str] = {}


def plan_of(target: Target, name: str, file: Path, dialects: Sequence[str] = ()) -> Plan:
    """What mocks play where no scenario says it: nothing is broken and no time is compressed. One instance of each of
    the dialects, by its name; of those that the target speaks where none are named."""
    products, regions = target.sells.products, target.sells.regions
    named = {dialect: dialect for dialect in dialects}
    spoken = {NAMES.get(dialect, dialect): dialect for dialect in target.sells.dialects if dialect != STUB}
    upstreams = {instance: _upstream(dialect) for instance, dialect in (named or spoken).items()}
    payment = next((n for n, upstream in upstreams.items() if upstream.role == "payment"), "")
    return Plan(
        schema=SCHEMA,
        scenario="mocks",
        about="Mocks for a shop of one's own.",
        file="",
        seed=7,
        compress=1.0,
        target=TargetPlan(name, str(file), target.profiles[0], {}, dict(products), dict(target.sells.needs)),
        load=arrivals(Constant(rate=Rate(AS_IF_RATE), duration=WireTime(AS_IF_S))),
        mix=Mix(
            product={product: Share(1 / len(products)) for product in products},
            channel={payment: Share(1.0)},
            pay_delay=Delay(constant=BusinessTime(8)),
            region={region: Share(1 / len(regions)) for region in regions},
        ),
        upstreams=upstreams,
        faults=(),
        deadline=BusinessTime(300),
        stuck_after=stuck_after({}),
        poll_every=WireTime(0.2),
        warm_up_orders=10,
        evidence=Evidence(),
        gates=(),
    )


def _upstream(dialect: str) -> UpstreamPlan:
    spoken = DIALECTS[dialect]
    ladder = LADDERS[LADDER_NAMES.get(dialect, spoken.ladder)]
    options = {option: words[0] for option, words in spoken.options.items()}
    return UpstreamPlan(spoken.role, dialect, ladder.gaps, ladder.timeout, options=options)


class Up:
    """One session of mocks. `play` may be called once; `ready` is told as soon as all of them answer."""

    def __init__(self, plan: Plan, run: RunDir, options: UpOptions, show: Callable[[str], None]) -> None:
        self.plan, self.run, self.options, self.show = plan, run, options, show
        self._secrets = wiring.Secrets.fresh(plan)
        self._stop = asyncio.Event()

    async def play(self, ready: Callable[[Standing], None]) -> Ended:
        """Until SIGINT or SIGTERM, or until a mock dies; every child has ended and the journals are sealed then."""
        epoch = Epoch.now()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        ended = Ended(Exit.PASSED)
        try:
            with (
                tempfile.TemporaryDirectory(prefix="orderjam-") as state,
                Voice(self.run.events, "harness") as journal,
            ):
                await self._with_children(epoch, journal, Path(state), ready)
        except (ChildDied, JournalError, RunDirError, HandError, OSError) as error:
            ended = Ended(Exit.BROKEN, str(error))
        try:
            self.run.seal()
        except RunDirError as error:
            ended = Ended(Exit.BROKEN, f"{ended.why}; {error}" if ended.why else str(error))
        return ended

    async def _with_children(
        self, epoch: Epoch, journal: Voice, state: Path, ready: Callable[[Standing], None]
    ) -> None:
        async with Children(self.run.logs) as children:
            timeline = Timeline(RunClock(epoch), journal, state, children, self.options.token)
            try:
                await timeline.begin(Phase.PREPARE)
                pids = await self._start(epoch, timeline)
                proxy, hosts = "", {}
                if self.options.tls:
                    hosts = wiring.tls_routes(self.plan, timeline.mocks, self.options.tls_hosts)
                    proxy = await start_proxy(children, hosts, state, self.options.port(PROXY))
                await timeline.begin(Phase.LOAD, l0_t=timeline.clock.t())
                await timeline.renew()  # before anybody is told that the faults are in force
                standing = Standing(timeline.mocks, pids, self._secrets, timeline.own_urls, proxy, hosts)
                await self._stand(timeline, lambda: ready(standing))
                await self._keep(timeline)
                await timeline.begin(Phase.HEAL, note="ended by hand")
                for child in children.running():
                    await children.stop(child)
                    if child.process.returncode != 0:
                        raise died(child)
            finally:
                await timeline.close()

    async def _start(self, epoch: Epoch, timeline: Timeline) -> dict[str, int]:
        """One process for each role; the process numbers once all answer."""
        started = []
        for role in wiring.roles(self.plan):
            port_file = timeline.state / f"{role}.port"
            port = self.options.port(role)
            made = wiring.mock(role, self.plan, self.run, epoch, self._secrets, port_file, port)
            argv = [*made.argv, "--host", self.options.host, "--by-hand"]
            env = {**made.env, wiring.TOKEN_VARIABLE: self.options.token}
            started.append((role, await timeline.children.start(role, argv, env), port_file))
        for role, child, port_file in started:
            ports = Ports.read(await wait_for_file(child, port_file, within_s=READY_WITHIN_S))
            url = timeline.mocks[role] = self.options.url(ports.http)
            timeline.own_urls |= wiring.own_urls(self.plan, url, ports)
        return {role: child.pid for role, child, _ in started}

    async def _stand(self, timeline: Timeline, ready: Callable[[], None]) -> None:
        """Keeps the faults in force until told to stop; ChildDied as soon as a mock dies."""
        try:
            async with asyncio.TaskGroup() as group:
                beside = [
                    group.create_task(timeline.beat(), name="heartbeat"),
                    group.create_task(timeline.children.watch(), name="watch children"),
                ]
                ready()
                await self._stop.wait()
                for task in beside:
                    task.cancel()
        except* (ChildDied, JournalError, RunDirError, HandError, OSError) as errors:
            raise first_of(errors) from None

    async def _keep(self, timeline: Timeline) -> None:
        """Leaves what was done by hand beside the journals, which name those faults."""
        try:
            async with Hand(list(timeline.mocks.values()), self.options.token) as hand:
                text = as_scenario(self.plan, await hand.look())
        except HandError as error:
            self.show(f"what was done by hand was not saved: {error}")
            return
        if text is not None:
            path = self.run.path / "by_hand.yaml"
            write_atomically(path, text.encode())
            self.show(f"what was done by hand: {path}")

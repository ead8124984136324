"""The proxies of a run: which hops pass through one, who holds it, and what everybody is told instead of an address."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiohttp
import msgspec

from faults.kernel.loss import TrueLoss
from faults.kernel.machine import probe
from faults.transport.client import Client, ServerError
from faults.transport.judge import effect_of
from faults.transport.toxic import Down, OnWire
from harness import wiring
from harness.children import PYTHON, Child, ChildDied, Children, died, wait_for_file
from harness.postgres import MISSING, Binaries
from harness.timeline import Timeline
from ledger.clock import Epoch
from ledger.events import PhaseBegan, Struck
from ledger.rundir import RunDir
from ledger.states import Hop, Operation
from plan.faults import FaultPlan
from plan.run import Plan
from plan.transport import CONTINUE, EXTERNAL
from plan.units import from_text
from targets import webshop

WIRE = "wire"
"""The child that is the embedded server; what stands before `-` in the names of those beside it."""
READY_WITHIN_S = 20.0
NOWHERE = "127.0.0.1:9"
"""Where a proxy leads until it is known where it should: the discard service, which nobody runs."""
GUARD_BEATS_S = 1.0
ASKS_OF_MOCKS = (Hop.SHOP_PAYMENT, Hop.SHOP_SUPPLIER, Hop.SHOP_GAME, Hop.BUYER_PAYMENT)
TELLS_THE_SHOP = (Hop.PAYMENT_SHOP, Hop.SUPPLIER_SHOP, Hop.GAME_SHOP)


class Place(msgspec.Struct, frozen=True):
    """One hop, or its way to or from one instance, that faults on the wire are for."""

    hop: Hop
    upstream: str | None = None

    @property
    def at(self) -> str:
        """As faults write it: shop>payment/epay."""
        return f"{self.hop}/{self.upstream}" if self.upstream else str(self.hop)

    @property
    def name(self) -> str:
        """As a name in a path: shop-payment-epay."""
        return self.at.replace(">", "-").replace("/", "-")

    def has(self, fault: FaultPlan) -> bool:
        return self.hop in fault.hops and fault.upstream in (None, self.upstream)


def places(plan: Plan) -> list[Place]:
    """Where a proxy must stand: at every instance that a fault on the wire is for, and nowhere else."""
    found: dict[Place, None] = {}
    for fault in plan.faults:
        for hop in fault.hops if fault.layer in ("wire", "kernel") else ():
            ends = hop.split(">")
            if hop in (Hop.BUYER_SHOP, Hop.SHOP_DB):
                found[Place(hop)] = None
                continue
            for name, upstream in plan.upstreams.items():
                if upstream.role in ends and fault.upstream in (None, name):
                    found[Place(hop, name)] = None
    return list(found)


def missing(plan: Plan) -> str:
    """What this machine lacks for what the plan wants of it, one line; empty where nothing is."""
    chosen = webshop.load(Path(plan.target.file)).databases.get(plan.target.database)
    if chosen is not None and chosen.server and Binaries.find() is None:
        return f"database {plan.target.database}: {MISSING}"
    asked = [fault for fault in plan.faults if fault.layer == "kernel"]
    if not asked:
        return ""
    machine = probe()
    for fault in asked:
        loss = msgspec.convert(fault.params, TrueLoss, dec_hook=from_text)
        if why := machine.refusal(loss):
            return f"fault {fault.id} ({fault.fault}) cannot be played here: {why}"
    return ""


class Server(Protocol):
    """Who holds the proxies."""

    async def create(self, place: Place, upstream: str) -> str:
        """A proxy for the place; HOST:PORT where it listens."""
        ...

    async def lead(self, place: Place, upstream: str) -> None:
        """It leads there from now on."""
        ...

    async def close(self) -> None: ...


class Embedded:
    """Our own server, a child of the run: it decides by the plan, and journals what it struck."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=READY_WITHIN_S))

    @property
    def words(self) -> str:
        return "embedded"

    async def create(self, place: Place, upstream: str) -> str:
        wanted = {"name": place.name, "hop": place.hop, "upstream_name": place.upstream}
        answer = await self._post("/_admin/proxies", {**wanted, "listen": "127.0.0.1:0", "upstream": upstream})
        return str(answer["listen"])

    async def lead(self, place: Place, upstream: str) -> None:
        await self._post(f"/proxies/{place.name}", {"upstream": upstream})

    async def close(self) -> None:
        await self._http.close()

    async def _post(self, path: str, fields: Mapping[str, object]) -> Any:
        try:
            async with self._http.post(self.url + path, data=msgspec.json.encode(fields)) as reply:
                body = await reply.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ChildDied(f"{WIRE} did not answer {path}: {error or 'timeout'}") from None
        if reply.status >= 300:
            raise ChildDied(f"{WIRE} refused {path}: {body.decode(errors='replace').strip()[:300]}")
        return msgspec.json.decode(body)


class External:
    """A Toxiproxy of the user's, or one started from his binary. Toxics come and go with their windows; a guard takes
    all that is ours away when the run has gone. Every name carries the run's."""

    def __init__(self, client: Client, version: str, guard: asyncio.subprocess.Process, tag: str, at: str) -> None:
        self._client, self._guard, self._tag = client, guard, tag
        self.words = f"Toxiproxy {version} at {at}"

    async def create(self, place: Place, upstream: str) -> str:
        assert self._guard.stdin is not None
        self._guard.stdin.write(f"+ {self._named(place)}\n".encode())
        await self._guard.stdin.drain()
        return await self._client.create(self._named(place), upstream)

    async def lead(self, place: Place, upstream: str) -> None:
        await self._client.lead(self._named(place), upstream)

    async def close(self) -> None:
        """The guard, whose pipe ends, takes the proxies away."""
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        await self._guard.wait()

    async def beat(self) -> None:
        """Renews the lease, until cancelled; ChildDied when the guard is gone."""
        assert self._guard.stdin is not None
        while True:
            if self._guard.returncode is not None:
                raise ChildDied("wire-guard ended: nobody would take a killed run's toxics away")
            self._guard.stdin.write(b"beat\n")
            await asyncio.sleep(GUARD_BEATS_S)

    async def begin(self, place: Place, fault: FaultPlan) -> None:
        """The fault is in force at the place."""
        effect = effect_of(fault)
        if isinstance(effect, Down):
            await self._client.enable(self._named(place), False)
            return
        assert isinstance(effect, OnWire)
        for stream, toxic in effect.toxics:
            name = f"{fault.id}_{stream}_{toxic.kind}"
            await self._client.add(self._named(place), name, stream, toxic, float(fault.rate))

    async def end(self, place: Place, fault: FaultPlan) -> None:
        effect = effect_of(fault)
        if isinstance(effect, Down):
            await self._client.enable(self._named(place), True)
            return
        assert isinstance(effect, OnWire)
        names = [f"{fault.id}_{stream}_{toxic.kind}" for stream, toxic in effect.toxics]
        await self._client.remove(self._named(place), names)

    def _named(self, place: Place) -> str:
        return f"orderjam-{self._tag}-{place.name}"


class Wires:
    """All proxies of one run. Addresses are HOST:PORT."""

    def __init__(self, plan: Plan, run: RunDir, epoch: Epoch, timeline: Timeline) -> None:
        self._plan, self._run, self._epoch, self._timeline = plan, run, epoch, timeline
        self._children: Children = timeline.children
        self._places = places(plan)
        self._listens: dict[Place, str] = {}
        self._server: Embedded | External | None = None
        self._relays = 0

    # --- made, before the mocks -----------------------------------------------------------------------------------
    async def open(self) -> None:
        """Starts the server and makes every proxy, leading nowhere yet. ChildDied where that cannot be."""
        if not self._places:
            return
        try:
            external = self._plan.transport.server == EXTERNAL
            self._server = await (self._external() if external else self._embedded())
            for place in self._places:
                self._listens[place] = await self._server.create(place, NOWHERE)
        except ServerError as error:
            raise ChildDied(str(error)) from None

    async def _embedded(self) -> Embedded:
        port_file = self._timeline.state / f"{WIRE}.port"
        argv = [*PYTHON, "faults.transport", *self._arguments(WIRE), "--port-file", str(port_file)]
        child = await self._children.start(WIRE, argv, {wiring.TOKEN_VARIABLE: ""})
        port = int(await wait_for_file(child, port_file, within_s=READY_WITHIN_S))
        url = self._timeline.mocks[WIRE] = f"http://127.0.0.1:{port}"
        child.expected = self._plan.transport.on_proxy_death == CONTINUE
        return Embedded(url)

    async def _external(self) -> External:
        at = self._plan.transport.external
        if "/" in at:
            at = await self._started(at)
        host, _, port = at.rpartition(":")
        client = Client(host, int(port))
        version = await client.version()
        guard = await asyncio.create_subprocess_exec(
            *PYTHON, "faults.transport.guard", host, port, stdin=asyncio.subprocess.PIPE, start_new_session=True
        )
        return External(client, version, guard, self._run.path.name, at)

    async def _started(self, binary: str) -> str:
        """The user's own server on a free port, as a child."""
        port = wiring.free_port()
        child = await self._children.start("toxiproxy", [binary, "-host", "127.0.0.1", "-port", str(port)], {})
        child.expected = self._plan.transport.on_proxy_death == CONTINUE
        at = f"127.0.0.1:{port}"
        loop = asyncio.get_running_loop()
        until = loop.time() + READY_WITHIN_S
        while wiring.port_is_free(port):
            if not child.is_running:
                raise died(child)
            if loop.time() > until:
                raise ChildDied(f"toxiproxy ({binary}) does not listen at {at} after {READY_WITHIN_S:g} s")
            await asyncio.sleep(0.02)
        return at

    def _arguments(self, writer: str) -> list[str]:
        return ["--run", str(self._run.path), "--epoch", str(self._epoch), "--writer", writer]

    # --- what everybody is told -----------------------------------------------------------------------------------
    def mock_arguments(self, role: str) -> list[str]:
        """How the mocks of a role tell the shop, and where their buyers find them."""
        found: list[str] = []
        for name, upstream in self._plan.upstreams.items():
            if upstream.role != role:
                continue
            through = [at for place, at in self._listens.items() if place.upstream == name and _tells(place)]
            found += [f"--through={name}={at}" for at in through]
            buyers = self._listens.get(Place(Hop.BUYER_PAYMENT, name))
            if buyers or Place(Hop.SHOP_PAYMENT, name) in self._listens:
                found.append(f"--public={name}={buyers or '127.0.0.1:0'}")
        return found

    async def lead_to_mocks(self) -> None:
        """The mocks are up: the proxies before them lead there, and the shop will be told the proxies' addresses."""
        timeline, plan = self._timeline, self._plan
        for place in [place for place in self._places if place.hop in ASKS_OF_MOCKS]:
            assert place.upstream is not None
            url = timeline.own_urls.get(place.upstream) or timeline.mocks[plan.upstreams[place.upstream].role]
            await self._lead(place, urlsplit(url).netloc)
        for place, at in self._listens.items():
            if place.hop in ASKS_OF_MOCKS and place.hop is not Hop.BUYER_PAYMENT:
                assert place.upstream is not None
                scheme, dot, _ = timeline.own_urls.get(place.upstream, "").partition("://")
                own = f"{scheme}://{at}" if dot else f"http://{at}/{place.upstream}/"
                timeline.own_urls[place.upstream] = own

    async def lead_to_database(self, address: str) -> str:
        """Where the shop finds its database: the proxy before it, if there is one."""
        place = Place(Hop.SHOP_DB)
        if place not in self._listens:
            return address
        await self._lead(place, address)
        return self._listens[place]

    async def lead_to_shop(self, url: str) -> str:
        """The shop is up: proxies lead there. Its address for buyers."""
        address = urlsplit(url).netloc
        for place in self._places:
            if place.hop in (Hop.BUYER_SHOP, *TELLS_THE_SHOP):
                await self._lead(place, address)
        buyers = self._listens.get(Place(Hop.BUYER_SHOP))
        return f"http://{buyers}" if buyers else url

    async def _lead(self, place: Place, address: str) -> None:
        """Through a wire of true loss first, where a fault wants that."""
        assert self._server is not None
        for fault in self._plan.faults:
            if fault.layer == "kernel" and place.has(fault):
                address = await self._relay(place, fault, address)
        try:
            await self._server.lead(place, address)
        except ServerError as error:
            raise ChildDied(str(error)) from None

    async def _relay(self, place: Place, fault: FaultPlan, address: str) -> str:
        name = f"kernel-{self._relays}"
        self._relays += 1
        port_file = self._timeline.state / f"{name}.port"
        argv = [*PYTHON, "faults.kernel", *self._arguments(name), "--state", str(self._timeline.state)]
        argv += ["--fault", fault.id, "--hop", place.at, "--upstream", address, "--port-file", str(port_file)]
        child = await self._children.start(name, argv, {})
        return f"127.0.0.1:{int(await wait_for_file(child, port_file, within_s=READY_WITHIN_S))}"

    # --- while it runs --------------------------------------------------------------------------------------------
    async def watch(self) -> None:
        """Says once when the server dies in a run that goes on without it; keeps an external one's lease; until
        cancelled."""
        beating = self._server.beat() if isinstance(self._server, External) else None
        child = next((c for name in (WIRE, "toxiproxy") for c in self._children.named(name)), None)
        async with asyncio.TaskGroup() as both:
            if beating is not None:
                both.create_task(beating, name="lease of the external proxies")
            if child is not None and child.expected:
                both.create_task(self._mourn(child), name="death of the proxies")

    async def _mourn(self, child: Child) -> None:
        await child.process.wait()
        at = ", ".join(place.at for place in self._listens)
        note = f"{child.name} {child.ended()}; from now on nothing passes at {at}"
        timeline = self._timeline
        timeline.mocks.pop(WIRE, None)
        timeline.journal.append(PhaseBegan(t=timeline.clock.t(), phase=timeline.phase, note=note))
        timeline.journal.flush()

    async def play(self, load_s: float, stop: asyncio.Event) -> None:
        """The faults of an external server, each in its window, until the load ends; they are off when it returns."""
        if not isinstance(self._server, External):
            return
        edges = sorted(self._edges(load_s), key=lambda edge: edge[0])
        in_force: list[tuple[Place, FaultPlan]] = []
        try:
            for at_s, is_begin, place, fault in edges:
                await self._timeline.wait_until_s(at_s, stop)
                if stop.is_set():
                    break
                if is_begin:
                    await self._server.begin(place, fault)
                    in_force.append((place, fault))
                    self._note(place, fault)
                else:
                    await self._server.end(place, fault)
                    in_force.remove((place, fault))
        except ServerError as error:
            raise ChildDied(str(error)) from None
        finally:
            for place, fault in in_force:
                await self._server.end(place, fault)

    def _edges(self, load_s: float) -> Iterator[tuple[float, bool, Place, FaultPlan]]:
        for fault in self._plan.faults:
            for place in self._places if fault.layer == "wire" else ():
                if place.has(fault):
                    yield (float(fault.window.low) if fault.window else 0.0), True, place, fault
                    yield (min(float(fault.window.high), load_s) if fault.window else load_s), False, place, fault

    def _note(self, place: Place, fault: FaultPlan) -> None:
        assert isinstance(self._server, External)
        self._timeline.struck(
            Struck(
                t=self._timeline.clock.t(),
                o=None,
                fault=fault.id,
                hop=place.at,
                operation=Operation.CONNECT,
                attempt=1,
                changed=f"in force at {self._server.words}, for {float(fault.rate):.0%} of the connections",
                keyed_by="connection",
            )
        )

    @property
    def words(self) -> str:
        """Which server breaks which hop, one line; empty where no proxy stands."""
        if self._server is None:
            return ""
        return f"{', '.join(place.at for place in self._listens)} through {self._server.words}"

    async def close(self) -> None:
        if self._server is not None:
            await self._server.close()


def _tells(place: Place) -> bool:
    return place.hop in TELLS_THE_SHOP

"""The proxies of a run: made and wired, watched while it goes on, and what everybody is told instead of an address."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from faults.kernel.loss import TrueLoss
from faults.kernel.machine import none, probe
from faults.transport.client import ServerError
from faults.transport.keys import BY_CONNECTION
from harness.children import PYTHON, ChildDied, Children, wait_for_file
from harness.postgres import MISSING, Binaries
from harness.timeline import Timeline
from harness.wire_places import Place, places
from harness.wire_servers import READY_WITHIN_S, WIRE, Embedded, External
from ledger.clock import SECOND_NS, Epoch
from ledger.events import PhaseBegan, Struck
from ledger.rundir import RunDir
from ledger.states import Hop, Operation, Phase
from plan.faults import FaultPlan
from plan.run import Plan
from plan.transport import CONTINUE, EXTERNAL, GONE
from plan.units import from_text
from targets import webshop

KERNEL = "kernel-"
"""What the names of the children begin with that lose packets truly."""
NOWHERE = "127.0.0.1:9"
"""Where a proxy leads until it is known where it should: the discard service, which nobody runs."""
GUARD_BEATS_S = 1.0
REACHED_WITHIN_S = 5.0


def missing(plan: Plan) -> str:
    """What this machine lacks for what the plan wants of it, one line; empty where nothing is."""
    chosen = webshop.load(Path(plan.target.file)).databases.get(plan.target.database)
    if chosen is not None and chosen.server and Binaries.find() is None:
        return f"database {plan.target.database}: {MISSING}"
    if plan.transport.server == EXTERNAL and places(plan) and (why := _unanswered(plan.transport.external)):
        return why
    asked = [fault for fault in plan.faults if fault.layer == "kernel"]
    machine = probe() if asked else none("nobody asked")
    for fault in asked:
        loss = msgspec.convert(fault.params, TrueLoss, dec_hook=from_text)
        if why := machine.refusal(loss):
            return f"fault {fault.id} ({fault.fault}) cannot be played here: {why}"
    return ""


def _unanswered(external: str) -> str:
    """Why nobody answers at the address of a Toxiproxy; empty for one that does, and for a binary."""
    host, _, port = external.rpartition(":")
    try:
        if "/" not in external:
            socket.create_connection((host.strip("[]"), int(port)), timeout=REACHED_WITHIN_S).close()
    except OSError as error:
        legal = "start Toxiproxy there, or name its binary, or leave transport out"
        return f"transport.external: nobody answers at {external} ({error.strerror or 'timeout'}); {legal}"
    return ""


class Wires:
    """All proxies of one run. Addresses are HOST:PORT."""

    def __init__(self, plan: Plan, run: RunDir, epoch: Epoch, timeline: Timeline) -> None:
        self._plan, self._run, self._epoch, self._timeline = plan, run, epoch, timeline
        self._children: Children = timeline.children
        self._places = places(plan)
        self._listens: dict[Place, str] = {}
        self._server: Embedded | External | None = None
        self._relays = 0
        self._on: list[tuple[Place, FaultPlan]] = []

    # --- made, before the mocks -----------------------------------------------------------------------------------
    async def open(self) -> None:
        """Starts the server and makes every proxy, leading nowhere yet. ChildDied where that cannot be."""
        if not self._places:
            return
        self._server = server = await self._started()
        if isinstance(server, Embedded):
            self._timeline.mocks[WIRE] = server.url  # told of phases and leases like them
        if self._may_die:
            server.may_die()
        for place in self._places:
            self._listens[place] = await server.create(place, NOWHERE)

    async def _started(self) -> Embedded | External:
        at, tag = self._plan.transport.external, self._run.path.name
        if self._plan.transport.server != EXTERNAL:
            return await Embedded.started(self._children, self._timeline.state, self._arguments())
        return await (External.started(self._children, at, tag) if "/" in at else External.found(at, tag))

    @property
    def _may_die(self) -> bool:
        return self._plan.transport.on_proxy_death == CONTINUE

    def _arguments(self) -> list[str]:
        return ["--run", str(self._run.path), "--epoch", str(self._epoch)]

    # --- what everybody is told -----------------------------------------------------------------------------------
    def mock_arguments(self, role: str) -> list[str]:
        """Through whom the mocks of a role tell the shop."""
        return [
            f"--through={place.upstream}={at}"
            for place, at in self._listens.items()
            if place.tells_the_shop and self._role_of(place) == role
        ]

    def buyer_arguments(self) -> list[str]:
        """Through whom buyers pay. A shop that asks the channel through a proxy sends them to that one's address, and
        its faults are not theirs."""
        found = []
        for name, upstream in self._plan.upstreams.items():
            if upstream.role != "payment":
                continue
            cashier = urlsplit(self._timeline.mocks["payment"]).netloc
            own, shops = (self._listens.get(Place(hop, name)) for hop in (Hop.BUYER_PAYMENT, Hop.SHOP_PAYMENT))
            found += [f"--through={cashier}/{name}={own}"] if own else []
            found += [f"--through={shops}/{name}={own or cashier}"] if shops else []
        return found

    async def lead_to_mocks(self) -> None:
        """The mocks are up: the proxies before them lead there, and the shop will be told the proxies' addresses."""
        told = self._timeline.own_urls
        for place in [place for place in self._places if place.asks_a_mock]:
            assert place.upstream is not None
            own, at = told.get(place.upstream), self._listens[place]
            await self._lead(place, urlsplit(own or self._timeline.mocks[self._role_of(place)]).netloc)
            if place.hop is not Hop.BUYER_PAYMENT:
                told[place.upstream] = f"{urlsplit(own).scheme}://{at}" if own else f"http://{at}/{place.upstream}/"

    async def lead_to_database(self, address: str) -> str:
        """Where the shop finds its database: the proxy before it, if there is one."""
        place = Place(Hop.SHOP_DB)
        if place not in self._listens:
            return address
        await self._lead(place, address)
        return self._listens[place]

    async def lead_to_shop(self, url: str) -> str:
        """The shop is up: proxies lead there, and each is tried. Its address for buyers."""
        for place in self._places:
            if place.hop is Hop.BUYER_SHOP or place.tells_the_shop:
                await self._lead(place, urlsplit(url).netloc)
        for place, at in self._listens.items():
            await _reach(place, at)
        buyers = self._listens.get(Place(Hop.BUYER_SHOP))
        return f"http://{buyers}" if buyers else url

    def _role_of(self, place: Place) -> str:
        assert place.upstream is not None
        return self._plan.upstreams[place.upstream].role

    async def _lead(self, place: Place, address: str) -> None:
        """Through a wire of true loss first, where a fault wants that."""
        assert self._server is not None
        for fault in self._plan.faults:
            if fault.layer == "kernel" and place.has(fault):
                address = await self._relay(place, fault, address)
        await self._server.lead(place, address)

    async def _relay(self, place: Place, fault: FaultPlan, address: str) -> str:
        name = f"{KERNEL}{self._relays}"
        self._relays += 1
        port_file = self._timeline.state / f"{name}.port"
        argv = [*PYTHON, "faults.kernel", *self._arguments(), "--writer", name, "--state", str(self._timeline.state)]
        argv += ["--fault", fault.id, "--hop", place.at, "--upstream", address, "--port-file", str(port_file)]
        child = await self._children.start(name, argv, {})
        return f"127.0.0.1:{int(await wait_for_file(child, port_file, within_s=READY_WITHIN_S))}"

    # --- while it runs --------------------------------------------------------------------------------------------
    async def watch(self) -> None:
        """Keeps an external server's lease, until cancelled. ChildDied when the server has gone; in a run that may go
        on without it, that is noted instead."""
        is_there = self._server is not None
        while self._server is not None:
            why = await self._server.gone()
            if why and is_there and self._timeline.phase is not Phase.COLLECT:
                if not self._may_die:
                    raise ChildDied(why)
                is_there = False
                self._mourn(why)
            await asyncio.sleep(GUARD_BEATS_S)

    def _mourn(self, why: str) -> None:
        timeline = self._timeline
        timeline.mocks.pop(WIRE, None)
        timeline.mock_status.pop(WIRE, None)
        note = f"{why}; {GONE} {', '.join(place.at for place in self._listens)}"
        timeline.journal.append(PhaseBegan(t=timeline.clock.t(), phase=timeline.phase, note=note))
        timeline.journal.flush()

    async def play(self, load_s: float, stop: asyncio.Event) -> None:
        """The faults of an external server, each in its window, until the load ends; they are off when it returns.
        ChildDied where it does not do that, but in a run that may go on without it."""
        if not isinstance(self._server, External):
            return
        try:
            try:
                for at_s, is_begin, place, fault in sorted(self._edges(load_s), key=lambda edge: edge[0]):
                    await self._timeline.wait_until_s(at_s, stop)
                    if stop.is_set():
                        break
                    await (self._begin if is_begin else self._end)(self._server, place, fault)
            finally:
                for place, fault in list(self._on):
                    await self._end(self._server, place, fault)
        except ServerError as error:
            if not self._may_die:
                raise ChildDied(str(error)) from None
            self._on.clear()

    def _edges(self, load_s: float) -> Iterator[tuple[float, bool, Place, FaultPlan]]:
        for fault in self._plan.faults:
            for place in self._places if fault.layer == "wire" else ():
                low, high = (float(fault.window.low), float(fault.window.high)) if fault.window else (0.0, load_s)
                if place.has(fault) and low < load_s:
                    yield low, True, place, fault
                    yield min(high, load_s), False, place, fault

    async def _begin(self, server: External, place: Place, fault: FaultPlan) -> None:
        self._on.append((place, fault))
        await server.begin(place, fault)
        self._note(place, fault, f"begins at {server.words}, for {float(fault.rate):.0%} of the connections")

    async def _end(self, server: External, place: Place, fault: FaultPlan) -> None:
        if (place, fault) in self._on:
            await server.end(place, fault)
            self._on.remove((place, fault))
            self._note(place, fault, f"ends at {server.words}")

    def _note(self, place: Place, fault: FaultPlan, changed: str) -> None:
        """All that is known of an external server's strikes: since when, and until when."""
        self._timeline.struck(
            Struck(
                t=self._timeline.clock.t(),
                o=None,
                fault=fault.id,
                hop=place.at,
                operation=Operation.CONNECT,
                attempt=1,
                changed=changed,
                keyed_by=BY_CONNECTION,
            )
        )

    @property
    def in_force(self) -> list[str]:
        """The faults in force that no child tells of: those of an external server, and true loss."""
        timeline = self._timeline
        on = {fault.id for _, fault in self._on}
        if timeline.phase is Phase.LOAD and timeline.l0_t is not None and timeline.clock.t() >= timeline.l0_t:
            load_s = (timeline.clock.t() - timeline.l0_t) / SECOND_NS
            on |= {f.id for f in self._plan.faults if f.layer == "kernel" and f.is_in_window(load_s)}
        return sorted(on)

    @property
    def words(self) -> str:
        """Which server breaks which hop, one line; empty where no proxy stands."""
        if self._server is None:
            return ""
        lossy = [p.at for p in self._places if any(f.layer == "kernel" and p.has(f) for f in self._plan.faults)]
        kernel = f"; {', '.join(lossy)} through the kernel's true loss" if lossy else ""
        return f"{', '.join(place.at for place in self._listens)} through {self._server.words}{kernel}"

    async def close(self) -> None:
        """An external server has none of our proxies left."""
        if self._server is not None:
            await self._server.close()


async def _reach(place: Place, address: str) -> None:
    """ChildDied where nobody accepts a connection."""
    host, _, port = address.rpartition(":")
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port)), REACHED_WITHIN_S)
    except (OSError, TimeoutError) as error:
        raise ChildDied(f"the proxy of {place.at} at {address} cannot be reached ({error or 'timeout'})") from None
    writer.close()

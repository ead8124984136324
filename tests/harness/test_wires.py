"""Which hops of a run pass through a proxy, and who is told what of it; servers are fakes, the guard is real."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest

from faults.transport.client import ServerError
from faults.transport.toxic import Stream, Toxic
from harness import cli_mocks
from harness import wires as wires_module
from harness.children import ChildDied, Children
from harness.timeline import Timeline
from harness.up import plan_of
from harness.wire_places import Place, places
from harness.wire_servers import External
from harness.wires import NOWHERE, Wires, missing
from ledger import journal
from ledger.clock import SECOND_NS, Epoch, RunClock
from ledger.events import PhaseBegan, Struck
from ledger.journal import Voice
from ledger.rundir import RunDir
from ledger.states import Hop, Phase
from plan.faults import FaultPlan, Label
from plan.run import Plan, UpstreamPlan
from plan.transport import GONE, Transport
from plan.units import Share, Window
from targets import webshop

EMBEDDED = Transport()
PAYMENT, SUPPLIER = "http://127.0.0.1:7001", "http://127.0.0.1:7002"


def fault(*hops: Hop, id: str = "f", name: str = "wire.latency", **more: Any) -> FaultPlan:
    params: dict[str, object] = {"ms": 50} if name == "wire.latency" else {}
    layer = more.pop("layer", "wire")
    return FaultPlan(id, name, hops, Label(id, id), "cause", params=params, layer=layer, **more)


def plan_with(*faults: FaultPlan, transport: Transport = EMBEDDED) -> Plan:
    plan = plan_of(webshop.load(webshop.find("cardshop")), "cardshop", webshop.find("cardshop"))
    more = {
        "epay": UpstreamPlan("payment", "epay"),
        "cheap": UpstreamPlan("payment", "epay"),
        "store": UpstreamPlan("supplier", "sharedstore"),
        "city": UpstreamPlan("game", "rcon"),
    }
    return msgspec.structs.replace(plan, upstreams=more, faults=faults, transport=transport)


# --- where ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ([], []),
        ([fault(Hop.SHOP_PAYMENT, layer="application")], []),
        ([fault(Hop.SHOP, layer="house")], []),
        ([fault(Hop.SHOP_PAYMENT)], ["shop>payment/epay", "shop>payment/cheap"]),
        ([fault(Hop.SHOP_PAYMENT, upstream="cheap")], ["shop>payment/cheap"]),
        ([fault(Hop.SHOP_PAYMENT, upstream="cheap")] * 2, ["shop>payment/cheap"]),
        ([fault(Hop.SHOP_PAYMENT, Hop.SHOP_SUPPLIER, upstream="store")], ["shop>supplier/store"]),
        ([fault(Hop.BUYER_SHOP), fault(Hop.SHOP_DB, layer="kernel")], ["buyer>shop", "shop>db"]),
        ([fault(Hop.PAYMENT_SHOP, upstream="epay", layer="kernel")], ["payment>shop/epay"]),
        ([fault(Hop.SHOP_GAME)], ["shop>game/city"]),
        ([fault(Hop.GAME_SHOP)], []),  # a game that is asked by RCON tells its shop nothing
    ],
)
def test_a_proxy_stands_where_a_fault_on_the_wire_is_and_nowhere_else(
    faults: list[FaultPlan], expected: list[str]
) -> None:
    assert [place.at for place in places(plan_with(*faults))] == expected


def test_nobody_at_the_address_of_a_toxiproxy_is_told_before_anything_starts() -> None:
    with socket.socket() as held:  # bound, and nobody listens
        held.bind(("127.0.0.1", 0))
        at = f"127.0.0.1:{held.getsockname()[1]}"
        plan = plan_with(fault(Hop.BUYER_SHOP), transport=Transport("external", at))
        assert missing(plan).startswith(f"transport.external: nobody answers at {at} (Connection refused); start")
        assert missing(msgspec.structs.replace(plan, faults=())) == ""
        held.listen()
        assert missing(plan) == ""


# --- told to whom ---------------------------------------------------------------------------------------------------
class FakeServer:
    """Gives each proxy a port in turn, and remembers where it leads."""

    words = "a fake"

    def __init__(self) -> None:
        self.leads: dict[str, str] = {}
        self.dead = ""
        self.asked = asyncio.Event()

    async def create(self, place: Place, upstream: str) -> str:
        self.leads[place.at] = upstream
        return f"127.0.0.1:{9000 + len(self.leads)}"

    async def lead(self, place: Place, upstream: str) -> None:
        self.leads[place.at] = upstream

    async def gone(self) -> str:
        self.asked.set()
        return self.dead

    def may_die(self) -> None:
        pass

    async def close(self) -> None:
        pass


class World:
    """Wires over a fake server, before mocks that are only addresses."""

    def __init__(self, folder: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server = FakeServer()
        self.voice = Voice(folder, "harness")
        self.timeline = Timeline(RunClock(Epoch.now()), self.voice, folder, Children(folder))
        self.wires = Wires(plan, RunDir(folder), Epoch.now(), self.timeline)

        async def started(_: object) -> FakeServer:
            return self.server

        async def reached(_: Place, __: str) -> None:
            pass

        monkeypatch.setattr(Wires, "_started", started)
        monkeypatch.setattr(wires_module, "_reach", reached)
        self.folder = folder

    def events(self) -> list[Any]:
        self.voice.close()
        return [event for path in self.folder.glob("*.ndjson") for event in journal.read(path)]


async def test_without_a_fault_on_the_wire_nobody_is_told_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, plan_with(fault(Hop.SHOP_PAYMENT, layer="application")), monkeypatch)
    world.timeline.mocks = {"payment": PAYMENT}
    await world.wires.open()
    await world.wires.lead_to_mocks()
    assert await world.wires.lead_to_shop("http://127.0.0.1:8000") == "http://127.0.0.1:8000"
    assert await world.wires.lead_to_database("127.0.0.1:5432") == "127.0.0.1:5432"
    await world.wires.watch()  # there is nothing to watch
    assert (world.wires.words, world.server.leads, world.timeline.own_urls) == ("", {}, {})
    assert [world.wires.mock_arguments("payment"), world.wires.buyer_arguments()] == [[], []]


async def test_each_is_told_the_proxy_before_whom_he_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hops = (Hop.SHOP_PAYMENT, Hop.SHOP_SUPPLIER, Hop.SHOP_GAME, Hop.PAYMENT_SHOP, Hop.BUYER_SHOP, Hop.SHOP_DB)
    world = World(tmp_path, plan_with(fault(*hops)), monkeypatch)
    wires, timeline, leads = world.wires, world.timeline, world.server.leads
    await wires.open()
    assert set(leads.values()) == {NOWHERE}, "mocks must know their ways before there is a shop"
    assert wires.mock_arguments("payment") == ["--through=epay=127.0.0.1:9005", "--through=cheap=127.0.0.1:9006"]
    assert wires.mock_arguments("supplier") == []
    timeline.mocks = {"payment": PAYMENT, "supplier": SUPPLIER, "game": "http://127.0.0.1:7003"}
    timeline.own_urls = {"city": "rcon://127.0.0.1:7103"}
    await wires.lead_to_mocks()
    assert timeline.own_urls == {
        "epay": "http://127.0.0.1:9001/epay/",
        "cheap": "http://127.0.0.1:9002/cheap/",
        "store": "http://127.0.0.1:9003/store/",
        "city": "rcon://127.0.0.1:9004",
    }
    assert await wires.lead_to_database("127.0.0.1:5432") == "127.0.0.1:9008"
    assert await wires.lead_to_shop("http://127.0.0.1:8000") == "http://127.0.0.1:9007"
    assert leads == {
        "shop>payment/epay": "127.0.0.1:7001",
        "shop>payment/cheap": "127.0.0.1:7001",
        "shop>supplier/store": "127.0.0.1:7002",
        "shop>game/city": "127.0.0.1:7103",
        "payment>shop/epay": "127.0.0.1:8000",
        "payment>shop/cheap": "127.0.0.1:8000",
        "buyer>shop": "127.0.0.1:8000",
        "shop>db": "127.0.0.1:5432",
    }
    assert wires.words.endswith("buyer>shop, shop>db through a fake")


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ([fault(Hop.PAYMENT_SHOP)], []),
        # The shop sends its buyers to where it asks itself: past its proxy they go to the mock.
        ([fault(Hop.SHOP_PAYMENT, upstream="epay")], ["127.0.0.1:9001/epay=127.0.0.1:7001"]),
        ([fault(Hop.BUYER_PAYMENT, upstream="epay")], ["127.0.0.1:7001/epay=127.0.0.1:9001"]),
        (
            [fault(Hop.SHOP_PAYMENT, Hop.BUYER_PAYMENT, upstream="epay")],
            ["127.0.0.1:7001/epay=127.0.0.1:9002", "127.0.0.1:9001/epay=127.0.0.1:9002"],
        ),
    ],
)
async def test_buyers_pay_through_their_own_proxy_and_never_through_the_shops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: list[FaultPlan], expected: list[str]
) -> None:
    world = World(tmp_path, plan_with(*faults), monkeypatch)
    world.timeline.mocks = {"payment": PAYMENT}
    await world.wires.open()
    assert world.wires.buyer_arguments() == [f"--through={way}" for way in expected]


async def test_a_proxy_that_nobody_can_reach_ends_the_run_before_load() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        at = f"127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(ChildDied, match=rf"the proxy of shop>db at {at} cannot be reached"):
            await wires_module._reach(Place(Hop.SHOP_DB), at)


# --- death ----------------------------------------------------------------------------------------------------------
async def test_a_dead_server_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, plan_with(fault(Hop.BUYER_SHOP)), monkeypatch)
    await world.wires.open()
    world.server.dead = "it fell over"
    with pytest.raises(ChildDied, match="it fell over"):
        await world.wires.watch()


@pytest.mark.parametrize(("phase", "is_noted"), [(Phase.LOAD, True), (Phase.COLLECT, False)])
async def test_a_dead_server_is_noted_once_where_the_run_goes_on_but_not_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: Phase, *, is_noted: bool
) -> None:
    monkeypatch.setattr(wires_module, "GUARD_BEATS_S", 0.0)
    plan = plan_with(fault(Hop.SHOP_SUPPLIER, Hop.BUYER_SHOP), transport=Transport(on_proxy_death="continue"))
    world = World(tmp_path, plan, monkeypatch)
    await world.wires.open()
    world.server.dead = "wire was killed by SIGKILL"
    world.timeline.phase = phase
    watching = asyncio.create_task(world.wires.watch(), name="watch")
    for _ in range(3):
        world.server.asked.clear()
        await world.server.asked.wait()
    watching.cancel()
    notes = [event.note for event in world.events() if isinstance(event, PhaseBegan)]
    assert notes == ([f"{world.server.dead}; {GONE} shop>supplier/store, buyer>shop"] if is_noted else [])


# --- a Toxiproxy of the user's --------------------------------------------------------------------------------------
class FakeClient:
    """A Toxiproxy that only remembers."""

    def __init__(self) -> None:
        self.did: list[tuple[Any, ...]] = []
        self.refuses = ""

    async def add(self, name: str, toxic_name: str, stream: Stream, toxic: Toxic, toxicity: float) -> None:
        self._do("add", name, toxic_name, str(stream), toxicity)

    async def remove(self, name: str, toxic_name: str) -> None:
        self._do("remove", name, toxic_name)

    async def enable(self, name: str, enabled: bool) -> None:
        self._do("enable", name, enabled)

    async def version(self) -> str:
        self._do("version")
        return "2.12.0"

    def _do(self, *what: Any) -> None:
        if self.refuses:
            raise ServerError(self.refuses)
        self.did.append(what)


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
def external(client: FakeClient) -> External:
    return External(client, "2.12.0", "127.0.0.1:8474", FakeGuard(), "run/1")  # type: ignore[arg-type]


class FakeGuard:
    returncode: int | None = None

    def __init__(self) -> None:
        self.told = b""
        self.stdin = self

    def write(self, data: bytes) -> None:
        self.told += data


SHOP = "orderjam-run_2f_1-buyer-shop"


async def test_a_toxic_is_named_by_its_fault_and_is_for_its_share_of_the_connections(
    external: External, client: FakeClient
) -> None:
    slow = fault(Hop.BUYER_SHOP, id="慢 1", rate=Share(0.25))
    await external.begin(Place(Hop.BUYER_SHOP), slow)
    await external.end(Place(Hop.BUYER_SHOP), slow)
    name = "_6162__20_1_downstream_latency"
    assert client.did == [("add", SHOP, name, "downstream", 0.25), ("remove", SHOP, name)]


async def test_a_hop_is_up_again_when_the_last_fault_that_wants_it_down_has_ended(
    external: External, client: FakeClient
) -> None:
    place, one, two = Place(Hop.BUYER_SHOP), *(fault(Hop.BUYER_SHOP, id=n, name="wire.down") for n in "ab")
    await external.begin(place, one)
    await external.begin(place, two)
    await external.end(place, one)
    assert client.did == [("enable", SHOP, False)] * 2
    await external.end(place, two)
    assert client.did[2:] == [("enable", SHOP, True)]


async def test_each_look_renews_the_lease_and_tells_of_a_server_that_has_gone(
    external: External, client: FakeClient
) -> None:
    assert await external.gone() == ""
    client.refuses = "did not answer"
    assert await external.gone() == "did not answer"
    guard: Any = external._guard
    assert guard.told == b"beat\nbeat\n", "the lease is the harness's, whatever became of the server"
    guard.returncode = 1
    with pytest.raises(ChildDied, match="wire-guard ended"):
        await external.gone()


class Played:
    """The faults of a plan, played from 100 s of the load on: every moment of it has come."""

    def __init__(self, folder: Path, plan: Plan, external: External) -> None:
        self.folder, self.voice = folder, Voice(folder, "harness")
        self.timeline = Timeline(RunClock(Epoch.now()), self.voice, folder, Children(folder))
        self.timeline.l0_t = self.timeline.clock.t() - 100 * SECOND_NS
        self.wires = Wires(plan, RunDir(folder), Epoch.now(), self.timeline)
        self.wires._server = external

    async def play(self, stop: asyncio.Event | None = None) -> list[tuple[str, str, str]]:
        await self.wires.play(60.0, stop or asyncio.Event())
        self.voice.close()
        found = [event for path in self.folder.glob("*.ndjson") for event in journal.read(path)]
        return [(s.fault, s.hop, s.changed.split()[0]) for s in found if isinstance(s, Struck)]


async def test_faults_come_and_go_with_their_windows_and_all_are_gone_at_the_end(
    tmp_path: Path, external: External, client: FakeClient
) -> None:
    plan = plan_with(
        fault(Hop.BUYER_SHOP, id="all"),
        fault(Hop.BUYER_SHOP, id="early", window=Window(5.0, 10.0)),
        fault(Hop.SHOP_SUPPLIER, id="late", window=Window(50.0, 90.0)),
        fault(Hop.BUYER_SHOP, id="never", window=Window(70.0, 90.0)),
    )
    played = Played(tmp_path, plan, external)
    assert await played.play() == [
        ("all", "buyer>shop", "begins"),
        ("early", "buyer>shop", "begins"),
        ("early", "buyer>shop", "ends"),
        ("late", "shop>supplier/store", "begins"),
        ("all", "buyer>shop", "ends"),
        ("late", "shop>supplier/store", "ends"),
    ]
    assert [one[0] for one in client.did].count("add") == [one[0] for one in client.did].count("remove") == 3
    assert played.wires.in_force == []


async def test_an_early_end_of_the_load_takes_away_what_is_in_force(
    tmp_path: Path, external: External, client: FakeClient
) -> None:
    played = Played(tmp_path, plan_with(fault(Hop.BUYER_SHOP, id="all")), external)
    stop = asyncio.Event()
    playing = asyncio.create_task(played.wires.play(1000.0, stop), name="play")
    while not client.did:
        await asyncio.sleep(0)
    assert played.wires.in_force == ["all"]
    stop.set()
    await playing
    assert [one[0] for one in client.did] == ["add", "remove"]
    played.voice.close()


@pytest.mark.parametrize("goes_on", [False, True])
async def test_a_toxiproxy_that_refuses_a_toxic_ends_the_run_unless_it_may_go_on_without_it(
    tmp_path: Path, external: External, client: FakeClient, *, goes_on: bool
) -> None:
    transport = Transport("external", "127.0.0.1:8474", "continue" if goes_on else "stop")
    played = Played(tmp_path, plan_with(fault(Hop.BUYER_SHOP), transport=transport), external)
    client.refuses = "Toxiproxy at 127.0.0.1:8474 refused: bad"
    if goes_on:
        assert await played.play() == []
        assert played.wires.in_force == []
    else:
        with pytest.raises(ChildDied, match="refused: bad"):
            await played.play()
        played.voice.close()


def test_true_loss_is_shown_in_force_in_its_window_of_the_load(tmp_path: Path) -> None:
    lossy = fault(Hop.BUYER_SHOP, layer="kernel", window=Window(90.0, 200.0))
    plan = plan_with(lossy, fault(Hop.SHOP_SUPPLIER, id="x"))
    with Voice(tmp_path, "harness") as voice:
        timeline = Timeline(RunClock(Epoch.now()), voice, tmp_path, Children(tmp_path))
        wires = Wires(plan, RunDir(tmp_path), Epoch.now(), timeline)
        timeline.l0_t = timeline.clock.t() - 100 * SECOND_NS
        assert wires.in_force == []  # not the load yet
        timeline.phase = Phase.LOAD
        assert wires.in_force == ["f"]


def test_mocks_alone_say_which_faults_they_leave_out_and_where_those_are_played(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cli_mocks._warn(plan_with(fault(Hop.BUYER_SHOP, id="slow"), fault(Hop.SHOP_DB, id="lossy", layer="kernel")))
    said = capsys.readouterr().err
    assert said == "warning: faults on the wire are played only in a run, or by hand in `orderjam proxy`: slow, lossy\n"

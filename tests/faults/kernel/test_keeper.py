"""When packets are lost, and what the journal says of it."""

import asyncio

import pytest

from faults.kernel.breaker import NONE, Counts
from faults.kernel.keeper import Keeper, PacketRate, is_in_force, next_edge
from faults.kernel.loss import TrueLoss
from ledger.clock import SECOND_NS, ManualClock
from ledger.events import Struck
from ledger.phasefile import Told
from ledger.states import Hop, Phase
from plan.faults import FaultPlan, Label
from plan.run import LEASE_S
from plan.units import Rate, Share, Window


def fault(window: Window | None = None) -> FaultPlan:
    return FaultPlan("bad", "wire.true_loss", (Hop.SHOP_SUPPLIER,), Label("a", "b"), "cause", window=window)


def s(seconds: float) -> int:
    return round(seconds * SECOND_NS)


LOAD = Told(Phase.LOAD, l0_t=s(5), beat_t=s(20))
WINDOW = Window(10.0, 25.0)


@pytest.mark.parametrize("t", [5.0, 14.0, 20.0 + LEASE_S - 0.001])
def test_packets_are_lost_during_the_load(t: float) -> None:
    assert is_in_force(fault(), LOAD, s(t))


@pytest.mark.parametrize("t", [15.0, 29.9])
def test_packets_are_lost_in_the_window(t: float) -> None:
    assert is_in_force(fault(WINDOW), LOAD, s(t))


@pytest.mark.parametrize(
    ("window", "told", "t"),
    [
        (None, Told(), 6.0),
        (None, Told(Phase.WARM_UP, l0_t=None, beat_t=s(6)), 6.0),
        (None, Told(Phase.LOAD, l0_t=s(5), beat_t=None), 6.0),
        (None, LOAD, 4.999),
        (None, LOAD, 20.0 + LEASE_S),
        (None, Told(Phase.HEAL, l0_t=s(5), beat_t=s(20)), 20.0),
        (None, Told(Phase.SETTLE, l0_t=s(5), beat_t=s(20)), 20.0),
        (WINDOW, LOAD, 14.999),
        (WINDOW, Told(Phase.LOAD, l0_t=s(5), beat_t=s(30)), 30.0),
    ],
)
def test_at_any_other_time_no_packet_is_lost(window: Window | None, told: Told, t: float) -> None:
    assert not is_in_force(fault(window), told, s(t))


@pytest.mark.parametrize(
    ("told", "t", "edge"),
    [
        (Told(), 1.0, 1.1),
        (LOAD, 4.95, 5.0),
        (LOAD, 14.97, 15.0),
        (LOAD, 15.0, 15.1),
        (LOAD, 29.97, 30.0),
        (Told(Phase.LOAD, l0_t=s(5), beat_t=s(6.01)), 16.0, 16.01),
    ],
)
def test_it_looks_again_when_the_answer_may_change(told: Told, t: float, edge: float) -> None:
    assert next_edge(fault(WINDOW), told, s(t)) == s(edge)


def test_the_packet_rate_is_that_of_the_last_second() -> None:
    rate = PacketRate()
    assert rate.at(0, 1000) == 0
    assert [rate.at(s(n / 10), 1000 + 100 * n) for n in range(1, 8)] == [1000.0] * 7
    assert [round(rate.at(s(n / 10), 1700)) for n in range(8, 18)] == [875, 778, 700, 600, 500, 400, 300, 200, 100, 0]


class FakeWire:
    """Carries so many packets a second and loses what it is told to, exactly."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.packets_s = 0
        self.share: float | None = None
        self.now = NONE
        self.set_to: list[float | None] = []

    def pass_by(self, seconds: float) -> None:
        n = round(self.packets_s * seconds)
        dropped = round(n * self.share) if self.share else 0
        self.now = self.now + Counts(n, dropped)

    async def set(self, share: float | None) -> Counts:
        self.share = share
        self.set_to.append(share)
        return self.now

    async def counts(self) -> Counts:
        return self.now

    def packets(self) -> int:
        return self.now.packets


class World:
    def __init__(self, asked: TrueLoss) -> None:
        self.clock = ManualClock(s(1))
        self.wire = FakeWire(self.clock)
        self.struck: list[Struck] = []
        self.is_on = True
        self.keeper = Keeper(
            self.wire,
            asked,
            self.clock,
            fault="bad",
            hop="shop>supplier/cheap",
            in_force=lambda t: (self.is_on, t + SECOND_NS // 10),
            report=self.struck.append,
            say=lambda words: None,
        )

    async def pass_s(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            await self.keeper.look()
            self.wire.pass_by(0.1)
            self.clock.move_to(self.clock.t() + SECOND_NS // 10)


async def test_each_second_with_drops_is_one_strike_of_the_hop_that_says_how_many() -> None:
    world = World(TrueLoss(loss=Share(0.05)))
    world.wire.packets_s = 400
    await world.pass_s(2.1)
    assert [(e.changed, e.attempt) for e in world.struck] == [
        ("dropped 20 of 400 packets at 5%", 1),
        ("dropped 20 of 400 packets at 5%", 2),
    ]
    event = world.struck[0]
    assert (event.o, event.keyed_by, event.hop, event.fault) == (None, "connection", "shop>supplier/cheap", "bad")


async def test_a_second_without_drops_struck_nothing() -> None:
    world = World(TrueLoss(loss=Share(0.05)))
    await world.pass_s(3)
    assert world.wire.set_to == [0.05]
    assert world.struck == []


async def test_every_step_of_the_curve_is_told_by_itself_with_the_rate_that_led_to_it() -> None:
    world = World(TrueLoss(curve=[(Rate(100), Share(0.1)), (Rate(1000), Share(0.5))]))
    await world.pass_s(1)
    world.wire.packets_s = 500
    await world.pass_s(1)
    world.wire.packets_s = 5000
    await world.pass_s(1)
    world.wire.packets_s = 0
    await world.pass_s(1.2)
    assert world.wire.set_to == [0.0, 0.1, 0.5, 0.1, 0.0]
    assert [event.changed for event in world.struck] == [
        "dropped 140 of 1400 packets at 10% from 100 packets/s on",
        "dropped 2000 of 4000 packets at 50% from 1400 packets/s on",
    ]


async def test_what_was_dropped_is_told_before_the_loss_ends_and_the_wire_is_left_whole() -> None:
    world = World(TrueLoss(loss=Share(0.5)))
    world.wire.packets_s = 100
    await world.pass_s(0.5)
    world.is_on = False
    await world.pass_s(0.5)
    assert world.wire.set_to == [0.5, None]
    assert [event.changed for event in world.struck] == ["dropped 25 of 50 packets at 50%"]


async def test_it_stops_at_once_when_told_so_and_takes_the_loss_off() -> None:
    world = World(TrueLoss(loss=Share(0.5)))
    stop = asyncio.Event()
    async with asyncio.timeout(2), asyncio.TaskGroup() as tasks:
        tasks.create_task(world.keeper.keep(stop))
        while not world.wire.set_to:
            await asyncio.sleep(0)
        stop.set()
    assert world.wire.set_to == [0.5, None]

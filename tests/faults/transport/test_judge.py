"""Whom a plan strikes on the wire is the same in every run; what strikes by connection says so of itself."""

from collections.abc import Callable

import pytest

from faults.decide import Decider
from faults.transport.http1 import Framing
from faults.transport.judge import ByPlan
from faults.transport.keys import Numbers
from faults.transport.toxic import Exchange, Head, Stream
from ledger.clock import SECOND_NS, ManualClock
from ledger.events import Event, Struck
from ledger.states import Hop, Phase
from plan.chance import draw
from plan.faults import FaultPlan
from plan.run import Plan
from plan.units import Share, ShareRange, Window
from tests.faults.transport.wired import create, query, wire_fault, with_table

MakePlan = Callable[..., Plan]
MakeFault = Callable[..., FaultPlan]
L0_T = 5 * SECOND_NS


class World:
    """One proxy's judge in a run that is under way, and what it journalled."""

    def __init__(self, plan: Plan, hop: Hop = Hop.SHOP_PAYMENT, upstream: str | None = "epay") -> None:
        self.clock = ManualClock()
        self.events: list[Event] = []
        self.decider = Decider(plan, layers=("wire",))
        self.judge = ByPlan(
            plan, self.decider, hop, upstream,
            clock=self.clock, append=self.events.append, numbers=Numbers(), is_to_mock=True,
        )  # fmt: skip
        self.begin(Phase.LOAD)

    def begin(self, phase: Phase) -> None:
        self.decider.begin(phase, L0_T)
        self.clock.move_to(max(self.clock.t(), L0_T))
        self.decider.renew(self.clock.t())

    def move_s(self, seconds: float) -> None:
        self.clock.move_to(self.clock.t() + int(seconds * SECOND_NS))

    def carry(self, requests: list[bytes], connections: int = 1, pieces: int = 1) -> dict[str, frozenset[str]]:
        """Sends the requests over so many kept connections in so many pieces each; what struck each, as its judge saw
        it when the first byte passed."""
        framings = [Framing(c + 1, self.judge) for c in range(connections)]
        struck: dict[str, frozenset[str]] = {}
        for n, text in enumerate(requests):
            framing, size = framings[n % connections], -(-len(text) // pieces)
            for at in range(0, len(text), size):
                for exchange, data in framing.request_bytes(text[at : at + size]):
                    assert exchange is not None
                    struck.setdefault(text.decode().rpartition("\r\n")[2] or text.decode(), exchange.struck)
                    for name in exchange.struck:
                        exchange.changed(name, "delayed by 50 ms", len(data))
            framing.answer_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return struck

    @property
    def struck(self) -> list[Struck]:
        return [event for event in self.events if isinstance(event, Struck)]


def test_the_same_orders_are_struck_whatever_their_sequence_connections_and_pieces(make_plan: MakePlan) -> None:
    plan = with_table(make_plan(wire_fault(rate=Share(0.3))))
    requests = [create(n) for n in range(100)]
    one = World(plan)
    whole = one.carry(requests)
    hit = {key for key, names in whole.items() if names == {"late"}}
    assert 15 < len(hit) < 45
    for shuffle, connections, pieces in ((1, 1, 1), (2, 7, 3), (3, 100, 200)):
        other = World(plan)
        mixed = sorted(requests, key=lambda text: draw(shuffle, text.decode()))
        assert other.carry(mixed, connections, pieces) == whole
        assert {(e.o, e.operation, e.attempt, e.hop) for e in other.struck} == {
            (e.o, e.operation, e.attempt, e.hop) for e in one.struck
        }


def test_one_kept_connection_carries_struck_and_unstruck_exchanges(make_plan: MakePlan) -> None:
    world = World(with_table(make_plan(wire_fault(orders=ShareRange(Share(0.0), Share(0.005))))))
    assert list(world.carry([create(n) for n in (0, 399, 1, 200)]).values()) == [{"late"}, set(), {"late"}, set()]
    assert [(e.o, e.keyed_by, e.attempt) for e in world.struck] == [("b00000000", "key", 1), ("b00000001", "key", 1)]
    assert world.struck[0].changed.startswith("delayed by 50 ms, ")
    assert world.struck[0].hop == "shop>payment/epay"


def test_attempts_count_per_operation_and_order(make_plan: MakePlan) -> None:
    world = World(with_table(make_plan(wire_fault(first=2))))
    world.carry([create(1), create(1), query(1), create(1), query(2), query(1)])
    assert [(e.o, e.operation, e.attempt, e.keyed_by) for e in world.struck] == [
        ("b00000001", "create", 1, "key"),
        ("b00000001", "create", 2, "key"),
        ("b00000001", "query", 1, "key"),
        ("C2", "query", 1, "order_number"),
        ("b00000001", "query", 2, "key"),
    ]


def test_a_request_that_tells_no_order_is_keyed_by_its_connection_and_names_none(make_plan: MakePlan) -> None:
    world = World(with_table(make_plan(wire_fault())))
    world.carry([b"GET /epay/stock HTTP/1.1\r\n\r\n", b"GET /epay/unknown HTTP/1.1\r\n\r\n"])
    assert [(e.o, e.operation, e.attempt, e.keyed_by) for e in world.struck] == [
        (None, "stock", 1, "connection"),
        (None, "connect", 1, "connection"),
    ]


def test_a_fault_is_journalled_once_for_an_exchange_and_never_where_it_changed_nothing(make_plan: MakePlan) -> None:
    plan = with_table(make_plan(wire_fault(params={"ms": 50, "stream": "both"}), wire_fault("other")))
    world = World(plan)
    assert {t.name: t.stream for t in world.judge.toxics} == {
        "late_upstream": Stream.UPSTREAM, "late_downstream": Stream.DOWNSTREAM, "other": Stream.DOWNSTREAM,
    }  # fmt: skip
    exchange = world.judge.request(1, 1, Head("GET", "/epay/query?no=C1", {}, b"", True))
    assert exchange.struck == {"late_upstream", "late_downstream", "other"}
    assert not world.events
    exchange.changed("late_upstream", "delayed", 10)
    exchange.changed("late_downstream", "delayed", 20)
    exchange.end()
    assert [(e.fault, e.changed) for e in world.struck] == [("late", "delayed, 10 bytes")]


def test_draws_are_the_same_in_every_run_and_differ_in_all_that_they_are_drawn_for(make_plan: MakePlan) -> None:
    plan = with_table(make_plan(wire_fault()))

    def first(world: World, n: int) -> Exchange:
        return world.judge.request(n + 7, 3, Head("GET", f"/epay/query?no=C{n}", {}, b"", True))

    one, same, another = first(World(plan), 1), first(World(plan), 1), first(World(plan), 2)
    assert one.draw("late", 0) == same.draw("late", 0)
    drawn = [one.draw("late", 0), one.draw("late", 1), one.draw("late_upstream", 0), another.draw("late", 0)]
    assert len(set(drawn)) == 4
    assert all(0 <= u < 1 for u in drawn)


@pytest.mark.parametrize("ends", ["heal", "lease"])
def test_what_was_struck_is_so_no_longer_once_faults_are_off(ends: str, make_plan: MakePlan) -> None:
    world = World(with_table(make_plan(wire_fault())))
    exchange = world.judge.request(1, 1, Head("GET", "/epay/query?no=C1", {}, b"", True))
    assert exchange.struck
    if ends == "heal":
        world.begin(Phase.HEAL)
    else:
        world.move_s(10)
    assert not exchange.struck


def test_a_connection_that_speaks_no_http_is_struck_while_the_window_lasts(make_plan: MakePlan) -> None:
    fault = wire_fault(window=Window(2.0, 4.0), hops=(Hop.SHOP_DB,), by_exposure=True)
    world = World(make_plan(fault), Hop.SHOP_DB, None)
    assert not world.judge.reads_requests
    early = world.judge.connection(1)
    seen = []
    for _ in range(5):
        seen.append(bool(early.struck))
        world.move_s(1)
    assert seen == [False, False, True, True, False]
    assert not world.judge.connection(2).struck


def test_of_connections_the_share_asked_for_is_struck(make_plan: MakePlan) -> None:
    world = World(make_plan(wire_fault(rate=Share(0.3), hops=(Hop.SHOP_DB,))), Hop.SHOP_DB, None)
    hit = sum(bool(world.judge.connection(n).struck) for n in range(1000))
    assert 250 < hit < 350
    world.judge.connection(7).changed("late", "delayed", 0)
    assert [(e.o, e.operation, e.attempt, e.keyed_by, e.changed) for e in world.struck] == [
        (None, "connect", 1, "connection", "delayed")
    ]


def test_faults_of_other_hops_upstreams_and_layers_have_no_toxics_here(
    make_plan: MakePlan, make_fault: MakeFault
) -> None:
    others = (
        wire_fault("a", hops=(Hop.SHOP_DB,)),
        wire_fault("b", upstream="cheap"),
        make_fault("c"),
        wire_fault("d", "wire.down", params={}),
    )
    world = World(make_plan(*others, wire_fault("e", upstream="epay")))
    assert [toxic.name for toxic in world.judge.toxics] == ["e"]


@pytest.mark.parametrize("fault", [None, "wire.down"])
def test_where_no_toxic_stands_requests_are_not_read(fault: str | None, make_plan: MakePlan) -> None:
    faults = () if fault is None else (wire_fault("down", fault, params={}),)
    assert World(with_table(make_plan(wire_fault()))).judge.reads_requests
    assert not World(with_table(make_plan(*faults))).judge.reads_requests


def test_the_rate_of_the_hop_is_that_of_the_last_second(make_plan: MakePlan) -> None:
    world = World(with_table(make_plan(wire_fault())))
    head = Head("GET", "/epay/query?no=C1", {}, b"", True)
    for _ in range(200):
        world.move_s(0.01)
        exchange = world.judge.request(1, 1, head)
    assert exchange.rate == pytest.approx(100, abs=1)
    world.move_s(0.55)
    assert exchange.rate == pytest.approx(50, abs=10)
    world.move_s(60)
    assert exchange.rate == 0

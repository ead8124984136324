"""Whom a fault strikes: a pure function of seed, fault, order, hop, operation and attempt."""

from collections.abc import Collection, Iterable
from typing import TypeAlias

import msgspec

from faults.catalog import Fault, Situation, catalog, is_legal
from faults.verdict import NOTHING, Effect, Strike, Verdict
from ledger.clock import SECOND_NS
from ledger.states import Hop, Operation, Phase
from plan.arrivals import Schedule
from plan.chance import draw
from plan.faults import FaultPlan
from plan.orders import Wish, is_warm_up, number_of, wish
from plan.run import LEASE_S, Plan
from plan.units import from_text


def strikes(*, seed: int, fault_id: str, order_key: str, hop: str, operation: str, attempt: int, rate: float) -> bool:
    """Whether the fault strikes this attempt. A higher rate strikes the same orders and more.

    `fault_id` is the scenario's explicit id; `order_key` is bare (b00000042); `attempt` counts from 1 the operations
    of this order that the deciding place has seen.
    """
    return draw(seed, "strike", fault_id, order_key, hop, operation, attempt) < rate


class Exchange(msgspec.Struct, frozen=True):
    """One request and its answer, or one attempt of a notice, as the place that decides sees it. `version`: what the
    request says of the version of the interface; it is no part of the hash."""

    hop: Hop
    operation: Operation
    order_key: str
    attempt: int
    upstream: str | None = None
    keyed_by: str = "key"
    version: str = ""

    @property
    def hashed_hop(self) -> str:
        """The hop as it enters the hash: with the upstream's name."""
        return f"{self.hop}/{self.upstream}" if self.upstream else self.hop


NEVER_T = 2**63 - 1


class _Armed(msgspec.Struct, frozen=True):
    plan: FaultPlan
    fault: Fault[msgspec.Struct]
    params: msgspec.Struct
    until_t: int = NEVER_T

    def is_in_force(self, t: int, load_s: float) -> bool:
        return t < self.until_t and self.plan.is_in_window(load_s)


_Meant: TypeAlias = tuple[frozenset[str], float, float]
"""The faults meant for an order, the planned arrival rate when it was due, and when that was in seconds of the load."""


class Decider:
    """Decides for one process, from the plan, the phase it was told and the lease it holds.

    Faults are in force while the phase is load and the lease has not run out; `t` is always the caller's clock.
    `layers`: whose faults it decides about. A mock: those of the application, and those of the house that wait for the
    shop to acknowledge a notice; the driver: those of the buyer.
    """

    def __init__(self, plan: Plan, layers: Collection[str] = ("application", "house")) -> None:
        self._plan = plan
        self._schedule = Schedule(plan.load, plan.seed)
        self._planned = [_armed(fault) for fault in plan.faults if fault.layer in layers]
        self._phase = Phase.PREPARE
        self._l0_t = 0
        self._lease_until_t = 0
        self._arm(self._planned)

    def _arm(self, armed: list[_Armed]) -> None:
        self._armed = armed
        self._meant: dict[str, _Meant] = {}
        self._alike: dict[_Meant, _Meant] = {}
        self._at: dict[tuple[Hop, Operation, str | None], list[_Armed]] = {}
        own = [armed.plan for armed in self._armed]
        self._for_all = frozenset(f.id for f in own if not f.chooses_orders)
        self._for_some = tuple(f for f in own if f.id not in self._for_all)
        self._rolls = any(fault.rolling is not None for fault in own)
        self._selects = any(fault.select for fault in own)
        self._of_no_order: _Meant = (self._for_all, self._schedule.rate_at(0.0), 0.0)

    def arm_by_hand(self, faults: Iterable[tuple[FaultPlan, int]]) -> None:
        """Beside the plan's own faults exactly these are in force from now on, each until its own t."""
        self._arm([*self._planned, *(_armed(fault, until_t) for fault, until_t in faults)])

    def begin(self, phase: Phase, l0_t: int | None = None) -> None:
        """Takes the phase that the harness announced, and the start of load once it is known."""
        self._phase = phase
        if l0_t is not None:
            self._l0_t = l0_t

    def renew(self, t: int) -> None:
        """The heartbeat of the harness: faults may stay for another lease."""
        self._lease_until_t = t + int(LEASE_S * SECOND_NS)

    def forget(self) -> None:
        """Drops what was worked out about single orders; it is worked out again, the same, when needed."""
        self._meant, self._alike = {}, {}

    def is_live(self, t: int) -> bool:
        """Whether any fault may strike at t."""
        return self._phase is Phase.LOAD and self._l0_t <= t < self._lease_until_t

    def load_s(self, t: int) -> float:
        """Wire seconds since load began, as it was announced."""
        return (t - self._l0_t) / SECOND_NS

    @property
    def lease_until_t(self) -> int:
        """When, on the run's axis, the faults end by themselves unless the harness renews."""
        return self._lease_until_t

    def in_force(self, t: int) -> list[str]:
        """The ids of the faults that may strike at t."""
        load_s = self.load_s(t)
        return [a.plan.id for a in self._armed if self.is_live(t) and a.is_in_force(t, load_s)]

    def verdict(self, exchange: Exchange, t: int) -> Verdict:
        """What is to be done to the exchange."""
        if not self._armed or not self.is_live(t):
            return NOTHING
        load_s = self.load_s(t)
        found = [
            Strike(armed.plan.id, self._effect(armed, exchange))
            for armed in self._armed_at(exchange)
            if armed.is_in_force(t, load_s) and self._strikes(armed, exchange)
        ]
        return Verdict(tuple(found)) if found else NOTHING

    def _armed_at(self, exchange: Exchange) -> list[_Armed]:
        """The faults for this hop, operation and upstream; worked out once each."""
        place = (exchange.hop, exchange.operation, exchange.upstream)
        known = self._at.get(place)
        if known is None:
            known = self._at[place] = [a for a in self._armed if _is_at(a, *place) and self._is_legal(a, exchange)]
        return known

    def _is_legal(self, armed: _Armed, exchange: Exchange) -> bool:
        """Whether the upstream speaks a dialect in which the fault means something."""
        upstream = self._plan.upstreams.get(exchange.upstream or "")
        return upstream is None or is_legal(armed.fault.dialects, upstream.dialect, exchange.hop)

    def _effect(self, armed: _Armed, exchange: Exchange) -> Effect:
        fault = armed.fault
        if fault.effect is not None:
            return fault.effect(armed.params)
        assert fault.drawn is not None
        key, operation, n = exchange.order_key, exchange.operation, exchange.attempt
        u = draw(self._plan.seed, "effect", armed.plan.id, key, exchange.hashed_hop, operation, n)
        return fault.drawn(armed.params, u)

    def _strikes(self, armed: _Armed, exchange: Exchange) -> bool:
        first, attempts = armed.plan.first, armed.fault.attempts
        if first is not None and exchange.attempt > first:
            return False
        if attempts is not None and not attempts(armed.params, exchange.attempt):
            return False
        if not armed.plan.is_for_version(exchange.version):
            return False
        meant, planned_rate, due_s = self._order(exchange.order_key)
        if armed.plan.id not in meant:
            return False
        rate = float(armed.plan.rate)
        if armed.fault.rate is not None:
            rate *= armed.fault.rate(armed.params, Situation(planned_rate))
        hop, operation, attempt = exchange.hashed_hop, str(exchange.operation), exchange.attempt
        if armed.plan.rolling is not None:
            # Which node serves an order is the same for all its exchanges; whether that one is new, too.
            rate *= armed.plan.upgraded_share(due_s)
            hop, operation, attempt = "", "", 0
        return strikes(
            seed=self._plan.seed,
            fault_id=armed.plan.id,
            order_key=exchange.order_key,
            hop=hop,
            operation=operation,
            attempt=attempt,
            rate=rate,
        )

    def _order(self, order_key: str) -> _Meant:
        """The faults meant for an order, and planned rate and time of its being due; worked out once each."""
        known = self._meant.get(order_key)
        if known is None:
            known = self._work_out(order_key)
            if known is not self._of_no_order:
                known = self._meant[order_key] = self._alike.setdefault(known, known)
        return known

    def _work_out(self, order_key: str) -> _Meant:
        n, plan = number_of(order_key), self._plan
        if is_warm_up(order_key):
            return frozenset(), 0.0, 0.0
        if n is None:  # keyed by the shop's own number, or by a connection: nothing is known but the rate of faults
            return self._of_no_order
        meant = self._for_all
        if self._for_some:
            # Where no fault selects, only the number of the order matters, and drawing the rest is dear.
            order = wish(plan.seed, n, plan.mix) if self._selects else Wish(n, order_key, "", "", "", "", 0.0)
            meant = meant.union([f.id for f in self._for_some if f.is_for(order, plan.load.orders)])
        due_s = self._schedule.due_s(min(n, plan.load.orders - 1))
        return meant, self._schedule.rate_at(due_s), due_s if self._rolls else 0.0


def _is_at(armed: _Armed, hop: Hop, operation: Operation, upstream: str | None) -> bool:
    plan, operations = armed.plan, armed.fault.operations
    return (
        hop in plan.hops
        and (plan.upstream is None or plan.upstream == upstream)
        and (not operations or operation in operations)
    )


def _armed(plan: FaultPlan, until_t: int = NEVER_T) -> _Armed:
    fault = catalog()[plan.fault]
    return _Armed(plan, fault, msgspec.convert(plan.params, fault.params, dec_hook=from_text), until_t)

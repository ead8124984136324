"""Everything about a run that is fixed before it starts; written as plan.yaml."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from ledger.states import STUCK_AFTER_S, State
from plan import document
from plan.arrivals import Arrivals
from plan.dialects import DIALECTS
from plan.document import DocumentError, nearest
from plan.faults import FaultPlan
from plan.gates import Abort, Gate
from plan.orders import Mix
from plan.stubs import Stub
from plan.transport import Request, Transport
from plan.units import BusinessTime, WireTime

SCHEMA = 1
DEADLINES_S = (30.0, 120.0, 300.0, 900.0, 3600.0, 86400.0)
"""Business seconds at which the share of open orders is reported, where the run saw that far."""
LOAD_TAIL_S = 2.0
"""Load goes on for so long (wire) after the last order is due and the last buyer has paid."""
LEASE_S = 10.0
"""Wire seconds a fault lasts after the last heartbeat of the harness."""
NOT_LATER_S = 0.1
"""Send lateness p99 above this (wire) means that the generator was the bottleneck."""


REPLAY, REJECT, SELL_AGAIN = "replay", "reject", "sell_again"
ON_REPEAT = (REPLAY, REJECT, SELL_AGAIN)
"""What an upstream does with a request number it has seen: the same answer, a refusal, or one more sale."""

COMPLAINT_AFTER, FORCED_AFTER = BusinessTime(24 * 3600.0), BusinessTime(72 * 3600.0)


class UpstreamPlan(msgspec.Struct, frozen=True):
    """A named instance of a mock upstream. `ladder`: the gaps between the attempts of a notice, in business time.

    `stock`: cards by product, of a supplier (none said: as many as are asked for). `on_repeat`: what becomes of a
    request number seen before. `takes`: how long a game server works on a top-up it has accepted. `stubs`: all that an
    upstream of the dialect stub says, read from `file`. `complaint_after` a payment the channel takes the
    buyer's complaint, `forced_after` that it gives the money back. `options`: the dialect's own settings
    (plan/dialects.py).
    """

    role: str
    dialect: str
    ladder: tuple[BusinessTime, ...] = ()
    notice_timeout: WireTime = WireTime(5.0)
    stock: dict[str, int] = {}
    on_repeat: str = REPLAY
    takes: WireTime = WireTime(0.2)
    complaint_after: BusinessTime = COMPLAINT_AFTER
    forced_after: BusinessTime = FORCED_AFTER
    file: str = ""
    stubs: tuple[Stub, ...] = ()
    options: dict[str, str] = {}

    def option(self, name: str) -> str:
        """The word that is set, or the one by default."""
        return self.options.get(name) or DIALECTS[self.dialect].options[name][0]


class TargetPlan(msgspec.Struct, frozen=True):
    """The shop under test: the name or file of its target description, its profile, the limits that the scenario sets
    otherwise than the target file, what its products cost in fen, the role each needs beside payment, if any, and
    which of the databases it may have, by the name in the target file (empty: the target file names none)."""

    name: str
    file: str
    profile: str
    business_time: dict[str, BusinessTime] = {}
    prices: dict[str, int] = {}
    needs: dict[str, str] = {}
    database: str = ""


class Evidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much must be seen before an invariant may pass: paid orders."""

    orders: int = 300


class Made(msgspec.Struct, frozen=True):
    """What made the run: versions, commit and host, for the reader of a report."""

    orderjam: str = ""
    python: str = ""
    git: str = ""
    host: str = ""
    at: str = ""
    replay: str = ""


class Plan(msgspec.Struct, frozen=True):
    """A scenario, resolved. Business durations are written uncompressed; `wire_s` turns them into what a clock sees.
    `requests`: for each hop with wire faults, as `shop>payment/epay` or `buyer>shop`, how a proxy reads what a request
    is about; a hop that is not there speaks no HTTP, or nothing is known of it. `without`: the faults of the scenario
    that were left out."""

    schema: int
    scenario: str
    about: str
    file: str
    seed: int
    compress: float
    target: TargetPlan
    load: Arrivals
    mix: Mix
    upstreams: dict[str, UpstreamPlan]
    faults: tuple[FaultPlan, ...]
    deadline: BusinessTime
    stuck_after: dict[State, BusinessTime]
    poll_every: WireTime
    warm_up_orders: int
    evidence: Evidence
    gates: tuple[Gate, ...]
    abort_when: tuple[Abort, ...] = ()
    workers: int = 1
    transport: Transport = Transport()
    requests: dict[str, tuple[Request, ...]] = {}
    made: Made = Made()
    without: tuple[str, ...] = ()

    def wire_s(self, business_s: float) -> float:
        """Wire seconds that a business duration takes in this run."""
        return business_s / self.compress

    @property
    def longest_pay_delay_s(self) -> float:
        """Wire seconds that the slowest buyer takes to pay, also one who was made slower by a buyer fault."""
        slower = max((float(fault.lengthens) for fault in self.faults), default=0.0)
        return self.wire_s(self.mix.pay_delay.longest + slower)


def stuck_after(overrides: dict[State, BusinessTime]) -> dict[State, BusinessTime]:
    """The standard thresholds with a scenario's own laid over them."""
    return {state: overrides.get(state, BusinessTime(s)) for state, s in STUCK_AFTER_S.items()}


def leave_out(plan: Plan, ids: Sequence[str]) -> Plan:
    """The plan without some of its faults and all else the same: seed, orders, people, whom the other faults strike.
    DocumentError where it has no such fault."""
    known = [fault.id for fault in plan.faults]
    for name in ids:
        if name in plan.without:
            raise DocumentError(f"fault {name!r} is left out of {plan.scenario} already")
        if name not in known:
            raise DocumentError(f"no fault {name!r} in {plan.scenario}{nearest(name, known) or '; it has none'}")
    left = tuple(fault for fault in plan.faults if fault.id not in ids)
    return msgspec.structs.replace(plan, faults=left, without=tuple(sorted({*plan.without, *ids})))


def save(plan: Plan, path: Path) -> None:
    """Writes plan.yaml."""
    path.write_text(document.write(plan), encoding="utf-8")


def load(path: Path) -> Plan:
    """The plan of a run; DocumentError if the file is missing, edited into something else, or of another schema."""
    found = document.read_file(path)
    if found.value.get("schema") != SCHEMA:
        raise found.error(("schema",), f"this orderjam reads schema {SCHEMA} (given: {found.value.get('schema')!r})")
    return document.convert(found, Plan)

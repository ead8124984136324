"""A builder of synthetic runs: real plans, real journals, no processes. Times are wire seconds on the run's axis."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger import events as facts
from ledger.clock import SECOND_NS
from ledger.events import Event, goods_hash
from ledger.journal import STRUCK_PREFIX, SUFFIX, Journal
from ledger.rundir import RunDir
from ledger.states import Code, Hop, Operation, Phase, State
from plan import gates, orders, run
from plan.arrivals import Arrivals
from plan.faults import FaultPlan, Label
from plan.run import Evidence, Made, Plan, TargetPlan, UpstreamPlan
from plan.units import BusinessTime, Rate, Share, Window, WireTime
from reports.findings import Findings

L0_S = 10.0
COMPRESS = 10.0
PRICE_FEN = 1000


GATES = (
    "stuck.rate <= 1%",
    "stuck.at_deadline <= 60%",
    "stuck.rmst <= 400 s",
    "delivered.rate >= 20%",
    "invariants.lost_order == 0",
    "invariants.double_refund == 0",
    "lateness.p99 <= 50 ms",
    "unsent == 0",
    "latency.poll.p95 <= 1 s",
)


def ns(t_s: float) -> int:
    return round(t_s * SECOND_NS)


def fault(name: str, window: tuple[float, float] | None = None) -> FaultPlan:
    return FaultPlan(
        id=name,
        fault="notice_lost",
        hops=(Hop.PAYMENT_SHOP,),
        label=Label(f"{name} in English", f"{name}的中文"),
        cause="payment callback lost",
        window=Window(*window) if window else None,
    )


def make_plan(planned: int = 3, *, gate_texts: tuple[str, ...] = (), evidence: int = 3, **changes: Any) -> Plan:
    """Created, paying and paid are stuck after 30 business seconds: 3 s at compress 10. The deadline is 30 s."""
    plan = Plan(
        schema=run.SCHEMA,
        scenario="synthetic",
        about="made by a test",
        file="synthetic.yaml",
        seed=7,
        compress=COMPRESS,
        target=TargetPlan("cardshop", "cardshop.yaml", "naive"),
        load=Arrivals("constant", ((WireTime(0), Rate(10)), (WireTime(planned / 10), Rate(10))), planned),
        mix=orders.Mix(
            product={"card_10": Share(0.6), "card_50": Share(0.4)},
            channel={"epay": Share(1)},
            pay_delay=orders.Delay(constant=BusinessTime(8)),
            region={"cn-east": Share(1)},
        ),
        upstreams={"epay": UpstreamPlan("payment", "epay", (BusinessTime(60), BusinessTime(180)))},
        faults=(),
        deadline=BusinessTime(300),
        stuck_after=run.stuck_after({}),
        poll_every=WireTime(0.2),
        warm_up_orders=0,
        evidence=Evidence(evidence),
        gates=tuple(gates.parse_gate(text) for text in gate_texts),
        made=Made(replay="orderjam run synthetic --seed 7"),
    )
    import msgspec

    return msgspec.structs.replace(plan, **changes)


class OrderMaker:
    """One order of a synthetic run; every method adds facts and gives the order back."""

    def __init__(self, run: "RunMaker", n: int) -> None:
        self.run, self.n = run, n
        self.key = orders.order_key(n)
        self.no = f"NO{n}"

    def put(self, writer: str, event: Event) -> "OrderMaker":
        self.run.put(writer, event)
        return self

    def planned(self, at: float, late_s: float = 0.001) -> "OrderMaker":
        self.put("driver-0", facts.Planned(t=ns(at), o=self.key, n=self.n, due_t=ns(at)))
        return self.put("driver-0", facts.Sent(t=ns(at + late_s), o=self.key, late_ns=ns(late_s)))

    def placed(self, at: float) -> "OrderMaker":
        self.planned(at)
        self.put("driver-0", facts.Placed(t=ns(at + 0.01), o=self.key, order_no=self.no, ms=10.0))
        return self.put(
            "payment",
            facts.TradeCreated(
                t=ns(at + 0.005), o=self.key, upstream="epay", trade_no=f"T{self.n}", out_trade_no=self.no,
                amount_fen=PRICE_FEN, way="alipay", keyed_by="key",
            ),
        )  # fmt: skip

    def captured(self, at: float, fen: int = PRICE_FEN) -> "OrderMaker":
        return self.put(
            "payment", facts.Captured(t=ns(at), o=self.key, upstream="epay", trade_no=f"T{self.n}", amount_fen=fen)
        )

    def notice(self, at: float, n: int = 1, outcome: str = "accepted") -> "OrderMaker":
        same: dict[str, Any] = {"o": self.key, "upstream": "epay", "trade_no": f"T{self.n}", "n": n}
        self.put("payment", facts.NoticeSent(t=ns(at), **same))
        return self.put(
            "payment", facts.NoticeAnswered(t=ns(at), status=200, outcome=outcome, words="", ms=1.0, **same)
        )

    def refunded(self, at: float, fen: int = PRICE_FEN) -> "OrderMaker":
        return self.put(
            "payment", facts.Refunded(t=ns(at), o=self.key, upstream="epay", trade_no=f"T{self.n}", amount_fen=fen)
        )

    def disputed(self, at: float, ended: float | None = None, *, forced: bool = False) -> "OrderMaker":
        """Complained about; ended by the shop, or by force and then with a refund of all."""
        same: dict[str, Any] = {"o": self.key, "upstream": "epay", "trade_no": f"T{self.n}"}
        self.put("payment", facts.Disputed(t=ns(at), amount_fen=PRICE_FEN, words="nothing came", **same))
        if ended is not None:
            if forced:
                self.refunded(ended)
            self.put("payment", facts.DisputeEnded(t=ns(ended), forced=forced, **same))
        return self

    def seen(
        self,
        state: State,
        at: float,
        last_old: float | None = None,
        goods: tuple[str, ...] = (),
        final: bool = False,
        words: str = "",
        code: Code | None = None,
    ) -> "OrderMaker":
        """Without `last_old` and not first, the page was last read a tenth of a second before and after: mid = at."""
        first = self.key not in self.run.seen
        self.run.seen.add(self.key)
        old, t = (None, at) if first or final else (at - 0.1, at + 0.1) if last_old is None else (last_old, at)
        return self.put(
            "driver-0",
            facts.Seen(
                t=ns(t), o=self.key, state=state, words=words or state.zh, goods=tuple(map(goods_hash, goods)),
                last_old_t=None if old is None else ns(old), final=final, code=code,
            ),
        )  # fmt: skip

    def requested(self, at: float, upstream: str = "cheap", no: str = "R1") -> "OrderMaker":
        return self.put(
            "supplier",
            facts.GoodsRequested(t=ns(at), o=self.key, upstream=upstream, product="card_10", request_no=no),
        )

    def taken(self, at: float, upstream: str = "cheap", no: str = "R1") -> "OrderMaker":
        return self.put("supplier", facts.GoodsAccepted(t=ns(at), o=self.key, upstream=upstream, request_no=no))

    def refused(
        self, at: float, upstream: str = "cheap", no: str = "R1", code: Code = Code.GOODS_SOLD_OUT
    ) -> "OrderMaker":
        return self.put(
            "supplier",
            facts.GoodsRefused(t=ns(at), o=self.key, upstream=upstream, request_no=no, code=code, words="no more"),
        )

    def sold(self, at: float, card: str, upstream: str = "cheap", no: str = "R1") -> "OrderMaker":
        return self.put(
            "supplier",
            facts.GoodsSold(t=ns(at), o=self.key, upstream=upstream, goods=goods_hash(card), request_no=no),
        )

    def credited(self, at: float, credit: str, upstream: str = "game", no: str = "R1") -> "OrderMaker":
        return self.put("game", facts.Credited(t=ns(at), o=self.key, upstream=upstream, credit=credit, request_no=no))

    def pay_failed(self, at: float, code: Code = Code.PAY_NOT_SUBMITTED) -> "OrderMaker":
        return self.put(
            "driver-0",
            facts.PollFailed(t=ns(at), o=self.key, operation=Operation.PAY, status=0, why="never sent", code=code),
        )

    def again(self, n: int = 2) -> "OrderMaker":
        """Another order of the same wish."""
        other = OrderMaker(self.run, self.n)
        other.key, other.no = orders.again(self.key, n), f"{self.no}-{n}"
        return other

    def gone(self, at: float, status: int = 404) -> "OrderMaker":
        return self.put(
            "driver-0", facts.PollFailed(t=ns(at), o=self.key, operation=Operation.POLL, status=status, why="gone")
        )

    def booked(
        self, state: State, goods: tuple[str, ...] = (), fen: int = PRICE_FEN, code: Code | None = None
    ) -> "OrderMaker":
        return self.put(
            "harness",
            facts.Booked(
                t=ns(self.run.end_s), o=self.key, order_no=self.no, state=state, words=state.zh, amount_fen=fen,
                goods=tuple(map(goods_hash, goods)), code=code,
            ),
        )  # fmt: skip

    def struck(self, by: str, at: float) -> "OrderMaker":
        return self.put(
            "struck-payment",
            facts.Struck(
                t=ns(at), o=self.key, fault=by, hop=Hop.PAYMENT_SHOP, operation=Operation.NOTICE, attempt=1,
                changed="notice lost",
            ),
        )  # fmt: skip

    def happy(self, at: float = 11.0) -> "OrderMaker":
        """Placed, paid a second later, delivered half a second after that."""
        card = f"card-{self.n}"
        self.placed(at).seen(State.PAYING, at + 0.2).captured(at + 1).notice(at + 1.1)
        self.seen(State.PAID, at + 1.2).seen(State.COMPLETED, at + 1.5, goods=(card,))
        return self.booked(State.COMPLETED, (card,))

    def sleeping(self, at: float = 11.0, state: State = State.PAYING) -> "OrderMaker":
        """Placed, paid a second later, and never anything else."""
        self.placed(at).seen(state, at + 0.2).captured(at + 1).seen(state, self.run.end_s - 0.1, final=True)
        return self.booked(state)


class RunMaker:
    """Collects the facts of a run, then writes them as the real writers do."""

    def __init__(self, folder: Path, plan: Plan, *, end_s: float = 60.0, heal_s: float = 25.0) -> None:
        self.plan, self.end_s, self.heal_s = plan, end_s, heal_s
        self.dir = RunDir(folder / "synthetic-run")
        self.events: dict[str, list[Event]] = {}
        self.seen: set[str] = set()
        self.put("harness", facts.PhaseBegan(t=ns(1), phase=Phase.PREPARE))
        self.put("harness", facts.PhaseBegan(t=ns(9), phase=Phase.LOAD, l0_t=ns(L0_S)))

    def put(self, writer: str, event: Event) -> None:
        self.events.setdefault(writer, []).append(event)

    def order(self, n: int) -> OrderMaker:
        return OrderMaker(self, n)

    def write(
        self, *, collected: bool = True, closed: bool = True, sealed: bool = True, killed: tuple[str, ...] = ()
    ) -> RunDir:
        """The run directory; `collected` with its last phases, `closed` with its journals closed, but for those of the
        `killed` writers, `sealed` with its manifest."""
        if collected:
            for phase, at in ((Phase.HEAL, self.heal_s), (Phase.SETTLE, self.heal_s), (Phase.COLLECT, self.end_s)):
                self.put("harness", facts.PhaseBegan(t=ns(at), phase=phase))
        self.dir.events.mkdir(parents=True)
        run.save(self.plan, self.dir.plan)
        silent = {upstream.role for upstream in self.plan.upstreams.values()} - self.events.keys()
        for writer, told in {**self.events, **dict.fromkeys(sorted(silent), ())}.items():
            journal = Journal(self.dir.events / f"{writer}{SUFFIX}", writer.removeprefix(STRUCK_PREFIX))
            for event in sorted(told, key=lambda e: e.t):
                journal.append(event)
            journal.flush()
            if closed and writer not in killed:
                journal.close()
        if sealed:
            self.dir.seal()
        return self.dir


NewRun = Callable[..., RunMaker]


@pytest.fixture
def new_run(tmp_path: Path) -> NewRun:
    """A maker of a synthetic run: new_run(planned, gate_texts=…, evidence=…, end_s=…, and any field of the plan)."""

    def make(planned: int = 3, *, end_s: float = 60.0, **changes: Any) -> RunMaker:
        return RunMaker(tmp_path, make_plan(planned, **changes), end_s=end_s)

    return make


def mixed(new_run: NewRun) -> RunMaker:
    """Ten orders: happy ones, one asleep, one lost, one that recovers, one unsent; two faults."""
    run = new_run(10, gate_texts=GATES, faults=(fault("lost"), fault("dusk", (0.0, 4.0))))
    for n in range(6):
        run.order(n).happy(11 + n / 10)
    run.order(6).sleeping(12.0).struck("lost", 13.05)
    run.order(7).placed(12.0).seen(State.PAYING, 12.2).captured(13.0).struck("lost", 13.05).struck("dusk", 13.06)
    run.order(7).notice(13.1, outcome="unanswered").seen(State.EXPIRED, 40.0).booked(State.EXPIRED)
    run.order(8).placed(12.0).seen(State.PAYING, 12.2).captured(13.0).notice(20.0)
    run.order(8).seen(State.COMPLETED, 20.5, goods=("card-8",)).booked(State.COMPLETED, ("card-8",))
    ninth = run.order(9)
    run.put("driver-0", facts.Planned(t=ns(13), o=ninth.key, n=9, due_t=ns(13)))
    run.put("driver-0", facts.Unsent(t=ns(13), o=ninth.key, why="<too many> & \x07 at once"))
    for second in range(20):
        run.put(
            "driver-0",
            facts.Requests(t=ns(11 + second), name="poll", count=10, errors=1, late=0, histogram={"5": 8, "20": 2}),
        )
        run.put("harness", facts.Health(t=ns(11 + second), child="shop", cpu=20.0, rss_mb=80.0, lag_ms=None))
    return run


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunDir, Findings]:
    """One run, built; to be looked at, not changed."""
    from reports import report

    folder = tmp_path_factory.mktemp("built")
    run = mixed(lambda planned, **changes: RunMaker(folder, make_plan(planned, **changes))).write()
    return run, report.build(run)

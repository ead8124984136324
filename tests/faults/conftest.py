"""Plans made by hand for what the faults folder decides."""

from collections.abc import Callable

import pytest

from ledger.states import Hop
from plan.arrivals import AnyShape, Constant, arrivals
from plan.faults import FaultPlan, Label
from plan.orders import Delay, Mix
from plan.run import SCHEMA, Evidence, Plan, TargetPlan, stuck_after
from plan.units import BusinessTime, Rate, Share, WireTime

MakePlan = Callable[..., Plan]
MakeFault = Callable[..., FaultPlan]


@pytest.fixture
def make_fault() -> MakeFault:
    """A fault plan; by default every notice is lost."""

    def make(
        id: str = "lost", fault: str = "notice_lost", hops: tuple[Hop, ...] = (Hop.PAYMENT_SHOP,), **more: object
    ) -> FaultPlan:
        return FaultPlan(id, fault, hops, Label(id, id), "cause", **more)  # type: ignore[arg-type]

    return make


@pytest.fixture
def make_plan() -> MakePlan:
    """A plan of 400 orders at 10/s with these faults."""

    def make(*faults: FaultPlan, seed: int = 7, load: AnyShape | None = None) -> Plan:
        return Plan(
            schema=SCHEMA,
            scenario="by_hand",
            about="",
            file="",
            seed=seed,
            compress=1.0,
            target=TargetPlan("cardshop", "", "naive"),
            load=arrivals(load or Constant(rate=Rate(10), orders=400)),
            mix=Mix(
                product={"card_10": Share(0.6), "card_50": Share(0.4)},
                channel={"epay": Share(0.5), "cheap": Share(0.5)},
                region={"cn": Share(1.0)},
                pay_delay=Delay(constant=BusinessTime(8)),
            ),
            upstreams={},
            faults=faults,
            deadline=BusinessTime(300),
            stuck_after=stuck_after({}),
            poll_every=WireTime(0.2),
            warm_up_orders=5,
            evidence=Evidence(),
            gates=(),
        )

    return make

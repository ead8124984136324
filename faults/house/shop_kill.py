"""shop_kill: the shop is killed (-9) and started again, at any moment or just after it has acknowledged a notice."""

import msgspec

from faults.catalog import Cause, Fault
from faults.verdict import Kill
from ledger.states import Hop, Operation
from plan.faults import Label
from plan.units import WireSpan, WireTime, by_default


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Started again `restart_after` of wire time. At `shop` the window says when; at `payment>shop`, `after_ack` of
    wire time after the shop has acknowledged a struck notice. At most `times` times in a run."""

    restart_after: WireTime = by_default(WireTime(2.0))
    after_ack: WireSpan | None = None
    times: int = 1

    def __post_init__(self) -> None:
        if self.restart_after > 600:
            raise ValueError(f"restart_after must be at most 10 min (given: {self.restart_after.text()})")
        if self.after_ack is not None and self.after_ack.high > 60:
            raise ValueError(f"after_ack must be at most 1 min (given: {self.after_ack.text()})")
        if not 1 <= self.times <= 100:
            raise ValueError(f"times must be 1..100 (given: {self.times})")


def kill(params: Params, u: float) -> Kill:
    """The kill, with the time after the acknowledgement drawn."""
    span = params.after_ack
    return Kill(params.restart_after, None if span is None else span.at(u), params.times)


def misplaced(params: Params, hop: Hop) -> str:
    """An acknowledgement is seen by the payment mock only, and without one only the harness kills."""
    if hop is Hop.SHOP and params.after_ack is not None:
        return "nothing is acknowledged there; with after_ack it is legal at payment>shop"
    if hop is Hop.PAYMENT_SHOP and params.after_ack is None:
        return "give after_ack, such as 0 ms..50 ms; without it, legal at shop"
    return ""


FAULT = Fault(
    name="shop_kill",
    label=Label("shop killed", "商店进程被杀"),
    hops=(Hop.SHOP, Hop.PAYMENT_SHOP),
    operations=(Operation.HOUSE, Operation.NOTICE),
    params=Params,
    drawn=kill,
    misplaced=misplaced,
    layer="house",
    by_exposure=True,
    needs="kill",
    cause=Cause.CRASH,
    imitates="a crash between acknowledging a notice and delivering: the channel is content, the goods never come",
    source="stalls seen in real shops: acknowledges before it delivers, then crashes; crash while recharging is a lock",
)

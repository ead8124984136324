"""weak_net: the buyer's request is sent, and its answer never read."""

from typing import Literal

import msgspec

from faults.catalog import Cause, Fault
from faults.verdict import WeakNet
from ledger.states import Hop, Operation
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`operation`: place (at buyer>shop) or pay (at buyer>payment)."""

    operation: Literal["place", "pay"] = "place"


def misplaced(params: Params, hop: Hop) -> str:
    """Each of the two operations has a hop of its own."""
    own = {"place": Hop.BUYER_SHOP, "pay": Hop.BUYER_PAYMENT}[params.operation]
    return "" if hop is own else f"operation {params.operation} is legal at {own}"


FAULT = Fault(
    name="weak_net",
    label=Label("answer never read", "弱网丢响应"),
    hops=(Hop.BUYER_SHOP, Hop.BUYER_PAYMENT),
    operations=(Operation.PLACE, Operation.PAY),
    params=Params,
    effect=lambda p: WeakNet(p.operation),
    misplaced=misplaced,
    layer="buyer",
    cause=Cause.BUYER,
    imitates="a phone in a lift: the shop has the order, or the channel the money, and the buyer does not know",
    source="family 11 of the causes: faults on the buyer's own link",
)

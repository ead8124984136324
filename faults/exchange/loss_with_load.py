"""loss_with_load: requests are lost, the more the higher the planned arrival rate."""

import msgspec

from faults.catalog import TO_MOCKS, Cause, Fault, Situation
from faults.curve import check, share_at
from faults.verdict import LoseRequest
from plan.faults import Label
from plan.units import Rate, Share


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`curve`: [arrival rate, share lost] points with straight lines between; outside, the nearest end holds.

    The rate is the planned one at the moment the order was due, so the same orders are struck on any number of workers.
    """

    curve: list[tuple[Rate, Share]]

    def __post_init__(self) -> None:
        check(self.curve)


def share_lost(params: Params, situation: Situation) -> float:
    """The share of requests lost at the situation's planned rate."""
    return share_at(params.curve, situation.planned_rate)


FAULT = Fault(
    name="loss_with_load",
    label=Label("loss that grows with load", "随负载丢失"),
    hops=TO_MOCKS,
    params=Params,
    effect=lambda p: LoseRequest(),
    rate=share_lost,
    cause=Cause.LOST_REQUEST,
    imitates="a cheap channel at peak: the request is read, then the connection is closed without an answer",
    source="family 4 of the causes: packet loss at peak on a cheap channel",
)

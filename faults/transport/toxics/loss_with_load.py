"""loss_with_load: segments of TCP are lost, the more the busier the hop is; they come later, as of `loss`."""

from itertools import pairwise

from faults.curve import share_at
from faults.transport.toxic import Exchange
from faults.transport.toxics.loss import Lossy, LossyStage


class LossWithLoadStage(LossyStage["LossWithLoad"]):
    """Of a share that the hop's rate gives."""


class LossWithLoad(Lossy, frozen=True):
    """`curve`: [requests (else connections) a second, share of segments lost] points with straight lines between;
    outside, the nearest end holds. The rate is the proxy's own, of the last second: which orders meet it is chance."""

    kind = "loss_with_load"
    stage = LossWithLoadStage
    is_ours = True
    curve: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if any(not 0 <= share <= 1 for _, share in self.curve):
            raise ValueError("the shares of the curve must be from 0 to 1")
        if any(not a < b for (a, _), (b, _) in pairwise(self.curve)):
            raise ValueError("the rates of the curve must rise")

    def share_of(self, exchange: Exchange | None) -> float:
        return share_at(self.curve, exchange.rate) if exchange is not None and self.curve else 0.0


TOXIC = LossWithLoad

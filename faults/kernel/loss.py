"""What may be asked of true packet loss, and what of it the machine must have netem for."""

from bisect import bisect_right
from itertools import pairwise

import msgspec

from plan.units import Rate, Share, WireTime, by_default


class TrueLoss(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the wire does to the packets of a hop, in both directions alike. An effect like those of faults/verdict.py.

    `loss`: the share of packets dropped. `burst`: how many are lost in a row, on average (Gilbert's model; 1 means each
    by itself). `curve` instead of loss: [packets per second of the hop, share] steps; each holds from its own rate up
    to the next one's, and below the first nothing is lost. `delay` with `jitter` either way, `reorder` the share that
    overtakes the delayed ones, `duplicate` the share sent twice, `kb_s` the width of the wire in KB/s (0: any).
    """

    loss: Share = by_default(Share(0.0))
    burst: float = 1.0
    curve: list[tuple[Rate, Share]] = []
    delay: WireTime = by_default(WireTime(0.0))
    jitter: WireTime = by_default(WireTime(0.0))
    reorder: Share = by_default(Share(0.0))
    duplicate: Share = by_default(Share(0.0))
    kb_s: int = 0

    def __post_init__(self) -> None:
        _check_curve(self)
        _check_burst(self)
        if not 0 <= float(self.jitter) <= float(self.delay) <= 60:
            raise ValueError(
                f"legal: jitter <= delay <= 60 s (given: delay {self.delay.text()}, jitter {self.jitter.text()})"
            )
        if float(self.reorder) > 0 and float(self.delay) == 0:
            raise ValueError("reorder needs a delay: packets overtake those that are delayed")
        if not 0 <= self.kb_s <= 10_000_000:
            raise ValueError(f"kb_s: legal are 0 to 10000000 KB/s (given: {self.kb_s})")
        if not any((self.loss, self.curve, self.delay, self.duplicate, self.kb_s)):
            raise ValueError("nothing is asked of the wire: set loss, curve, delay, duplicate or kb_s")

    def share_at(self, packets_s: float) -> float:
        """The share to be lost while the hop carries so many packets per second."""
        if not self.curve:
            return float(self.loss)
        step = bisect_right([float(rate) for rate, _ in self.curve], packets_s)
        return float(self.curve[step - 1][1]) if step else 0.0

    @property
    def modelled(self) -> dict[str, str]:
        """Each parameter that asks for something, and the fault that does it without a kernel."""
        asked = {
            "loss": (self.loss > 0, "wire.loss"),
            "curve": (bool(self.curve), "wire.loss_with_load"),
            "burst": (self.burst > 1, "wire.loss"),
            "delay": (self.delay > 0, "wire.latency"),
            "reorder": (self.reorder > 0, "wire.latency with jitter"),
            "duplicate": (self.duplicate > 0, "nothing, for TCP hides it"),
            "kb_s": (self.kb_s > 0, "wire.slow_link"),
        }
        return {name: substitute for name, (is_asked, substitute) in asked.items() if is_asked}

    @property
    def only_netem(self) -> dict[str, str]:
        """Those of `modelled` that need netem: nftables can only drop, each packet by itself."""
        return {name: substitute for name, substitute in self.modelled.items() if name not in ("loss", "curve")}


def _check_curve(asked: TrueLoss) -> None:
    if asked.curve and asked.loss > 0:
        raise ValueError("loss and curve: one of the two says what is lost")
    if len(asked.curve) > 100:
        raise ValueError(f"curve: at most 100 steps (given: {len(asked.curve)})")
    if any(a[0] >= b[0] for a, b in pairwise(asked.curve)):
        raise ValueError("the packet rates of the curve must rise")


def _check_burst(asked: TrueLoss) -> None:
    if not 1 <= asked.burst <= 1000:
        raise ValueError(f"burst: legal are 1 to 1000 packets in a row (given: {asked.burst:g})")
    most = max([float(asked.loss), *(float(share) for _, share in asked.curve)])
    if asked.burst > 1 and most == 0:
        raise ValueError("burst needs a loss: it says how many packets are lost in a row")
    if asked.burst > 1 and most > asked.burst / (asked.burst + 1):
        raise ValueError(
            f"bursts of {asked.burst:g} packets lose at most {Share(asked.burst / (asked.burst + 1)).text()}"
        )

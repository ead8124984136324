"""slow: the upstream does its work and answers late, by a constant or by a drawn time."""

from math import exp, log
from statistics import NormalDist

import msgspec

from faults.catalog import TO_MOCKS, Cause, Fault, Ms
from faults.verdict import Delay
from plan.faults import Label

MS_MAX = 600_000.0
_P95 = NormalDist().inv_cdf(0.95)


class NormalMs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Around a mean, as often above as below; never under 0."""

    mean: Ms
    sd: Ms

    def __post_init__(self) -> None:
        if not (0 < self.mean <= MS_MAX and 0 <= self.sd <= MS_MAX):
            raise ValueError(f"normal needs 0 < mean and 0 <= sd, both at most {MS_MAX:.0f}")

    def at(self, u: float) -> float:
        """The milliseconds that a share u of the delays stays under."""
        if not 0.0 < u < 1.0 or not self.sd:
            return self.mean if not self.sd else 0.0
        return min(max(NormalDist(self.mean, self.sd).inv_cdf(u), 0.0), MS_MAX)


class LognormalMs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Long-tailed, as answer times are: median, 95th percentile, and the most it may be."""

    median: Ms
    p95: Ms
    max: Ms

    def __post_init__(self) -> None:
        if not 0 < self.median <= self.p95 <= self.max <= MS_MAX:
            raise ValueError(f"lognormal needs 0 < median <= p95 <= max <= {MS_MAX:.0f}")

    def at(self, u: float) -> float:
        """The milliseconds that a share u of the delays stays under."""
        if not 0.0 < u < 1.0 or self.p95 == self.median:
            return self.median if self.p95 == self.median else 0.0
        sigma = log(self.p95 / self.median) / _P95
        return min(self.median * exp(sigma * NormalDist().inv_cdf(u)), self.max)


class ParetoMs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A heavy tail: at least `min`, over x with the share (min / x) to the power of `alpha`, cut at `max`."""

    min: Ms
    alpha: float
    max: Ms

    def __post_init__(self) -> None:
        if not (0 < self.min < self.max <= MS_MAX and 0 < self.alpha <= 100):
            raise ValueError(f"pareto needs 0 < min < max <= {MS_MAX:.0f} and 0 < alpha <= 100")

    def at(self, u: float) -> float:
        """The milliseconds that a share u of the delays stays under."""
        tail = max(1.0 - u, (self.min / self.max) ** self.alpha)
        return float(min(self.min * tail ** (-1.0 / self.alpha), self.max))


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is added to every struck answer: exactly one of a constant (`ms`) and three drawn times."""

    ms: Ms | None = None
    normal: NormalMs | None = None
    lognormal: LognormalMs | None = None
    pareto: ParetoMs | None = None

    def __post_init__(self) -> None:
        if sum(kind is not None for kind in (self.ms, self.normal, self.lognormal, self.pareto)) != 1:
            raise ValueError("slow is exactly one of ms, normal, lognormal, pareto")
        if self.ms is not None and not 0 < self.ms <= MS_MAX:
            raise ValueError(f"ms must be above 0 and at most {MS_MAX:.0f} (given: {self.ms})")

    def at(self, u: float) -> float:
        """The milliseconds that a share u of the delays stays under."""
        if self.ms is not None:
            return self.ms
        drawn = self.normal or self.lognormal or self.pareto
        assert drawn is not None
        return drawn.at(u)


FAULT = Fault(
    name="slow",
    label=Label("slow answers", "响应变慢"),
    hops=TO_MOCKS,
    params=Params,
    drawn=lambda p, u: Delay(p.at(u) / 1000),
    cause=Cause.TIMEOUT,
    imitates="an upstream that is overloaded or far away: its work is done at once, its answer comes late",
    source="stalls seen in real shops: 0.5-5 s of latency held inside a lock froze one product, then the shop",
)

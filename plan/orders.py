"""Order n: what the driver's n-th buyer wants, as a pure and cheap function of (seed, n, the scenario's mix)."""

import re
from math import exp, log
from statistics import NormalDist

import msgspec

from ledger.states import ORDER_PREFIX, WARM_UP_PREFIX
from plan.chance import draw
from plan.units import BusinessTime, Share

_KEY = re.compile(r"(?<![0-9A-Za-z])([bw])([0-9]{8})(\.[0-9]+)?(?![0-9A-Za-z])", re.ASCII)
_P95 = NormalDist().inv_cdf(0.95)


class Lognormal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A long-tailed time: its median, its 95th percentile, and the most it may be."""

    median: BusinessTime
    p95: BusinessTime
    max: BusinessTime


class Uniform(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Any time between the two is as likely."""

    min: BusinessTime
    max: BusinessTime


class Delay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long a buyer takes to pay: exactly one of the three."""

    constant: BusinessTime | None = None
    uniform: Uniform | None = None
    lognormal: Lognormal | None = None

    def __post_init__(self) -> None:
        if sum(part is not None for part in (self.constant, self.uniform, self.lognormal)) != 1:
            raise ValueError("a delay is exactly one of constant, uniform, lognormal")
        if self.lognormal and not 0 < self.lognormal.median <= self.lognormal.p95 <= self.lognormal.max:
            raise ValueError("lognormal needs 0 < median <= p95 <= max")
        if self.uniform and self.uniform.min > self.uniform.max:
            raise ValueError("uniform needs min <= max")

    def at(self, u: float) -> float:
        """The delay in business seconds that a share u of buyers stays under."""
        if self.constant is not None:
            return float(self.constant)
        if self.uniform is not None:
            return self.uniform.min + u * (self.uniform.max - self.uniform.min)
        assert self.lognormal is not None
        median, p95, most = self.lognormal.median, self.lognormal.p95, self.lognormal.max
        if not 0.0 < u < 1.0:
            return 0.0 if u <= 0.0 else float(most)
        sigma = log(p95 / median) / _P95
        return min(median * exp(sigma * NormalDist().inv_cdf(u)), float(most))

    @property
    def longest(self) -> float:
        """The longest delay that can come, in business seconds."""
        return self.at(1.0) if self.lognormal is None else float(self.lognormal.max)


class Mix(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the orders of a scenario are made of; the shares of each row sum to 100 %."""

    product: dict[str, Share]
    channel: dict[str, Share]
    pay_delay: Delay
    region: dict[str, Share]
    buyer: dict[str, Share] = msgspec.field(default_factory=lambda: {"plain": Share(1.0)})


class Wish(msgspec.Struct, frozen=True):
    """What the buyer of order n wants. `pay_delay_s` is business time."""

    n: int
    key: str
    product: str
    channel: str
    region: str
    buyer: str
    pay_delay_s: float


def order_key(n: int, *, warm_up: bool = False) -> str:
    """The bare key of the n-th order: b00000042, or w00000042 of the warm-up."""
    return f"{WARM_UP_PREFIX if warm_up else ORDER_PREFIX}{n:08d}"


def find_key(text: str) -> str | None:
    """The bare order key that stands whole in a text such as a contact or a pass-through field, if one does."""
    match = _KEY.search(text)
    return match[0] if match else None


def account_of(key: str) -> str:
    """The game account of the buyer of an order: player-00000042; of the warm-up player-w00000042."""
    return f"player-{key.removeprefix(ORDER_PREFIX)}"


def key_of_account(account: str) -> str | None:
    """The bare order key of a game account that `account_of` gave; None for any other text."""
    own = account.removeprefix("player-")
    key = own if own.startswith(WARM_UP_PREFIX) else f"{ORDER_PREFIX}{own}"
    return key if own != account and _KEY.fullmatch(key) else None


def again(key: str, n: int) -> str:
    """The key of the n-th order (from 2) of the same wish: b00000042.2."""
    return f"{key}.{n}"


def is_warm_up(key: str) -> bool:
    """Whether the key is one of the warm-up, which no fault strikes and nothing counts."""
    match = _KEY.fullmatch(key)
    return match is not None and match[1] == WARM_UP_PREFIX


def number_of(key: str) -> int | None:
    """n of the key of a planned order, also of a second order of the same wish; None for any other key."""
    match = _KEY.fullmatch(key)
    return int(match[2]) if match and match[1] == ORDER_PREFIX else None


def wish(seed: int, n: int, mix: Mix, *, warm_up: bool = False) -> Wish:
    """Order n of a scenario."""
    kind = WARM_UP_PREFIX if warm_up else ORDER_PREFIX
    return Wish(
        n,
        order_key(n, warm_up=warm_up),
        _pick(mix.product, draw(seed, "order", kind, "product", n)),
        _pick(mix.channel, draw(seed, "order", kind, "channel", n)),
        _pick(mix.region, draw(seed, "order", kind, "region", n)),
        _pick(mix.buyer, draw(seed, "order", kind, "buyer", n)),
        mix.pay_delay.at(draw(seed, "order", kind, "pay_delay", n)),
    )


def _pick(shares: dict[str, Share], u: float) -> str:
    reached, name = 0.0, ""
    for name, share in shares.items():
        reached += share
        if u < reached:
            return name
    return name

"""What to do next about a paid order, and when: a pure rule over the order as it stands.

Never buying twice is decided here: another upstream is asked only after the one before has certainly refused, or has
said, when asked, that it knows nothing of the order's number.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from targets.cardshop.products import PRODUCTS, Kind
from targets.cardshop.profiles import Profile
from targets.cardshop.settings import Settings
from targets.cardshop.states import UNDELIVERED, Code, Known, State
from targets.cardshop.tables import Order

_GAP_TIMES_MAX = 12
"""The longest gap between two tries, in first gaps: a minute where the first is five seconds."""
_POINTLESS = frozenset({Code.ACCOUNT_INVALID, Code.REGION_MISMATCH, Code.IDENTIFIERS_MISSING})
"""No upstream can help: the buyer's own words are wrong."""
EMPTY_HANDED = frozenset({Code.SOLD_OUT, Code.GOODS_UNKNOWN})
"""Asking the same upstream again is of no use."""


@dataclass(frozen=True)
class Buy:
    """Ask this upstream for the goods."""

    upstream: str


@dataclass(frozen=True)
class HandOut:
    """Take a card of the shop's own stock."""


@dataclass(frozen=True)
class Query:
    """Ask the upstream what came of the request."""


@dataclass(frozen=True)
class StartRefund:
    """Give up on the goods; the money goes back."""


@dataclass(frozen=True)
class Refund:
    """Ask the gateway to give the money back."""


@dataclass(frozen=True)
class HandOver:
    """Only a person can tell what is right."""


@dataclass(frozen=True)
class GiveUp:
    """The goods were refused for good."""

    code: Code


@dataclass(frozen=True)
class Rest:
    """There is nothing to do."""


Action = Buy | HandOut | Query | StartRefund | Refund | HandOver | GiveUp | Rest


@dataclass(frozen=True)
class Next:
    """An action and when it is due, in seconds since 1970; infinity: never."""

    action: Action
    at: float


def next_step(order: Order, *, upstreams: Sequence[str], profile: Profile, settings: Settings, now: float) -> Next:
    """What to do next; `upstreams` are those that sell the product, none where it comes from the shop's own stock."""
    if order.state is State.REFUNDING:
        return _refund(order, settings)
    if order.state not in UNDELIVERED:
        return Next(Rest(), math.inf)
    limit = math.inf
    if profile.compensate_late and order.paid_at is not None:
        limit = order.paid_at + settings.compensate_s
    if now >= limit:
        return Next(_at_the_limit(order, profile, limit), now)
    wish = _wish(order, upstreams, profile, settings)
    return wish if wish.at <= limit else Next(StartRefund(), limit)


def gap_s(order: Order, settings: Settings, *, doubles_every: int = 1) -> float:
    """How long to wait after the latest try: twice as long every so many tries, and spread so that a crowd does not
    come back together. The spread is a keyed hash, so that it is the same whoever computes it."""
    seed = hashlib.blake2b(f"{order.order_no}/{order.tries}".encode(), digest_size=4).digest()
    times = min(2.0 ** (max(order.tries - 1, 0) // doubles_every), _GAP_TIMES_MAX)
    return settings.retry_s * times * (0.5 + int.from_bytes(seed) / 2**32)


def refusals(order: Order) -> Mapping[str, bool]:
    """Which upstreams have refused this order, and whether each would again."""
    return {str(name): bool(is_final) for name, is_final in json.loads(order.refusals or "{}").items()}


def _wish(order: Order, upstreams: Sequence[str], profile: Profile, settings: Settings) -> Next:
    latest = order.updated_at
    tries_max = settings.retries if profile.retry_supplier else 1
    match order.known:
        case Known.NOTHING:
            return Next(Buy(upstreams[0]) if upstreams else HandOut(), latest)
        case Known.OPEN | Known.UNCLEAR if profile.query_supplier:
            return Next(Query(), latest + gap_s(order, settings, doubles_every=2))  # a question costs nothing
        case Known.OPEN | Known.UNCLEAR if order.tries < tries_max:
            return Next(Buy(order.upstream), latest + gap_s(order, settings))
        case Known.ACCEPTED if profile.query_supplier:
            return Next(Query(), latest + settings.query_s)
        case Known.OPEN | Known.UNCLEAR | Known.ACCEPTED:
            return Next(Rest(), math.inf)
        case Known.REFUSED:
            return _after_refusal(order, upstreams, profile, settings, tries_max)


def _after_refusal(
    order: Order, upstreams: Sequence[str], profile: Profile, settings: Settings, tries_max: int
) -> Next:
    """The next upstream at once, then those that may have changed their mind, later and later."""
    code, latest = order.code or Code.REFUSED, order.updated_at
    if code in _POINTLESS:
        return Next(GiveUp(code), latest)
    refused = refusals(order)
    may_ask = [name for name in upstreams if profile.fail_over_supplier or name == order.upstream]
    untried = [name for name in may_ask if name not in refused]
    if untried:
        return Next(Buy(untried[0]), latest)
    again = [name for name in may_ask if not refused[name]]
    if again and order.tries < tries_max:
        return Next(Buy(_after(order.upstream, again)), latest + gap_s(order, settings))
    return Next(GiveUp(code), latest)


def _after(name: str, names: Sequence[str]) -> str:
    """The one behind this name, or the first."""
    return names[(names.index(name) + 1) % len(names)] if name in names else names[0]


def _at_the_limit(order: Order, profile: Profile, limit: float) -> Action:
    is_unclear = order.known in (Known.OPEN, Known.UNCLEAR, Known.ACCEPTED)
    if is_unclear and profile.query_supplier and order.updated_at < limit:
        return Query()  # the last chance to find out
    # An account may have been credited behind the shop's back; a card key that the shop never got was never shown.
    is_topup = order.product in PRODUCTS and PRODUCTS[order.product].kind is Kind.TOPUP
    return HandOver() if is_unclear and is_topup else StartRefund()


def _refund(order: Order, settings: Settings) -> Next:
    if order.tries >= settings.retries:
        return Next(HandOver(), order.updated_at)
    return Next(Refund(), order.updated_at if order.tries == 0 else order.updated_at + gap_s(order, settings))

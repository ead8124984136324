"""What the steps of an order share: settings, profile, database, peers, clock, and the owner of background work."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field

from targets.cardshop.fulu import Fulu
from targets.cardshop.game import TopUps
from targets.cardshop.gateway import Gateway
from targets.cardshop.jobs import Jobs
from targets.cardshop.lookups import Lookups
from targets.cardshop.peers import Peer
from targets.cardshop.products import PRODUCTS, Kind
from targets.cardshop.profiles import Profile
from targets.cardshop.settings import Settings
from targets.cardshop.store import Store
from targets.cardshop.supplier import SharedStore
from targets.cardshop.upstreams import Upstream


@dataclass(frozen=True)
class Shop:
    """One running shop, in the web process or in a worker.

    `now` gives seconds since 1970; `spawn` starts work that outlives its request; `poke` tells whoever works on the
    queue that there is something in it. `product_locks` stand for the row lock that a shop holds on a product while
    it delivers inside a notice.
    """

    settings: Settings
    profile: Profile
    public_url: str
    store: Store
    jobs: Jobs
    lookups: Lookups
    gateways: Mapping[str, Gateway]
    suppliers: Mapping[str, SharedStore | Fulu]
    games: Mapping[str, TopUps]
    now: Callable[[], float]
    spawn: Callable[[Coroutine[object, object, None]], asyncio.Task[None]]
    poke: Callable[[], None]
    product_locks: Mapping[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    def sources(self, product: str) -> Mapping[str, Upstream]:
        """The upstreams that sell a product, in the order in which they are asked; none: the shop's own stock."""
        found: Mapping[str, Upstream] = self.suppliers
        if product in PRODUCTS and PRODUCTS[product].kind is Kind.TOPUP:
            found = self.games
        return found

    def notify_url(self, peer: Peer) -> str:
        """Where a peer sends its notices."""
        return f"{self.public_url}/notify/{peer.dialect}/{peer.name}"

    @property
    def lease_s(self) -> float:
        """How long one turn at an order may take: two exchanges, and the database."""
        return 2 * exchange_s(self.settings, self.profile) + 2.0


def exchange_s(settings: Settings, profile: Profile) -> float:
    """How long an upstream has for one answer."""
    return settings.upstream_timeout_s if profile.upstream_timeouts else settings.gateway_timeout_s

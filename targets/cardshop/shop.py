"""What the steps of an order share: settings, profile, database, gateways, clock, and the owner of background work."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass

from targets.cardshop.gateway import Gateway
from targets.cardshop.lookups import Lookups
from targets.cardshop.profiles import Profile
from targets.cardshop.settings import Settings
from targets.cardshop.store import Store


@dataclass(frozen=True)
class Shop:
    """One running shop. `now` gives seconds since 1970; `spawn` starts work that outlives its request."""

    settings: Settings
    profile: Profile
    public_url: str
    store: Store
    lookups: Lookups
    gateways: Mapping[str, Gateway]
    now: Callable[[], float]
    spawn: Callable[[Coroutine[object, object, None]], asyncio.Task[None]]

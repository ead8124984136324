"""Which fault, at which hop, for whom, when, until when."""

import msgspec

from ledger.states import Hop
from plan.orders import Wish
from plan.units import Share, ShareRange, Window


class Label(msgspec.Struct, frozen=True):
    """A few words in both languages of the report."""

    en: str
    zh: str


class FaultPlan(msgspec.Struct, frozen=True):
    """One fault of a scenario, resolved. What reports must know of it (label, cause) travels here.

    `hops` are where it is applied; `upstream` narrows them to one named instance. Who is struck is given exactly
    (`orders`, `select`, `rate`, `first`) or by exposure (`window` of the load, in wire time).
    """

    id: str
    fault: str
    hops: tuple[Hop, ...]
    label: Label
    cause: str
    params: dict[str, object] = {}
    upstream: str | None = None
    rate: Share = Share(1.0)
    orders: ShareRange | None = None
    select: dict[str, list[str]] = {}
    first: int | None = None
    window: Window | None = None

    @property
    def is_exposure(self) -> bool:
        """Whether who is struck depends on when things happen, so that another rate strikes others."""
        return self.window is not None

    def is_for(self, wish: Wish, planned: int) -> bool:
        """Whether order n of so many planned ones is among those the fault is meant for; its rate apart."""
        if self.orders is not None and wish.n / planned not in self.orders:
            return False
        return all(getattr(wish, dimension) in legal for dimension, legal in self.select.items())

    def is_in_window(self, load_s: float) -> bool:
        return self.window is None or load_s in self.window

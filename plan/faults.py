"""Which fault, at which hop, for whom, when, until when."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from ledger.states import Hop
from plan.orders import Wish
from plan.units import BusinessTime, Share, ShareRange, Window

VERSION = "api_version"
"""The row of `select` that is of requests, not of orders: what a client says of the version that it speaks."""


class Label(msgspec.Struct, frozen=True):
    """A few words in both languages of the report."""

    en: str
    zh: str


class FaultPlan(msgspec.Struct, frozen=True):
    """One fault of a scenario, resolved. What reports must know of it (label, cause) travels here.

    `hops` are where it is applied; `upstream` narrows them to one named instance. Who is struck is given exactly
    (`orders`, `select`, `rate`, `first`) or by exposure (`window` of the load, in wire time). `rolling` is a rolling
    upgrade: the share of struck orders grows over that window of due times from nothing to `rate`, and one order meets
    the same version in all its exchanges.

    `layer` says who applies it: application (a mock), buyer (the driver), house (the harness), wire (a
    proxy), kernel (network namespaces of the run's own). `by_exposure` stands for
    faults that look at what happens at the same time. `lengthens` is business time by which a struck buyer may come
    later than the pay delay says.
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
    rolling: Window | None = None
    layer: str = "application"
    by_exposure: bool = False
    lengthens: BusinessTime = BusinessTime(0.0)

    @property
    def is_exposure(self) -> bool:
        """Whether who is struck depends on when things happen, so that another rate strikes others."""
        return self.window is not None or self.by_exposure

    def upgraded_share(self, due_s: float) -> float:
        """Of a rolling upgrade: the share of nodes that are new when an order is due; else 1."""
        if self.rolling is None:
            return 1.0
        low, high = float(self.rolling.low), float(self.rolling.high)
        return min(max((due_s - low) / (high - low), 0.0), 1.0)

    def is_for(self, wish: Wish, planned: int) -> bool:
        """Whether order n of so many planned ones is among those the fault is meant for; its rate apart."""
        if self.orders is not None and wish.n / planned not in self.orders:
            return False
        return all(getattr(wish, row) in legal for row, legal in self.select.items() if row != VERSION)

    @property
    def chooses_orders(self) -> bool:
        """Whether it is meant for some of the planned orders only; its rate apart."""
        return self.orders is not None or bool(self.select.keys() - {VERSION})

    def is_for_version(self, version: str) -> bool:
        """Whether a request that says this of its version is one that the fault is meant for."""
        return VERSION not in self.select or version in self.select[VERSION]

    def is_in_window(self, load_s: float) -> bool:
        return self.window is None or load_s in self.window


def labels(faults: Sequence[FaultPlan]) -> dict[str, Label]:
    """What to call each fault, by id: its label, with the id where several share one."""
    counts = Counter(fault.label.en for fault in faults)
    return {
        fault.id: Label(f"{fault.label.en} ({fault.id})", f"{fault.label.zh} ({fault.id})")
        if counts[fault.label.en] > 1
        else fault.label
        for fault in faults
    }

"""Whether one of our own processes was the bottleneck, and not the shop: by the samples of its health."""

from collections.abc import Collection
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from reports.findings import Words

Columns = dict[str, npt.NDArray[Any]]

LAG_MS_MAX = 100.0
LAGGED_MAX = 0.2
"""More than this share of the load's samples over it, and a loop added to everything it did. A sample is the worst wake
within a second: on a machine that does other things too, some of them are late in every good run."""
CPU_MAX = 95.0
BUSY_MAX = 0.5
"""More than this share of the load's samples over it (percent of a core), and a process of one thread was full."""
DRIVER = "driver-"
WIRE = "wire"
"""How the harness calls a process that sends, and the one of the proxies."""
SAMPLES_MIN = 5
"""Fewer samples, a second apart, show nothing sustained."""


class Strain(msgspec.Struct, frozen=True):
    """Of one process, the share of the load's samples with a lagging loop, and with a full core."""

    child: str
    lagged: float
    busy: float


def strains(samples: Columns, *, l0_t: float, load_t: float, mocks: Collection[str]) -> list[Strain]:
    """Of the mocks and the drivers, by name; those with too few samples in the load are left out. How late a driver's
    loop was is told by its orders and polls, and looked at there."""
    inside = (samples["t"] >= l0_t) & (samples["t"] <= load_t)
    names = sorted({name for name in samples["child"].tolist() if name in mocks or name.startswith(DRIVER)})
    found = []
    for child in names:
        mine = inside & (samples["child"] == child)
        if int(mine.sum()) < SAMPLES_MIN:
            continue
        with np.errstate(invalid="ignore"):
            lagged, busy = samples["lag_ms"][mine] > LAG_MS_MAX, samples["cpu"][mine] > CPU_MAX
        found.append(Strain(child, float(lagged.mean()) if child in mocks else 0.0, float(busy.mean())))
    return found


def flaw(found: list[Strain]) -> Words | None:
    """The first process that was the bottleneck, in words; None where none was."""
    for strain in found:
        if strain.busy > BUSY_MAX:
            share = f"{strain.busy:.0%}"
            return Words(
                f"{strain.child} used more than {CPU_MAX:g} % of a core in {share} of the load",
                f"{strain.child} 在 {share} 的压测时间里占用超过 {CPU_MAX:g}% 的单核",
            )
        if strain.lagged > LAGGED_MAX:
            share = f"{strain.lagged:.0%}"
            return Words(
                f"the event loop of {strain.child} was late by more than {LAG_MS_MAX:g} ms in {share} of the load",
                f"{strain.child} 的事件循环在 {share} 的压测时间里迟到超过 {LAG_MS_MAX:g} 毫秒",
            )
    return None

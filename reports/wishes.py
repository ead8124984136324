"""What each of many orders was to be, by the plan: `plan.orders.wish` for all of them at once."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from plan.chance import digests
from plan.orders import Mix
from plan.units import Share
from reports.orders import Texts

PARTS = ("product", "channel", "region", "buyer")
_BITS = 53


def wishes(seed: int, numbers: Iterable[int], mix: Mix) -> dict[str, Any]:
    """Product, channel, region and buyer of the orders with these numbers."""
    texts = [b"%d" % n for n in numbers]
    return {part: _picked(getattr(mix, part), seed, part, texts) for part in PARTS}


def _picked(shares: dict[str, Share], seed: int, part: str, numbers: list[bytes]) -> Texts:
    names = np.array(list(shares), dtype=object)
    if len(names) == 1:
        return np.repeat(names, len(numbers))
    made = np.frombuffer(digests(seed, "order", "b", part, last=numbers), dtype=">u8")
    drawn = (made >> (64 - _BITS)).astype(np.float64) / float(1 << _BITS)
    reached: npt.NDArray[np.float64] = np.cumsum(list(shares.values()), dtype=np.float64)
    return np.asarray(names[np.minimum(np.searchsorted(reached, drawn, side="right"), len(names) - 1)])

"""How busy a hop is: how many requests, or connections, a second it carried over the last second."""

from ledger.clock import SECOND_NS

_SLOTS = 10
_SLOT_NS = SECOND_NS // _SLOTS


class RateMeter:
    """Counts in tenths of a second; those of the last ten that are over tell the rate."""

    def __init__(self) -> None:
        self._counts = [0] * (_SLOTS + 1)
        self._slot = 0

    def count(self, t: int) -> None:
        """One more, at t."""
        if t // _SLOT_NS != self._slot:
            self._move_to(t)
        self._counts[self._slot % len(self._counts)] += 1

    def per_s(self, t: int) -> float:
        """How many there were in the last second before t, to a tenth of a second."""
        self._move_to(t)
        return float(sum(self._counts) - self._counts[self._slot % len(self._counts)])

    def _move_to(self, t: int) -> None:
        slot = t // _SLOT_NS
        if slot - self._slot >= len(self._counts):
            self._counts = [0] * len(self._counts)
        else:
            for passed in range(self._slot + 1, slot + 1):
                self._counts[passed % len(self._counts)] = 0
        self._slot = slot

"""How late the loop of a process wakes: what a mock or a proxy adds to everything it does."""

from ledger.clock import SECOND_NS, Clock

LAG_EVERY_NS = SECOND_NS // 20
LAG_SAMPLES = 20


class Lag:
    """How late the loop wakes: the worst of the last second, in ms."""

    def __init__(self) -> None:
        self._samples = [0.0] * LAG_SAMPLES
        self._next = 0

    @property
    def ms(self) -> float:
        return round(max(self._samples), 2)

    async def watch(self, clock: Clock) -> None:
        """Measures until cancelled."""
        while True:
            due_t = clock.t() + LAG_EVERY_NS
            await clock.wait_until(due_t)
            self._samples[self._next] = (clock.t() - due_t) / 1e6
            self._next = (self._next + 1) % LAG_SAMPLES

"""latency: everything comes later, by `latency` ± `jitter`, in its order."""

from faults.transport.stage import Chunk, Delaying
from faults.transport.toxic import Placed, Toxic


class LatencyStage(Delaying["Latency"]):
    """Delays count from when a chunk came, so that a long answer is not slowed, only late."""

    held_max = 4 * 2**20  # what is under way on a long line, not a queue

    def push(self, chunk: Chunk) -> None:
        if not self.is_for(chunk.exchange):
            self.pass_on(chunk)
            return
        ms = self._delay_ms(chunk)
        if ms > 0 and self.by_exchange:
            self.changed(chunk.exchange, f"{self.what} delayed by {ms} ms", len(chunk.data))
        self.until(chunk.stamp + ms / 1000, chunk)

    def changed_to(self, placed: Placed) -> None:
        super().changed_to(placed)
        self.again()

    def _delay_ms(self, chunk: Chunk) -> int:
        latency, jitter = self.toxic.latency, self.toxic.jitter
        if jitter <= 0:
            return latency
        return latency - jitter + int(self.next_draw(chunk.exchange) * 2 * jitter)


class Latency(Toxic, frozen=True):
    """Both in milliseconds."""

    kind = "latency"
    stage = LatencyStage
    latency: int = 0
    jitter: int = 0


TOXIC = Latency

"""limit_data: after so many bytes the connection is closed."""

from faults.transport.stage import Chunk, Stage
from faults.transport.toxic import Exchange, Toxic


class LimitDataStage(Stage["LimitData"]):
    """Counts the bytes of the connection, or of the exchange where the toxic is for single ones."""

    _passed = 0
    _counted: Exchange | None = None
    _is_cut = False

    def push(self, chunk: Chunk) -> None:
        if self._is_cut:
            return
        if not self.is_for(chunk.exchange):
            self.after.push(chunk)
            return
        if self.by_exchange and chunk.exchange is not self._counted:
            self._counted, self._passed = chunk.exchange, 0
        data = chunk.data[: max(self.toxic.bytes - self._passed, 0)]
        self._passed += len(data)
        if data:
            self.after.push(Chunk(data, chunk.stamp, chunk.exchange))
        if self._passed >= self.toxic.bytes:
            self._is_cut = True
            self.changed(chunk.exchange, f"{self.what} cut off after {self._passed} bytes", len(chunk.data) - len(data))
            self.cut()


class LimitData(Toxic, frozen=True):
    """`bytes`: as many pass."""

    kind = "limit_data"
    stage = LimitDataStage
    bytes: int = 0


TOXIC = LimitData

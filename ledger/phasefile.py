"""phase.json: what the harness says to children that it cannot post to, read as often as one likes."""

from pathlib import Path

import msgspec

from ledger.states import Phase

NAME = "phase.json"


class Told(msgspec.Struct, frozen=True):
    """phase.json: what the harness says. `beat_t`: its last heartbeat, on the run's axis."""

    phase: Phase = Phase.PREPARE
    l0_t: int | None = None
    beat_t: int | None = None


class PhaseFile:
    """phase.json as last read. `state`: the folder in which the harness replaces it."""

    def __init__(self, state: Path) -> None:
        self.told = Told()
        self._path = state / NAME
        self._last = b""

    def look(self) -> Told:
        """What the harness says now; what it said last where the file is missing or half there."""
        try:
            data = self._path.read_bytes()
        except OSError:
            return self.told
        if data != self._last:
            try:
                self.told = msgspec.json.decode(data, type=Told)
                self._last = data
            except msgspec.DecodeError:
                pass
        return self.told

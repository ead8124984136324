"""The phases of a run told to every child, the heartbeat that keeps faults alive, and what children say back."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import psutil

from harness.children import Children
from ledger import phasefile
from ledger.clock import SECOND_NS, RunClock
from ledger.events import Health, PhaseBegan, Struck
from ledger.journal import Voice
from ledger.rundir import write_atomically
from ledger.states import Phase
from ledger.status import DriverStatus
from plan.run import LEASE_S

BEAT_EVERY_S = 1.0
assert BEAT_EVERY_S * 3 < LEASE_S
LOOK_EVERY_S = 0.1


class MockStatus(msgspec.Struct, frozen=True):
    """What a mock's /_admin/health says."""

    ok: bool
    phase: str = ""
    lag_ms: float = 0.0
    trades: int = 0
    open_notices: int = 0
    faults: list[str] = []
    lease_s: float = 0.0


class Timeline:
    """Announces phases and keeps the heartbeat. Writes the harness's journals. `token`: what /_admin wants, if any."""

    def __init__(self, clock: RunClock, journal: Voice, state: Path, children: Children, token: str = "") -> None:
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.clock = clock
        self.journal = journal
        self.state = state
        self.children = children
        self.phase = Phase.PREPARE
        self.l0_t: int | None = None
        self.mocks: dict[str, str] = {}
        self.own_urls: dict[str, str] = {}
        self.mock_status: dict[str, MockStatus] = {}
        self._http: aiohttp.ClientSession | None = None
        self._processes: dict[int, psutil.Process] = {}

    async def begin(self, phase: Phase, *, l0_t: int | None = None, note: str = "") -> None:
        """Tells everyone that a phase begins (or is about to: load is announced with its start ahead)."""
        self.phase = phase
        self.l0_t = l0_t if l0_t is not None else self.l0_t
        told = msgspec.json.encode({"phase": phase, "l0_t": self.l0_t})
        for name in self.mocks:
            await self._post(name, "/_admin/phase", told)
        self._tell_drivers()
        wall_ns = self.clock.epoch.wall_ns
        self.journal.append(PhaseBegan(t=self.clock.t(), phase=phase, l0_t=self.l0_t, note=note, wall_ns=wall_ns))
        self.journal.flush()

    def _tell_drivers(self) -> None:
        """Replaces phase.json; `beat_t` is the heartbeat by which drivers renew the lease of their own faults."""
        told = {"phase": self.phase, "l0_t": self.l0_t, "beat_t": self.clock.t()}
        write_atomically(self.state / phasefile.NAME, msgspec.json.encode(told))

    def struck(self, event: Struck) -> None:
        """Journals at once what the harness itself struck."""
        self.journal.append(event)
        self.journal.flush()

    async def beat(self) -> None:
        """Renews the leases, samples health, flushes the journal; until cancelled."""
        while True:
            self._tell_drivers()
            await self.renew()
            self._sample()
            self.journal.flush()
            await asyncio.sleep(BEAT_EVERY_S)

    async def renew(self) -> None:
        """One heartbeat to every mock: its faults may stay for another lease."""
        for name in list(self.mocks):
            answer = await self._post(name, "/_admin/lease", b"")
            if answer is not None:
                self.mock_status[name] = msgspec.convert(answer, MockStatus)

    async def _post(self, mock: str, path: str, body: bytes) -> Any:
        """The mock's answer; None where it did not give one: its death is told by whoever watches it."""
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LEASE_S / 3), headers=self._headers)
        try:
            async with self._http.post(self.mocks[mock] + path, data=body) as reply:
                return msgspec.json.decode(await reply.read())
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError):
            return None

    def _sample(self) -> None:
        lags = {name: status.lag_ms for name, status in self.mock_status.items()}
        lags |= {f"driver-{i}": status.lag_ms for i, status in self.driver_status().items()}
        groups = _groups()
        for child in self.children.running():
            cpu, rss = self._spent(groups.get(child.pid, []))
            lag = lags.get(child.name)
            self.journal.append(
                Health(t=self.clock.t(), child=child.name, cpu=cpu, rss_mb=round(rss / 2**20, 1), lag_ms=lag)
            )

    def _spent(self, pids: list[int]) -> tuple[float, int]:
        """CPU in percent of a core since the last look, and resident bytes, of some processes together."""
        cpu, rss = 0.0, 0
        for pid in pids:
            try:
                process = self._processes.setdefault(pid, psutil.Process(pid))
                with process.oneshot():
                    cpu, rss = cpu + process.cpu_percent(), rss + process.memory_info().rss
            except psutil.NoSuchProcess:
                self._processes.pop(pid, None)
        return round(cpu, 1), rss

    def driver_status(self) -> dict[int, DriverStatus]:
        """What each driver process last said, by its number."""
        found: dict[int, DriverStatus] = {}
        for path in sorted(self.state.glob("driver-*.json")):
            try:
                found[int(path.stem.removeprefix("driver-"))] = msgspec.json.decode(
                    path.read_bytes(), type=DriverStatus
                )
            except (OSError, ValueError, msgspec.DecodeError):
                continue  # replaced while it was read: the next look sees the whole one
        return found

    def totals(self) -> DriverStatus:
        """All drivers together."""
        each = list(self.driver_status().values())
        if not each:
            return DriverStatus()
        states: Counter[str] = Counter()
        for status in each:
            states.update(status.by_state)
        together: dict[Any, Callable[[Iterable[Any]], Any]] = {bool: all, int: sum, float: max}
        return DriverStatus(
            by_state=dict(states),
            faults=sorted({fault for s in each for fault in s.faults}),
            **{
                f.name: together[f.type](getattr(s, f.name) for s in each)
                for f in msgspec.structs.fields(DriverStatus)
                if f.type in together
            },
        )

    @property
    def open_notices(self) -> int:
        """Notices that are due later or under way, as the mocks last said."""
        return sum(status.open_notices for status in self.mock_status.values())

    async def wait_until_s(self, load_s: float, stop: asyncio.Event) -> None:
        """Returns at a moment of the load, or as soon as stop is set."""
        assert self.l0_t is not None
        left = (self.l0_t - self.clock.t()) / SECOND_NS + load_s
        if left > 0:
            await wait_or(stop, left)

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()


def _groups() -> dict[int, list[int]]:
    """All processes by their group: a child leads one, and what it has started belongs to it."""
    groups: dict[int, list[int]] = {}
    for pid in psutil.pids():
        try:
            groups.setdefault(os.getpgid(pid), []).append(pid)
        except ProcessLookupError:
            continue
    return groups


async def wait_or(stop: asyncio.Event, seconds: float) -> bool:
    """Whether stop was set before so many seconds had passed."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True

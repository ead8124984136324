"""The phases of a run told to every child, the heartbeat that keeps faults alive, and what children say back."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import psutil

from harness.children import Children
from ledger.clock import SECOND_NS, RunClock
from ledger.events import Health, PhaseBegan
from ledger.journal import Journal
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
    """Announces phases and keeps the heartbeat. Owns the harness's journal."""

    def __init__(self, clock: RunClock, journal: Journal, state: Path, children: Children) -> None:
        self.clock = clock
        self.journal = journal
        self.state = state
        self.children = children
        self.phase = Phase.PREPARE
        self.l0_t: int | None = None
        self.mocks: dict[str, str] = {}
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
        write_atomically(self.state / "phase.json", told)
        wall_ns = self.clock.epoch.wall_ns
        self.journal.append(PhaseBegan(t=self.clock.t(), phase=phase, l0_t=self.l0_t, note=note, wall_ns=wall_ns))
        self.journal.flush()

    async def beat(self) -> None:
        """Renews the leases, samples health, flushes the journal; until cancelled."""
        while True:
            for name in list(self.mocks):
                await self._renew(name)
            self._sample()
            self.journal.flush()
            await asyncio.sleep(BEAT_EVERY_S)

    async def _renew(self, name: str) -> None:
        answer = await self._post(name, "/_admin/lease", b"")
        if answer is not None:
            self.mock_status[name] = msgspec.convert(answer, MockStatus)

    async def _post(self, mock: str, path: str, body: bytes) -> Any:
        """The mock's answer; None where it did not give one: its death is told by whoever watches it."""
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LEASE_S / 3))
        try:
            async with self._http.post(self.mocks[mock] + path, data=body) as reply:
                return msgspec.json.decode(await reply.read())
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError):
            return None

    def _sample(self) -> None:
        lags = {name: status.lag_ms for name, status in self.mock_status.items()}
        lags |= {f"driver-{i}": status.lag_ms for i, status in self.driver_status().items()}
        for child in self.children.running():
            try:
                process = self._processes.setdefault(child.pid, psutil.Process(child.pid))
                with process.oneshot():
                    cpu, rss = process.cpu_percent(), process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
            lag = lags.get(child.name)
            self.journal.append(
                Health(t=self.clock.t(), child=child.name, cpu=cpu, rss_mb=round(rss / 2**20, 1), lag_ms=lag)
            )

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
        states: dict[str, int] = {}
        for status in each:
            for state, n in status.by_state.items():
                states[state] = states.get(state, 0) + n
        counts = ("planned", "sent", "unsent", "placed", "paid", "open", "ended", "overdue", "requests", "errors")
        return DriverStatus(
            ready=all(s.ready for s in each),
            warm=all(s.warm for s in each),
            done=all(s.done for s in each),
            by_state=states,
            lag_ms=max(s.lag_ms for s in each),
            late_p99_ms=max(s.late_p99_ms for s in each),
            **{name: sum(getattr(s, name) for s in each) for name in counts},
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


async def wait_or(stop: asyncio.Event, seconds: float) -> bool:
    """Whether stop was set before so many seconds had passed."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True

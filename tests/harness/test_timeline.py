from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.children import Children
from harness.timeline import Timeline
from ledger.clock import Epoch, RunClock
from ledger.journal import Voice
from ledger.status import DriverStatus


def a_timeline(folder: Path, *each: DriverStatus) -> Timeline:
    for i, status in enumerate(each):
        (folder / f"driver-{i}.json").write_bytes(msgspec.json.encode(status))
    return Timeline(RunClock(Epoch.now()), Voice(folder, "harness"), folder, Children(folder))


def test_totals_add_every_count_of_every_driver(tmp_path: Path) -> None:
    counts: dict[str, Any] = {f.name: 3 for f in msgspec.structs.fields(DriverStatus) if f.type is int}
    assert {"lost", "again", "overdue", "errors"} <= counts.keys()
    totals = a_timeline(tmp_path, DriverStatus(**counts), DriverStatus(**counts)).totals()
    assert {name: getattr(totals, name) for name in counts} == dict.fromkeys(counts, 6)


def test_totals_keep_the_worst_lag_the_states_and_whether_all_are_ready(tmp_path: Path) -> None:
    totals = a_timeline(
        tmp_path,
        DriverStatus(ready=True, warm=True, by_state={"paid": 2, "paying": 1}, lag_ms=4.0, faults=["b", "a"]),
        DriverStatus(ready=True, warm=False, by_state={"paid": 1}, lag_ms=9.0, faults=["b"]),
    ).totals()
    assert (totals.ready, totals.warm) == (True, False)
    assert totals.by_state == {"paid": 3, "paying": 1}
    assert totals.lag_ms == pytest.approx(9.0)
    assert totals.faults == ["a", "b"]


def test_no_driver_yet_is_neither_ready_nor_warm(tmp_path: Path) -> None:
    assert a_timeline(tmp_path).totals() == DriverStatus()

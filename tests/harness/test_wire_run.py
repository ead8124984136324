"""Whole runs whose hops pass through proxies: the embedded server, its death, and a Toxiproxy of one's own."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from faults.decide import strikes
from harness.run import Exit
from harness.wires import GUARD_BEATS_S
from ledger.rundir import RunDir
from ledger.states import Hop, Operation
from plan.run import LEASE_S
from tests.faults.transport.servers import NOT_HERE, real_binary
from tests.harness.test_run import wait_for
from tests.whole_run import SHORT, Played, children_of, only_run, play, start

pytestmark = [pytest.mark.slow, pytest.mark.run]

SCENARIO = """
about: Wires of a test.
extends: calm_day
faults:
  - {id: far, fault: wire.latency, at: shop>payment, rate: 30%, ms: 60}
  - {id: cuts, fault: wire.cut, at: payment>shop, rate: 40%, first: 1}
  - {id: store, fault: wire.latency, at: shop>supplier, orders: 20%..60%, ms: 40}
  - {id: page, fault: wire.latency, at: buyer>shop, rate: 20%, ms: 20}
  - {id: counter, fault: wire.sliced, at: buyer>payment, rate: 50%, bytes: 40}
"""
CLOSED = ["GATE_FAILED", "PASSED", "INCONCLUSIVE"]
HERE = pytest.mark.skipif(real_binary() is None, reason=NOT_HERE)


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "wires.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


def first_of(run: Played, fault: str) -> set[tuple[str, str, str]]:
    """First attempts that the fault struck, of exchanges that said whose they were."""
    found = (s for s in run.events("struck") if s.fault == fault and s.attempt == 1 and s.keyed_by == "key")
    return {(s.o, s.hop, str(s.operation)) for s in found}


def predicted(fault: str, hop: str, operation: Operation, rate: float) -> set[tuple[str, str, str]]:
    """Those of the sixty orders whose first such operation the fault strikes, by the pure function alone."""
    return {
        (key, hop, str(operation))
        for key in (f"b{n:08d}" for n in range(60))
        if strikes(seed=7, fault_id=fault, order_key=key, hop=hop, operation=operation, attempt=1, rate=rate)
    }


def test_two_runs_at_once_strike_the_predicted_orders_on_every_hop(scenario: Path, tmp_path: Path) -> None:
    both = [start(tmp_path / name, str(scenario), *SHORT) for name in ("one", "two")]
    said = [process.communicate(timeout=120)[1] for process in both]
    runs = [
        Played(process.returncode, words, only_run(tmp_path / name))
        for process, words, name in zip(both, said, ("one", "two"), strict=True)
    ]
    for run in runs:
        assert Exit(run.code).name in CLOSED, run.said
        create = {s for s in first_of(run, "far") if s[2] == Operation.CREATE}
        assert create == predicted("far", "shop>payment/epay", Operation.CREATE, 0.3)
        assert first_of(run, "cuts") == predicted("cuts", "payment>shop/epay", Operation.NOTICE, 0.4)
        at = {(row["id"], row["hop"]): row for row in run.findings["struck"]["wire"]}
        assert {id_ for id_, _ in at} == {"far", "cuts", "store", "page", "counter"}
        assert at["store", "shop>supplier/store"]["strikes"] > 0
        assert all(row["server_en"] == "the embedded server" for row in at.values())
    assert first_of(runs[0], "page") == first_of(runs[1], "page") != set()
    buyers = {s.hop for s in runs[0].events("struck") if s.fault == "counter"}
    assert buyers == {f"{Hop.BUYER_PAYMENT}/epay"}, "buyers find the cashier through their own proxy"


def loading(out: Path) -> RunDir:
    """The run below a folder once a fault on the wire has struck."""

    def struck() -> RunDir | None:
        found = [p for p in out.glob("*/events/struck-wire.ndjson") if p.stat().st_size]
        return RunDir(found[0].parent.parent) if found else None

    return wait_for(struck)  # type: ignore[no-any-return]


def kill_the_proxies(harness: int) -> None:
    os.kill(children_of(harness)["faults.transport"], signal.SIGKILL)


def test_a_killed_proxy_breaks_the_run_unless_it_may_go_on_and_then_it_says_since_when(
    scenario: Path, tmp_path: Path
) -> None:
    goes_on = ("--set", "on_proxy_death=continue", "--set", "deadline=1 min")
    stops, on = (
        start(tmp_path / "stops", str(scenario), *SHORT),
        start(tmp_path / "on", str(scenario), *SHORT, *goes_on),
    )
    both = {process.pid: loading(tmp_path / name) for process, name in ((stops, "stops"), (on, "on"))}
    for harness in both:
        kill_the_proxies(harness)
    _, said = stops.communicate(timeout=60)
    assert stops.returncode == Exit.BROKEN
    assert "wire was killed by SIGKILL" in said
    assert both[stops.pid].report.exists()
    _, said = on.communicate(timeout=120)
    assert on.returncode != Exit.BROKEN, said
    claims = msgspec.json.decode(both[on.pid].findings.read_bytes())["claims"]
    assert not claims["ok"]
    assert any("from now on nothing passes at" in reason for reason in claims["reasons"])


@pytest.fixture
def toxiproxy() -> Iterator[int]:
    """A Toxiproxy that was there before the run; its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [str(real_binary()), "-host", "127.0.0.1", "-port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: answers(port))
        yield port
        process.terminate()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def proxies_at(port: int) -> dict[str, object]:
    with socket.create_connection(("127.0.0.1", port)) as asked:
        asked.sendall(b"GET /proxies HTTP/1.0\r\n\r\n")
        body = b"".join(iter(lambda: asked.recv(65536), b"")).partition(b"\r\n\r\n")[2]
    found: dict[str, object] = msgspec.json.decode(body)
    return found


EXTERNAL = """
about: A Toxiproxy of one's own.
extends: calm_day
faults:
  - {id: far, fault: wire.latency, at: shop>payment, rate: 50%, ms: 60}
"""


@HERE
def test_a_toxiproxy_of_ones_own_breaks_the_hop_and_is_left_clean(tmp_path: Path, toxiproxy: int) -> None:
    path = tmp_path / "external.yaml"
    path.write_text(EXTERNAL, encoding="utf-8")
    at = ("--set", f"transport={{external: '127.0.0.1:{toxiproxy}'}}")
    run = play(tmp_path / "whole", str(path), *SHORT, *at)
    assert Exit(run.code).name in CLOSED, run.said
    (row,) = run.findings["struck"]["wire"]
    assert re.fullmatch(rf"Toxiproxy \S+ at 127.0.0.1:{toxiproxy}", row["server_en"])
    assert (row["strikes"], row["repeatable"]) == (None, False)
    assert [s.changed.split()[0] for s in run.events("struck")] == ["begins", "ends"]
    assert proxies_at(toxiproxy) == {}

    killed = start(tmp_path / "killed", str(path), *SHORT, *at)
    wait_for(lambda: proxies_at(toxiproxy))
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    begun = time.monotonic()
    wait_for(lambda: not proxies_at(toxiproxy))
    assert time.monotonic() - begun < LEASE_S + GUARD_BEATS_S

"""A hop of a run whose requests are keyed: the embedded server as a run starts it, with a plan and its faults."""

import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.standing import a_plan, merchants, write_requests
from benchmarks.wire_servers import PATIENCE_S, Standing, free_ports, running
from ledger.clock import SECOND_NS, Epoch, RunClock, utc_now
from ledger.rundir import RunDir
from ledger.states import Hop
from plan import run as plans
from plan.faults import FaultPlan, Label
from plan.requests import of
from plan.run import Plan
from plan.units import Share
from tests.mocks.seeds import SEEDS, Merchant, Seed

DIALECT = "epay"
ORDERS = 20_000
"""Keys that are seen again and again: what a server remembers of an order is kept for each of them, once."""
NOBODY = 1e-7
"""A rate at which a fault stands on the hop, decides about each request, and strikes none."""
BEAT_S = 2.0


@dataclass(frozen=True)
class KeyedHop:
    """A standing hop and the requests for it, as a script for wrk."""

    standing: Standing
    script: Path
    requests: tuple[bytes, ...]


def plan_of(share: float, ms: int) -> Plan:
    """A run in which a latency on the wire strikes this share of orders at the create call to one payment channel."""
    fault = FaultPlan(
        id="late",
        fault="wire.latency",
        hops=(Hop.SHOP_PAYMENT,),
        label=Label("late", "迟"),
        cause="upstream timeout",
        params={"ms": ms},
        rate=Share(share),
        layer="wire",
    )
    requests = {f"{Hop.SHOP_PAYMENT}/{DIALECT}": of(Hop.SHOP_PAYMENT, DIALECT)}
    return msgspec.structs.replace(a_plan(DIALECT, orders=ORDERS), faults=(fault,), requests=requests)


def creates(plan: Plan) -> Iterator[Seed]:
    """A rightly signed create call of each order."""
    keys, now_s = merchants(plan)[DIALECT], int(utc_now().timestamp())
    return (next(SEEDS[DIALECT](Merchant(DIALECT, keys, n, now_s))) for n in range(ORDERS))


def written(seed: Seed) -> bytes:
    """A request as it goes over the wire."""
    headers = "".join(f"{name}: {value}\r\n" for name, value in seed.headers.items())
    head = (
        f"{seed.method} {seed.target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}Content-Length: {len(seed.body)}\r\n\r\n"
    )
    return head.encode() + seed.body


@contextmanager
def keyed(before: Standing, *, share: float = NOBODY, ms: int = 50, toxic_ms: int = 0) -> Iterator[KeyedHop]:
    """The hop before an upstream's http service, in its load phase. `toxic_ms`: of a latency toxic for all, placed
    beside the plan's fault."""
    with tempfile.TemporaryDirectory() as name:
        plan, folder = plan_of(share, ms), Path(name)
        seeds = list(creates(plan))
        script = write_requests(folder, seeds)
        run, epoch, port_file = RunDir.create(folder, "bench", 7), Epoch.now(), folder / "port"
        plans.save(plan, run.plan)
        command = [sys.executable, "-P", "-m", "faults.transport", "--run", str(run.path), "--epoch", str(epoch)]
        with running([*command, "--port-file", str(port_file)]) as process:
            until = time.monotonic() + PATIENCE_S
            while not port_file.exists():
                assert process.poll() is None, f"faults.transport ended with {process.returncode}"
                assert time.monotonic() < until, "faults.transport does not come up"
                time.sleep(0.02)
            (port,) = free_ports(1)
            hop = Standing("embedded", process.pid, {"http": port}, int(port_file.read_text()))
            with beating(hop, before, RunClock(epoch)):
                if toxic_ms:
                    hop.place("http", "latency", latency=toxic_ms, jitter=0)
                yield KeyedHop(hop, script, tuple(map(written, seeds)))


@contextmanager
def beating(hop: Standing, before: Standing, clock: RunClock) -> Iterator[None]:
    """The proxy made, the load begun, and the lease renewed by a thread for as long as the context is open."""
    listen, upstream = f"127.0.0.1:{hop.ports['http']}", f"127.0.0.1:{before.ports['http']}"
    proxy = {"name": "http", "hop": Hop.SHOP_PAYMENT, "upstream_name": DIALECT, "listen": listen, "upstream": upstream}
    hop.tell("POST", "/_admin/proxies", proxy)
    hop.tell("POST", "/_admin/phase", {"phase": "load", "l0_t": clock.t() - SECOND_NS})
    heart, is_over = Standing(hop.name, hop.pid, hop.ports, hop.api), threading.Event()
    heart.tell("POST", "/_admin/lease")  # its connection is open before anybody counts descriptors

    def beat() -> None:
        while not is_over.wait(BEAT_S):
            heart.tell("POST", "/_admin/lease")

    thread = threading.Thread(target=beat, name="lease")
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()

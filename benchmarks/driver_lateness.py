"""How late orders are sent in an open loop: our driver, and k6's constant-arrival-rate where k6 is installed.

`python benchmarks/driver_lateness.py [--seconds 10] [--rates 500,1500]`. Both are timed
by the same ruler, the arrivals at the server against the even schedule that fits them best from below; our own
`late_ns` stands beside it. `whole` orders are four requests each, `place` ones a single request, as k6's are.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
from array import array
from pathlib import Path
from typing import Any

from driver_server import TARGET, served  # type: ignore[import-not-found]  # the file beside this one

from ledger.clock import SECOND_NS, Epoch
from ledger.events import Requests, Sent
from ledger.journal import read
from ledger.rundir import write_atomically
from plan import run as plan_run
from plan.arrivals import Arrivals
from plan.orders import Delay, Mix
from plan.run import Evidence, Plan, TargetPlan, stuck_after
from plan.units import BusinessTime, Rate, Share, WireTime

K6 = """
import http from 'k6/http';
export const options = {scenarios: {s: {executor: 'constant-arrival-rate', rate: RATE, timeUnit: '1s',
  duration: 'SECONDSs', preAllocatedVUs: 200, maxVUs: 1000}}, discardResponseBodies: true};
export default function () { http.post('URL/orders', 'product=card&contact=c&account=a'); }
"""


def make_plan(rate: float, seconds: float) -> Plan:
    """A constant rate of orders that are paid at once."""
    return Plan(
        schema=plan_run.SCHEMA,
        scenario="benchmark",
        about="",
        file="",
        seed=1,
        compress=1.0,
        target=TargetPlan("benchmark", "", ""),
        load=Arrivals("constant", ((WireTime(0), Rate(rate)), (WireTime(seconds), Rate(rate))), round(rate * seconds)),
        mix=Mix({"card": Share(1.0)}, {"epay": Share(1.0)}, Delay(constant=BusinessTime(0.0)), {"cn": Share(1.0)}),
        upstreams={},
        faults=(),
        deadline=BusinessTime(10.0),
        stuck_after=stuck_after({}),
        poll_every=WireTime(0.2),
        warm_up_orders=20,
        evidence=Evidence(),
        gates=(),
    )


def quantiles_ms(late_ns: list[int]) -> dict[str, float]:
    """p50 and p99 in ms."""
    ordered = sorted(late_ns)
    return {name: round(ordered[int(share * len(ordered))] / 1e6, 2) for name, share in (("p50", 0.5), ("p99", 0.99))}


def against_schedule(file: Path, rate: float) -> dict[str, float]:
    """Lateness of arrivals against the even schedule that no arrival is earlier than."""
    arrivals = array("q", file.read_bytes())
    gap = SECOND_NS / rate
    offsets = [int(t - i * gap) for i, t in enumerate(sorted(arrivals))]
    first = min(offsets)
    return {"n": len(arrivals), **quantiles_ms([offset - first for offset in offsets])}


async def ours(answer: str, rate: float, seconds: float, folder: Path) -> dict[str, Any]:
    """One load process against one server."""
    run, state, arrivals = folder / "run", folder / "state", folder / "arrivals"
    (run / "events").mkdir(parents=True)
    state.mkdir()
    (folder / "target.yaml").write_text(TARGET)
    plan_run.save(make_plan(rate, seconds), run / "plan.yaml")
    epoch = Epoch.now()

    def tell(phase: str, l0_t: int | None = None) -> None:
        write_atomically(state / "phase.json", json.dumps({"phase": phase, "l0_t": l0_t}).encode())

    async def until(name: str) -> None:
        file = state / "driver-0.json"
        while not (file.exists() and json.loads(file.read_bytes())[name]):
            assert process.returncode is None, "the load process ended"
            await asyncio.sleep(0.05)

    async with served(answer, arrivals) as url:
        argv = [
            "--run",
            str(run),
            "--epoch",
            str(epoch),
            "--state",
            str(state),
            "--target",
            str(folder / "target.yaml"),
        ]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "load", *argv), env={**os.environ, "ORDERJAM_SHOP_URL": url}
        )
        await until("ready")
        tell("warm_up")
        await until("warm")
        tell("load", Epoch.now().monotonic_ns - epoch.monotonic_ns + SECOND_NS)
        await until("done")
        tell("collect")
        assert await process.wait() == 0
    events = list(read(run / "events" / "driver-0.ndjson"))
    own = [e.late_ns for e in events if isinstance(e, Sent) and e.o and e.o.startswith("b")]
    requests = sum(e.count for e in events if isinstance(e, Requests))
    # The warm-up's orders arrived first; the schedule begins with the first planned one.
    whole = array("q", arrivals.read_bytes())[20:]
    arrivals.write_bytes(whole.tobytes())
    return {"own": quantiles_ms(own), "at_server": against_schedule(arrivals, rate), "requests": requests}


async def k6(rate: float, seconds: float, folder: Path) -> dict[str, Any] | None:
    """k6 against the same server; None where it is not installed."""
    binary = shutil.which("k6") or shutil.which("k6", path=str(Path.home() / "go" / "bin"))
    if binary is None:
        return None
    folder.mkdir()
    arrivals, script = folder / "arrivals", folder / "script.js"
    async with served("refused", arrivals) as url:
        text = K6.replace("RATE", f"{rate:g}").replace("SECONDS", f"{seconds:g}").replace("URL", url)
        script.write_text(text)
        process = await asyncio.create_subprocess_exec(
            *(binary, "run", "--quiet", "--no-usage-report", str(script)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await process.wait()
    return {"at_server": against_schedule(arrivals, rate)}


async def main() -> None:
    parser = argparse.ArgumentParser(description="How late orders are sent, in ms.")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rates", default="500,1500")
    given = parser.parse_args()
    found: dict[str, Any] = {"seconds": given.seconds, "cores": os.cpu_count()}
    with tempfile.TemporaryDirectory(prefix="orderjam-bench-") as name:
        for rate in map(float, given.rates.split(",")):
            folder = Path(name) / f"{rate:g}"
            folder.mkdir()
            found[f"{rate:g}/s"] = {
                "place": await ours("refused", rate, given.seconds, folder / "place"),
                "k6": await k6(rate, given.seconds, folder / "k6"),
                "whole": await ours("order", rate, given.seconds, folder / "whole"),
            }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    asyncio.run(main())

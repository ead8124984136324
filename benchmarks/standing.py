"""What the benchmarks of the mocks share: a mock's real process pinned to a core, and load by wrk on the other."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil

from ledger.clock import SECOND_NS, Epoch, RunClock
from ledger.rundir import RunDir
from mocks.identities import fresh
from mocks.keyring import Keyring
from mocks.upstreams import Keys
from plan import run as plans
from plan.arrivals import Constant, arrivals
from plan.dialects import DIALECTS
from plan.ladders import LADDERS
from plan.orders import Delay, Mix
from plan.run import SCHEMA, Evidence, Plan, TargetPlan, UpstreamPlan, stuck_after
from plan.units import BusinessTime, Rate, Share, WireTime
from tests.mocks.seeds import Seed

MOCK_CORE, LOAD_CORE = "0", "1"


def a_plan(*dialects: str, ladder: str = "", compress: float = 1.0, orders: int = 400_000) -> Plan:
    """One upstream of each dialect, by its name, and nothing broken."""
    upstreams = {}
    for dialect in dialects:
        spoken = DIALECTS[dialect]
        climbed = LADDERS[ladder or spoken.ladder]
        options = {option: words[0] for option, words in spoken.options.items()}
        upstreams[dialect] = UpstreamPlan(spoken.role, dialect, climbed.gaps, climbed.timeout, options=options)
    products = {"card_10": 1000, "topup_6": 600}
    return Plan(
        schema=SCHEMA,
        scenario="bench",
        about="",
        file="",
        seed=7,
        compress=compress,
        target=TargetPlan("cardshop", "", "naive", {}, products, {"topup_6": "game"}),
        load=arrivals(Constant(rate=Rate(5000), orders=orders)),
        mix=Mix(
            product={product: Share(1 / len(products)) for product in products},
            channel={dialects[0]: Share(1.0)},
            pay_delay=Delay(constant=BusinessTime(8)),
            region={"cn": Share(1.0)},
        ),
        upstreams=upstreams,
        faults=(),
        deadline=BusinessTime(300),
        stuck_after=stuck_after({}),
        poll_every=WireTime(0.2),
        warm_up_orders=0,
        evidence=Evidence(),
        gates=(),
    )


def merchants(plan: Plan) -> dict[str, Keys]:
    """A merchant for each upstream, with the keys of this machine."""
    keyring = Keyring()
    return {name: fresh(upstream.dialect, 1001, keyring) for name, upstream in plan.upstreams.items()}


class Standing:
    """A started mock."""

    def __init__(self, run: RunDir, process: "subprocess.Popen[bytes]", port: int, clock: RunClock) -> None:
        self.run, self.process, self.port, self.clock = run, process, port, clock
        self.url = f"http://127.0.0.1:{port}"

    def tell(self, path: str, body: dict[str, object] | None = None) -> bytes:
        """POST to /_admin; the answer."""
        request = urllib.request.Request(f"{self.url}/_admin/{path}", msgspec.json.encode(body or {}), method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            read: bytes = answer.read()
        return read

    def begin_load(self) -> None:
        """The phase in which faults are decided, and the lease that keeps them in force for a while."""
        self.tell("phase", {"phase": "load", "l0_t": self.clock.t() - SECOND_NS})
        self.tell("lease")

    def stop(self) -> None:
        """Ends it in order, so that its journal is whole."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0


@contextmanager
def standing(folder: Path, plan: Plan, keys: dict[str, Keys], *, core: str = MOCK_CORE) -> Iterator[Standing]:
    """The process of the role that the plan's upstreams play; killed at the end if it still runs."""
    (role,) = {upstream.role for upstream in plan.upstreams.values()}
    run = RunDir.create(folder, "bench", 7)
    plans.save(plan, run.plan)
    epoch, port_file = Epoch.now(), run.path / "port"
    command = ["taskset", "-c", core, sys.executable, "-P", "-m", f"mocks.{role}", "--run", str(run.path)]
    command += ["--epoch", str(epoch), "--port-file", str(port_file), "--writer", role]
    secrets = {"ORDERJAM_UPSTREAMS": msgspec.json.encode(keys).decode()}
    process = subprocess.Popen(command, env={**os.environ, **secrets})
    try:
        while not port_file.exists():
            assert process.poll() is None, "the mock did not come up"
            time.sleep(0.02)
        yield Standing(run, process, int(port_file.read_text().split()[0]), RunClock(epoch))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


# --- load by wrk -------------------------------------------------------------------------------------------------
CONNECTIONS = 32
WRK = """
local requests, n = {}, 0
local file = io.open("FILE", "rb")
while true do
  local length = file:read("*line")
  if not length then break end
  requests[#requests + 1] = file:read(tonumber(length))
end
request = function()
  n = n % #requests + 1
  return requests[n]
end
"""


class Round(msgspec.Struct, frozen=True):
    """Answers a second, and the CPU time that the server spent on each."""

    answers_per_s: float
    cpu_us: float


def write_requests(folder: Path, seeds: Iterable[Seed]) -> Path:
    """A script for wrk that sends these requests one after the other, and again from the first."""
    file, script = folder / "requests", folder / "requests.lua"
    with file.open("wb") as written:
        for seed in seeds:
            headers = "".join(f"{name}: {value}\r\n" for name, value in seed.headers.items())
            head = f"{seed.method} {seed.target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}"
            whole = head.encode() + f"Content-Length: {len(seed.body)}\r\n\r\n".encode() + seed.body
            written.write(f"{len(whole)}\n".encode() + whole)
    script.write_text(WRK.replace("FILE", str(file)))
    return script


def _wrk(port: int, script: Path, seconds: float) -> list[str]:
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "-s", str(script)]
    return [*command, f"http://127.0.0.1:{port}/"]


@contextmanager
def driven(mock: Standing, script: Path) -> Iterator[None]:
    """Load for as long as the context is open."""
    process = subprocess.Popen(_wrk(mock.port, script, 3600), stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def loaded(pid: int, port: int, script: Path, seconds: float) -> Round:
    """What a server does, by wrk on the other core; fails if any answer is an error."""
    server = psutil.Process(pid)
    before = server.cpu_times()
    said = subprocess.run(_wrk(port, script, seconds), capture_output=True, text=True, check=True).stdout
    after = server.cpu_times()
    assert "Non-2xx" not in said, said
    rate, count = re.search(r"Requests/sec:\s+([\d.]+)", said), re.search(r"(\d+) requests in", said)
    assert rate, said
    assert count, said
    spent = after.user + after.system - before.user - before.system
    return Round(float(rate[1]), round(spent / int(count[1]) * 1e6, 1))


def median(rounds: list[Round]) -> Round:
    return sorted(rounds, key=lambda one: one.answers_per_s)[len(rounds) // 2]

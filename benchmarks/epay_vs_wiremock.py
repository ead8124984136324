"""The Epay mock answering signed orders, beside WireMock 3.13 and bare aiohttp, each pinned to one core, in one run.

The mock checks the signature, makes the trade, decides the faults and journals; WireMock only fills a template (its
journal and request log off), bare aiohttp only reads the form and computes one MD5. Load by wrk on the other core.
Needs wrk, java and the WireMock jar in the local Maven repository:
  mvn dependency:get -Dartifact=org.wiremock:wiremock-standalone:3.13.1
Prints one JSON object. Rounds alternate, so that a noisy machine is noisy to all; medians count.
"""

import hashlib
import json
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

from ledger.clock import SECOND_NS, Epoch, RunClock
from ledger.rundir import RunDir
from plan import run as plans
from plan.orders import order_key
from scenarios import loader
from targets import webshop

JAR = Path.home() / ".m2/repository/org/wiremock/wiremock-standalone/3.13.1/wiremock-standalone-3.13.1.jar"
PID, KEY = "1001", "benchmarkbenchmarkbenchmark00001"
ORDERS = 400_000
ROUNDS, ROUND_S, WARM_S = 3, 5, 12
CONNECTIONS = 32

AIOHTTP = """
import asyncio, hashlib, sys, uvloop
from aiohttp import web
async def answer(request):
    form = await request.post()
    hashlib.md5("&".join(f"{k}={v}" for k, v in sorted(form.items())).encode()).hexdigest()
    return web.json_response({"code": 1, "trade_no": form["out_trade_no"]})
app = web.Application()
app.router.add_post("/epay/mapi.php", answer)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None, loop=uvloop.new_event_loop())
"""

WRK = """
local bodies, n = {}, 0
for line in io.lines("%s") do bodies[#bodies + 1] = line end
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
request = function()
  n = n %% #bodies + 1
  return wrk.format(nil, "/epay/mapi.php", nil, bodies[n])
end
"""

STUB = {
    "request": {"method": "POST", "urlPath": "/epay/mapi.php"},
    "response": {
        "status": 200,
        "headers": {"Content-Type": "application/json"},
        "body": "{{formData request.body 'f' urlDecode=true}}"
        '{"code":1,"msg":"ok","trade_no":"T{{f.out_trade_no}}","payurl":"http://127.0.0.1/cashier?{{f.out_trade_no}}"}',
        "transformers": ["response-template"],
    },
}


def signed(n: int) -> str:
    """The body of a signed order."""
    fields = {
        "pid": PID,
        "type": "alipay",
        "out_trade_no": f"C{n:012d}",
        "notify_url": "http://127.0.0.1:9/notify/epay",
        "return_url": "http://127.0.0.1:9/orders/1",
        "name": "card_10",
        "money": "10.00",
        "param": f"{order_key(n)}@buyers.example",
    }
    text = "&".join(f"{k}={v}" for k, v in sorted(fields.items())) + KEY
    return urlencode({**fields, "sign": hashlib.md5(text.encode()).hexdigest(), "sign_type": "MD5"})


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def post(url: str, body: bytes) -> None:
    urllib.request.urlopen(urllib.request.Request(url, data=body, method="POST"), timeout=10).read()


def wait_until_up(url: str) -> None:
    until = time.monotonic() + 40
    while True:
        try:
            urllib.request.urlopen(url, timeout=1)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def start_mock(folder: Path) -> tuple[subprocess.Popen[bytes], int, RunClock]:
    """The real mock, with the faults of evening_peak decided for every order and set to strike none."""
    target_file = webshop.find("cardshop")
    target = webshop.load(target_file)
    words = loader.Vocabulary(
        tuple(target.sells.products), target.sells.regions, target.sells.dialects, target.profiles, (), True
    )
    quiet = [("load", f"{{shape: constant, rate: 5000/s, orders: {ORDERS}}}")]
    quiet += [
        (f"faults.{fault}.rate", "0%") for fault in ("crowded", "lost", "silent", "twice", "old_key", "new_nodes")
    ]
    quiet += [("faults.top.rate", "0%")]
    plan = loader.resolve(loader.find("evening_peak"), target_file, words, loader.Changes(sets=tuple(quiet)))
    run = RunDir.create(folder, "bench", 7)
    plans.save(plan, run.plan)
    epoch = Epoch.now()
    port_file = folder / "port"
    command = ["taskset", "-c", "0", sys.executable, "-P", "-m", "mocks.payment", "--run", str(run.path)]
    command += ["--epoch", str(epoch), "--port", "0", "--port-file", str(port_file), "--writer", "payment"]
    secrets = json.dumps({"epay": {"pid": PID, "key": KEY}})
    process = subprocess.Popen(command, env={**__import__("os").environ, "ORDERJAM_UPSTREAMS": secrets})
    while not port_file.exists():
        time.sleep(0.05)
    return process, int(port_file.read_text()), RunClock(epoch)


def begin_load(port: int, clock: RunClock) -> None:
    """Forgets the trades of the round before, for wrk begins again at the first order; then faults are decided, which
    they are only while the phase is load and the lease holds."""
    post(f"http://127.0.0.1:{port}/_admin/reset", b"")
    post(f"http://127.0.0.1:{port}/_admin/phase", json.dumps({"phase": "load", "l0_t": clock.t() - SECOND_NS}).encode())
    post(f"http://127.0.0.1:{port}/_admin/lease", b"")


def measured(port: int, script: Path, seconds: int) -> float:
    """Answers a second, by wrk on the other core; fails if any answer is an error."""
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script)]
    said = subprocess.run([*command, f"http://127.0.0.1:{port}/"], capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in said, said
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found, said
    return float(found[1])


def main() -> None:
    for tool in ("wrk", "java", "taskset"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is not installed; this benchmark needs it")
    if not JAR.is_file():
        sys.exit(f"{JAR} is missing; see the head of this file")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bodies").write_text("\n".join(map(signed, range(ORDERS))) + "\n")
        script = folder / "post.lua"
        script.write_text(WRK % (folder / "bodies"))
        (folder / "wm" / "mappings").mkdir(parents=True)
        (folder / "wm" / "mappings" / "mapi.json").write_text(json.dumps(STUB))
        ports = {"wiremock": free_port(), "aiohttp": free_port()}
        pinned = ["taskset", "-c", "0"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        java = ["java", "-jar", str(JAR), "--port", str(ports["wiremock"]), "--root-dir", str(folder / "wm")]
        java += ["--no-request-journal", "--disable-request-logging", "--bind-address", "127.0.0.1"]
        processes = [
            subprocess.Popen([*pinned, *java], **quiet),  # type: ignore[call-overload]
            subprocess.Popen([*pinned, sys.executable, "-c", AIOHTTP, str(ports["aiohttp"])]),
        ]
        mock, ports["mock"], clock = start_mock(folder / "runs")
        processes.append(mock)
        try:
            for port in ports.values():
                wait_until_up(f"http://127.0.0.1:{port}/")
            measured(ports["wiremock"], script, WARM_S)
            rates: dict[str, list[float]] = {name: [] for name in ports}
            for _ in range(ROUNDS):
                for server, port in ports.items():
                    if server == "mock":
                        begin_load(port, clock)
                    rates[server].append(measured(port, script, ROUND_S))
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
                process.wait()
    median = {server: round(statistics.median(found)) for server, found in rates.items()}
    print(
        json.dumps(
            {
                "benchmark": "epay_vs_wiremock",
                "answers_per_s": median,
                "mock_over_wiremock": round(median["mock"] / median["wiremock"], 2),
                "mock_over_bare_aiohttp": round(median["mock"] / median["aiohttp"], 2),
                "wanted": "mock_over_wiremock >= 2",
            }
        )
    )


if __name__ == "__main__":
    main()

"""The supplier and the game server mock taking signed purchases, beside WireMock 3.13 and bare aiohttp, each pinned to
one core, in one run.

The mocks check the signature, sell a card or credit an account, decide four faults and journal; WireMock only fills a
template (its journal and request log off), bare aiohttp only reads the body and computes one hash. Load by wrk on the
other core. Needs what epay_vs_wiremock.py needs. Prints one JSON object. Rounds alternate, so that a noisy machine is
noisy to all; medians count. On a machine that others use, too, look at the CPU time an answer takes: WireMock's many
threads get a larger share of a contended core than a process with one.
"""

import hashlib
import hmac
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import psutil
from epay_vs_wiremock import (  # type: ignore[import-not-found]  # the file beside this one
    JAR,
    ROUND_S,
    ROUNDS,
    WARM_S,
    begin_load,
    free_port,
    measured,
    wait_until_up,
)

from ledger.clock import Epoch, RunClock
from ledger.rundir import RunDir
from ledger.states import Hop
from plan import run as plans
from plan.arrivals import Constant, arrivals
from plan.faults import FaultPlan, Label
from plan.orders import Delay, Mix, order_key
from plan.run import SCHEMA, Evidence, Plan, TargetPlan, UpstreamPlan, stuck_after
from plan.units import BusinessTime, Rate, Share, WireTime

PID, KEY = "1001", "benchmarkbenchmarkbenchmark00001"
ORDERS = 150_000
STORE, GAME = "/cheap/shared/commodity/trade", "/game/v1/topups"
ROLES = {"supplier": STORE, "game": GAME}


class Round(NamedTuple):
    """Answers a second, and the CPU time that the server spent on each."""

    answers_per_s: float
    cpu_us: float


AIOHTTP = """
import hashlib, hmac, json, sys, uvloop
from aiohttp import web
async def trade(request):
    form = await request.post()
    hashlib.md5("&".join(f"{k}={v}" for k, v in sorted(form.items())).encode()).hexdigest()
    return web.json_response({"code": 200, "msg": "success", "data": {"secret": form["request_no"]}})
async def topup(request):
    body = await request.read()
    hmac.new(b"key", hashlib.sha256(body).hexdigest().encode(), hashlib.sha256).hexdigest()
    return web.json_response({"ok": True, "reference": json.loads(body)["reference"]}, status=202)
app = web.Application()
app.router.add_post("/cheap/shared/commodity/trade", trade)
app.router.add_post("/game/v1/topups", topup)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None, loop=uvloop.new_event_loop())
"""

WRK_STORE = """
local bodies, n = {}, 0
for line in io.lines("%s") do bodies[#bodies + 1] = line end
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
request = function()
  n = n %% #bodies + 1
  return wrk.format("POST", "PATH", nil, bodies[n])
end
""".replace("PATH", STORE)

WRK_GAME = """
local bodies, n = {}, 0
for line in io.lines("%s") do bodies[#bodies + 1] = line end
request = function()
  n = n %% #bodies + 1
  local stamp, sign, body = bodies[n]:match("^(%%S+) (%%S+) (.*)$")
  local headers = {["Content-Type"] = "application/json", ["X-Partner"] = "PID", ["X-Timestamp"] = stamp,
    ["X-Signature"] = sign, ["Idempotency-Key"] = sign}
  return wrk.format("POST", "PATH", headers, body)
end
""".replace("PATH", GAME).replace("PID", PID)

STUBS = {
    "trade": {
        "request": {"method": "POST", "urlPath": STORE},
        "response": {
            "status": 200,
            "headers": {"Content-Type": "application/json"},
            "body": "{{formData request.body 'f' urlDecode=true}}"
            '{"code":200,"msg":"success","data":{"secret":"card {{f.request_no}}","url":"","amount":"9.50",'
            '"tradeNo":"T{{f.request_no}}","leave_message":"","stock":"999999"}}',
            "transformers": ["response-template"],
        },
    },
    "topup": {
        "request": {"method": "POST", "urlPath": GAME},
        "response": {
            "status": 202,
            "headers": {"Content-Type": "application/json"},
            "body": '{"ok":true,"topup_id":"T{{jsonPath request.body \'$.reference\'}}",'
            '"reference":"{{jsonPath request.body \'$.reference\'}}","status":"processing"}',
            "transformers": ["response-template"],
        },
    },
}


def a_trade(n: int) -> str:
    """The body of a signed trade."""
    fields = {
        "app_id": PID,
        "app_key": KEY,
        "shared_code": "card_10",
        "contact": f"{order_key(n)}@buyers.example",
        "num": "1",
        "card_id": "0",
        "device": "0",
        "password": "",
        "race": "",
        "request_no": f"S{n:012d}",
    }
    text = "&".join(f"{k}={v}" for k, v in sorted(fields.items()) if v)
    return urlencode({**fields, "sign": hashlib.md5(f"{text}&key={KEY}".encode()).hexdigest()})


def a_top_up(n: int, stamp: int) -> str:
    """Timestamp, signature and body of a create call; nobody is to be told."""
    body = json.dumps(
        {
            "reference": f"G{n:012d}",
            "account": f"someone-{n}",
            "region": "cn-east",
            "product": "topup_10",
            "quantity": 1,
            "passthrough": f"{order_key(n)}@buyers.example",
        }
    )
    text = f"POST\n{GAME}\n{stamp}\n{hashlib.sha256(body.encode()).hexdigest()}"
    return f"{stamp} {hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest()} {body}"


def a_plan() -> Plan:
    """One supplier and one game server, and four faults on each hop that are decided and strike nobody."""
    faults = tuple(
        FaultPlan(f"{fault}-{hop}", fault, (hop,), Label(fault, fault), "none", rate=Share(0.0))
        for hop in (Hop.SHOP_SUPPLIER, Hop.SHOP_GAME)
        for fault in ("lose_answer", "maintenance", "sig.wrong_key", "lose_request")
    )
    return Plan(
        schema=SCHEMA,
        scenario="bench",
        about="",
        file="",
        seed=7,
        compress=1.0,
        target=TargetPlan("bench", "", "", prices={"card_10": 1000, "topup_10": 1000}, needs={"topup_10": "game"}),
        load=arrivals(Constant(rate=Rate(5000), orders=ORDERS)),
        mix=Mix(
            product={"card_10": Share(0.5), "topup_10": Share(0.5)},
            channel={"epay": Share(1.0)},
            region={"cn-east": Share(1.0)},
            pay_delay=Delay(constant=BusinessTime(1)),
        ),
        upstreams={"cheap": UpstreamPlan("supplier", "sharedstore"), "game": UpstreamPlan("game", "topup")},
        faults=faults,
        deadline=BusinessTime(300),
        stuck_after=stuck_after({}),
        poll_every=WireTime(0.2),
        warm_up_orders=0,
        evidence=Evidence(),
        gates=(),
    )


def start_mock(run: RunDir, role: str, epoch: Epoch) -> tuple[subprocess.Popen[bytes], int]:
    port_file = run.path / f"port-{role}"
    command = ["taskset", "-c", "0", sys.executable, "-P", "-m", f"mocks.{role}", "--run", str(run.path)]
    command += ["--epoch", str(epoch), "--port", "0", "--port-file", str(port_file), "--writer", role]
    keys = json.dumps({{"supplier": "cheap", "game": "game"}[role]: {"pid": PID, "key": KEY}})
    process = subprocess.Popen(command, env={**os.environ, "ORDERJAM_UPSTREAMS": keys})
    while not port_file.exists():
        assert process.poll() is None, f"mocks.{role} did not start"
        time.sleep(0.05)
    return process, int(port_file.read_text())


def check_taken(port: int) -> None:
    """Every purchase of the round was taken: the shared store refuses with HTTP 200, too."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/_admin/trades", timeout=10) as answer:
        rows = json.loads(answer.read())["trades"]
    assert len(rows) == 100, f"only {len(rows)} purchases were made"


def write_loads(folder: Path) -> dict[str, Path]:
    """The wrk scripts of both roles. A timestamp holds for 300 s, which outlasts the benchmark."""
    stamp = int(time.time())
    lines = {"supplier": map(a_trade, range(ORDERS)), "game": (a_top_up(n, stamp) for n in range(ORDERS))}
    scripts = {}
    for role, text in (("supplier", WRK_STORE), ("game", WRK_GAME)):
        (folder / f"bodies-{role}").write_text("\n".join(lines[role]) + "\n")
        scripts[role] = folder / f"{role}.lua"
        scripts[role].write_text(text % (folder / f"bodies-{role}"))
    return scripts


def start_others(folder: Path, ports: dict[str, int]) -> list[subprocess.Popen[bytes]]:
    (folder / "wm" / "mappings").mkdir(parents=True)
    for name, stub in STUBS.items():
        (folder / "wm" / "mappings" / f"{name}.json").write_text(json.dumps(stub))
    java = ["java", "-jar", str(JAR), "--port", str(ports["wiremock"]), "--root-dir", str(folder / "wm")]
    java += ["--no-request-journal", "--disable-request-logging", "--bind-address", "127.0.0.1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return [
        subprocess.Popen(["taskset", "-c", "0", *java], **quiet),  # type: ignore[call-overload]
        subprocess.Popen(["taskset", "-c", "0", sys.executable, "-c", AIOHTTP, str(ports["aiohttp"])]),
    ]


def a_round(server: "subprocess.Popen[bytes]", port: int, script: Path) -> Round:
    before = sum(psutil.Process(server.pid).cpu_times()[:2])
    rate = measured(port, script, ROUND_S)
    spent_s = sum(psutil.Process(server.pid).cpu_times()[:2]) - before
    return Round(rate, spent_s / (rate * ROUND_S) * 1e6)


def play(folder: Path, processes: dict[str, "subprocess.Popen[bytes]"]) -> dict[str, dict[str, list[Round]]]:
    """The rounds of each server, by role. What it starts it adds to the processes."""
    epoch, ports = Epoch.now(), {"wiremock": free_port(), "aiohttp": free_port()}
    run = RunDir.create(folder / "runs", "bench", 7)
    plans.save(a_plan(), run.plan)
    processes["wiremock"], processes["aiohttp"] = start_others(folder, ports)
    for role in ROLES:
        processes[role], ports[role] = start_mock(run, role, epoch)
    for port in ports.values():
        wait_until_up(f"http://127.0.0.1:{port}/")
    scripts = write_loads(folder)
    for role in ROLES:
        measured(ports["wiremock"], scripts[role], WARM_S)
    rounds: dict[str, dict[str, list[Round]]] = {r: {"mock": [], "wiremock": [], "aiohttp": []} for r in ROLES}
    for _ in range(ROUNDS):
        for role, script in scripts.items():
            begin_load(ports[role], RunClock(epoch))
            rounds[role]["mock"].append(a_round(processes[role], ports[role], script))
            check_taken(ports[role])
            for server in ("wiremock", "aiohttp"):
                rounds[role][server].append(a_round(processes[server], ports[server], script))
    return rounds


def figures(rounds: dict[str, list[Round]]) -> dict[str, object]:
    """Medians, and the mock beside the others."""
    rate = {server: round(statistics.median(r.answers_per_s for r in found)) for server, found in rounds.items()}
    cpu_us = {server: round(statistics.median(r.cpu_us for r in found), 1) for server, found in rounds.items()}
    return {
        "answers_per_s": rate,
        "mock_over_wiremock": round(rate["mock"] / rate["wiremock"], 2),
        "mock_over_bare_aiohttp": round(rate["mock"] / rate["aiohttp"], 2),
        "cpu_us_per_answer": cpu_us,
        "mock_over_wiremock_by_cpu": round(cpu_us["wiremock"] / cpu_us["mock"], 2),
        "mock_over_bare_aiohttp_by_cpu": round(cpu_us["aiohttp"] / cpu_us["mock"], 2),
    }


def main() -> None:
    for tool in ("wrk", "java", "taskset"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is not installed; this benchmark needs it")
    if not JAR.is_file():
        sys.exit(f"{JAR} is missing; see the head of epay_vs_wiremock.py")
    processes: dict[str, subprocess.Popen[bytes]] = {}
    with tempfile.TemporaryDirectory() as name:
        try:
            rounds = play(Path(name), processes)
        finally:
            for process in processes.values():
                process.send_signal(signal.SIGTERM)
                process.wait()
    found = {path: figures(rounds[role]) for role, path in ROLES.items()}
    print(json.dumps({"benchmark": "goods_vs_wiremock", **found, "wanted": "mock_over_wiremock >= 2 each"}))


if __name__ == "__main__":
    main()

"""Every dialect that speaks HTTP, beside WireMock 3.13 and bare aiohttp, each pinned to one core, in one run.

A mock checks the signature of a create call, keeps a trade, sells a card or credits an account, signs its answer where
its dialect does, and journals. WireMock only fills a template (its journal and request log off); bare aiohttp only
reads the body and computes one hash. Load by wrk on the other core. Needs wrk, java and the WireMock jar in the local
Maven repository:
  mvn dependency:get -Dartifact=org.wiremock:wiremock-standalone:3.13.1

    python -m benchmarks.dialects_vs_wiremock [DIALECT ...]
Prints one JSON object for each dialect. Rounds alternate, so that a noisy machine is noisy to all; medians count. Where
others use the machine too, look at the CPU time of an answer: WireMock's many threads get a larger share of a contended
core than a process with one.
"""

import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.standing import MOCK_CORE, Round, a_plan, loaded, median, merchants, standing, write_requests
from ledger.clock import utc_now
from mocks.upstreams import Keys
from tests.mocks.seeds import SEEDS, Merchant, Seed

JAR = Path.home() / ".m2/repository/org/wiremock/wiremock-standalone/3.13.1/wiremock-standalone-3.13.1.jar"
ORDERS, RSA_ORDERS = 60_000, 12_000
RSA = ("alipay", "wechat", "epay_v2")
ROUNDS, ROUND_S, WARM_S = 3, 2.0, 6.0
BARE = """
import hashlib, sys, uvloop
from aiohttp import web
async def answer(request):
    body = await request.read()
    return web.json_response({"code": 1, "msg": "ok", "no": hashlib.md5(body).hexdigest()})
app = web.Application()
app.router.add_route("*", "/{path:.*}", answer)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None, loop=uvloop.new_event_loop())
"""


def creates(dialect: str, keys: Keys, count: int) -> Iterator[Seed]:
    """So many create calls, each of an order of its own."""
    now_s = int(utc_now().timestamp())
    return (next(SEEDS[dialect](Merchant(dialect, keys, n, now_s))) for n in range(count))


def stub_of(dialect: str, seed: Seed) -> dict[str, object]:
    """An answer of about the same make: what was sent is read, and something of it said again."""
    is_json = seed.headers["Content-Type"] == "application/json"
    read = "{{jsonPath request.body '$'}}" if is_json else "{{formData request.body 'f' urlDecode=true}}"
    body = f'{read}{{"code":1,"msg":"ok","dialect":"{dialect}","no":"{{{{randomValue length=24}}}}"}}'
    return {
        "request": {"method": seed.method, "urlPath": seed.target.partition("?")[0]},
        "response": {
            "status": 200,
            "headers": {"Content-Type": "application/json"},
            "body": body,
            "transformers": ["response-template"],
        },
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def beside(command: list[str]) -> Iterator[tuple[int, int]]:
    """Another server, pinned like the mock; its process and port. PORT in the command is filled in."""
    port = free_port()
    argv = ["taskset", "-c", MOCK_CORE, *(part.replace("PORT", str(port)) for part in command)]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1)
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                assert process.poll() is None, command
                time.sleep(0.1)
        yield process.pid, port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def compared(dialect: str, folder: Path) -> dict[str, object]:
    """One dialect beside the others."""
    plan = a_plan(dialect)
    keys = merchants(plan)
    count = RSA_ORDERS if dialect in RSA else ORDERS
    script = write_requests(folder, creates(dialect, keys[dialect], count))
    mappings = folder / "wm" / "mappings"
    mappings.mkdir(parents=True, exist_ok=True)
    first = next(creates(dialect, keys[dialect], 1))
    (mappings / "stub.json").write_text(json.dumps(stub_of(dialect, first)))
    java = ["java", "-jar", str(JAR), "--port", "PORT", "--root-dir", str(folder / "wm"), "--bind-address", "127.0.0.1"]
    java += ["--no-request-journal", "--disable-request-logging"]
    rounds: dict[str, list[Round]] = {"mock": [], "wiremock": [], "bare_aiohttp": []}
    with (
        beside(java) as wiremock,
        beside([sys.executable, "-c", BARE, "PORT"]) as bare,
        standing(folder / "runs", plan, keys) as mock,
    ):
        loaded(*wiremock, script, WARM_S)
        loaded(*bare, script, 1)
        for _ in range(ROUNDS):
            rounds["wiremock"].append(loaded(*wiremock, script, ROUND_S))
            rounds["bare_aiohttp"].append(loaded(*bare, script, ROUND_S))
            mock.tell("reset")
            mock.begin_load()
            rounds["mock"].append(loaded(mock.process.pid, mock.port, script, ROUND_S))
    found = {server: median(each) for server, each in rounds.items()}
    return {
        "benchmark": "dialects_vs_wiremock",
        "dialect": dialect,
        "answers_per_s": {server: round(one.answers_per_s) for server, one in found.items()},
        "cpu_us": {server: one.cpu_us for server, one in found.items()},
        "mock_over_wiremock": round(found["mock"].answers_per_s / found["wiremock"].answers_per_s, 2),
        "mock_over_bare_aiohttp": round(found["mock"].answers_per_s / found["bare_aiohttp"].answers_per_s, 2),
    }


def main() -> None:
    for tool in ("wrk", "java", "taskset"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is not installed; this benchmark needs it")
    if not JAR.is_file():
        sys.exit(f"{JAR} is missing; see the head of this file")
    for dialect in sys.argv[1:] or SEEDS:
        with tempfile.TemporaryDirectory() as name:
            print(json.dumps(compared(dialect, Path(name))), flush=True)


if __name__ == "__main__":
    main()

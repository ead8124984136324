"""How many requests a second one process can send in a closed loop: ours, and Locust's plain FastHttpUser.

`python benchmarks/driver_throughput.py [--seconds 6] [--users 50] [--rounds 3]`. Each
round runs all three in turn against one server: `fast` FastHttpUser, `requests` our client with statistics, `orders`
whole orders (made, placed, paid, polled and journalled). The medians of the rounds and their ratio to `fast` count.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from driver_server import TARGET, served  # type: ignore[import-not-found]  # the file beside this one

KINDS = ("fast", "requests", "orders")


def child(kind: str, url: str, seconds: float, users: int, folder: Path) -> float:
    """Requests per second of one kind of load; in a process of its own."""
    import gevent
    import locust
    from locust.env import Environment

    class Fast(locust.FastHttpUser):  # type: ignore[misc]
        host = url

        @locust.task  # type: ignore[untyped-decorator]
        def ask(self) -> None:
            self.client.get("/page")

    env = Environment(user_classes=[Fast])
    runner = env.create_local_runner()
    if kind == "fast":
        runner.start(users, spawn_rate=users)
        gevent.sleep(1.0)
        before, begun = env.stats.num_requests, time.perf_counter()
        gevent.sleep(seconds)
        assert not env.stats.num_failures, f"{env.stats.num_failures} requests failed"
        return float((env.stats.num_requests - before) / (time.perf_counter() - begun))
    return _ours(kind, url, seconds, users, folder, env)


def _ours(kind: str, url: str, seconds: float, users: int, folder: Path, env: Any) -> float:
    import gevent
    from driver_lateness import make_plan  # type: ignore[import-not-found]  # the file beside this one

    from ledger.clock import Epoch, RunClock
    from ledger.journal import Voice
    from load.arrivals import make_order
    from load.buyer import Buyers
    from load.greenlets import spawn
    from load.main import calm_the_collector
    from load.poller import Poller
    from load.recorder import Recorder
    from load.wire import Wire
    from targets import webshop
    from targets.storefront import Ask

    (folder / "target.yaml").write_text(TARGET)
    shop, plan, now = webshop.storefront(folder / "target.yaml", url), make_plan(1000, 1000), RunClock(Epoch.now()).t
    wire = Wire(now, frozenset())
    recorder = Recorder(Voice(folder, "driver-0"), folder / "driver-0.json", now)
    recorder.fire = env.events.request.fire
    poller = Poller(plan, shop, wire, recorder, now)
    buyers = Buyers(plan, shop, wire, poller, recorder, now)
    numbers = iter(range(10**9))

    def ask_for_ever() -> None:
        ask = Ask("poll", "GET", f"{url}/page")
        while True:
            asked = now()
            reply = wire.send(ask)
            recorder.answered(ask.name, ask.method, ms=(now() - asked) / 1e6, size=len(reply.body), why=reply.why)

    def buy_for_ever() -> None:
        while True:
            buyers.start(make_order(plan, shop, next(numbers)), now()).join()

    spawn(poller.run)
    for _ in range(users):
        spawn(ask_for_ever if kind == "requests" else buy_for_ever)
    calm_the_collector()
    gevent.sleep(1.0)
    before, begun = recorder.status.requests, time.perf_counter()
    gevent.sleep(seconds)
    assert not recorder.status.errors, f"{recorder.status.errors} requests failed"
    return (recorder.status.requests - before) / (time.perf_counter() - begun)


async def measure(kind: str, seconds: float, users: int, folder: Path) -> float:
    """One child against one server."""
    folder.mkdir()
    async with served("order", folder / "arrivals") as url:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, __file__, "--child", kind, url, str(folder)),
            *("--seconds", str(seconds), "--users", str(users)),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        return float(output)


async def main(seconds: float, users: int, rounds: int) -> None:
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory(prefix="orderjam-bench-") as name:
        for n in range(rounds):
            for kind in KINDS:
                found[kind].append(round(await measure(kind, seconds, users, Path(name) / f"{kind}-{n}")))
    fast = statistics.median(found["fast"])
    ratios = {kind: round(statistics.median(found[kind]) / fast, 2) for kind in KINDS}
    print(json.dumps({"users": users, "cores": os.cpu_count(), "per_s": found, "ratio_to_fast": ratios}, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Requests per second of one process.")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", nargs=3, metavar=("KIND", "URL", "FOLDER"))
    given = parser.parse_args()
    if given.child:
        print(child(given.child[0], given.child[1], given.seconds, given.users, Path(given.child[2])))
        sys.stdout.flush()
        os._exit(0)
    asyncio.run(main(given.seconds, given.users, given.rounds))

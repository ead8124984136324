"""How late notices leave: 5,000 captures over 60 s, Alipay's ladder at compress 3600, and a shop that refuses all.

The shop is a process of its own that stamps each notice as it comes; a notice is late by as much as it comes after the
capture and the gaps before it, all drift included. The mock has a core for itself; shop and buyers share the other.
Then the rate at which one mock saturates: the ladder is so much shorter that all eight sends of a capture come within
2.4 s, captures come faster from step to step, and the last step that still holds counts.

    python -m benchmarks.ladder_lateness [DIALECT ...]     (epay and alipay, unless others are named)
Prints one JSON object for each; exit 1 where what is wanted is not reached.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from itertools import accumulate
from pathlib import Path

import aiohttp
import msgspec
import numpy as np
import uvloop

from benchmarks.standing import LOAD_CORE, Standing, a_plan, merchants, standing
from ledger import journal
from ledger.clock import SECOND_NS, utc_now
from ledger.events import Captured, NoticeSent
from mocks.upstreams import Keys
from plan.orders import order_key
from plan.run import Plan
from tests.mocks.seeds import SEEDS, Merchant

CAPTURES, OVER_S, COMPRESS = 5_000, 60.0, 3_600.0
STEPS, STEP_S, STEP_COMPRESS = (100, 150, 200, 250, 300, 400), 15.0, 36_000.0
P99_MS_MAX = 50.0
AT_ONCE = 64
PAY_AT = {"epay": ("payurl",), "alipay": ("alipay_trade_precreate_response", "qr_code"), "wechat": ("code_url",)}
"""Where in the answer to a create call the cashier's address stands."""

SHOP = """
import asyncio, re, sys, time, uvloop
stamps = open(sys.argv[1], "w", buffering=1 << 20)
NO = re.compile(rb"out_trade_no=(\\w+)")
LENGTH = re.compile(rb"(?i)content-length: *(\\d+)")
class Shop(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.read = transport, b""
    def data_received(self, data):
        self.read += data
        end = self.read.find(b"\\r\\n\\r\\n")
        if end < 0:
            return
        length = LENGTH.search(self.read, 0, end)
        if len(self.read) < end + 4 + (int(length[1]) if length else 0):
            return
        stamps.write(f"{time.monotonic_ns()} {NO.search(self.read)[1].decode()}\\n")
        self.transport.write(b"HTTP/1.1 500 No\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nno")
        self.transport.close()
async def main():
    server = await asyncio.get_running_loop().create_server(Shop, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    stamps.close()
uvloop.run(main())
"""


class Measured(msgspec.Struct, frozen=True):
    """What came of so many captures a second."""

    per_s: float
    due: int
    sent: int
    came: int
    p50_ms: float
    p99_ms: float
    max_ms: float

    @property
    def holds(self) -> bool:
        return self.sent == self.came == self.due and self.p99_ms <= P99_MS_MAX


async def captured(mock: Standing, dialect: str, keys: Keys, shop: int, count: int, over_s: float) -> None:
    """Creates all trades, then pays them one by one, evenly over the time."""
    notify = f"http://127.0.0.1:{shop}/notify"
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with aiohttp.ClientSession(connector=connector) as http:
        gate, pages = asyncio.Semaphore(AT_ONCE), [""] * count

        async def place(n: int) -> None:
            async with gate:
                seed = next(SEEDS[dialect](Merchant(dialect, keys, n, int(utc_now().timestamp()), notify)))
                async with http.post(mock.url + seed.target, data=seed.body, headers=seed.headers) as answer:
                    found = json.loads(await answer.read())
                for name in PAY_AT[dialect]:
                    found = found[name]
                pages[n] = found

        async with asyncio.TaskGroup() as group:
            for n in range(count):
                group.create_task(place(n))
        mock.begin_load()
        began = time.monotonic() + 0.5

        async def pay(n: int) -> None:
            await asyncio.sleep(began + n * over_s / count - time.monotonic())
            async with http.post(pages[n], headers={"Accept": "application/json"}) as answer:
                assert (await answer.json())["paid"] is True

        async with asyncio.TaskGroup() as group:
            for n in range(count):
                group.create_task(pay(n))


def measured(dialect: str, count: int, over_s: float, compress: float) -> Measured:
    """One mock, one shop, so many captures."""
    plan = a_plan(dialect, ladder="alipay", compress=compress)
    keys = merchants(plan)
    with tempfile.TemporaryDirectory() as name, standing(Path(name), plan, keys) as mock:
        stamps = Path(name) / "stamps"
        argv = ["taskset", "-c", LOAD_CORE, sys.executable, "-c", SHOP, str(stamps)]
        shop = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert shop.stdout is not None
        uvloop.run(captured(mock, dialect, keys[dialect], int(shop.stdout.readline()), count, over_s))
        while json.loads(_health(mock))["open_notices"]:
            time.sleep(0.2)
        mock.stop()
        shop.communicate(b"", timeout=60)
        return lateness(plan, dialect, mock, stamps, count / over_s)


def _health(mock: Standing) -> bytes:
    return mock.tell("lease")


def lateness(plan: Plan, dialect: str, mock: Standing, stamps: Path, per_s: float) -> Measured:
    """Compares what came with what was due: the capture, and so much later each gap of the ladder."""
    captures, sent = {}, 0
    for path in mock.run.journals():
        for event in journal.read(path):
            if isinstance(event, Captured):
                captures[event.o] = event.t
            sent += isinstance(event, NoticeSent)
    came = defaultdict(list)
    for line in stamps.read_text().splitlines():
        t, no = line.split()
        came[no].append(int(t) - mock.clock.epoch.monotonic_ns)
    offsets = [0, *accumulate(int(plan.wire_s(gap) * SECOND_NS) for gap in plan.upstreams[dialect].ladder)]
    late = [
        (at - captures[order_key(int(no[1:]))] - offset) / 1e6
        for no, ats in came.items()
        for at, offset in zip(sorted(ats), offsets, strict=False)
    ]
    p50, p99 = (float(np.percentile(late, q)) for q in (50, 99))
    total = sum(map(len, came.values()))
    return Measured(per_s, len(captures) * len(offsets), sent, total, round(p50, 2), round(p99, 2), round(max(late), 2))


def main() -> None:
    failed = False
    for dialect in sys.argv[1:] or ["epay", "alipay"]:
        wanted = measured(dialect, CAPTURES, OVER_S, COMPRESS)
        holding = 0.0
        for per_s in STEPS:
            step = measured(dialect, int(per_s * STEP_S), STEP_S, STEP_COMPRESS)
            print(step, file=sys.stderr)
            if not step.holds:
                break
            holding = per_s * 8
        told = {
            "benchmark": "ladder_lateness",
            "dialect": dialect,
            **msgspec.structs.asdict(wanted),
            "saturates_above_sends_per_s": holding,
            "wanted": f"due == sent == came, p99_ms <= {P99_MS_MAX:g}",
            "holds": wanted.holds,
        }
        print(json.dumps(told), flush=True)
        failed |= not wanted.holds
    sys.exit(failed)


if __name__ == "__main__":
    main()

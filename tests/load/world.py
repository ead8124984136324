"""A fake shop with a cashier, and load processes driven through their files as the harness does it."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from ledger.clock import SECOND_NS, Epoch
from ledger.events import Event
from ledger.journal import read
from ledger.rundir import write_atomically
from plan import run as plan_run
from plan.arrivals import Arrivals
from plan.orders import Delay, Mix, find_key
from plan.run import Evidence, Plan, TargetPlan, stuck_after
from plan.units import BusinessTime, Rate, Share, WireTime

WITHIN_S = 15.0

TARGET = """
about: a fake shop
start: {command: [none], ready: /}
sells: {products: {card_10: 1000, card_50: 5000}, regions: [cn, eu]}
place:
  path: /orders
  form: {product: "{product}", contact: "{contact}", account: "{account}", name: "{name}", region: "{region}"}
  status: [201]
  order_no: {json: number}
  pay_url: {json: pay}
  poll_url: {json: page}
  refused_words: {json: error}
poll: {state: {json: state}, goods: {json: goods}}
states:
  {created: created, paid: paid, recharging: recharging, completed: completed, expired: expired, cancelled: cancelled,
   refunded: refunded}
cancel: {path: "/orders/{order_no}/cancel", form: {reason: changed my mind}, words: {json: words}}
"""


def make_plan(**changes: Any) -> Plan:
    """A short plan; `orders` and `rate` make its load, other names are fields of a plan."""
    orders, rate = changes.pop("orders", 20), changes.pop("rate", 100.0)
    delay_s = changes.pop("pay_delay_s", 0.05)
    end = orders / rate
    values: dict[str, Any] = {
        "schema": plan_run.SCHEMA,
        "scenario": "test",
        "about": "",
        "file": "test.yaml",
        "seed": 7,
        "compress": 1.0,
        "target": TargetPlan("fake", "fake.yaml", "default"),
        "load": Arrivals("constant", ((WireTime(0), Rate(rate)), (WireTime(end), Rate(rate))), orders),
        "mix": Mix(
            product={"card_10": Share(1.0)},
            channel={"epay": Share(1.0)},
            pay_delay=Delay(constant=BusinessTime(delay_s)),
            region={"cn": Share(1.0)},
        ),
        "upstreams": {},
        "faults": (),
        "deadline": BusinessTime(5.0),
        "stuck_after": stuck_after({}),
        "poll_every": WireTime(0.05),
        "warm_up_orders": 0,
        "evidence": Evidence(),
        "gates": (),
    }
    return Plan(**{**values, **changes})


class FakeShop:
    """A shop and its cashier. What it answers to placing, and which states an order shows, can be replaced."""

    def __init__(self) -> None:
        self.url = ""
        self.placed: list[str] = []
        self.forms: list[dict[str, str]] = []
        self.paid: list[str] = []
        self.cancelled: list[str] = []
        self.agrees = True
        self.complaints: dict[str, str] = {}
        self.takes_complaints = True
        self.log: list[tuple[str, str]] = []
        self.header_keys: list[str | None] = []
        self.polls: dict[str, int] = {}
        self.pay_url = "{url}/cashier/{key}"
        self.page: Callable[[str], web.Response] = self._honest_page

    def page_of(self, state: str, goods: list[str] | None = None) -> web.Response:
        return web.json_response({"state": state, "goods": goods or []})

    def _honest_page(self, key: str) -> web.Response:
        return self.page_of("completed", [f"KEY-{key}"]) if key in self.paid else self.page_of("created")

    async def place(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        key = find_key(form["contact"])
        assert key
        self.placed.append(key)
        self.log.append(("place", key))
        self.forms.append(form)
        pay = self.pay_url.format(url=self.url, key=key)
        return web.json_response({"number": f"N{key}", "pay": pay, "page": f"/orders/{key}.json"}, status=201)

    async def _place(self, request: web.Request) -> web.StreamResponse:
        return await self.place(request)

    async def _page(self, request: web.Request) -> web.StreamResponse:
        key = request.match_info["key"]
        self.polls[key] = self.polls.get(key, 0) + 1
        return self.page(key)

    async def _open_cashier(self, request: web.Request) -> web.Response:
        key = request.match_info["key"]
        if "at" not in request.query:  # as an Epay server's submit.php does: a script leads to the true cashier
            self.log.append(("open", key))
            return web.Response(text=f"<script>window.location.href='./{key}?at=2';</script>", content_type="text/html")
        field = f'<input type="hidden" name="trade" value="{key}"><button>支付</button>'
        return web.Response(text=f'<form action="/pay" method="post">{field}</form>', content_type="text/html")

    async def _pay(self, request: web.Request) -> web.Response:
        form = await request.post()
        key = str(form["trade"])
        if "complain" in form:
            return await self._complain(key, str(form["complain"]))
        self.paid.append(key)
        self.log.append(("pay", key))
        self.header_keys.append(request.headers.get("X-Orderjam-Order"))
        return web.Response(text="success")

    async def _complain(self, key: str, words: str) -> web.Response:
        self.log.append(("complain", key))
        self.complaints[key] = words
        return web.Response(text="taken", status=200 if self.takes_complaints else 425)

    async def _cancel(self, request: web.Request) -> web.Response:
        key = request.match_info["number"].removeprefix("N")
        assert (await request.post())["reason"] == "changed my mind"
        self.log.append(("cancel", key))
        if not self.agrees:
            return web.json_response({"words": "already paid"}, status=409)
        self.cancelled.append(key)
        return web.json_response({"words": "cancelled"})

    async def _lead_away(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://192.0.2.1/pay"})

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.post("/orders", self._place), web.get("/orders/{key}.json", self._page)])
        app.add_routes([web.get("/cashier/{key}", self._open_cashier), web.post("/pay", self._pay)])
        app.add_routes([web.post("/orders/{number}/cancel", self._cancel)])
        app.add_routes([web.get("/away", self._lead_away)])
        return app


class Load:
    """Load processes of one run, told by files what the harness would tell them."""

    def __init__(self, folder: Path) -> None:
        self.run, self.state = folder / "run", folder / "state"
        self.events_dir = self.run / "events"
        self.events_dir.mkdir(parents=True)
        self.state.mkdir()
        self.target = folder / "fake.yaml"
        self.target.write_text(TARGET)
        self.cwd = folder / "cwd"
        self.cwd.mkdir()
        self.epoch = Epoch.now()
        self.processes: list[asyncio.subprocess.Process] = []

    async def start(self, shop_url: str, *more: str, allow: str = "") -> asyncio.subprocess.Process:
        argv = ["--run", str(self.run), "--epoch", str(self.epoch), "--state", str(self.state)]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "load", *argv, "--target", str(self.target), *more),
            env={**os.environ, "ORDERJAM_SHOP_URL": shop_url, "ORDERJAM_ALLOW": allow, "PYTHONPATH": os.getcwd()},
            cwd=self.cwd,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self.processes.append(process)
        return process

    async def ready(self, plan: Plan, shop_url: str, *more: str, allow: str = "") -> asyncio.subprocess.Process:
        """One local process that can start at once."""
        plan_run.save(plan, self.run / "plan.yaml")
        process = await self.start(shop_url, *more, allow=allow)
        await self.until(lambda: self.status()["ready"])
        return process

    def begin(self, phase: str, *, in_s: float = 0.1, beat_t: int | None = None) -> int | None:
        """Tells the phase, and a heartbeat: now, if none is given."""
        l0_t = self.t() + int(in_s * SECOND_NS) if phase == "load" else None
        told = {"phase": phase, "l0_t": l0_t, "beat_t": self.t() if beat_t is None else beat_t}
        write_atomically(self.state / "phase.json", msgspec.json.encode(told))
        return l0_t

    def t(self) -> int:
        return Epoch.now().monotonic_ns - self.epoch.monotonic_ns

    def status(self, index: int = 0) -> dict[str, Any]:
        path = self.state / f"driver-{index}.json"
        found: dict[str, Any] = msgspec.json.decode(path.read_bytes()) if path.exists() else {"ready": False}
        return found

    def struck(self, index: int = 0) -> list[Any]:
        path = self.events_dir / f"struck-driver-{index}.ndjson"
        return list(read(path)) if path.exists() else []

    def master(self) -> dict[str, Any]:
        path = self.state / "master.json"
        found: dict[str, Any] = msgspec.json.decode(path.read_bytes()) if path.exists() else {"port": None}
        return found

    def events(self, index: int = 0) -> list[Event]:
        path = self.events_dir / f"driver-{index}.ndjson"
        return list(read(path)) if path.exists() else []

    async def until(self, holds: Callable[[], object], *, within_s: float = WITHIN_S) -> None:
        """Returns as soon as it holds; fails with what the processes said if one of them ends or time runs out."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within_s
        while not holds():
            for process in self.processes:
                if process.returncode is not None:
                    raise AssertionError(f"load exited with {process.returncode}: {await said(process)}")
            assert loop.time() < end, f"did not happen within {within_s} s; status {self.status()}"
            await asyncio.sleep(0.02)

    async def start_workers(self, plan: Plan, shop_url: str, workers: int) -> None:
        """A master and its workers, all of them ready."""
        plan_run.save(plan, self.run / "plan.yaml")
        await self.start(shop_url, "--role", "master", "--workers", str(workers))
        await self.until(lambda: self.master()["port"])
        for index in range(workers):
            own = ["--role", "worker", "--index", str(index), "--workers", str(workers)]
            await self.start(shop_url, *own, "--master-port", str(self.master()["port"]))
        await self.until(lambda: all(self.status(index)["ready"] for index in range(workers)))

    async def collect(self) -> str:
        """Ends all processes as at the end of a run; what they said."""
        self.begin("collect")
        return await self.ended()

    async def ended(self) -> str:
        texts = [await asyncio.wait_for(said(process), WITHIN_S) for process in self.processes]
        codes = [process.returncode for process in self.processes]
        self.processes.clear()
        assert codes == [0] * len(codes), texts
        return "".join(texts)

    async def play(self, plan: Plan, shop_url: str) -> str:
        """A whole run of one process, until every order has ended; what it said."""
        await self.ready(plan, shop_url)
        self.begin("load")
        await self.until(lambda: self.status()["done"])
        self.begin("settle")
        await self.until(lambda: self.status()["ended"] == plan.load.orders)
        return await self.collect()


async def said(process: asyncio.subprocess.Process) -> str:
    output, _ = await process.communicate()
    return output.decode()

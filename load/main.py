"""The process: its arguments, its phases, and the three roles local, master and worker."""

import argparse
import gc
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import gevent
import msgspec

from ledger.clock import SECOND_NS, Epoch, RunClock
from ledger.journal import JournalError, Voice
from ledger.phasefile import PhaseFile
from ledger.rundir import RunDir, write_atomically
from ledger.states import Phase
from load import locusts
from load.acts import Order
from load.arrivals import Arrivals, make_order, over
from load.buyer import Buyers
from load.greenlets import spawn
from load.poller import Poller
from load.recorder import EXIT_BROKEN, Recorder
from load.wire import Wire, is_loopback
from plan import run as plan_run
from plan.document import DocumentError
from plan.run import Plan
from targets import webshop
from targets.storefront import Storefront

EXIT_WRONG_USE = 2
LOOK_S = 0.025
FLUSH_S = 0.2
STATUS_S = 0.5
MASTER_STATUS_S = 0.1
WARM_UP_GAP_S = 0.02
GARBAGE_MAX = 100_000


class Options(msgspec.Struct, frozen=True):
    """The command line and environment, read once."""

    run: Path
    epoch: Epoch
    state: Path
    target: Path
    role: str
    index: int
    workers: int
    master_port: int | None
    web: int | None
    shop_url: str
    allow: frozenset[str]
    through: dict[str, tuple[str, int]]

    @classmethod
    def read(cls, arguments: list[str], env: Mapping[str, str]) -> "Options":
        """SystemExit 2 with a line on stderr where something is wrong or missing."""
        parser = argparse.ArgumentParser(prog="python -P -m load", description="The peak: sends a plan's orders.")
        parser.add_argument("--run", type=_path, required=True, help="run directory with plan.yaml and events/")
        parser.add_argument("--epoch", type=Epoch.parse, required=True, help="MONOTONIC_NS:WALL_NS")
        parser.add_argument("--state", type=_path, required=True, help="folder of phase.json and driver-<index>.json")
        parser.add_argument("--target", type=_path, required=True, help="target file of the shop")
        parser.add_argument("--role", choices=("local", "master", "worker"), default="local")
        parser.add_argument("--index", type=int, default=0)
        parser.add_argument("--workers", type=int, default=1)
        parser.add_argument("--master-port", type=int)
        parser.add_argument("--web", type=int, help="port of Locust's page on 127.0.0.1")
        parser.add_argument(
            "--through", type=_way, action="append", default=[], metavar="HOST:PORT/NAME=HOST:PORT",
            help="whom to connect to instead, for addresses whose path begins with a name",
        )  # fmt: skip
        given = parser.parse_args(arguments)
        if not 0 <= given.index < given.workers:
            parser.error(f"--index {given.index}: must be from 0 to --workers - 1 ({given.workers - 1})")
        if given.role == "worker" and given.master_port is None:
            parser.error("--role worker needs --master-port")
        shop_url = env.get("ORDERJAM_SHOP_URL", "")
        if not shop_url and given.role != "master":
            parser.error("ORDERJAM_SHOP_URL is not in the environment: the base address of the shop")
        allow = frozenset(host.strip().lower() for host in env.get("ORDERJAM_ALLOW", "").split(",") if host.strip())
        return cls(**vars(given) | {"through": dict(given.through)}, shop_url=shop_url, allow=allow)


def _path(text: str) -> Path:
    return Path(text).resolve()


def _way(text: str) -> tuple[str, tuple[str, int]]:
    place, _, at = text.partition("=")
    host, _, port = at.rpartition(":")
    if "/" not in place or not is_loopback(host) or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}; legal: HOST:PORT/NAME=HOST:PORT, on this machine")
    return place, (host, int(port))


class Driver:
    """One process that sends orders: role local or worker."""

    def __init__(self, options: Options, plan: Plan, shop: Storefront, voice: Voice) -> None:
        now = RunClock(options.epoch).t
        self._options = options
        self._plan = plan
        self._shop = shop
        self._now = now
        self._phase = PhaseFile(options.state)
        self._wire = Wire(now, options.allow, options.through)
        self.recorder = Recorder(voice, options.state / f"driver-{options.index}.json", now)
        self._poller = Poller(plan, shop, self._wire, self.recorder, now)
        self._buyers = Buyers(plan, shop, self._wire, self._poller, self.recorder, now)
        self.arrivals = Arrivals(
            plan, shop, self._wire, self._buyers, self.recorder, now, index=options.index, workers=options.workers
        )
        self._heard = self._phase.told
        self._terminated = False
        self._lag_ns = 0
        self._began: set[Phase] = set()

    def terminate(self) -> None:
        """Like phase collect."""
        self._terminated = True

    def run(self) -> None:
        """Plays the phases until collect; the journal is sealed when it returns."""
        self.arrivals.prepare()
        gc.collect()
        gc.freeze()
        for work in (self._poller.run, self.arrivals.keep_ahead, self._keep_flushing, self._keep_telling):
            spawn(work)
        while not self._terminated:
            self._look()
            asked = self._now()
            gevent.sleep(LOOK_S)
            self._lag_ns = max(self._lag_ns, self._now() - asked - int(LOOK_S * SECOND_NS))
        self._collect()

    def _look(self) -> None:
        told = self._phase.look()
        if told is not self._heard:
            self._heard = told
            self._buyers.whims.hear(told.phase, told.l0_t, told.beat_t)
        if told.phase is Phase.WARM_UP and Phase.WARM_UP not in self._began:
            self._began.add(Phase.WARM_UP)
            spawn(self._warm_up)
        if told.phase is Phase.LOAD and told.l0_t is not None and Phase.LOAD not in self._began:
            self._began.add(Phase.LOAD)
            calm_the_collector()
            self.arrivals.begin(told.l0_t)
        if over(told.phase) and not self._buyers.is_over:
            self.arrivals.stop()
            self._buyers.send_home()
        self._terminated = self._terminated or told.phase is Phase.COLLECT

    def _warm_up(self) -> None:
        orders = range(self._options.index, self._plan.warm_up_orders, self._options.workers)
        buying = [self._buyers.start(self._warm_up_order(n), self._now()) for n in orders]
        gevent.joinall(buying)
        while self._poller.warming:
            gevent.sleep(LOOK_S)
        self.recorder.status.warm = True

    def _warm_up_order(self, n: int) -> Order:
        gevent.sleep(WARM_UP_GAP_S)
        return make_order(self._plan, self._shop, n, warm_up=True)

    def _keep_flushing(self) -> None:
        while True:
            gevent.sleep(FLUSH_S)
            self.recorder.flush()
            # The collector is off while load runs: a full collection stops every send for tens of milliseconds. What
            # survives a young one is never looked at again.
            if not gc.isenabled() and gc.get_count()[0] > GARBAGE_MAX:
                gc.collect(0)

    def _keep_telling(self) -> None:
        while True:
            self._tell()
            gevent.sleep(STATUS_S if self.recorder.status.ready else LOOK_S)

    def _tell(self) -> None:
        status = self.recorder.status
        status.ready = self.arrivals.is_awaited
        status.warm = status.warm or self._plan.warm_up_orders == 0
        status.lag_ms, self._lag_ns = round(self._lag_ns / 1e6, 3), 0
        self._poller.count()
        status.faults = self._buyers.whims.in_force()
        status.done = self.arrivals.is_done and self._buyers.here == 0
        self.recorder.write_status()

    def _collect(self) -> None:
        self.arrivals.stop()
        self._buyers.send_home()
        self._poller.close()
        self._buyers.close()
        self.recorder.close()
        self._tell()
        self.recorder.status.done = True
        self.recorder.write_status()
        self._wire.close()


def calm_the_collector() -> None:
    gc.collect()
    gc.freeze()
    gc.disable()


def drive(options: Options) -> int:
    """Roles local and worker, from start to exit code."""
    plan = plan_run.load(options.run / "plan.yaml")
    shop = webshop.storefront(options.target, options.shop_url)
    voice = Voice(RunDir(options.run).events, f"driver-{options.index}")
    driver = Driver(options, plan, shop, voice)
    gevent.signal_handler(signal.SIGTERM, driver.terminate)
    os.chdir(options.state)
    env = locusts.environment(driver.arrivals.run)
    if options.role == "local":
        runner = locusts.local(env, options.web)
    else:
        assert options.master_port is not None
        runner = locusts.worker(env, options.master_port)
    driver.recorder.fire = env.events.request.fire
    driver.run()
    locusts.leave(runner)
    return 0


class MasterStatus(msgspec.Struct, frozen=True):
    """master.json: where workers connect, where the page is, how many workers are there."""

    port: int
    web: str | None
    workers_ready: int


def lead(options: Options) -> int:
    """Role master, from start to exit code: it starts one user in each worker as soon as all are there."""
    os.chdir(options.state)
    env = locusts.environment(lambda: None)
    runner = locusts.master(env, options.web)
    ended: list[bool] = []
    gevent.signal_handler(signal.SIGTERM, ended.append, True)
    phase, started = PhaseFile(options.state), False
    web = f"http://{locusts.HOST}:{options.web}" if options.web is not None else None
    while not ended and phase.look().phase is not Phase.COLLECT:
        ready = int(runner.worker_count)
        status = MasterStatus(int(runner.server.port), web, ready)
        write_atomically(options.state / "master.json", msgspec.json.encode(status))
        if not started and ready == options.workers:
            started = True
            spawn(runner.start, options.workers, options.workers)
        gevent.sleep(MASTER_STATUS_S)
    locusts.leave(runner)
    return 0


def main() -> int:
    """Runs the process that the command line asks for; its exit code."""
    options = Options.read(sys.argv[1:], os.environ)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    locusts.isolate()
    try:
        return lead(options) if options.role == "master" else drive(options)
    except (DocumentError, locusts.WebPortTaken) as error:
        print(f"orderjam load: {error}", file=sys.stderr)
        return EXIT_WRONG_USE
    except JournalError as error:
        print(f"orderjam load: {error}", file=sys.stderr)
        return EXIT_BROKEN

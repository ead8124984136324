"""A run directory of any size, as if it had been recorded: about twelve events an order, journals sealed and closed.

`python -m benchmarks.simulated_run FOLDER [--orders 1000000] [--seed 1]`. For sizes, not for statistics: most orders go
well; some are never paid, some stop at "paid", some end failed with the money kept, some are sold and not handed over.
Lines are formatted by hand, far faster than `Journal` could; a test compares both.
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ledger.clock import SECOND_NS
from ledger.journal import FLUSH_EVERY_NS, NO_SEAL, STRUCK_PREFIX, SUFFIX
from ledger.rundir import RunDir
from ledger.states import Hop
from plan import gates
from plan import run as plans
from plan.arrivals import Arrivals
from plan.faults import FaultPlan, Label
from plan.orders import Delay, Mix, Uniform
from plan.run import Evidence, Made, Plan, TargetPlan, UpstreamPlan
from plan.units import BusinessTime, Rate, Share, WireTime

Ints = npt.NDArray[np.int64]

RATE = 1000.0
"""Orders a second of the wire."""
CHUNK = 20_000
L0_S, SETTLE_S, COMPRESS, DRIVERS = 10.0, 20.0, 60.0, 2
CHILDREN = ("driver-0", "driver-1", "payment", "supplier", "cardshop")
UNPAID, SLEEPING, LOST, UNDELIVERED, STRUCK = 0.08, 0.02, 0.005, 0.003, 0.05
"""Shares of orders: the first of all, the others of those that are paid."""


def make_plan(n: int, seed: int) -> Plan:
    """A steady rate of orders over two channels and one supplier."""
    seconds = n / RATE
    return Plan(
        schema=plans.SCHEMA,
        scenario="simulated",
        about="made by benchmarks/simulated_run.py",
        file="simulated.yaml",
        seed=seed,
        compress=COMPRESS,
        target=TargetPlan("cardshop", "cardshop.yaml", "naive"),
        load=Arrivals("constant", ((WireTime(0), Rate(RATE)), (WireTime(seconds), Rate(RATE))), n),
        mix=Mix(
            product={"card_10": Share(0.5), "card_50": Share(0.3), "card_100": Share(0.2)},
            channel={"cheap": Share(0.6), "good": Share(0.4)},
            pay_delay=Delay(uniform=Uniform(BusinessTime(12), BusinessTime(60))),
            region={"cn-east": Share(0.4), "cn-south": Share(0.3), "cn-north": Share(0.3)},
        ),
        upstreams={
            "cheap": UpstreamPlan("payment", "epay", (BusinessTime(60), BusinessTime(180))),
            "good": UpstreamPlan("payment", "alipay", (BusinessTime(240), BusinessTime(600))),
            "store": UpstreamPlan("supplier", "sharedstore"),
        },
        faults=(
            FaultPlan(
                id="late",
                fault="notice_delay",
                hops=(Hop.PAYMENT_SHOP,),
                label=Label("notices delayed", "通知延迟"),
                cause="payment notice delayed",
            ),
        ),
        deadline=BusinessTime(300),
        stuck_after=plans.stuck_after({}),
        poll_every=WireTime(0.05),
        warm_up_orders=0,
        evidence=Evidence(300),
        gates=tuple(gates.parse_gate(text) for text in ("stuck.rate <= 1%", "invariants.lost_order == 0")),
        workers=DRIVERS,
        made=Made(replay="python -m benchmarks.simulated_run"),
    )


class _Writer:
    """One sealed journal. Lines may come in any order of time, as long as nothing comes from before what was sealed."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self._file = (folder / f"{name}{SUFFIX}").open("wb")
        self._t: list[Ints] = []
        self._lines: list[str] = []
        self._seal = NO_SEAL
        self.events = 0

    def add(self, t: Ints, fields: str, *columns: Iterable[Any]) -> None:
        """Lines of one kind: `fields` is the line behind its writer, with a place for each column; t goes first."""
        line = f'{{"w":"{self.name.removeprefix(STRUCK_PREFIX)}",{fields}}}\n'
        self._t.append(t)
        self._lines += map(line.__mod__, zip(t.tolist(), *map(_plain, columns), strict=True))

    def seal_until(self, until_t: float = np.inf) -> None:
        """Writes the blocks of all lines before a time; the rest waits."""
        t = np.concatenate(self._t) if self._t else np.zeros(0, dtype=np.int64)
        by = np.argsort(t, kind="stable")
        done = int(np.searchsorted(t[by], until_t))
        starts = np.flatnonzero(np.diff(t[by][:done] // FLUSH_EVERY_NS, prepend=-1)).tolist()
        rows = by.tolist()
        for start, end in pairwise([*starts, done]):
            self._block([self._lines[row] for row in rows[start:end]])
        self._t, self._lines = [t[by][done:]], [self._lines[row] for row in rows[done:]]

    def _block(self, lines: list[str], closed: str = "false") -> None:
        block = "".join(lines).encode()
        self._seal = hashlib.sha256(self._seal.encode() + block).hexdigest()
        seal = f'{{"k":"seal","n":{len(lines)},"sha256":"{self._seal}","closed":{closed}}}\n'
        self._file.write(block + seal.encode())
        self.events += len(lines)

    def close(self) -> None:
        self.seal_until()
        self._block([], closed="true")
        self._file.close()


def _plain(column: Iterable[Any]) -> Iterable[Any]:
    return column.tolist() if isinstance(column, np.ndarray) else column


class _Orders:
    """A chunk of orders: their numbers, what became of them, and when (ns)."""

    def __init__(self, numbers: Ints, seed: int) -> None:
        chance = np.random.default_rng([seed, int(numbers[0])])
        share, of_paid = chance.random(len(numbers)), chance.random(len(numbers))
        self.n = numbers
        self.paid = share >= UNPAID
        self.sleeping = self.paid & (of_paid < SLEEPING)
        self.lost = self.paid & ~self.sleeping & (of_paid < SLEEPING + LOST)
        self.undelivered = self.paid & ~self.sleeping & ~self.lost & (of_paid < SLEEPING + LOST + UNDELIVERED)
        self.completed = self.paid & ~self.sleeping & ~self.lost & ~self.undelivered
        self.struck = self.paid & (chance.random(len(numbers)) < STRUCK)
        self.amount = np.array([1000, 5000, 10000])[chance.integers(0, 3, len(numbers))]
        self.upstream = np.where(chance.random(len(numbers)) < 0.6, "cheap", "good")
        self.goods = chance.integers(0, 1 << 62, len(numbers)) * 4 + 1

        def after(t: Ints, low_ms: float, high_ms: float) -> Ints:
            return t + (chance.uniform(low_ms, high_ms, len(numbers)) * 1e6).astype(np.int64)

        self.due = ((L0_S + numbers / RATE) * SECOND_NS).astype(np.int64)
        self.sent = after(self.due, 0.05, 2)
        self.trade = after(self.sent, 2, 6)
        self.placed = after(self.trade, 1, 3)
        self.paying = after(self.placed, 1, 50)
        self.captured = after(self.placed, 200, 1000)
        self.notified = after(self.captured, 1, 2) + np.where(self.struck, 2 * SECOND_NS, 0)
        self.answered = after(self.notified, 2, 20)
        self.page_paid = after(self.answered, 1, 50)
        self.requested = after(self.answered, 1, 5)
        self.sold = after(self.requested, 1, 300)
        self.ended = after(self.sold, 2, 60)


def _drive(writers: dict[str, _Writer], o: _Orders, end_t: int) -> None:
    poll = 50_000_000
    for i in range(DRIVERS):
        driver, mine = writers[f"driver-{i}"], o.n % DRIVERS == i
        n = o.n[mine]
        driver.add(o.sent[mine] - 50_000, '"k":"planned","t":%d,"o":"b%08d","n":%d,"due_t":%d', n, n, o.due[mine])
        driver.add(o.sent[mine], '"k":"sent","t":%d,"o":"b%08d","late_ns":%d', n, (o.sent - o.due)[mine])
        placed = '"k":"placed","t":%d,"o":"b%08d","order_no":"C26112414%014d","ms":%s'
        driver.add(o.placed[mine], placed, n, n, np.round((o.placed - o.sent)[mine] / 1e6, 6))
        seen = (
            '"k":"seen","t":%d,"o":"b%08d","state":"{}","words":"{}","goods":[{}],"code":{},"last_old_t":%s,"final":{}'
        )
        first = seen.format("paying", "正在等待支付通道确认 …", "", "null", "false")
        driver.add(o.paying[mine], first, n, ["null"] * len(n))
        rows = o.paid & mine
        later = seen.format("paid", "已付款，正在发货 …", "", "null", "false")
        driver.add(o.page_paid[rows], later, o.n[rows], np.maximum(o.page_paid - poll, o.paying)[rows])
        for state, rows, goods, code in (
            ("completed", o.completed & mine, '"%016x"', "null"),
            ("failed", o.lost & mine, "", '"goods.sold_out"'),
        ):
            last = seen.format(state, state, goods, code, "false")
            texts = [o.goods[rows]] if goods else []
            driver.add(o.ended[rows], last, o.n[rows], *texts, np.maximum(o.ended - poll, o.page_paid)[rows])
        rows = (o.sleeping | o.undelivered) & mine
        final = seen.format("paid", "已付款，正在发货 …", "", "null", "true")
        at_end = np.full(int(rows.sum()), end_t - poll)
        driver.add(at_end, final, o.n[rows], ["null"] * len(at_end))


def _truth(writers: dict[str, _Writer], o: _Orders) -> None:
    payment, supplier, struck = writers["payment"], writers["supplier"], writers[f"{STRUCK_PREFIX}payment"]
    trade = '"t":%d,"o":"b%08d","upstream":"%s","trade_no":"20261124%016d"'
    created = (
        f'"k":"trade_created",{trade},"out_trade_no":"C26112414%014d","amount_fen":%d,"way":"alipay","keyed_by":"key"'
    )
    payment.add(o.trade, created, o.n, o.upstream, o.n, o.n, o.amount)
    paid, n, upstream = o.paid, o.n[o.paid], o.upstream[o.paid]
    payment.add(o.captured[paid], f'"k":"captured",{trade},"amount_fen":%d', n, upstream, n, o.amount[paid])
    sent = f'"k":"notice_sent",{trade},"n":1,"copy":0,"about":"done","notice_id":"%034x"'
    payment.add(o.notified[paid], sent, n, upstream, n, n)
    answered = f'"k":"notice_answered",{trade},"n":1,"status":200,"outcome":"accepted","words":"success","ms":%s'
    took_ms = np.round((o.answered - o.notified)[paid] / 1e6, 3)
    payment.add(o.answered[paid], answered + ',"copy":0,"about":"done"', n, upstream, n, took_ms)
    asked = paid & ~o.sleeping
    request = '"o":"b%08d","upstream":"store","product":"card_10","request_no":"C26112414%014d","quantity":1'
    supplier.add(o.requested[asked], f'"k":"goods_requested","t":%d,{request}', o.n[asked], o.n[asked])
    sold = asked & ~o.lost
    sale = '"k":"goods_sold","t":%d,"o":"b%08d","upstream":"store","goods":"%016x","request_no":"C26112414%014d"'
    supplier.add(o.sold[sold], sale, o.n[sold], o.goods[sold], o.n[sold])
    refusal = '"k":"goods_refused","t":%d,"o":"b%08d","upstream":"store","code":"goods.sold_out"'
    refusal += ',"request_no":"C26112414%014d","words":"no more"'
    supplier.add(o.sold[o.lost], refusal, o.n[o.lost], o.n[o.lost])
    hit = o.n[o.struck]
    strike = (
        '"k":"struck","t":%d,"o":"b%08d","fault":"late","hop":"payment>shop/cheap","operation":"notice","attempt":1'
    )
    struck.add(o.captured[o.struck], strike + ',"changed":"notice delayed","keyed_by":"key","must":""', hit)


def _book(harness: _Writer, o: _Orders, end_t: int) -> None:
    row = '"k":"booked","t":%d,"o":"b%08d","order_no":"C26112414%014d","state":"{0}","words":"{0}","amount_fen":%d'
    row += ',"goods":[{1}],"code":{2},"shop_t":%d'
    for state, rows, t, goods, code in (
        ("paying", ~o.paid, o.paying, "", "null"),
        ("paid", o.sleeping | o.undelivered, o.page_paid, "", "null"),
        ("failed", o.lost, o.ended, "", '"goods.sold_out"'),
        ("completed", o.completed, o.ended, '"%016x"', "null"),
    ):
        n = o.n[rows]
        texts = [o.goods[rows]] if goods else []
        at = _booked_t(end_t) + n  # a nanosecond each keeps them in the order of the table
        harness.add(at, row.format(state, goods, code), n, n, o.amount[rows], *texts, t[rows])


def _booked_t(end_t: int) -> int:
    """When the harness read the first row of the books: just before it began to collect."""
    return end_t - SECOND_NS // 2


def _beside(writers: dict[str, _Writer], seconds: int, end_t: int) -> None:
    """Phases, health, and the second-wise counts of requests."""
    harness = writers["harness"]
    l0_t, heal_t = round(L0_S * SECOND_NS), round((L0_S + seconds + 3) * SECOND_NS)
    phase = '"k":"phase","t":%d,"o":null,"phase":"%s","l0_t":%s,"note":"","wall_ns":1795529655030426306'
    for name, t in (("prepare", 1), ("load", l0_t - 1), ("heal", heal_t), ("settle", heal_t + 1), ("collect", end_t)):
        harness.add(np.array([t]), phase, [name], ["null" if name == "prepare" else l0_t])
    every = np.arange(1, int(end_t / SECOND_NS)) * SECOND_NS
    for child in CHILDREN:
        harness.add(every, f'"k":"health","t":%d,"o":null,"child":"{child}","cpu":12.5,"rss_mb":81.2,"lag_ms":0.92')
    loaded = (np.arange(seconds) + round(L0_S) + 1) * SECOND_NS
    count = round(RATE / DRIVERS)
    for i in range(DRIVERS):
        for name in ("place", "pay", "poll"):
            counts = f'"count":{count},"errors":0,"late":0,"histogram":{{"4":{count - 20},"8":15,"16":5}},"why":{{}}'
            writers[f"driver-{i}"].add(loaded, f'"k":"requests","t":%d,"o":null,"name":"{name}",{counts}')


def write(folder: Path, n: int, seed: int = 1) -> RunDir:
    """A run of n orders in a folder that is made for it; its journals are closed and its manifest is written."""
    run, plan = RunDir(folder), make_plan(n, seed)
    run.events.mkdir(parents=True)
    plans.save(plan, run.plan)
    seconds = int(np.ceil(n / RATE))
    end_t = round((L0_S + seconds + 3 + SETTLE_S) * SECOND_NS)
    voices = (*(f"driver-{i}" for i in range(DRIVERS)), "payment", "supplier", "harness")
    writers = {name: _Writer(run.events, name) for voice in voices for name in (voice, f"{STRUCK_PREFIX}{voice}")}
    _beside(writers, seconds, end_t)
    for start in range(0, n, CHUNK):
        orders = _Orders(np.arange(start, min(start + CHUNK, n)), seed)
        _drive(writers, orders, end_t)
        _truth(writers, orders)
        _book(writers["harness"], orders, end_t)
        for writer in writers.values():
            is_late = writer.name == "harness"
            writer.seal_until(_booked_t(end_t) + start if is_late else int(orders.due[-1]))
    for writer in writers.values():
        writer.close()
    run.seal()
    return run


def main() -> int:
    """Writes one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    began = time.perf_counter()
    run = write(given.folder, given.orders, given.seed)
    size = sum(file.stat().st_size for file in run.journals())
    print(f"{run.path}: {given.orders} orders, {size / 1e6:.0f} MB in {time.perf_counter() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

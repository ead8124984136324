"""What a proxy without toxics costs: the embedded server, Toxiproxy and a 30-line proxy, in one run.

    python -m benchmarks.wire_speed [--rounds 5] [--write]
Rounds alternate, so that a noisy machine is noisy to all; medians count, and each ratio is the median of the ratios of
single rounds. Prints one JSON object for each figure, then the targets: met or not; `--write` fills the table of
docs/transport.md. Needs wrk and Toxiproxy 2.12.0
(`benchmarks.wire_servers.INSTALL`).
"""

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psutil

from benchmarks.wire_keyed import keyed
from benchmarks.wire_load import (
    down_mb_s,
    idle_kb,
    median,
    percentile,
    requests_per_s,
    round_trips_us,
    up_mb_s,
)
from benchmarks.wire_results import DOCS, between_marks, today
from benchmarks.wire_servers import EMBEDDED, LIMIT, NONE, REAL, Standing, server, upstream
from ledger.rundir import write_atomically

TRIPS, STREAM_BYTES, WRK_S = 2000, 400_000_000, 2
CONNECTIONS, MANY, IDLE = 32, 1000, 2000
LATENCY_MS = 20
"""Of the toxic that 1,000 connections meet: short enough that the server, not the delay, is the limit."""
TARGETS: dict[str, tuple[str, float]] = {
    "added_p50_us": ("<=", 0.9),
    "added_p99_us": ("<=", 1.0),
    "down_mb_s": (">=", 1.4),
    "up_mb_s": (">=", 1.4),
    "requests_s": (">=", 1.05),
    "keyed_requests_s": (">=", 0.6),
    "many_requests_s": (">=", 1.0),
    "idle_kb": ("<=", 1.5),
}
"""The embedded server over the real one."""
Round = dict[str, float]
"""One figure by contestant."""


def is_met(figure: str, ratio: float) -> bool:
    """Whether a ratio of embedded to real keeps what was wanted of it, if anything was."""
    if figure not in TARGETS:
        return True
    side, limit = TARGETS[figure]
    return ratio <= limit if side == "<=" else ratio >= limit


def summed_up(figure: str, rounds: list[Round]) -> dict[str, object]:
    """One figure of all rounds: medians, what each contestant is to the real server, and whether that is enough."""
    said: dict[str, object] = {"figure": figure}
    said |= {name: round(median([one[name] for one in rounds]), 1) for name in rounds[0]}
    ratio = median([one[EMBEDDED] / one[REAL] for one in rounds])
    said["embedded_over_real"] = round(ratio, 2)
    if LIMIT in rounds[0]:
        said["thirty_lines_over_real"] = round(median([one[LIMIT] / one[REAL] for one in rounds]), 2)
    said["wanted"] = "{} {}×".format(*TARGETS[figure]) if figure in TARGETS else "–"
    said["met"] = is_met(figure, ratio)
    return said


def with_cpu(count: int, rate: Callable[[Standing], float], among: list[Standing]) -> tuple[list[Round], list[Round]]:
    """Rounds of answers a second, and of the CPU µs that each contestant's process spent on one of them."""
    spent: list[Round] = []

    def measure(one: Standing) -> float:
        process = psutil.Process(one.pid)
        before, found, after = process.cpu_times(), rate(one), process.cpu_times()
        us = (after.user + after.system - before.user - before.system) / (found * WRK_S) * 1e6
        cpu[one.name] = us
        return found

    rounds = []
    for turn in range(count):
        cpu: Round = {}
        rounds += alternated(1, measure, among[turn % len(among) :] + among[: turn % len(among)])
        spent.append(cpu)
    return rounds, spent


def alternated(count: int, measure: Callable[[Standing], float], among: list[Standing]) -> list[Round]:
    """So many rounds over all, each begun by another contestant."""
    turns = (among[n % len(among) :] + among[: n % len(among)] for n in range(count))
    return [{one.name: measure(one) for one in turn} for turn in turns]


def latencies(count: int, none: Standing, among: list[Standing]) -> tuple[list[Round], list[Round]]:
    """What each adds to the median and to the 99th percentile of round trips without a proxy, µs."""
    p50: list[Round] = []
    p99: list[Round] = []
    for n in range(count):
        turn = [none, *among][n % (len(among) + 1) :] + [none, *among][: n % (len(among) + 1)]
        trips = {one.name: round_trips_us(one.ports["http"], TRIPS) for one in turn}
        for rounds, share in ((p50, 0.5), (p99, 0.99)):
            bare = percentile(trips[NONE], share)
            rounds.append({one.name: percentile(trips[one.name], share) - bare for one in among})
    return p50, p99


def through_latency(one: Standing) -> float:
    """Answers a second on 1,000 connections that a latency toxic holds back."""
    one.place("http", "latency", latency=LATENCY_MS, jitter=0)
    try:
        return requests_per_s(one.ports["http"], connections=MANY, seconds=2 * WRK_S)
    finally:
        one.heal("http", "latency")


def measured(count: int) -> Iterator[tuple[str, list[Round]]]:
    """All figures, each a list of rounds."""

    def rate(one: Standing) -> float:
        return requests_per_s(one.ports["http"], connections=CONNECTIONS, seconds=WRK_S)

    with ExitStack() as standing:
        none = standing.enter_context(upstream())
        real, ours, limit = (standing.enter_context(server(name, none)) for name in (REAL, EMBEDDED, LIMIT))
        all_of = [none, real, ours, limit]
        p50, p99 = latencies(count + 2, none, [real, ours, limit])
        yield "added_p50_us", p50
        yield "added_p99_us", p99
        yield "down_mb_s", alternated(count, lambda one: down_mb_s(one.ports["source"], STREAM_BYTES), all_of)
        yield "up_mb_s", alternated(count, lambda one: up_mb_s(one.ports["sink"], STREAM_BYTES), all_of)
        requests, cpu = with_cpu(count, rate, all_of)
        yield "requests_s", requests
        yield "cpu_us", cpu
        yield "many_requests_s", alternated(max(3, count // 2), through_latency, [real, ours])
        yield "idle_kb", [idle(none)]
        with keyed(none) as hop:

            def keyed_rate(one: Standing) -> float:
                port = one.ports["http"]
                return requests_per_s(port, connections=CONNECTIONS, seconds=WRK_S, script=hop.script)

            requests, cpu = with_cpu(count, keyed_rate, [real, hop.standing])
            yield "keyed_requests_s", requests
            yield "keyed_cpu_us", cpu


def idle(none: Standing) -> Round:
    """On servers of their own, so that memory which earlier load left behind hides nothing."""
    kept: Round = {}
    for name in (REAL, EMBEDDED):
        with server(name, none) as one:
            kept[name] = idle_kb(one.pid, one.ports["http"], IDLE)
    return kept


WORDS = {
    "added_p50_us": "added to a round trip, median, µs",
    "added_p99_us": "added to a round trip, 99 of 100, µs",
    "down_mb_s": "one stream back, MB/s",
    "up_mb_s": "one stream up, MB/s",
    "requests_s": f"requests a second on {CONNECTIONS} connections",
    "cpu_us": "CPU time of the proxy for one of them, µs",
    "many_requests_s": f"requests a second on {MANY:,} connections with {LATENCY_MS} ms of latency",
    "keyed_requests_s": "requests a second on a hop of a run, each asked for its key",
    "keyed_cpu_us": "CPU time of the proxy for one of them, µs",
    "idle_kb": "memory of an idle connection, KB",
}


def table(said: list[dict[str, object]]) -> str:
    """The figures for docs/transport.md."""
    lines = [f"Measured {today()} by `python -m benchmarks.wire_speed --write`, all in one run; medians.", ""]
    lines += ["| what | no proxy | 30 lines on uvloop | Toxiproxy | embedded | embedded over Toxiproxy | wanted |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for one in said:
        found = (one.get(name) for name in (NONE, LIMIT, REAL, EMBEDDED))
        cells = [f"{value:,.4g}" if isinstance(value, float) and value < 1e4 else _whole(value) for value in found]
        line = [WORDS[str(one["figure"])], *cells, f"{one['embedded_over_real']}×", str(one["wanted"])]
        lines.append(f"| {' | '.join(line)} |")
    return "\n".join(lines)


def _whole(value: object) -> str:
    return f"{value:,.0f}" if isinstance(value, float) else "–"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="into docs/transport.md")
    asked = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed; this benchmark needs it")
    said = []
    for figure, rounds in measured(asked.rounds):
        said.append(summed_up(figure, rounds))
        print(json.dumps(said[-1]), flush=True)
    if asked.write:
        page = DOCS / "transport.md"
        write_atomically(page, between_marks(page.read_text("utf-8"), "speed", table(said)).encode())
    missed = [str(one["figure"]) for one in said if not one["met"]]
    print(f"not met: {', '.join(missed)}" if missed else "all met")


if __name__ == "__main__":
    main()

"""How well the capacity of a queue is found whose truth is known: simulated queues, many seeds, the report's own code.

    python -m benchmarks.capacity [--runs 300]

Prints a row per load and kind of queue: how often a limit was claimed, its mean, and how often its interval held the
truth. Nothing is started, and no clock is read.
"""

import argparse
from collections.abc import Callable
from heapq import heapreplace
from typing import Any

import numpy as np
import numpy.typing as npt

from reports.findings import Capacity
from reports.measure import capacity, steps

Floats = npt.NDArray[np.float64]
Load = Callable[[Floats], Any]
"""Orders a second at each second of the load."""

RATE = 15.0
"""Orders a second that every queue here can serve."""
MOST = 26.0
SECONDS = 60.0


def peak(t: Floats) -> Floats:
    return np.where((t > 15) & (t < 35), 24.0, 8.0)


def short_peak(t: Floats) -> Floats:
    return np.where((t > 8) & (t < 16), 26.0, 8.0)


def ramp(t: Floats) -> Floats:
    return 4 + t / 3


def never(t: Floats) -> Floats:
    """Comes to nine, of fifteen that could be done."""
    return 3 + t / 10


LOADS: dict[str, tuple[Load, float]] = {
    "peak": (peak, SECONDS),
    "short peak": (short_peak, 30.0),
    "ramp": (ramp, SECONDS),
    "never": (never, SECONDS),
}


def arrivals(load: Load, rng: np.random.Generator, seconds: float = SECONDS) -> Floats:
    """Poisson arrivals at that rate."""
    t = np.cumsum(rng.exponential(1 / MOST, int(seconds * MOST * 2)))
    t = t[t < seconds]
    return np.asarray(t[rng.random(len(t)) < load(t) / MOST])


def queue(came: Floats, work_s: Floats, servers: int = 1) -> Floats:
    """When each order ends: first come, first served."""
    free, ended = [0.0] * servers, []
    for t, s in zip(came.tolist(), work_s.tolist(), strict=True):
        ended.append(max(t, free[0]) + s)
        heapreplace(free, ended[-1])
    return np.array(ended)


def one_even(came: Floats, _: np.random.Generator) -> Floats:
    return queue(came, np.full(len(came), 1 / RATE))


def four_exponential(came: Floats, rng: np.random.Generator) -> Floats:
    return queue(came, rng.exponential(4 / RATE, len(came)), 4)


def eight_lognormal(came: Floats, rng: np.random.Generator) -> Floats:
    return queue(came, rng.lognormal(np.log(8 / RATE) - 0.32, 0.8, len(came)), 8)


def no_queue(came: Floats, rng: np.random.Generator) -> Floats:
    return came + rng.lognormal(0, 0.5, len(came))


def retries(came: Floats, rng: np.random.Generator, after_s: float = 4.0) -> Floats:
    """Three of ten wait for so long, however much comes."""
    waits = np.where(rng.random(len(came)) < 0.3, after_s, 0.0)
    return came + 0.3 + waits + rng.exponential(0.2, len(came))


def late_retries(came: Floats, rng: np.random.Generator) -> Floats:
    return retries(came, rng, after_s=20.0)


QUEUES: dict[str, Callable[[Floats, np.random.Generator], Floats]] = {
    "one server, even work": one_even,
    "four servers, exponential": four_exponential,
    "eight servers, lognormal": eight_lognormal,
    "no queue": no_queue,
    "retries after 4 s": retries,
    "retries after 20 s": late_retries,
}


def found(came: Floats, ended: Floats, *, seconds: float = SECONDS, windows: Any = (), full: bool = True) -> Capacity:
    """What the report says of such a run; times in seconds."""
    edges = steps.edges(0.0, seconds * 1e9)
    within = [(low * 1e9, high * 1e9) for low, high in windows]
    made = capacity.findings(came * 1e9, came * 1e9, ended * 1e9, steps=edges, windows=within, full=full)
    assert made is not None
    return made


def study(load: Load, seconds: float, serve: Callable[..., Floats], runs: int) -> tuple[float, float, float]:
    """Share of the runs that claim a limit, its mean, and the share of these whose interval holds the truth."""
    claimed = []
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        came = arrivals(load, rng, seconds)
        one = found(came, serve(came, rng), seconds=seconds)
        if one.limit_per_s is not None and one.lo is not None and one.hi is not None:
            claimed.append((one.limit_per_s, one.lo <= RATE <= one.hi))
    if not claimed:
        return 0.0, np.nan, np.nan
    return len(claimed) / runs, float(np.mean([c for c, _ in claimed])), float(np.mean([held for _, held in claimed]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=300)
    runs = parser.parse_args().runs
    print(f"{'load':11} {'queue':26} claimed   mean  interval holds {RATE:g}/s  ({runs} runs)")
    for name, (load, seconds) in LOADS.items():
        for kind, serve in QUEUES.items():
            share, mean, held = study(load, seconds, serve, runs)
            told = f"{mean:6.2f}  {held:6.1%}" if share else ""
            print(f"{name:11} {kind:26} {share:6.1%}  {told}")


if __name__ == "__main__":
    main()

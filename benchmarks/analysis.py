"""How long the analysis of a large run takes, beside what merely reading its bytes costs.

`python -m benchmarks.analysis [--orders 1000000] [--run FOLDER]` makes a run directory (or takes one that
`benchmarks.simulated_run` made), then reads it, analyses it, writes orders.parquet and verifies the seals. In the same
run, as a limit of the machine: DuckDB counting the lines of the same files, and the bare SHA-256 of their bytes.
Seconds are wall and CPU; on a machine that others use, read the CPU seconds and the ratios.
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import duckdb

from ledger.journal import PIECE_BYTES
from ledger.rundir import RunDir
from plan import run as plans
from reports.analysis import analyse
from reports.stories import Stories
from reports.write.orders import columns

T = TypeVar("T")


class Watch:
    """Wall and CPU seconds by name."""

    def __init__(self) -> None:
        self.wall_s: dict[str, float] = {}
        self.cpu_s: dict[str, float] = {}

    def timed(self, name: str, do: Callable[[], T]) -> T:
        wall, cpu = time.perf_counter(), time.process_time()
        made = do()
        self.wall_s[name] = round(time.perf_counter() - wall, 2)
        self.cpu_s[name] = round(time.process_time() - cpu, 2)
        return made


def count_lines(run: RunDir) -> int:
    """What DuckDB needs to look at one field of every line."""
    with duckdb.connect(":memory:") as db:
        db.execute("SET threads = 2")
        sql = "SELECT count(*) FROM read_json(?, format = 'newline_delimited', columns = {k: 'VARCHAR'})"
        found = db.execute(sql, [[str(file) for file in run.journals(struck=False)]]).fetchone()
    return int(found[0]) if found else 0


def hash_bytes(run: RunDir) -> str:
    """What any check of the bytes costs at least, on one core."""
    digest = hashlib.sha256()
    for path in run.journals():
        with path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                digest.update(piece)
    return digest.hexdigest()


def measure(run: RunDir) -> dict[str, object]:
    """Every figure of one run directory."""
    plan, watch = plans.load(run.plan), Watch()
    stories = watch.timed("read", lambda: Stories(run, plan))
    try:
        watch.timed("verify", lambda: stories.verified)  # before the analysis, which would do it otherwise
        analysis = watch.timed("analyse", lambda: analyse(stories))
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        watch.timed("orders_parquet", lambda: stories.write_parquet(run.orders, columns(analysis)))
    finally:
        stories.close()
    lines = watch.timed("limit_count_lines", lambda: count_lines(run))
    watch.timed("limit_sha256", lambda: hash_bytes(run))
    size_mb = sum(file.stat().st_size for file in run.journals()) / 1e6
    whole_s, whole_cpu_s = (by["read"] + by["analyse"] for by in (watch.wall_s, watch.cpu_s))
    return {
        "orders": plan.load.orders,
        "lines": lines,
        "mb": round(size_mb),
        "wall_s": watch.wall_s,
        "cpu_s": watch.cpu_s,
        "whole_s": round(whole_s, 2),
        "mb_per_s": round(size_mb / whole_s),
        "cpu_over_count_lines": round(whole_cpu_s / watch.cpu_s["limit_count_lines"], 1),
        "verify_cpu_over_sha256": round(watch.cpu_s["verify"] / watch.cpu_s["limit_sha256"], 1),
        "peak_rss_mb": round(peak_mb),
        "stuck": analysis.findings.stuck.orders,
    }


def main() -> int:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--run", type=Path)
    given = parser.parse_args()
    if given.run:
        print(json.dumps(measure(RunDir.open(given.run)), indent=1))
        return 0
    with tempfile.TemporaryDirectory(prefix="orderjam-") as folder:
        run = Path(folder) / "run"
        make = [sys.executable, "-m", "benchmarks.simulated_run", str(run), "--orders", str(given.orders)]
        subprocess.run(make, check=True, stdout=sys.stderr)
        print(json.dumps(measure(RunDir.open(run)), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())

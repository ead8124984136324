"""Highest order rate of a whole run on this machine, and its overhead.

Plays calm_day with the hardened shop at rising rates until send lateness p99 exceeds 50 ms, a poll is late by an
interval in more than 1 % of cases, or an order is not delivered; prints the last rate that held, each child's CPU, and
how long a run takes beside load, settle and figures. One JSON object.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RATES = (40, 80, 120, 150, 180, 220, 300)
LOAD_S = 10
LATENESS_MAX_S = 0.05


def play(out: Path, rate: int) -> tuple[dict[str, Any], float]:
    """The findings of a run at a rate, and its wall time in seconds."""
    command = [sys.executable, "-P", "-m", "harness.cli", "run", "calm_day", "--ci", "--profile", "hardened"]
    command += ["--out", str(out), "--set", f"load.orders={rate * LOAD_S}", "--set", f"load.rate={rate}/s"]
    begun = time.monotonic()
    subprocess.run(command, capture_output=True, text=True, check=False)
    took = time.monotonic() - begun
    return json.loads((out / "latest" / "findings.json").read_bytes()), took


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for rate in RATES:
            findings, took = play(Path(name) / str(rate), rate)
            measures, outcomes = findings["measures"], findings["outcomes"]
            row = {
                "rate": rate,
                "lateness_p99_ms": round(measures["lateness.p99"]["value"] * 1000, 1),
                "delivered": outcomes["delivered"],
                "paid": outcomes["paid"],
                "place_p95_ms": round((measures["latency.place.p95"]["value"] or 0) * 1000, 1),
                "cpu_mean": {child["child"]: round(child["cpu_mean"]) for child in findings["health"]},
                "took_s": round(took, 1),
            }
            rows.append(row)
            print(json.dumps(row), file=sys.stderr)
            if row["lateness_p99_ms"] > LATENESS_MAX_S * 1000 or row["delivered"] < rate * LOAD_S:
                break
    held = [row["rate"] for row in rows if row["lateness_p99_ms"] <= 50 and row["delivered"] == row["rate"] * LOAD_S]
    print(json.dumps({"benchmark": "whole_run", "highest_rate_held": max(held, default=0), "runs": rows}))


if __name__ == "__main__":
    main()

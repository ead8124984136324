"""What 100,000 trades cost a mock in memory, and what it gives back when it is reset.

    python -m benchmarks.trades_in_memory [DIALECT ...]     (epay, alipay and wechat, unless others are named)
Needs wrk. Prints one JSON object for each dialect, resident memory in MiB; exit 1 where what is wanted is not reached.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.dialects_vs_wiremock import creates
from benchmarks.standing import Standing, a_plan, driven, merchants, standing, write_requests

TRADES, WARM = 100_000, 5_000
FULL_MIB_MAX, KEPT_MIB_MAX = 200.0, 45.0
LOOK_EVERY_S = 0.2


def resident_mib(mock: Standing) -> float:
    return float(psutil.Process(mock.process.pid).memory_info().rss) / 2**20


def fill(mock: Standing, script: Path, trades: int) -> None:
    with driven(mock, script):
        while json.loads(mock.tell("lease"))["trades"] < trades:
            time.sleep(LOOK_EVERY_S)


def measured(dialect: str, folder: Path) -> dict[str, object]:
    plan = a_plan(dialect)
    keys = merchants(plan)
    script = write_requests(folder, creates(dialect, keys[dialect], TRADES))
    with standing(folder / "runs", plan, keys) as mock:
        fill(mock, script, WARM)  # what serving itself takes is no trade's
        mock.tell("reset")
        empty = resident_mib(mock)
        fill(mock, script, TRADES)
        full = resident_mib(mock)
        mock.tell("reset")
        after = resident_mib(mock)
    told = {"benchmark": "trades_in_memory", "dialect": dialect, "trades": TRADES, "empty_mib": round(empty)}
    told |= {"full_mib": round(full), "after_reset_mib": round(after)}
    told |= {"wanted": f"full_mib < {FULL_MIB_MAX:g}, after_reset_mib - empty_mib < {KEPT_MIB_MAX:g}"}
    return told | {"holds": full < FULL_MIB_MAX and after - empty < KEPT_MIB_MAX}


def main() -> None:
    holds = True
    for dialect in sys.argv[1:] or ["epay", "alipay", "wechat"]:
        with tempfile.TemporaryDirectory() as name:
            told = measured(dialect, Path(name))
        print(json.dumps(told), flush=True)
        holds &= bool(told["holds"])
    sys.exit(not holds)


if __name__ == "__main__":
    main()

"""Answers that are signed, and whose requests are verified, beside the bare rate of RSA-2048 signatures on that core.

The bare rate is that of `cryptography` signing a text of an answer's length, pinned to the core on which the mock runs
just before and just after; create calls over HTTP, by wrk on the other core.

    python -m benchmarks.rsa_dialects
Prints one JSON object for each dialect; exit 1 where what is wanted is not reached.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.dialects_vs_wiremock import RSA, RSA_ORDERS, creates
from benchmarks.standing import MOCK_CORE, a_plan, loaded, median, merchants, standing, write_requests

WANTED, ROUNDS, ROUND_S, WARM_S = 0.55, 5, 4.0, 2.0
BARE = """
import time
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
key, n, text = rsa.generate_private_key(65537, 2048), 0, b"x" * 300
began = time.perf_counter()
while time.perf_counter() - began < 2:
    key.sign(text, padding.PKCS1v15(), SHA256())
    n += 1
print(n / (time.perf_counter() - began))
"""


def bare_rate() -> float:
    """Signatures a second on the mock's core."""
    argv = ["taskset", "-c", MOCK_CORE, sys.executable, "-c", BARE]
    return float(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    failed = False
    for dialect in RSA:
        plan = a_plan(dialect)
        keys = merchants(plan)
        with tempfile.TemporaryDirectory() as name:
            script = write_requests(Path(name), creates(dialect, keys[dialect], RSA_ORDERS))
            bare, rounds = [bare_rate()], []
            with standing(Path(name) / "runs", plan, keys) as mock:
                loaded(mock.process.pid, mock.port, script, WARM_S)
                for _ in range(ROUNDS):
                    mock.tell("reset")
                    rounds.append(loaded(mock.process.pid, mock.port, script, ROUND_S))
                    bare.append(bare_rate())
        found, signed = median(rounds), sorted(bare)[len(bare) // 2]
        share = round(found.answers_per_s / signed, 2)
        told = {"benchmark": "rsa_dialects", "dialect": dialect, "answers_per_s": round(found.answers_per_s)}
        told |= {"cpu_us": found.cpu_us, "bare_signatures_per_s": round(signed), "share": share, "wanted": WANTED}
        print(json.dumps(told), flush=True)
        failed |= share < WANTED
    sys.exit(failed)


if __name__ == "__main__":
    main()

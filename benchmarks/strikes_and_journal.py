"""What one decision and one journalled event cost: ``python benchmarks/strikes_and_journal.py`` prints one JSON object.

Each is the median of repeats, in µs, and as a ratio to the least that it could cost on the same machine in the same
run: a bare BLAKE2b of as many bytes, and the bare JSON encoding of the same event without a file.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from statistics import median

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults.decide import strikes
from ledger.clock import perf_s
from ledger.events import NoticeSent
from ledger.journal import Journal

REPEATS = 15
CALLS = 20_000
LIMIT_US = {"strikes": 3.0, "append": 5.0}

KEYS = [f"b{n:08d}" for n in range(CALLS)]
HASHED = [f"7\x1fstrike\x1flost\x1f{key}\x1fpayment>shop/epay\x1fnotice\x1f1".encode() for key in KEYS]
# One event in 12,500 ns of the run's axis: 80,000 a second, so that a flush and its seal come every 20,000.
EVENTS = [NoticeSent(t=n * 12_500, o=key, upstream="epay", trade_no=f"T{n}", n=1) for n, key in enumerate(KEYS)]


def bare_hash() -> None:
    for text in HASHED:
        blake2b(text, digest_size=8).digest()


def strike() -> None:
    for key in KEYS:
        strikes(
            seed=7, fault_id="lost", order_key=key, hop="payment>shop/epay", operation="notice", attempt=1, rate=0.3
        )


def bare_encode() -> None:
    encode = msgspec.json.Encoder().encode
    for event in EVENTS:
        encode(event)


def append() -> None:
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "epay.ndjson", "epay") as journal:
        for event in EVENTS:
            journal.append(event)


def us_per_call(work: Callable[[], None]) -> float:
    """The median over the repeats, in µs a call."""
    work()
    return median(_seconds(work) for _ in range(REPEATS)) / CALLS * 1e6


def _seconds(work: Callable[[], None]) -> float:
    begun_s = perf_s()
    work()
    return perf_s() - begun_s


def measured(name: str, work: Callable[[], None], bare: Callable[[], None]) -> dict[str, float | bool]:
    us, bare_us = us_per_call(work), us_per_call(bare)
    return {
        "us": round(us, 3),
        "bare_us": round(bare_us, 3),
        "ratio": round(us / bare_us, 2),
        "limit_us": LIMIT_US[name],
        "within": us <= LIMIT_US[name],
    }


def main() -> None:
    found = {"strikes": measured("strikes", strike, bare_hash), "append": measured("append", append, bare_encode)}
    print(json.dumps({"calls": CALLS, "repeats": REPEATS, "python": sys.version.split()[0], **found}))


if __name__ == "__main__":
    main()

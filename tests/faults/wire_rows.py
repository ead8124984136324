"""The rows of wire faults in the tables of test_catalog.py: what their parameters come to, and what is refused."""

from faults.transport.toxic import Stream
from faults.transport.toxics.bandwidth import Bandwidth
from faults.transport.toxics.corrupt import Corrupt
from faults.transport.toxics.half_open import HalfOpen
from faults.transport.toxics.latency import Latency
from faults.transport.toxics.limit_data import LimitData
from faults.transport.toxics.loss import Loss
from faults.transport.toxics.loss_with_load import LossWithLoad
from faults.transport.toxics.reset_peer import ResetPeer
from faults.transport.toxics.slicer import Slicer
from faults.transport.toxics.slow_close import SlowClose
from faults.transport.toxics.timeout import Timeout
from faults.verdict import Down, Effect, OnWire, TrueLoss
from plan.units import Rate, Share, WireTime

UP, DOWN = Stream.UPSTREAM, Stream.DOWNSTREAM

WIRE_LEGAL: list[tuple[str, dict[str, object], Effect]] = [
    ("wire.corrupt", {"per_mb": 2}, OnWire(((DOWN, Corrupt(per_mb=2)),))),
    ("wire.corrupt", {"per_mb": 0.5, "stream": "up"}, OnWire(((UP, Corrupt(per_mb=0.5)),))),
    ("wire.cut", {}, OnWire(((DOWN, ResetPeer(timeout=0)),))),
    ("wire.cut", {"after_ms": 100, "stream": "up"}, OnWire(((UP, ResetPeer(timeout=100)),))),
    ("wire.cut_short", {"bytes": 1}, OnWire(((DOWN, LimitData(bytes=1)),))),
    ("wire.down", {}, Down()),
    ("wire.half_open", {}, OnWire(((UP, HalfOpen(after=0)), (DOWN, HalfOpen(after=0))))),
    ("wire.half_open", {"after_ms": 50}, OnWire(((UP, HalfOpen(after=50)), (DOWN, HalfOpen(after=50))))),
    ("wire.latency", {"ms": 400}, OnWire(((DOWN, Latency(latency=400, jitter=0)),))),
    (
        "wire.latency",
        {"ms": 0, "jitter_ms": 50, "stream": "both"},
        OnWire(((UP, Latency(latency=0, jitter=50)), (DOWN, Latency(latency=0, jitter=50)))),
    ),
    ("wire.loss", {"share": "5%"}, OnWire(((UP, Loss(share=0.05, burst=1)), (DOWN, Loss(share=0.05, burst=1))))),
    (
        "wire.loss",
        {"share": 0.5, "burst": 3, "rtt_ms": 40, "stream": "up"},
        OnWire(((UP, Loss(share=0.5, burst=3, rtt_ms=40)),)),
    ),
    (
        "wire.loss_with_load",
        {"curve": [["5/s", "0%"], ["600/min", "40%"]], "stream": "down"},
        OnWire(((DOWN, LossWithLoad(curve=((5.0, 0.0), (10.0, 0.4)), burst=1)),)),
    ),
    ("wire.silence", {}, OnWire(((DOWN, Timeout(timeout=0)),))),
    ("wire.silence", {"close_after_ms": 3000}, OnWire(((DOWN, Timeout(timeout=3000)),))),
    ("wire.sliced", {"bytes": 10}, OnWire(((DOWN, Slicer(average_size=10, size_variation=0, delay=0)),))),
    (
        "wire.sliced",
        {"bytes": 10, "vary": 9, "gap_us": 500, "stream": "up"},
        OnWire(((UP, Slicer(average_size=10, size_variation=9, delay=500)),)),
    ),
    ("wire.slow_close", {"ms": 1}, OnWire(((DOWN, SlowClose(delay=1)),))),
    ("wire.slow_link", {"kb_s": 1}, OnWire(((UP, Bandwidth(rate=1)), (DOWN, Bandwidth(rate=1))))),
    ("wire.true_loss", {"loss": "5%", "burst": 2}, TrueLoss(loss=Share(0.05), burst=2)),
    ("wire.true_loss", {"curve": [["100/s", "5%"]]}, TrueLoss(curve=[(Rate(100), Share(0.05))])),
    (
        "wire.true_loss",
        {"delay": "20 ms", "jitter": "5 ms", "reorder": "1%", "duplicate": "1%", "kb_s": 100},
        TrueLoss(delay=WireTime(0.02), jitter=WireTime(0.005), reorder=Share(0.01), duplicate=Share(0.01), kb_s=100),
    ),
]
WIRE_REFUSED: dict[str, list[dict[str, object]]] = {
    "wire.corrupt": [{}, {"per_mb": 0}, {"per_mb": 1_000_001}, {"per_mb": 1, "stream": "sideways"}],
    "wire.cut": [{"after_ms": -1}, {"after_ms": 600_001}, {"stream": "both"}],
    "wire.cut_short": [{}, {"bytes": 0}, {"bytes": "1"}, {"bytes": 1.5}],
    "wire.half_open": [{"after_ms": -1}, {"stream": "up"}],
    "wire.latency": [
        {},
        {"ms": 0},
        {"ms": -1},
        {"ms": 0.5},
        {"ms": "400 ms"},
        {"ms": 600_001},
        {"ms": 1, "jitter_ms": -1},
    ],
    "wire.loss": [
        {},
        {"share": 0},
        {"share": "100%"},
        {"share": "101%"},
        {"share": 0.1, "burst": 0.5},
        {"share": 0.1, "rtt_ms": -1},
    ],
    "wire.loss_with_load": [{}, {"curve": []}, {"curve": [["9/s", 0], ["5/s", 0.1]]}, {"curve": [[5, 0.1]]}],
    "wire.silence": [{"close_after_ms": -1}, {"after_ms": 1}],
    "wire.sliced": [{}, {"bytes": 0}, {"bytes": 10, "vary": 10}, {"bytes": 10, "gap_us": -1}],
    "wire.slow_close": [{}, {"ms": 0}],
    "wire.slow_link": [{}, {"kb_s": 0}, {"kb_s": "10 KB/s"}],
    "wire.true_loss": [
        {},
        {"loss": "101%"},
        {"loss": "1%", "curve": [["1/s", "1%"]]},
        {"curve": [["9/s", "1%"], ["5/s", "2%"]]},
        {"reorder": "1%"},
        {"loss": "1%", "burst": 0.5},
        {"delay": 20},
    ],
}

"""What was asked of the wire and what was got, as kept in docs/transport.json."""

from pathlib import Path

import msgspec

from benchmarks.wire_probes import CORRUPT_BYTES, LOAD_TRIES, LOSS_TRIES, PANELS, TOXIC_TRIES, Panel
from benchmarks.wire_servers import EMBEDDED, REAL
from ledger.clock import utc_now
from ledger.rundir import write_atomically

DOCS = Path(__file__).parents[1] / "docs"
KEPT = DOCS / "transport.json"
LATENCY_MARGIN_MS, CHANGE_MS_MAX = 0.2, 5.0
SIGMAS = 3


class Measured(msgspec.Struct, frozen=True):
    """One value asked for of one server: the median got, and the bounds of the middle nine of ten samples."""

    panel: str
    server: str
    asked: float
    got: float
    low: float
    high: float
    count: int


class Results(msgspec.Struct, frozen=True):
    """One run of all probes."""

    day: str
    measured: tuple[Measured, ...]


def today() -> str:
    return utc_now().strftime("%Y-%m-%d")


def load(path: Path) -> Results:
    return msgspec.json.decode(path.read_bytes(), type=Results)


def keep(results: Results, path: Path = KEPT) -> None:
    write_atomically(path, msgspec.json.format(msgspec.json.encode(results)) + b"\n")


def by_asked(results: Results, panel: str) -> dict[float, dict[str, Measured]]:
    """What each server gave, by what was asked."""
    found: dict[float, dict[str, Measured]] = {}
    for one in results.measured:
        if one.panel == panel:
            found.setdefault(one.asked, {})[one.server] = one
    return found


def off(panel: Panel, one: Measured, got: float | None = None) -> float:
    """How far off it was (or another value got there): in the panel's own unit of errors."""
    value = one.got if got is None else got
    if panel.name == "in_force":
        return value
    return 100 * (value / one.asked - 1) if panel.off == "%" else value - one.asked


def sigma_points(percent: float, tries: int) -> float:
    """The standard deviation, in points of percent, of the share that so many tries find."""
    return float((percent * (100 - percent) / tries) ** 0.5)


def wanted_off(panel: str, asked: float, real_off: float | None) -> float | None:
    """The largest error that the embedded server may have there, in the panel's unit; None where none was set."""
    match panel:
        case "latency":
            return None if real_off is None else max(abs(real_off) + LATENCY_MARGIN_MS, LATENCY_MARGIN_MS)
        case "bandwidth":
            return 1.5 if asked <= 10_000 else 10.0
        case "toxicity":
            return SIGMAS * sigma_points(asked, TOXIC_TRIES)
        case "loss":
            return SIGMAS * sigma_points(asked, LOSS_TRIES)
        case "loss_with_load":
            return SIGMAS * sigma_points(asked, LOAD_TRIES)
        case "corrupt":
            return float(100 * SIGMAS / (asked * CORRUPT_BYTES / 1e6) ** 0.5)
        case "in_force":
            return CHANGE_MS_MAX
    return None


def verdicts(results: Results) -> list[tuple[str, bool]]:
    """Each promise of the embedded server in words, and whether it kept it."""
    said = []
    for panel in PANELS:
        for asked, each in by_asked(results, panel.name).items():
            ours, real = each.get(EMBEDDED), each.get(REAL)
            wanted = wanted_off(panel.name, asked, off(panel, real) if real else None)
            if ours is None or wanted is None:
                continue
            # Of a change the slowest of nine in ten counts, of all others the middle.
            found = ours.high if panel.name == "in_force" else off(panel, ours)
            said.append(
                (f"{panel.name} {asked:g}: off by {found:+.3g}, wanted within {wanted:.3g}", abs(found) <= wanted)
            )
    return said


def between_marks(text: str, mark: str, new: str) -> str:
    """The page with other lines between <!-- mark --> and <!-- /mark -->; ValueError where the marks are not there."""
    begin, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
    before, found_begin, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"the page has no lines between {begin.strip()} and {end}")
    return f"{before}{begin}{new.strip()}\n{end}{after}"

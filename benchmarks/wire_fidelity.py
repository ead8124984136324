"""What toxics do, asked against got, on the embedded server and on Toxiproxy, in one run before one upstream.

    python -m benchmarks.wire_fidelity [--only PANEL] [--write] [--draw]
Probes alternate between the servers. Prints a line for each value asked for and the verdicts; exit 1 where one is not
met. `--write` keeps the results in docs/transport.json, draws docs/transport.svg and .png and fills the table of
docs/transport.md; `--draw` does so from what is kept. Needs Toxiproxy 2.12.0 (`benchmarks.wire_servers.INSTALL`).
"""

import argparse
import sys
from contextlib import ExitStack

from benchmarks.wire_load import median, percentile
from benchmarks.wire_picture import write
from benchmarks.wire_probes import PANELS, Got, Panel, round_trip_floor_ms
from benchmarks.wire_results import KEPT, Measured, Results, load, today, verdicts
from benchmarks.wire_servers import EMBEDDED, REAL, Standing, server, upstream


def measured(panel: Panel, one: Standing, floor_ms: float) -> list[Measured]:
    """What a probe got of one server: medians, and between which bounds nine of ten samples lay. Round trips are told
    without what they take where there is no proxy."""
    got: Got = panel.probe(one)
    less = floor_ms if panel.is_round_trip else 0.0
    return [
        Measured(
            panel=panel.name,
            server=one.name,
            asked=float(asked),
            got=round(median(samples) - less, 4),
            low=round(percentile(samples, 0.05) - less, 4),
            high=round(percentile(samples, 0.95) - less, 4),
            count=len(samples),
        )
        for asked, samples in got.items()
    ]


def shown(panel: Panel, one: Measured) -> str:
    got = f"got {one.got:g} ({one.low:g} … {one.high:g}, n {one.count})"
    return f"{panel.name:12} {one.server:9} asked {one.asked:g} {panel.unit}, {got}"


def run(only: str | None) -> Results:
    """All probes on both servers."""
    found: list[Measured] = []
    with ExitStack() as standing:
        none = standing.enter_context(upstream())
        both = [standing.enter_context(server(name, none)) for name in (REAL, EMBEDDED)]
        floor_ms = round_trip_floor_ms(none)
        for panel in PANELS:
            if only not in (None, panel.name):
                continue
            for one in both:
                if panel.is_ours and one.name == REAL:
                    continue
                for each in measured(panel, one, floor_ms):
                    found.append(each)
                    print(shown(panel, each), flush=True)
    return Results(today(), tuple(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=[panel.name for panel in PANELS])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--draw", action="store_true", help="from docs/transport.json, without measuring")
    asked = parser.parse_args()
    if asked.only and asked.write:
        parser.error("--write keeps a whole run, not --only one panel of it")
    results = load(KEPT) if asked.draw else run(asked.only)
    if asked.write or asked.draw:
        write(results)
    said = verdicts(results)
    for words, is_met in said:
        print("met    " if is_met else "NOT MET", words)
    sys.exit(0 if all(is_met for _, is_met in said) else 1)


if __name__ == "__main__":
    main()

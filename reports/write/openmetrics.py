"""The measures of a run in the text format of OpenMetrics 1.0, as a file for a textfile collector or a push gateway.

Source: the OpenMetrics specification, version 1.0.0, sections "Text format" and "Units and base units"; read 2026-11.
"""

from collections.abc import Iterator, Mapping
from math import isfinite

from plan.gates import MEASURES, Unit
from reports.findings import Findings

PREFIX = "orderjam_"
_SUFFIX = {
    Unit.SHARE: ("_ratio", "ratio"),
    Unit.WIRE_S: ("_wire_seconds", "seconds"),
    Unit.BUSINESS_S: ("_business_seconds", "seconds"),
    Unit.COUNT: ("", ""),
    Unit.PER_S: ("_per_second", ""),
}
"""How the name of a family ends, and its unit, which must be the name's last part."""
VERDICTS = ("pass", "fail", "inconclusive")

Labels = Mapping[str, str]
Samples = list[tuple[Labels, float | None]]


def text(findings: Findings) -> str:
    """All families, then `# EOF`. One gauge for each measure, two more for the ends of its interval."""
    lines = [line for family in _families(findings) for line in family]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _families(f: Findings) -> Iterator[list[str]]:
    run = {"scenario": f.scenario, "profile": f.profile, "seed": str(f.seed), "run": f.run}
    about = {**run, "target": f.target, "compress": f"{f.compress:g}", "verdict": f.verdict.word}
    yield _family("run", "info", "", "What was played.", [({**about, "without": " ".join(f.without)}, 1)], "_info")
    yield _family("exit_code", "gauge", "", "What orderjam run exits with.", [(run, f.exit_code)])
    yield _family("claims_ok", "gauge", "", "1 where nothing limits what the numbers say.", [(run, int(f.claims.ok))])
    for name, found in f.measures.items():
        suffix, unit = _SUFFIX[Unit(found.unit)]
        base, words = name.replace(".", "_"), MEASURES[name].en if name in MEASURES else name
        yield _family(f"{base}{suffix}", "gauge", unit, words, [(run, found.value)])
        for end, value in (("lower", found.lo), ("upper", found.hi)):
            help_ = f"{end.capitalize()} end of the 95 % interval: {words}"
            yield _family(f"{base}_{end}{suffix}", "gauge", unit, help_, [(run, value)])
    yield _measured("measure_events", "How many of them, where a measure is a share or a count.", f, run, "k")
    yield _measured("measure_orders", "Of how many a measure speaks.", f, run, "n")
    open_after: Samples = [({**run, "after_business_seconds": f"{d.s:g}"}, d.finding.value) for d in f.deadlines]
    yield _family("open_after_ratio", "gauge", "ratio", "Paid orders not ended so long after payment.", open_after)
    causes: Samples = [({**run, "cause": row.cause}, row.orders) for row in f.causes.rows]
    yield _family("cause_orders", "gauge", "", "Orders put down to a cause by the evidence alone.", causes)
    gates: Samples = [
        ({**run, "text": gate.text, f"{PREFIX}gate": word}, int(gate.verdict == word))
        for gate in f.gates
        for word in VERDICTS
    ]
    yield _family("gate", "stateset", "", "How each gate was judged.", gates)


def _measured(name: str, help_: str, f: Findings, run: Labels, field: str) -> list[str]:
    samples: Samples = [({**run, "measure": m}, getattr(found, field)) for m, found in f.measures.items()]
    return _family(name, "gauge", "", help_, samples)


def _family(name: str, kind: str, unit: str, help_: str, samples: Samples, suffix: str = "") -> list[str]:
    """One family; empty where none of its samples has a value."""
    told = [(labels, value) for labels, value in samples if value is not None and isfinite(value)]
    if not told:
        return []
    full = f"{PREFIX}{name}"
    assert full.endswith(f"_{unit}") or not unit
    head = [f"# TYPE {full} {kind}", *([f"# UNIT {full} {unit}"] if unit else []), f"# HELP {full} {_escaped(help_)}"]
    return head + [f"{full}{suffix}{_labels(labels)} {_number(value)}" for labels, value in told]


def _labels(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(words: str) -> str:
    return words.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))

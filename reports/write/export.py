"""A run as CSV and as OpenMetrics text, for spreadsheets and dashboards. Nothing is left half-written."""

import csv
import io
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from ledger.rundir import RunDirError
from reports.findings import Finding, Findings
from reports.recorded import Recorded
from reports.write.openmetrics import text as openmetrics

Rows = list[dict[str, Any]]


def export(run: Recorded, to: Path, *, as_csv: bool = True, as_openmetrics: bool = True) -> list[Path]:
    """The files written into a folder, which is made where it is not there; RunDirError where they cannot be.

    CSV: orders.csv, measures.csv and one file for each table and curve of the findings that is not empty. OpenMetrics:
    metrics.txt. All are made in a folder beside it and then moved, so that nobody sees half of one.
    """
    if to.exists() and not to.is_dir():
        raise RunDirError(f"{to}: is not a folder; --to takes one that exists or can be made")
    making = to.parent / f".{to.name}.{os.getpid()}"
    try:
        making.mkdir(parents=True)
        if as_csv:
            for name, rows in tables(run.findings).items():
                (making / f"{name}.csv").write_bytes(_csv(rows))
            _write_orders(run, making / "orders.csv")
        if as_openmetrics:
            (making / "metrics.txt").write_bytes(openmetrics(run.findings).encode())
        to.mkdir(exist_ok=True)
        return [made.replace(to / made.name) for made in sorted(making.iterdir())]
    except (OSError, duckdb.IOException) as error:
        why = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        raise RunDirError(f"{to}: cannot be written: {why}") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)


def tables(findings: Findings) -> dict[str, Rows]:
    """Every table and curve of the findings by the name of its file, without those that are empty."""
    f = findings
    found: dict[str, Rows] = {
        "run": [_run(f)],
        "measures": [{"measure": name, **_finding(one)} for name, one in f.measures.items()],
        "invariants": [{"invariant": name, **_flat(one)} for name, one in f.invariants.items()],
        "gates": _structs(f.gates),
        "outcomes": [{"outcome": name, "orders": n} for name, n in _flat(f.outcomes).items() if isinstance(n, int)],
        "deadlines": [{"after_business_s": d.s, **_finding(d.finding)} for d in f.deadlines],
        "survival": _curve(f.survival, "t_s", "open", "lo", "hi"),
        "at_risk": _structs(f.survival.at_risk),
        "ended_by": _structs(f.survival.outcomes),
        "open_orders": _open_orders(f),
        "groups": [{"by": by, **_flat(group)} for by, groups in f.breakdown.items() for group in groups],
        "causes": _structs(f.causes.rows),
        "flows": _structs(f.causes.flows),
        "recovery": _structs(f.recovery),
        "honesty": _structs(f.honesty.classes),
        "asked": _curve(f.asked, "t_s", "waiting"),
        "requests": _structs(f.requests),
        "latency": [
            {"request": one.name, **row} for one in f.latency for row in _curve(one, "t_s", "p50_ms", "p95_ms")
        ],
        "faults": _structs(f.struck.faults),
        "confused": [
            {"injected": row.injected, "found": found, "orders": n}
            for row in f.struck.confused
            for found, n in row.found.items()
        ],
        "worst": _structs(f.worst),
        "health": _structs(f.health),
        "phases": _structs(f.phases),
        "notices_due": _structs(f.notices_due),
        "heat": _heat(f),
        "capacity": _curve(f.capacity, "t_s", "offered_per_s", "ended_per_s", "open") if f.capacity else [],
        "lag": _curve(f.lag, "t_s", "waiting") if f.lag else [],
        "named": [_flat(f.named)] if f.named else [],
        "money": [_flat(f.money)] if f.money else [],
    }
    return {name: rows for name, rows in found.items() if rows}


def _run(f: Findings) -> dict[str, Any]:
    names = (
        "run",
        "scenario",
        "target",
        "profile",
        "seed",
        "compress",
        "deadline_s",
        "duration_s",
        "replay",
        "stopped",
    )
    return {
        **{name: getattr(f, name) for name in names},
        "without": " ".join(f.without),
        "verdict": f.verdict.word,
        "exit_code": f.exit_code,
        "claims_ok": f.claims.ok,
        "claims": "; ".join(f.claims.reasons),
    }


def _finding(one: Finding) -> dict[str, Any]:
    names = ("value", "k", "n", "lo", "hi", "bound_lo", "bound_hi", "unit", "method")
    return {name: getattr(one, name) for name in names}


def _structs(rows: Iterable[msgspec.Struct]) -> Rows:
    return [_flat(row) for row in rows]


def _flat(row: msgspec.Struct) -> dict[str, Any]:
    """Fields by name; lists of words side by side, words in two languages in two columns, other mappings as JSON."""
    found: dict[str, Any] = {}
    for name, value in msgspec.to_builtins(row).items():
        match value:
            case {"en": en, "zh": zh}:
                found |= {name: en, f"{name}_zh": zh}
            case list():
                found[name] = " ".join(map(str, value))
            case dict():
                found[name] = msgspec.json.encode(value).decode()
            case _:
                found[name] = value
    return found


def _curve(of: msgspec.Struct, *names: str) -> Rows:
    """Columns of one length as rows."""
    return [dict(zip(names, row, strict=True)) for row in zip(*(getattr(of, name) for name in names), strict=True)]


def _open_orders(f: Findings) -> Rows:
    """Paid open orders by what the page showed, over wire seconds of the load."""
    columns: Mapping[str, Sequence[Any]] = {"t_s": f.series.t_s, **f.series.states, "stuck": f.series.stuck}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _heat(f: Findings) -> Rows:
    """One row a cell: when paid (wire s), up to which business second it took, how many; no upper edge: still open."""
    if f.heat is None:
        return []
    cells = [
        {"paid_s": t_s, "took_up_to_s": edge_s, "orders": n}
        for edge_s, row in zip(f.heat.edges_s, f.heat.counts, strict=True)
        for t_s, n in zip(f.heat.t_s, row, strict=True)
    ]
    return cells + [
        {"paid_s": t_s, "took_up_to_s": None, "orders": n} for t_s, n in zip(f.heat.t_s, f.heat.open, strict=True)
    ]


def _csv(rows: Rows) -> bytes:
    """RFC 4180 but for line ends, a head first; what does not exist is empty, truths are true and false."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    match value:
        case bool():
            return str(value).lower()
        case float() if not isfinite(value):
            return ""
    return "" if value is None else value


def _write_orders(run: Recorded, path: Path) -> None:
    """One row an order, by DuckDB, from the file of the report where it is there: a million of them in seconds."""
    wanted = [
        f'CASE WHEN isfinite("{name}") THEN "{name}" END AS "{name}"' if column.dtype.kind == "f" else f'"{name}"'
        for name, column in run.orders.items()
    ]
    with duckdb.connect(":memory:") as db:
        if run.file is None:
            db.register("orders", run.orders)
        else:
            db.execute(f"CREATE VIEW orders AS SELECT * FROM read_parquet('{_quoted(run.file)}')")
        db.execute(f"COPY (SELECT {', '.join(wanted)} FROM orders) TO '{_quoted(path)}' (FORMAT csv, HEADER)")


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")

"""A run as its report has it, to be laid beside others: plan, findings, and the table of its orders.

findings.json and orders.parquet are read where they are there and of this schema; else the analysis is made again from
the journals, and nothing is written.
"""

from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np
import numpy.typing as npt

from ledger.rundir import RunDir
from plan import run as plans
from plan.run import Plan
from reports.analysis import analysed
from reports.findings import SCHEMA, Findings, Words
from reports.gate import generator_flaw
from reports.write.orders import columns

Columns = dict[str, npt.NDArray[Any]]
"""By name, one entry per order; numbers that do not exist are NaN."""

NEEDED = (
    *("key", "planned", "due_s", "sent_s", "captured_s", "captured_fen", "refunded_fen", "goods", "last_state"),
    *("ended_s", "stuck_business_s", "excess_business_s", "lost", "channel", "waited_business_s"),
)
"""What every table of orders must have to be used."""


class Recorded(msgspec.Struct, frozen=True):
    """One run. `name` is that of its folder; `file` the one that the orders were read from, if they were."""

    name: str
    plan: Plan
    findings: Findings
    orders: Columns
    file: Path | None = None

    @property
    def flaw(self) -> Words | None:
        """Why the load generator, and not the shop, was the bottleneck; None if it was not."""
        polls = [row for row in self.findings.requests if row.name == "poll"]
        late = sum(row.late for row in polls), sum(row.count for row in polls)
        return generator_flaw(self.findings.measures, late)


def recorded(run: RunDir, *, whole_table: bool = False) -> Recorded:
    """The run in a run directory, with the needed columns or all of them. DocumentError if its plan.yaml cannot be
    read; BrokenEvidence if it has no report and its journals were changed."""
    plan = plans.load(run.plan)
    findings, orders = _findings(run), _orders(run, "*" if whole_table else ", ".join(NEEDED))
    if findings is None or orders is None:
        analysis = analysed(run, plan)
        analysis.basis.verified.insist(run, "only a report that was made despite it can be used")
        return Recorded(run.path.name, plan, analysis.findings, columns(analysis))
    return Recorded(run.path.name, plan, findings, orders, run.orders)


def _findings(run: RunDir) -> Findings | None:
    """What findings.json holds; None where there is none of this schema."""
    try:
        found = msgspec.json.decode(run.findings.read_bytes(), type=Findings)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found if found.schema == SCHEMA else None


def _orders(run: RunDir, wanted: str) -> Columns | None:
    """What orders.parquet holds, in the order of its rows; None where there is none that has the needed columns."""
    if not run.orders.is_file():
        return None
    with duckdb.connect(":memory:") as db:
        try:
            found = db.execute(f"SELECT {wanted} FROM read_parquet(?)", [str(run.orders)]).fetchnumpy()
        except duckdb.Error:
            return None
    table = {name: _plain(column) for name, column in found.items()}
    return table if set(NEEDED) <= table.keys() else None


def _plain(column: Any) -> npt.NDArray[Any]:
    """Without a mask: what is NULL becomes NaN among numbers, empty among texts, false among truths."""
    if not np.ma.isMaskedArray(column):
        return np.asarray(column)
    if column.dtype.kind in "iuf" and np.ma.is_masked(column):
        return np.asarray(np.ma.filled(column.astype(np.float64), np.nan))
    return np.asarray(
        np.ma.filled(column, False if column.dtype.kind == "b" else "" if column.dtype.kind == "O" else 0)
    )

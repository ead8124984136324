"""findings.json: every number of the report."""

from pathlib import Path

import msgspec

from ledger.rundir import write_atomically
from reports.findings import Findings


def write(findings: Findings, path: Path) -> None:
    """Keys in the order of their fields, two spaces in, one newline at the end; what is not finite is null."""
    write_atomically(path, msgspec.json.format(msgspec.json.encode(findings), indent=2) + b"\n")

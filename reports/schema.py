"""The JSON Schema of findings.json, for whoever reads it with other tools: `python -m reports.schema` prints it."""

import sys
from typing import Any

import msgspec

from reports.findings import Findings

SCHEMA_FILE = "findings.schema.json"


def json_schema() -> dict[str, Any]:
    """The schema of a whole findings.json. Additions keep its number; a field that means something else changes it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "orderjam findings.json",
        **_in_one_line(msgspec.json.schema(Findings)),
    }


def _in_one_line(part: Any) -> Any:
    """Without the indents that docstrings bring along, which differ between versions of Python."""
    if isinstance(part, dict):
        return {
            k: " ".join(v.split()) if k == "description" and isinstance(v, str) else _in_one_line(v)
            for k, v in part.items()
        }
    return [_in_one_line(one) for one in part] if isinstance(part, list) else part


def text() -> bytes:
    """The schema as the file shipped beside this module holds it."""
    return msgspec.json.format(msgspec.json.encode(json_schema()), indent=2) + b"\n"


if __name__ == "__main__":
    sys.stdout.buffer.write(text())

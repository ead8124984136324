import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from ledger.rundir import RunDir
from reports import schema
from reports.findings import Findings
from reports.write import findings as findings_file
from tests.reports.rich import rich


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((Path(schema.__file__).parent / schema.SCHEMA_FILE).read_text(encoding="utf-8"))
    return read


def test_the_shipped_schema_is_the_one_the_types_give(shipped: dict[str, Any]) -> None:
    assert shipped == json.loads(schema.text()), "run `make schema`"
    jsonschema.Draft202012Validator.check_schema(shipped)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["as built", "rich"])
def test_the_findings_of_a_run_keep_to_the_schema(
    shipped: dict[str, Any], built: tuple[RunDir, Findings], tmp_path: Path, kind: str
) -> None:
    path = built[0].findings
    if kind == "rich":
        path = tmp_path / "findings.json"
        findings_file.write(rich(built[1]), path)
    told = [
        f"{e.json_path}: {e.message}"
        for e in jsonschema.Draft202012Validator(shipped).iter_errors(json.loads(path.read_bytes()))
    ]
    assert told == []


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"seed": "7"}, {"claims": None}, {"gates": [{"text": "a"}]}, {"measures": [1]}])
def test_what_is_no_findings_is_refused(
    shipped: dict[str, Any], built: tuple[RunDir, Findings], change: dict[str, Any]
) -> None:
    wrong = msgspec.json.decode(built[0].findings.read_bytes()) | change
    assert not jsonschema.Draft202012Validator(shipped).is_valid(wrong)

"""What the documents name is there: tests, files, and pages that they lead to."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_TEST = re.compile(r"`(test_[a-z0-9_]+)`")
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
_DEFINED = re.compile(r"^(?:async )?def (test_[a-z0-9_]+)", re.M)


@pytest.fixture(scope="module")
def defined() -> set[str]:
    """The names of all tests."""
    return {name for file in (ROOT / "tests").rglob("test_*.py") for name in _DEFINED.findall(file.read_text("utf-8"))}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_only_tests_that_there_are_and_leads_nowhere_in_vain(page: Path, defined: set[str]) -> None:
    text = page.read_text("utf-8")
    assert [name for name in _TEST.findall(text) if name not in defined] == []
    assert [link for link in _LINK.findall(text) if not (page.parent / link).exists()] == []


def test_the_matrix_of_the_protocols_leaves_no_operation_without_a_test_of_ours_and_of_its_faults() -> None:
    rows = [line for line in (ROOT / "docs/protocols.md").read_text("utf-8").splitlines() if line.count("|") == 6]
    table = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    matrix = [cells for cells in table if cells[0] not in ("dialect", "---")]
    assert len(matrix) > 25
    for dialect, operation, client, ours, faults in matrix:
        assert client, (dialect, operation)
        assert _TEST.search(ours), (dialect, operation)
        assert _TEST.search(faults) or "fault `" in faults, (dialect, operation)

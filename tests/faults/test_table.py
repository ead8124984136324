from pathlib import Path

import pytest

from faults.catalog import catalog
from faults.table import BEGIN, END, TableError, main, markdown, placed

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"


def test_the_table_in_the_docs_is_that_of_the_catalogue() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert placed(page) == page, "docs/faults.md is behind the catalogue: run python -m faults.table"


@pytest.mark.parametrize("name", catalog())
def test_every_fault_has_one_row_with_its_parameters(name: str) -> None:
    rows = [row for row in markdown().splitlines() if row.startswith(f"| `{name}` |")]
    assert len(rows) == 1
    assert all(f"`{parameter}`: " in rows[0] for parameter in catalog()[name].units())
    assert rows[0].replace("\\|", "").count("|") == 8


def test_a_page_is_rewritten_only_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "faults.md"
    page.write_text(f"before\n{BEGIN}\nold rows\n{END}\nafter\n", encoding="utf-8")
    main(page)
    assert page.read_text(encoding="utf-8") == f"before\n{BEGIN}\n{markdown()}{END}\nafter\n"


@pytest.mark.parametrize("page", ["", "no marks\n", f"{BEGIN}\n", f"{END}\n", f"{END}\n{BEGIN}\n"])
def test_a_page_without_both_marks_is_refused(page: str) -> None:
    with pytest.raises(TableError, match=r"docs/faults\.md"):
        placed(page)

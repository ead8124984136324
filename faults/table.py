"""The table of all faults in docs/faults.md, made from the catalogue: ``python -m faults.table`` rewrites it."""

from pathlib import Path
from typing import Any

import msgspec

from faults.catalog import (
    ANY_NOTICE,
    NOTICES,
    OF_AN_ORDER,
    TO_MOCKS,
    WITH_FIELDS,
    WITH_JSON,
    WITH_PROXY,
    Fault,
    Part,
    catalog,
)
from plan.units import Quantity

PAGE = Path("docs/faults.md")
BEGIN = "<!-- made by `python -m faults.table`; a test fails when it differs from the catalogue -->"
END = "<!-- end of what was made -->"
_HEAD = ("name", "layer", "where", "parameters", "a good shop", "cause it belongs to", "what it imitates")


class TableError(Exception):
    """A page without the two marks that the table stands between: its path."""


def markdown() -> str:
    """The table, one fault a row, sorted by name."""
    rows = [_HEAD, ("---",) * len(_HEAD), *map(_row, catalog().values())]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(fault: Fault[Any]) -> tuple[str, ...]:
    where = ", ".join(f"`{hop}`" for hop in fault.hops) if fault.hops != WITH_PROXY else "any hop"
    if fault.operations:
        where += f" ({', '.join(_operations(fault))})"
    if fault.dialects in (WITH_FIELDS, WITH_JSON):
        where += "; where there are fields" if fault.dialects == WITH_FIELDS else "; where there is JSON"
    elif fault.dialects:
        where += f"; in {', '.join(f'{dialect} ({_parts(part)})' for dialect, part in fault.dialects.items())}"
    shop = "; ".join(filter(None, (fault.must, fault.twin and f"twin `{fault.twin}`")))
    cells = (f"`{fault.name}`", fault.layer, where, _parameters(fault), shop, str(fault.cause), fault.imitates)
    return tuple(cell.replace("|", "\\|") for cell in cells)


def _operations(fault: Fault[Any]) -> list[str]:
    """What the fault is about, the two great groups by their names, and only what happens at its hops."""
    own, words = set(fault.operations), []
    for group, name, hops in ((OF_AN_ORDER, "all of an order", TO_MOCKS), (ANY_NOTICE, "any notice", NOTICES)):
        if set(group) <= own:
            own -= set(group)
            words += [name] if set(fault.hops) & set(hops) else []
    return words + [operation for operation in fault.operations if operation in own]


def _parts(part: Part) -> str:
    return ", ".join(str(one.name).lower() for one in part)


def _parameters(fault: Fault[Any]) -> str:
    units = fault.units()
    fields = msgspec.structs.fields(fault.params)
    return "; ".join(f"`{f.encode_name}`: {units[f.encode_name]}{_default(f)}" for f in fields) or "none"


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return ""
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is None or value == []:
        return " (optional)"
    return f" ({value.text() if isinstance(value, Quantity) else value})"


def placed(page: str) -> str:
    """The page with the table between its marks; TableError without them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise TableError(f"{PAGE}: needs the lines {BEGIN!r} and {END!r} for the table to stand between")
    return f"{before}{BEGIN}\n{markdown()}{END}{after}"


def main(page: Path = PAGE) -> None:
    page.write_text(placed(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()

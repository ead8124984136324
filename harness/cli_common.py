"""What the groups of the command line share: printing, refusing, and a scenario resolved for its target."""

import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table

from harness.run import Exit
from plan.document import DocumentError
from plan.run import Plan
from scenarios import cautions, loader
from targets import asks, webshop

OUT = Path("runs")

Out = Annotated[Path, typer.Option("--out", help="Folder that holds the runs.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def refuse(message: str) -> NoReturn:
    say(f"orderjam: {message}")
    raise typer.Exit(Exit.WRONG_USE)


def print_json(value: Any) -> None:
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_rows(rows: list[dict[str, str]], *, width: int = 160) -> None:
    """A table; `width` where nobody looks at a terminal."""
    if not rows:
        print("nothing yet")
        return
    table = Table(*(Column(name, overflow="fold") for name in rows[0]), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row.values())
    Console(width=None if sys.stdout.isatty() else width).print(table)


def vocabulary(target: webshop.Target) -> loader.Vocabulary:
    return loader.Vocabulary(
        products=tuple(target.sells.products),
        regions=target.sells.regions,
        dialects=target.sells.dialects,
        profiles=target.profiles,
        switches=tuple(target.switches),
        compressible=target.compressible,
        needs=target.sells.needs,
        offers=target.offers,
        business_time=tuple(target.business_time),
        prices=target.sells.products,
        databases={name: bool(own.server) for name, own in target.databases.items()},
        buyer=asks.requests(target),
        key_in={hop: [names] if isinstance(names, str) else names for hop, names in target.key_in.items()},
    )


def resolve(path: Path, changes: loader.Changes) -> Plan:
    """Reads the target that the scenario names first, and hands its vocabulary to the loader."""
    found, doc = loader.read(path, changes)
    beside = path.parent / doc.target
    name = str(beside) if doc.target.endswith((".yaml", ".yml")) and beside.is_file() else doc.target
    try:
        target_file = webshop.find(name)
    except DocumentError as error:
        raise found.error(("target",), str(error)) from None
    target = webshop.load(target_file)
    plan = loader.resolve(path, target_file, vocabulary(target), changes)
    for name in (f for f in target.start.env if f in target.business_time):
        raise DocumentError(f"{target_file}: {name} stands in start.env and in business_time; legal: one of them")
    return plan


def warn(plan: Plan) -> None:
    for warning in cautions.warnings(plan):
        say(f"warning: {warning}")

"""`orderjam order`: one order explained, or the orders that somebody asks for, worst first."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from harness.cli_common import AsJson, print_json, print_rows, refuse
from ledger.rundir import RunDir
from plan import run as plans

ORDER_EXAMPLES = (
    "Examples: `orderjam order runs/latest b00000042` · `orderjam order runs/latest 202611241555210000053 --raw` · "
    "`orderjam order runs/latest --stuck --channel epay --worst 20` · "
    "`orderjam order runs/latest --cause lost_notice --json`"
)
_PIPE_WIDTH, _TABLE_WIDTH = 100, 300
_LOOKS = {"good": "green", "bad": "red", "unsure": "yellow", "struck": "red", "soft": "dim", "strong": "bold"}


def order(
    run_dir: Annotated[Path, typer.Argument(help="A run directory.")],
    key: Annotated[
        str | None,
        typer.Argument(help="The order's key, such as b00000042, its order number, trade number or a request number."),
    ] = None,
    cause: Annotated[str, typer.Option(help="Orders put down to this cause, such as lost_notice.")] = "",
    state: Annotated[str, typer.Option(help="What the page showed last, such as recharging.")] = "",
    channel: Annotated[str, typer.Option(help="Orders paid, or to be paid, by this channel.")] = "",
    product: Annotated[str, typer.Option(help="Orders for this product.")] = "",
    region: Annotated[str, typer.Option(help="Orders of this region.")] = "",
    stuck: Annotated[bool, typer.Option("--stuck", help="Orders that were stuck at least once.")] = False,
    lost: Annotated[bool, typer.Option("--lost", help="Ended without goods or refund.")] = False,
    is_open: Annotated[bool, typer.Option("--open", help="Paid, and not ended.")] = False,
    worst: Annotated[int, typer.Option(min=1, help="How many, worst first.")] = 20,
    raw: Annotated[bool, typer.Option("--raw", help="With the very messages that faults have struck.")] = False,
    zh: Annotated[bool, typer.Option("--zh", help="Table and picture in Chinese.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="Plain text on a terminal too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Explains one order: the sentence for support, its lanes, every event. Without KEY: a table, worst first."""
    from reports.choose import Choice, ChoiceError, conditions, one
    from reports.sheet import explain
    from reports.table import Table
    from reports.write import sheet

    choice = Choice(cause, state, channel, product, region, stuck, lost, is_open)
    if key is not None and not choice.is_empty:
        refuse(f"{key}: legal: either one order, or conditions such as --stuck")
    folder = RunDir.open(run_dir)
    plan = plans.load(folder.plan)
    language = "zh" if zh else "en"
    table = Table.open(folder, plan)
    try:
        if key is None:
            rows = table.worst(conditions(choice, plan, table), worst)
            print_json(rows) if as_json else print_rows(sheet.rows(rows, language), width=_TABLE_WIDTH)
            return
        explained = explain(folder, plan, table, one(folder, table, key), raw=raw)
    except ChoiceError as error:
        refuse(str(error))
    finally:
        table.close()
    if as_json:
        print_json(explained)
        return
    console = Console(no_color=no_color, highlight=False)
    width = console.width if console.is_terminal else _PIPE_WIDTH
    for line in sheet.sheet(explained, width, language):
        parts = ((piece.text, _LOOKS.get(piece.look, "")) for piece in line)
        console.print(Text.assemble(*parts), soft_wrap=True)
    sys.stdout.flush()

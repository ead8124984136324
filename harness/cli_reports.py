"""`orderjam blame|compare|export`: what is made of runs that were played."""

from pathlib import Path
from typing import Annotated

import typer

from harness import playing
from harness import twins as pairing
from harness.cli_common import AsJson, print_json, print_rows, refuse, say
from harness.run import Exit, Options
from harness.wires import missing
from ledger.rundir import RunDir, RunDirError
from plan.run import Plan
from reports import report as reports
from reports.blame import Blame
from reports.blame import blame as cost
from reports.compare import ComparisonError
from reports.compare import compare as laid_beside
from reports.recorded import recorded
from reports.write import blame as costs
from reports.write import comparison
from reports.write.sections import Section

TWINS = "twins"
"""The folder in a run directory that holds its twins."""

BLAME_EXAMPLES = (
    "Examples: `orderjam blame runs/latest --dry-run` · `orderjam blame runs/latest` · "
    "`orderjam blame runs/latest --fault top --pairs 5` · `orderjam blame runs/latest --out runs`"
)


def blame(
    run_dir: Annotated[Path, typer.Argument(help="A run directory; everything is replayed from its plan.yaml.")],
    faults: Annotated[
        list[str] | None,
        typer.Option("--fault", help="Ask of this fault alone. May be repeated. Without: every one given by a window."),
    ] = None,
    pairs: Annotated[
        int, typer.Option(min=1, max=50, help="Seeds to play, each with and without the fault; 3 or more.")
    ] = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what it costs and play nothing.")] = False,
    as_json: AsJson = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder that holds the twins. Without: twins/ in the run directory.")
    ] = None,
) -> None:
    """Plays a run's twins, with and without each fault given by a window, and tells how many orders each one cost.

    Prints the cost first, then plays. Ctrl-C stops; pairs that were played are kept and found again. Writes blame.md
    and blame.json into the run directory.
    """
    folder = RunDir.open(run_dir)
    base = recorded(folder)
    plan = base.plan
    asked = pairing.blamed(plan, faults or [])
    kept = out or folder.path / TWINS
    build = playing.made(plan, []).made
    wanted = {
        key: playing.made(twin, pairing.replay_words(twin)) for key, twin in pairing.twins(plan, asked, pairs).items()
    }
    found = pairing.played(wanted, build, [kept, folder.path])
    todo = len(wanted) - len(found)
    each_s = pairing.expected_s(base)
    names = ", ".join(fault.id for fault in asked)
    say(
        f"{pairs} pairs for {names}: {len(wanted)} runs, {len(found)} played already; "
        f"{todo} × about {each_s:.0f} s = about {todo * each_s / 60:.0f} min"
    )
    if dry_run:
        return
    if todo and (lacking := missing(plan)):
        refuse(lacking)
    have = pairing.play_missing(wanted, found, lambda twin: _played(twin, kept), say)
    told = pairing.laid_together(plan, asked, have, pairs)
    if told:
        _tell(cost(folder.path.name, asked, told), folder, as_json=as_json)
    if len(have) < len(wanted):
        say(f"stopped; {len(have)} of {len(wanted)} runs are kept in {kept}; the same command goes on from there")
        raise typer.Exit(Exit.INTERRUPTED)
    raise typer.Exit(Exit.PASSED)


def _played(plan: Plan, out: Path) -> RunDir | None:
    """Plays one twin with its report; None where it was interrupted. Exits where it broke."""
    folder = playing.folder_for(plan, out)
    try:
        ended = playing.play(plan, folder, Options(workers=plan.workers))
        if ended.code is Exit.INTERRUPTED:
            return None
        if ended.code is Exit.BROKEN:
            say(f"orderjam: {folder.path}: {ended.why}; what was played is kept, the same command goes on from there")
            raise typer.Exit(Exit.BROKEN)
        reports.build(folder)
    except KeyboardInterrupt:
        return None
    return folder


def _tell(found: Blame, folder: RunDir, *, as_json: bool) -> None:
    try:
        costs.write(found, folder.path)
        where = str(folder.path / "blame.md")
    except RunDirError as error:
        where = f"not written: {error}"
    if as_json:
        print_json(found)
    else:
        _print([costs.HOW.en, costs.HOW.zh], costs.sections(found))
    say(f"blame: {where}")


def _print(head: list[str], sections: list[Section]) -> None:
    for line in head:
        print(line)
    for section in sections:
        print(f"\n{section.title.en} {section.title.zh}")
        if section.rows:
            print_rows(section.rows)
        for note in section.notes:
            print(f"  {note.en}\n  {note.zh}")


COMPARE_EXAMPLES = (
    "Examples: `orderjam compare runs/A runs/B` · `orderjam compare runs/A runs/B --orders` · "
    "`orderjam compare runs/* --md > compare.md`"
)


def compare(
    run_dirs: Annotated[list[Path], typer.Argument(help="Two to six run directories of the same compress.")],
    orders: Annotated[bool, typer.Option("--orders", help="List every order that changed.")] = False,
    as_markdown: Annotated[bool, typer.Option("--md", help="Print Markdown on standard output.")] = False,
    as_json: AsJson = False,
) -> None:
    """Lays runs side by side, and order by order where they have the same seed: who was saved, who was lost.

    Descriptive, without a verdict; runs of different compress are refused.
    """
    folders = [RunDir.open(path) for path in run_dirs]
    if len({folder.path for folder in folders}) < len(folders):
        refuse("one run is given twice; legal: 2 to 6 different runs")
    try:
        found = laid_beside([recorded(folder) for folder in folders], all_orders=orders)
    except ComparisonError as error:
        refuse(str(error))
    if as_json:
        print_json(found)
    elif as_markdown:
        print(comparison.page(found), end="")
    else:
        _print([comparison.NO_VERDICT.en, comparison.NO_VERDICT.zh], comparison.sections(found))

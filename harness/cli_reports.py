"""`orderjam blame|compare|export`: what is made of runs that were played.

What reads runs is imported by the command that needs it: it takes seconds, which the others need not wait.
"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness import playing
from harness.cli_common import AsJson, print_json, print_rows, refuse, say, warn
from harness.run import Exit, Options
from harness.wires import missing
from ledger.rundir import RunDir, RunDirError
from plan.run import Plan

if TYPE_CHECKING:
    from reports.blame import Blame
    from reports.write.tables import Section

TWINS = "twins"
"""The folder in a run directory that holds its twins."""
PAIRS_GOOD = 3

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
    from harness import twins as pairing
    from reports.blame import blame as cost
    from reports.recorded import recorded

    folder = RunDir.open(run_dir)
    base = recorded(folder)
    plan = base.plan
    asked = pairing.blamed(plan, faults or [])
    kept, build = out or folder.path / TWINS, playing.made(plan, []).made
    wanted = pairing.twins(plan, asked, pairs)
    found = pairing.played(wanted, build, [kept, folder.path])
    todo, each_s = len(wanted) - len(found), pairing.expected_s(base)
    names, noun = ", ".join(fault.id for fault in asked), "pair" if pairs == 1 else "pairs"
    cost_words = f"{todo} × about {each_s:.0f} s = about {todo * each_s / 60:.0f} min"
    say(f"{pairs} {noun} for {names}: {len(wanted)} runs, {len(found)} played already; {cost_words}")
    if pairs < PAIRS_GOOD:
        say(f"warning: fewer than {PAIRS_GOOD} pairs tell little: their intervals are very wide, or there are none")
    if (build.orderjam, build.git) != (plan.made.orderjam, plan.made.git):
        say(f"{folder.path.name} was played by build {plan.made.git or '?'}, its twins are by {build.git or '?'}")
    if dry_run:
        return
    if todo and (lacking := missing(plan)):
        refuse(lacking)
    warn(plan)
    have = pairing.play_missing(wanted, found, lambda twin: _played(twin, kept), say)
    told = cost(folder.path.name, asked, pairing.laid_together(plan, asked, have, pairs))
    if told is not None:
        _tell(told, folder, as_json=as_json)
    if told is None or len(have) < len(wanted):
        say(f"stopped; {len(have)} of {len(wanted)} runs are kept in {kept}; the same command goes on from there")
        raise typer.Exit(Exit.INTERRUPTED)
    if not all(fault.attributable["stuck"].pairs for fault in told.faults):
        say("orderjam: of some fault no pair can be compared; the tables say why")
        raise typer.Exit(Exit.INCONCLUSIVE)
    if any(pair.is_flawed for fault in told.faults for pair in fault.pairs):
        say("orderjam: the load generator was the bottleneck in some runs, so these numbers may be the machine's")
        raise typer.Exit(Exit.INCONCLUSIVE)


def _played(twin: Plan, out: Path) -> RunDir | None:
    """Plays one twin with its report; None where it was interrupted. Exits where it broke."""
    from harness.twins import replay_words
    from reports import report as reports

    plan = playing.made(twin, replay_words(twin))
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


def _tell(found: "Blame", folder: RunDir, *, as_json: bool) -> None:
    from reports.write import blame as costs

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


def _print(head: list[str], sections: "list[Section]") -> None:
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
    from reports.compare import ComparisonError
    from reports.compare import compare as laid_beside
    from reports.recorded import recorded
    from reports.write import comparison

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


EXPORT_EXAMPLES = (
    "Examples: `orderjam export runs/latest --to csv` · `orderjam export runs/latest --to metrics --format openmetrics`"
)


class Format(StrEnum):
    """What `export` writes."""

    CSV = "csv"
    OPENMETRICS = "openmetrics"
    ALL = "all"


def export(
    run_dir: Annotated[Path, typer.Argument(help="A run directory.")],
    to: Annotated[Path, typer.Option("--to", help="Folder for the files; made where it is not there.")],
    kind: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.ALL,
    as_json: AsJson = False,
) -> None:
    """Writes a run as CSV (orders, measures, every table and curve) and as OpenMetrics text (metrics.txt)."""
    from reports.recorded import recorded
    from reports.write.export import export as write

    run = recorded(RunDir.open(run_dir), whole_table=True)
    made = write(run, to, as_csv=kind is not Format.OPENMETRICS, as_openmetrics=kind is not Format.CSV)
    if as_json:
        print_json([str(path) for path in made])
    say(f"{len(made)} files in {to}")

"""The command line: `orderjam run|report|order|list|check|verify|doctor`, and the commands of the modules cli_*."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from faults.catalog import catalog
from harness import doctor as machine
from harness import playing
from harness.cli_common import OUT, AsJson, Out, print_json, print_rows, refuse, resolve, say, warn
from harness.cli_mocks import fault, mocks
from harness.cli_order import ORDER_EXAMPLES, order
from harness.cli_reports import BLAME_EXAMPLES, COMPARE_EXAMPLES, EXPORT_EXAMPLES, blame, compare, export
from harness.cli_wire import PROXY_EXAMPLES, TOXIPROXY_EXAMPLES, proxy, toxiproxy
from harness.hand import HandError
from harness.run import Ended, Exit, Options
from harness.wires import missing
from harness.wiring import port_is_free
from ledger.journal import JournalError, Wholeness
from ledger.rundir import BrokenEvidence, RunDir, RunDirError
from plan import document
from plan.document import DocumentError
from plan.run import Plan, leave_out
from plan.stubs import read as read_stubs
from plan.units import to_text
from scenarios import cautions, loader
from scenarios.schema import json_schema
from targets import webshop

app = typer.Typer(
    name="orderjam",
    help="Makes orders get stuck on purpose, at peak load, and measures how often, how long and where.\n\n"
    "Exit codes: 0 passed, 1 a gate failed, 2 wrong use, 3 inconclusive, 4 stopped early for safety, "
    "5 harness or target broke, 130 interrupted.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=True,
)
app.add_typer(mocks, name="mocks")
app.add_typer(fault, name="fault")
app.command(epilog=ORDER_EXAMPLES)(order)
app.command(epilog=TOXIPROXY_EXAMPLES)(toxiproxy)
app.command(epilog=PROXY_EXAMPLES)(proxy)
app.command(epilog=BLAME_EXAMPLES)(blame)
app.command(epilog=COMPARE_EXAMPLES)(compare)
app.command(epilog=EXPORT_EXAMPLES)(export)


def main() -> None:
    """The console script. Every error of ours is one line on standard error."""
    try:
        app()
    except BrokenEvidence as error:
        say(f"orderjam: {error}")
        sys.exit(Exit.BROKEN)
    except (DocumentError, RunDirError, HandError) as error:
        say(f"orderjam: {error}")
        sys.exit(Exit.WRONG_USE)
    except JournalError as error:
        say(f"orderjam: {error}")
        sys.exit(Exit.BROKEN)
    except BrokenPipeError:
        sys.exit(Exit.PASSED)


def _replay_words(scenario: str, changes: loader.Changes, plan: Plan, out: Path) -> list[str]:
    words = [scenario, "--seed", str(plan.seed), "--profile", plan.target.profile]
    words += ["--rate", changes.rate] if changes.rate else []
    words += ["--duration", changes.duration] if changes.duration else []
    words += [word for path, text in changes.sets for word in ("--set", f"{path}={text}")]
    words += ["--ci"] if changes.ci else []
    words += [word for name in plan.without for word in ("--without", name)]
    words += ["--workers", str(plan.workers)] if plan.workers != 1 else []
    return words + (["--out", str(out)] if out != OUT else [])


def _sets(texts: list[str]) -> tuple[tuple[str, str], ...]:
    for text in texts:
        if "=" not in text:
            refuse(f"--set {text}: legal: --set key.key=value, such as --set load.rate=30/s")
    return tuple((text.partition("=")[0], text.partition("=")[2]) for text in texts)


@app.command(
    epilog="Examples: `orderjam run evening_peak` · `orderjam run notice_lost --profile naive+requery_unpaid` · "
    "`orderjam run evening_peak --without top` · "
    "`orderjam run my.yaml --rate 30/s --set faults.lost.rate=50% --dry-run`"
)
def run(
    scenario: Annotated[str, typer.Argument(help="Name of a scenario (`orderjam list scenarios`) or a YAML file.")],
    seed: Annotated[int | None, typer.Option(help="Other orders, other people, other strikes.")] = None,
    rate: Annotated[str | None, typer.Option(help="Peak arrival rate, such as 30/s; stretches the time axis.")] = None,
    duration: Annotated[
        str | None, typer.Option(help="Length of the load, such as 40 s; with --rate: more orders.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="naive, hardened, naive+SWITCH, hardened-SWITCH.")] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="Override any key: path=value. May be repeated.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", help="Leave out the fault of this id. May be repeated.")
    ] = None,
    ci: Annotated[bool, typer.Option("--ci", help="The scenario's short cut for CI.")] = False,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes of the load generator.")] = 1,
    web: Annotated[int | None, typer.Option(help="Port on loopback for Locust's own page.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the resolved plan and start nothing.")] = False,
    as_json: AsJson = False,
    out: Out = OUT,
) -> None:
    """Plays a scenario against its shop and writes a report."""
    changes = loader.Changes(seed, profile, rate, duration, _sets(sets or []), ci, workers)
    path = loader.find(scenario)
    plan = leave_out(resolve(path, changes), without or [])
    plan = playing.made(plan, _replay_words(scenario, changes, plan, out))
    if wire := cautions.told(plan):
        say(wire)
    if dry_run:
        warn(plan)
        print_json(msgspec.to_builtins(plan, enc_hook=to_text)) if as_json else print(document.write(plan))
        return
    if web is not None and not port_is_free(web):
        refuse(f"--web {web}: this port is in use on 127.0.0.1; legal: a free one")
    if lacking := missing(plan):
        refuse(lacking)
    say(f"seed {plan.seed} · replay: {plan.made.replay}")
    folder = playing.folder_for(plan, out)
    warn(plan)
    ended = playing.play(plan, folder, Options(web=web, workers=workers))
    raise typer.Exit(_conclude(plan, folder, ended, as_json=as_json))


def _conclude(plan: Plan, folder: RunDir, ended: Ended, *, as_json: bool) -> int:
    """Builds the report of whatever was recorded, says the verdict, and gives the exit code."""
    from reports import report as reports

    if ended.why:
        say(f"orderjam: {ended.why}")
    findings = None
    try:
        folder.point_latest()
        findings = reports.build(RunDir.open(folder.path))
    except (RunDirError, JournalError, DocumentError, OSError) as error:
        say(f"orderjam: no report: {error}")
    code = int(ended.code) if ended.code is not None else findings.exit_code if findings else int(Exit.BROKEN)
    if findings:
        if as_json:
            print_json(findings)
        say(findings.verdict.en)
        say(f"report: {folder.report}")
    say(f"seed {plan.seed} · replay: {plan.made.replay}")
    return code


@app.command(epilog="Examples: `orderjam report runs/latest` · `orderjam report runs/latest --json`")
def report(
    run_dir: Annotated[Path, typer.Argument(help="A run directory.")] = OUT / "latest",
    as_json: AsJson = False,
    despite_broken: Annotated[
        bool, typer.Option("--despite-broken-evidence", help="Go on where journals are not what was written.")
    ] = False,
) -> None:
    """Makes everything below events/ again from plan.yaml and events/ alone; broken journals end it with 5."""
    from reports import report as reports

    folder = RunDir.open(run_dir)
    findings = reports.build(folder, despite_broken=despite_broken)
    if as_json:
        print_json(findings)
    say(findings.verdict.en)
    say(f"report: {folder.report}")


class Listed(StrEnum):
    """What `list` lists."""

    SCENARIOS = "scenarios"
    FAULTS = "faults"
    TARGETS = "targets"
    RUNS = "runs"


@app.command("list", epilog="Examples: `orderjam list scenarios` · `orderjam list faults --json`")
def list_(
    what: Annotated[Listed, typer.Argument(help="What to list.")],
    as_json: AsJson = False,
    out: Out = OUT,
) -> None:
    """Lists scenarios, faults, targets or runs."""
    match what:
        case Listed.SCENARIOS:
            rows = [{"name": n, "about": _about(p)} for n, p in loader.shipped().items()]
        case Listed.FAULTS:
            rows = [_fault_row(name) for name in catalog()]
        case Listed.TARGETS:
            rows = [{"name": n, "about": _about(p)} for n, p in webshop.shipped().items()]
        case Listed.RUNS:
            folders = sorted(p for p in out.glob("*") if p.is_dir() and not p.is_symlink())
            rows = [{"run": str(p), "report": "yes" if (p / "report.html").is_file() else "no"} for p in folders]
    if as_json:
        print_json(rows)
        return
    print_rows(rows)


def _about(path: Path) -> str:
    return " ".join(str(document.read_file(path).value.get("about", "")).split())


def _fault_row(name: str) -> dict[str, str]:
    fault = catalog()[name]
    units = ", ".join(f"{key} ({unit})" for key, unit in fault.units().items())
    return {"name": name, "at": ", ".join(fault.hops), "parameters": units, "imitates": fault.imitates}


@app.command(epilog="Examples: `orderjam check scenarios/my.yaml` · `orderjam check targets/myshop.yaml`")
def check(
    file: Annotated[Path, typer.Argument(help="A scenario, target or stubs file.")],
    as_json: AsJson = False,
) -> None:
    """Checks a scenario, target or stubs file without starting anything."""
    value, wire = document.read_file(file).value, ""
    if "place" in value and "poll" in value:
        target = webshop.load(file)
        notes = [] if target.key_in else ["no key_in: exchanges are keyed by the shop's order number, not repeatable"]
        notes += [] if target.books else ["no books: what needs the shop's own table is not evaluated"]
    elif "stubs" in value:
        read_stubs(file)
        notes = []
    else:
        plan = resolve(file, loader.Changes())
        notes, wire = cautions.warnings(plan), cautions.told(plan)
    if as_json:
        print_json({"file": str(file), "ok": True, "warnings": notes, "wire": wire})
        return
    if wire:
        say(wire)
    for note in notes:
        say(f"warning: {note}")
    print(f"{file}: fine" + (f", {len(notes)} warnings" if notes else ""))


@app.command(epilog="Examples: `orderjam schema > scenario.schema.json`")
def schema() -> None:
    """Prints the JSON Schema of scenario files, for editors."""
    print_json(json_schema())


@app.command(epilog="Examples: `orderjam verify runs/latest`")
def verify(
    run_dir: Annotated[Path, typer.Argument(help="A run directory.")],
    as_json: AsJson = False,
) -> None:
    """Tells whether the journals of a run are whole: closed (exit 0), unclosed (3) or broken (5)."""
    verdict = RunDir.open(run_dir).verify()
    if as_json:
        print_json(verdict)
    else:
        events = sum(f.events for f in verdict.files)
        print(f"{run_dir}: {verdict.wholeness}, {events} sealed events in {len(verdict.files)} files")
        for reason in verdict.reasons:
            print(f"  {reason}")
    codes = {
        Wholeness.CLOSED: Exit.PASSED,
        Wholeness.UNCLOSED: Exit.INCONCLUSIVE,
        Wholeness.BROKEN: Exit.BROKEN,
    }
    raise typer.Exit(codes[verdict.wholeness])


@app.command(epilog="Examples: `orderjam doctor` · `orderjam doctor --json`")
def doctor(as_json: AsJson = False, out: Out = OUT) -> None:
    """Looks at this machine, and says what each missing thing costs."""
    checks = machine.examine(out)
    if as_json:
        print_json(checks)
        return
    for item in checks:
        print(
            f"{'ok ' if item.ok else '-- '} {item.name:<16} {item.found}" + (f"  ({item.costs})" if item.costs else "")
        )


if __name__ == "__main__":
    main()

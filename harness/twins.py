"""The twins of a run, which tell what its faults cost: which runs they are, those that were played already, the rest.

Everything is replayed from the run's plan.yaml; its scenario file may be gone.
"""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from ledger.journal import Wholeness
from ledger.rundir import RunDir, RunDirError
from ledger.states import Phase
from plan import run as plans
from plan.document import DocumentError, nearest
from plan.faults import FaultPlan
from plan.run import Made, Plan, leave_out
from reports.blame import Twins
from reports.recorded import Recorded, recorded

Key = tuple[int, str]
"""Seed, and the id of the fault that is left out; empty: none is."""
INTERRUPTED = "interrupted"
"""What the harness notes of a load that somebody stopped."""
BESIDE_S = 12.0
"""About what a run takes (wall) beside its phases: children that start and end, and its report."""


def blamed(plan: Plan, ids: Sequence[str]) -> list[FaultPlan]:
    """The faults to ask of: those named, else all that strike by exposure. DocumentError where there is none such."""
    by_id = {fault.id: fault for fault in plan.faults}
    for name in ids:
        if name not in by_id:
            raise DocumentError(f"--fault: no fault {name!r} in this run{nearest(name, by_id) or '; it has none'}")
    found = [by_id[name] for name in dict.fromkeys(ids)] or [f for f in plan.faults if f.is_exposure]
    if not found:
        named = f"name one with --fault: {', '.join(by_id)}" if by_id else "it has no fault at all"
        raise DocumentError(f"this run has no fault that is given by a window; {named}")
    return found


def twins(plan: Plan, faults: Sequence[FaultPlan], pairs: int) -> dict[Key, Plan]:
    """The plans to play, pair by pair, so that whoever stops has whole pairs: seed, seed + 1 …"""
    found: dict[Key, Plan] = {}
    for seed in range(plan.seed, plan.seed + pairs):
        own = msgspec.structs.replace(plan, seed=seed)
        found[seed, ""] = own
        found |= {(seed, fault.id): leave_out(own, [fault.id]) for fault in faults}
    return found


def replay_words(plan: Plan) -> list[str]:
    """What follows `orderjam run` to play a twin by hand: the words of the run it is a twin of, with its own seed and
    without what is left out."""
    words = iter(shlex.split(plan.made.replay)[2:])
    kept: list[str] = []
    for word in words:
        if word in ("--seed", "--without"):
            next(words, None)
        else:
            kept.append(word)
    return [*kept, "--seed", str(plan.seed), *(word for name in plan.without for word in ("--without", name))]


def played(wanted: Mapping[Key, Plan], build: Made, folders: Sequence[Path]) -> dict[Key, RunDir]:
    """Of the wanted runs those that lie below (or are) these folders: played to their end by this build."""
    found: dict[Key, RunDir] = {}
    for path in _run_folders(folders):
        try:
            run = RunDir.open(path)
            plan = plans.load(run.plan)
        except (RunDirError, DocumentError):
            continue
        key = next((key for key, twin in wanted.items() if key not in found and _is_same(plan, twin)), None)
        if key is not None and _is_by(plan.made, build) and is_finished(run):
            found[key] = run
    return found


def _run_folders(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        if (folder / "plan.yaml").is_file():
            yield folder
        elif folder.is_dir():
            yield from sorted(p for p in folder.iterdir() if (p / "plan.yaml").is_file() and not p.is_symlink())


def _is_same(a: Plan, b: Plan) -> bool:
    return msgspec.structs.replace(a, made=Made()) == msgspec.structs.replace(b, made=Made())


def _is_by(made: Made, build: Made) -> bool:
    """Whether it was played by this build; one with changes that no commit holds says so in its name alone."""
    return (made.orderjam, made.git) == (build.orderjam, build.git)


def is_finished(run: RunDir) -> bool:
    """Whether a run came to its end, undisturbed, and its journals are whole."""
    if run.verify().wholeness is not Wholeness.CLOSED:
        return False
    found = recorded(run).findings
    return any(row.phase == Phase.COLLECT for row in found.phases) and found.stopped != INTERRUPTED


def expected_s(run: Recorded) -> float:
    """About how long (wall) one more run like this one takes."""
    times = [row.t_s for row in run.findings.phases]
    return max(times, default=0.0) - min(times, default=0.0) + BESIDE_S


def laid_together(plan: Plan, faults: Sequence[FaultPlan], found: Mapping[Key, RunDir], pairs: int) -> Iterator[Twins]:
    """The runs of each seed of which all were played, read one seed at a time."""
    for seed in range(plan.seed, plan.seed + pairs):
        if all((seed, left_out) in found for left_out in ("", *(fault.id for fault in faults))):
            without = {fault.id: recorded(found[seed, fault.id]) for fault in faults}
            yield Twins(seed, recorded(found[seed, ""]), without)


Play = Callable[[Plan], RunDir | None]
"""Plays one plan and gives its run; None where it was stopped."""


def play_missing(
    wanted: Mapping[Key, Plan], found: Mapping[Key, RunDir], play: Play, show: Callable[[str], None]
) -> dict[Key, RunDir]:
    """All runs, those that lacked played one after another; short of some where somebody stopped it."""
    have = dict(found)
    todo = [key for key in wanted if key not in have]
    for n, (seed, fault) in enumerate(todo, 1):
        show(f"run {n} of {len(todo)}: seed {seed}, {f'without {fault}' if fault else 'with all faults'}")
        run = play(wanted[seed, fault])
        if run is None:
            break
        have[seed, fault] = run
    return have

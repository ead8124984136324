"""What a run leaves behind: its folder, and whether that is whole."""

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from ledger.clock import utc_now
from ledger.journal import STRUCK_PREFIX, SUFFIX, FileCheck, Wholeness, check

MANIFEST_SCHEMA = 1
WITHOUT_MAX = 80
"""Letters in the name of a folder that tell of faults left out."""
SMALL_BYTES = 1 << 24
"""Journals that are together smaller are checked one after the other."""


class RunDirError(Exception):
    """A folder that is not, or cannot become, a run directory: its path and the reason."""


class BrokenEvidence(RunDirError):
    """Journals that are not what was written: nothing is said of such a run unless somebody insists."""


class Manifest(msgspec.Struct, frozen=True):
    """Closes the set of journals: what each held when the run ended."""

    schema: int
    files: list[FileCheck]


class Verdict(msgspec.Struct, frozen=True):
    """What `orderjam verify` says: the worst of its files, one line of reason for each that is not closed."""

    wholeness: Wholeness
    reasons: list[str]
    files: list[FileCheck]

    def insist(self, run: "RunDir", way_out: str) -> None:
        """BrokenEvidence, with a way out of it, where journals are not what was written."""
        if self.wholeness is not Wholeness.BROKEN:
            return
        others = len(self.reasons) - 1
        more = f" (and {others} more: `orderjam verify` lists them)" if others else ""
        raise BrokenEvidence(f"{run.path}: broken evidence: {self.reasons[0]}{more}; {way_out}")


class RunDir:
    """The paths of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plan = path / "plan.yaml"
        self.events = path / "events"
        self.manifest = self.events / "MANIFEST.json"
        self.orders = path / "orders.parquet"
        self.findings = path / "findings.json"
        self.report = path / "report.html"
        self.figures = path / "figures"
        self.junit = path / "junit.xml"
        self.summary = path / "summary.md"
        self.logs = path / "logs"

    @classmethod
    def create(cls, root: Path, scenario: str, seed: int, without: Sequence[str] = ()) -> "RunDir":
        """A new folder runs/<scenario>-<utc time>-s<seed>, with the names of the faults that are left out, if any;
        RunDirError where it cannot be made."""
        stamp = utc_now().strftime("%Y%m%dT%H%M%S")
        left_out = re.sub(r"[^\w.+-]", "_", "+".join(without), flags=re.ASCII)[:WITHOUT_MAX]
        name = f"{scenario}-{stamp}-s{seed}{f'-without-{left_out}' if left_out else ''}"
        for suffix in ("", *(f".{n}" for n in range(2, 100))):
            run = cls(root / f"{name}{suffix}")
            try:
                root.mkdir(parents=True, exist_ok=True)
                run.path.mkdir()
                run.events.mkdir()
                run.logs.mkdir()
            except FileExistsError:
                if not root.is_dir():
                    raise RunDirError(f"{root}: is not a folder; --out takes one that exists or can be made") from None
                continue
            except OSError as error:
                raise RunDirError(f"{run.path}: cannot make the run directory: {error.strerror}") from error
            return run
        raise RunDirError(f"{root / name}: a hundred runs of this name exist already")

    @classmethod
    def open(cls, path: Path) -> "RunDir":
        """The run directory at path (a symbolic link is followed); RunDirError if it holds no plan or no events."""
        run = cls(path.resolve())
        if not run.path.is_dir():
            raise RunDirError(f"{path}: no such run directory; `orderjam list runs` shows those there are")
        if not run.plan.is_file():
            raise RunDirError(f"{path}: holds no plan.yaml, so it is not a run directory")
        if not any(run.events.glob(f"*{SUFFIX}")):
            raise RunDirError(f"{path}: holds no events/*{SUFFIX}; the run ended before it recorded anything")
        return run

    def journals(self, *, struck: bool = True) -> list[Path]:
        """Every journal, sorted by name; without the struck ones for blind analysis."""
        files = sorted(self.events.glob(f"*{SUFFIX}"))
        return files if struck else [f for f in files if not f.name.startswith(STRUCK_PREFIX)]

    def point_latest(self) -> None:
        """Makes `latest` beside this run lead to it."""
        link, temporary = self.path.parent / "latest", self.path.parent / f".latest.{os.getpid()}"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(self.path.name)
        temporary.replace(link)

    def seal(self) -> Manifest:
        """Writes MANIFEST.json over the journals as they now stand."""
        manifest = Manifest(MANIFEST_SCHEMA, _checked(self.journals()))
        write_atomically(self.manifest, msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
        return manifest

    def verify(self) -> Verdict:
        """Compares the journals with their seals and with the manifest."""
        files = _checked(self.journals())
        reasons = [f"{f.file}: {f.why}" for f in files if f.wholeness is Wholeness.BROKEN]
        open_ones = [f"{f.file}: its writer was killed" for f in files if f.wholeness is Wholeness.UNCLOSED]
        try:
            manifest = msgspec.json.decode(self.manifest.read_bytes(), type=Manifest)
        except FileNotFoundError:
            open_ones.append("MANIFEST.json is missing: the harness was killed before it closed the run")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            reasons.append(f"MANIFEST.json: {error}")
        else:
            reasons += _differences(manifest, files)
        worst = Wholeness.BROKEN if reasons else Wholeness.UNCLOSED if open_ones else Wholeness.CLOSED
        return Verdict(worst, reasons + open_ones, files)


def _checked(files: list[Path]) -> list[FileCheck]:
    """Checks several files at a time, one on each core: hashing lets other threads run, so they need no processes."""
    if sum(file.stat().st_size for file in files) < SMALL_BYTES:
        return [check(file) for file in files]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        longest_first = sorted(files, key=lambda file: -file.stat().st_size)
        checks = dict(zip(longest_first, pool.map(check, longest_first), strict=True))
    return [checks[file] for file in files]


def _differences(manifest: Manifest, files: list[FileCheck]) -> list[str]:
    promised, found = {f.file: f for f in manifest.files}, {f.file: f for f in files}
    missing = [f"{name}: in MANIFEST.json but gone" for name in sorted(promised.keys() - found.keys())]
    added = [f"{name}: not in MANIFEST.json" for name in sorted(found.keys() - promised.keys())]
    changed = [
        f"{name}: was changed after the run was closed (now {found[name].bytes} bytes, then {promised[name].bytes})"
        for name in sorted(promised.keys() & found.keys())
        if found[name] != promised[name] and found[name].wholeness is not Wholeness.BROKEN
    ]
    return missing + added + changed


def write_atomically(path: Path, data: bytes) -> None:
    """Replaces path by data in one step: readers see the old or the new, never a half. RunDirError if it cannot."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunDirError(f"{path}: cannot be written: {error.strerror}") from error

"""What this machine offers a run, and what each missing thing costs."""

import os
import platform
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec
import psutil

from faults.kernel.machine import ROOT, Machine, probe
from harness.postgres import Binaries
from harness.wiring import port_is_free
from ledger.clock import perf_s
from ledger.events import PhaseBegan
from ledger.journal import Journal
from ledger.states import Phase

FILES_WANTED = 4096
DISK_WANTED_MB = 500
APPENDS = 20_000


class Check(msgspec.Struct, frozen=True):
    """One thing looked at. `costs` says what its absence means; empty where it is there."""

    name: str
    found: str
    ok: bool
    costs: str = ""


def examine(out: Path) -> list[Check]:
    """All checks, in the order in which they matter."""
    looks: list[Callable[[], Check]] = [_python, _cores, _memory, _open_files, lambda: _disk(out), _loopback]
    return [look() for look in looks] + [
        _journal(),
        *of_true_loss(probe()),
        of_toxiproxy(),
        of_postgres(),
        _fonts(),
        _browser(),
    ]


def _python() -> Check:
    ok = sys.version_info >= (3, 11)
    return Check("Python", platform.python_version(), ok, "" if ok else "orderjam needs 3.11 or later")


def _cores() -> Check:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    ok = cores >= 2
    return Check("cores", str(cores), ok, "" if ok else "driver, shop and mocks share one core: lateness grows early")


def _memory() -> Check:
    free_mb = psutil.virtual_memory().available // 2**20
    ok = free_mb >= 1024
    return Check("free memory", f"{free_mb} MB", ok, "" if ok else "a run needs about 600 MB")


def _open_files() -> Check:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    ok = soft >= FILES_WANTED
    return Check("open files", str(soft), ok, "" if ok else f"raise it (ulimit -n {FILES_WANTED}) for high rates")


def _disk(out: Path) -> Check:
    folder = next(p for p in (out, *out.absolute().parents) if p.exists())
    free_mb = shutil.disk_usage(folder).free // 2**20
    ok = free_mb >= DISK_WANTED_MB
    return Check(
        "disk for runs",
        f"{free_mb} MB free at {folder}",
        ok,
        "" if ok else "a journal that cannot be written ends a run",
    )


def _loopback() -> Check:
    ok = port_is_free(0)
    return Check("loopback", "127.0.0.1 can be listened on" if ok else "no", ok, "" if ok else "nothing can run")


def _journal() -> Check:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="orderjam-doctor-"))
        journal = stack.enter_context(Journal(Path(folder) / "doctor.ndjson", "doctor"))
        begun = perf_s()
        for t in range(APPENDS):
            journal.append(PhaseBegan(t=t, phase=Phase.LOAD))
        each_us = (perf_s() - begun) / APPENDS * 1e6
    ok = each_us < 5
    return Check(
        "journal", f"{each_us:.1f} µs an event", ok, "" if ok else "slow machine: expect lateness at lower rates"
    )


LOSS_COSTS = "wire.true_loss is refused; wire.loss and wire.loss_with_load model it"
NETEM_COSTS = {
    False: "wire.true_loss can only drop packets one by one: no burst, delay, reorder, duplicate, kb_s",
    True: LOSS_COSTS,
}


def of_true_loss(machine: Machine) -> list[Check]:
    """Namespaces, netem and nftables: tried out in namespaces of their own, not only looked for."""
    if not machine.namespaces:
        why = machine.why["namespaces"]
        unknown = "not tried: no namespace to try it in"
        return [
            Check("namespaces", why, False, LOSS_COSTS),
            Check("netem", unknown, False, LOSS_COSTS),
            Check("nftables", unknown, False, LOSS_COSTS),
        ]
    as_whom = "of the network, made as root" if machine.namespaces == ROOT else "of user and network"
    netem, nftables = machine.why.get("netem", ""), machine.why.get("nftables", "")
    return [
        Check("namespaces", as_whom, True),
        Check("netem", netem or "drops, delays, reorders", not netem, NETEM_COSTS[bool(nftables)] if netem else ""),
        Check("nftables", nftables or "drops", not nftables, _nftables_costs(netem) if nftables else ""),
    ]


def _nftables_costs(netem: str) -> str:
    return LOSS_COSTS if netem else "nothing, for netem is there"


def toxiproxy() -> Path | None:
    """A real Toxiproxy, where tests and benchmarks look for it too (docs/transport.md)."""
    named = os.environ.get("TOXIPROXY_SERVER") or shutil.which("toxiproxy-server")
    places = [Path(named)] if named else []
    places += [Path(".conformance/go/bin/server"), Path.home() / "go/bin/server"]
    return next((place for place in places if place.is_file() and os.access(place, os.X_OK)), None)


def of_toxiproxy() -> Check:
    found = toxiproxy()
    costs = "" if found else "`transport: {external: …}` needs one; all that it can, and more, the embedded server does"
    return Check("Toxiproxy", str(found or "none"), found is not None, costs)


def of_postgres() -> Check:
    found = Binaries.find()
    costs = "" if found else "the shop keeps its orders in SQLite: no fault at shop>db on the wire (Debian: postgresql)"
    return Check("PostgreSQL", str(found.folder) if found else "none", found is not None, costs)


def _fonts() -> Check:
    from matplotlib import font_manager

    wanted = ("Noto Sans CJK", "WenQuanYi", "PingFang", "Microsoft YaHei", "SimHei", "Droid Sans Fallback")
    found = sorted({f.name for f in font_manager.fontManager.ttflist if f.name.startswith(wanted)})
    costs = "" if found else "PNG figures have English labels only; the report itself needs no font here"
    return Check("Chinese font", found[0] if found else "none", bool(found), costs)


def _browser() -> Check:
    found = next((b for b in ("chromium", "google-chrome", "chromium-browser", "firefox") if shutil.which(b)), None)
    return Check("browser", found or "none", found is not None, "" if found else "open report.html on another machine")

"""Who may import whom (design.md, section 2), and what only one place may do. Read from the source, never imported.

`violations` is a pure function of a file's path and text, so that planted violations test the checker itself.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[1]

MAY_IMPORT = {
    "ledger": {"ledger"},
    "plan": {"plan", "ledger"},
    "faults": {"faults", "plan", "ledger"},
    "scenarios": {"scenarios", "faults", "plan", "ledger"},
    "load": {"load", "targets", "faults", "plan", "ledger"},
    "mocks": {"mocks", "faults", "plan", "ledger"},
    "targets": {"targets", "plan", "ledger"},
    "reports": {"reports", "plan", "ledger"},
    "harness": {"harness", "scenarios", "load", "mocks", "targets", "reports", "faults", "plan", "ledger"},
}
OURS = MAY_IMPORT.keys()
SHOP = "targets.cardshop"
ONLY_LOAD = {"locust", "gevent", "geventhttpclient"}
READS_TIME = {
    "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns",
    "time.process_time", "time.process_time_ns", "time.thread_time", "time.thread_time_ns", "time.clock_gettime",
    "time.clock_gettime_ns", "time.sleep", "datetime.datetime.now", "datetime.datetime.utcnow",
    "datetime.datetime.today", "datetime.date.today",
}  # fmt: skip
MAY_READ_TIME = {
    "ledger/clock.py": "the one place",
    "harness/guard.py": "imports the standard library alone, so that it starts first and fast and outlives everything",
}
BARE_TASKS = {"asyncio.create_task", "asyncio.ensure_future"}
LOOPS = {"asyncio.get_running_loop", "asyncio.get_event_loop", "asyncio.new_event_loop"}
STANDARD = set(sys.stdlib_module_names)


def module_name(path: str) -> str:
    parts = PurePosixPath(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST) -> Iterator[tuple[int, str, int]]:
    """Line, module and level of every import, also of lazy ones and of names given to importlib as text."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name, 0) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                yield from ((node.lineno, f"{module or ''}.{alias.name}", level) for alias in names)
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"), args=[name, *_]
            ):
                yield node.lineno, written_name(name), 0


def written_name(node: ast.expr) -> str:
    """The text, or the beginning of the text, of a module name that is computed."""
    match node:
        case ast.Constant(value=str(text)) | ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]):
            return text
    return "?"


def names_of(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for: {"sleep": "time.sleep", "dt": "datetime"}."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {
                a.asname or a.name.partition(".")[0]: a.name if a.asname else a.name.partition(".")[0]
                for a in node.names
            }
        elif isinstance(node, ast.ImportFrom) and not node.level:
            known |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return known


def full_name(node: ast.AST, known: dict[str, str]) -> str:
    """The dotted name that an expression means, calls written (): asyncio.get_running_loop().create_task."""
    match node:
        case ast.Name(id=name):
            return known.get(name, "")
        case ast.Attribute(value=value, attr=attr):
            return f"{before}.{attr}" if (before := full_name(value, known)) else ""
        case ast.Call(func=func):
            return f"{before}()" if (before := full_name(func, known)) else ""
    return ""


def is_fen(name: str) -> bool:
    return name == "fen" or name.endswith("_fen")


def violations(path: str, source: str) -> list[str]:
    """Every rule that the file breaks, as ``path:line: reason``."""
    tree = ast.parse(source)
    found = [*import_rules(path, tree), *use_rules(path, tree)]
    return [f"{path}:{line}: {reason}" for line, reason in found]


def import_rules(path: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    module = module_name(path)
    package = module.partition(".")[0]
    in_shop = f"{module}.".startswith(f"{SHOP}.")
    for line, name, level in imports(tree):
        top = name.partition(".")[0]
        into_shop = f"{name}.".startswith(f"{SHOP}.")
        if level:
            yield line, "relative import"
        elif name == "?":
            yield line, "imports a module whose name cannot be read from the source"
        elif in_shop and top in OURS and not into_shop:
            yield line, f"{SHOP} imports nothing of ours, but {name}"
        elif into_shop and not in_shop and package != "harness":
            yield line, f"{package} must not import {SHOP}: it is what we test"
        elif top in OURS and top not in MAY_IMPORT[package]:
            yield line, f"{package} must not import {top}"
        elif top in ONLY_LOAD and package != "load":
            yield line, f"only load imports {top}"
        elif top in ("tests", "benchmarks"):
            yield line, f"{package} must not import {top}"
        elif top == "random" and not in_shop:
            yield line, "chance is plan.chance.draw, never a generator"


def use_rules(path: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    known = names_of(tree)
    in_shop = path.startswith("targets/cardshop/")
    for node in ast.walk(tree):
        name = full_name(node, known) if isinstance(node, ast.Name | ast.Attribute) else ""
        if name in READS_TIME and not in_shop and path not in MAY_READ_TIME:
            yield node_line(node), f"{name}: only ledger/clock.py reads the time"
        before, _, last = name.rpartition(".")
        if name in BARE_TASKS or (last == "create_task" and before.removesuffix("()") in LOOPS):
            yield node_line(node), f"{name}: a task needs an owner, asyncio.TaskGroup"
        match node:
            case ast.Call(func=ast.Name(id="float"), args=[ast.Name(id=word) | ast.Attribute(attr=word)]) if is_fen(
                word
            ):
                yield node.lineno, f"float({word}): money is whole fen"
            case ast.AnnAssign(target=ast.Name(id=word), annotation=ast.Name(id="float")) if is_fen(word):
                yield node.lineno, f"{word}: float: money is whole fen"
            case ast.arg(arg=word, annotation=ast.Name(id="float")) if is_fen(word):
                yield node.lineno, f"{word}: float: money is whole fen"


def node_line(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 0))


def is_named_like_the_standard_library(path: str) -> bool:
    """Whether a file or one of its folders is called like a standard module, and so could hide it."""
    parts = PurePosixPath(path).with_suffix("").parts
    return any(part in STANDARD for part in parts if not part.startswith("__"))


def our_files() -> list[str]:
    return sorted(str(f.relative_to(ROOT)) for package in OURS for f in (ROOT / package).rglob("*.py"))


# --- the project -------------------------------------------------------------------------------------------------
def test_no_file_breaks_a_rule() -> None:
    found = [line for path in our_files() for line in violations(path, (ROOT / path).read_text(encoding="utf-8"))]
    assert not found, "\n".join(found)


def test_no_module_is_named_like_one_of_the_standard_library() -> None:
    assert [path for path in our_files() if is_named_like_the_standard_library(path)] == []


def test_tests_and_benchmarks_are_no_packages() -> None:
    assert [*(ROOT / "tests").rglob("__init__.py"), *(ROOT / "benchmarks").rglob("__init__.py")] == []


def test_every_folder_with_code_is_checked() -> None:
    folders = {f.name for f in ROOT.iterdir() if f.is_dir() and not f.name.startswith(".") and any(f.rglob("*.py"))}
    assert folders <= {*OURS, "tests", "benchmarks", "docs", "runs", "build", "dist"}
    assert all((ROOT / package / "__init__.py").is_file() for package in OURS)


# --- the checker itself ------------------------------------------------------------------------------------------
PLANTED = [
    ("ledger/x.py", "import plan.orders", "ledger must not import plan"),
    ("ledger/x.py", "from faults import catalog", "ledger must not import faults"),
    ("plan/x.py", "from faults.verdict import Lose", "plan must not import faults"),
    ("faults/notice/x.py", "from mocks.apply import apply", "faults must not import mocks"),
    ("mocks/x.py", "from scenarios.loader import load", "mocks must not import scenarios"),
    ("mocks/payment/x.py", "import targets", "mocks must not import targets"),
    ("scenarios/x.py", "import targets.webshop", "scenarios must not import targets"),
    ("reports/x.py", "from faults.catalog import catalog", "reports must not import faults"),
    ("reports/x.py", "from load import tally", "reports must not import load"),
    ("targets/x.py", "from faults import verdict", "targets must not import faults"),
    ("load/x.py", "from mocks import server", "load must not import mocks"),
    ("load/x.py", "from harness.run import run", "load must not import harness"),
    ("mocks/x.py", "def f():\n    from harness import run", "x.py:2: mocks must not import harness"),
    ("mocks/x.py", "if TYPE_CHECKING:\n    import harness", "mocks must not import harness"),
    ("mocks/x.py", "import importlib\nimportlib.import_module('harness.run')", "mocks must not import harness"),
    (
        "mocks/x.py",
        "from importlib import import_module\nimport_module(f'harness.{x}')",
        "mocks must not import harness",
    ),
    ("mocks/x.py", "__import__('harness')", "mocks must not import harness"),
    ("mocks/x.py", "import importlib\nimportlib.import_module(name)", "cannot be read from the source"),
    ("targets/cardshop/x.py", "from ledger.money import Fen", "targets.cardshop imports nothing of ours"),
    ("targets/cardshop/x.py", "from targets.storefront import Storefront", "targets.cardshop imports nothing of ours"),
    ("targets/cardshop/x.py", "from targets import webshop", "targets.cardshop imports nothing of ours"),
    ("targets/webshop.py", "from targets.cardshop import app", "targets must not import targets.cardshop"),
    ("load/x.py", "from targets import cardshop", "load must not import targets.cardshop"),
    ("harness/x.py", "import locust", "only load imports locust"),
    ("harness/x.py", "def f():\n    from locust.env import Environment", "only load imports locust"),
    ("mocks/x.py", "from gevent import sleep", "only load imports gevent"),
    ("targets/cardshop/x.py", "import geventhttpclient", "only load imports geventhttpclient"),
    ("mocks/x.py", "from . import server", "relative import"),
    ("mocks/payment/x.py", "from ..server import Server", "relative import"),
    ("harness/x.py", "from tests.harness import test_cli", "must not import tests"),
    ("mocks/x.py", "import time\nt = time.time()", "time.time: only ledger/clock.py reads the time"),
    ("mocks/x.py", "import time as clock\nt = clock.monotonic_ns()", "time.monotonic_ns: only"),
    ("mocks/x.py", "from time import perf_counter as now\nt = now()", "time.perf_counter: only"),
    ("mocks/x.py", "import time\nServer(now=time.monotonic)", "time.monotonic: only"),
    ("load/x.py", "import time\ntime.sleep(1)", "time.sleep: only"),
    ("reports/x.py", "from datetime import datetime\nd = datetime.now()", "datetime.datetime.now: only"),
    ("reports/x.py", "import datetime as dt\nd = dt.datetime.utcnow()", "datetime.datetime.utcnow: only"),
    ("reports/x.py", "from datetime import date\nd = date.today()", "datetime.date.today: only"),
    ("ledger/states.py", "import time\nt = time.time()", "time.time: only"),
    ("faults/x.py", "import random", "chance is plan.chance.draw"),
    ("load/x.py", "from random import Random", "chance is plan.chance.draw"),
    ("mocks/x.py", "import asyncio\nasyncio.create_task(f())", "a task needs an owner"),
    ("mocks/x.py", "from asyncio import create_task\ncreate_task(f())", "a task needs an owner"),
    ("mocks/x.py", "import asyncio\nspawn = asyncio.ensure_future", "a task needs an owner"),
    ("mocks/x.py", "import asyncio\nasyncio.get_running_loop().create_task(f())", "a task needs an owner"),
    ("targets/cardshop/x.py", "import asyncio\nasyncio.create_task(f())", "a task needs an owner"),
    ("mocks/x.py", "x = float(amount_fen)", "money is whole fen"),
    ("mocks/x.py", "x = float(trade.amount_fen)", "money is whole fen"),
    ("mocks/x.py", "def f(amount_fen: float) -> None: ...", "money is whole fen"),
    ("mocks/x.py", "class Trade:\n    amount_fen: float = 0.0", "money is whole fen"),
]
INNOCENT = [
    ("ledger/x.py", "import ledger.states\nfrom ledger import states"),
    ("plan/x.py", "from ledger.money import Fen"),
    ("load/x.py", "import locust, gevent\nfrom targets.webshop import Webshop\nfrom gevent import sleep\nsleep(1)"),
    ("load/x.py", "import gevent\ngevent.sleep(0.1)"),
    ("mocks/x.py", "from faults.verdict import Lose\nfrom plan.run import Plan\nfrom ledger.journal import Voice"),
    ("harness/x.py", "import mocks.server, reports.stories, scenarios.loader, targets.webshop, faults.catalog"),
    ("faults/catalog.py", "import importlib\nimportlib.import_module(f'faults.{folder}')"),
    ("targets/cardshop/x.py", "import time, random\nfrom targets.cardshop.store import Store\nt = time.time()"),
    ("ledger/clock.py", "import time\nt = time.monotonic_ns()"),
    ("harness/guard.py", "import time\nt = time.monotonic()"),
    ("reports/x.py", "from datetime import datetime, UTC\nd = datetime.fromtimestamp(0, UTC)\nx = story.time()"),
    ("mocks/x.py", "import asyncio\nasync with asyncio.TaskGroup() as group:\n    group.create_task(f(), name='f')"),
    ("mocks/x.py", "amount_fen: int = 5\nx = float(ms)\ny = f'{amount_fen / 100:.2f}'"),
    ("mocks/x.py", "import randomness\nimport timeit_of_ours\nimport locusts"),
]


@pytest.mark.parametrize(("path", "source", "reason"), PLANTED)
def test_a_planted_violation_is_reported(path: str, source: str, reason: str) -> None:
    assert any(reason in line for line in violations(path, source)), violations(path, source)


@pytest.mark.parametrize(("path", "source"), INNOCENT)
def test_what_is_allowed_is_not_reported(path: str, source: str) -> None:
    assert violations(path, source) == []


@pytest.mark.parametrize(
    ("path", "is_named_so"),
    [
        ("reports/write/html.py", True),
        ("mocks/signal.py", True),
        ("reports/statistics/mean.py", True),
        ("targets/cardshop/queue.py", True),
        ("reports/write/page.py", False),
        ("mocks/__init__.py", False),
        ("load/__main__.py", False),
        ("ledger/clock.py", False),
    ],
)
def test_a_name_of_the_standard_library_is_noticed(path: str, is_named_so: bool) -> None:
    assert is_named_like_the_standard_library(path) is is_named_so

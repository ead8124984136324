"""The shop as a process: how it starts, refuses to start, and ends."""

import ast
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

ROOT = Path(__file__).parents[2]
KEY, TOKEN = "the-merchant-key-of-this-test", "the-admin-token-of-this-test"
CHANNELS = json.dumps({"epay": {"url": "http://127.0.0.1:1/epay/", "pid": "1001", "key": KEY}})
OURS = {"ledger", "plan", "faults", "mocks", "scenarios", "load", "harness", "reports"}


def _environ(**changed: str) -> dict[str, str]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("CARDSHOP_")}
    return bare | {"CARDSHOP_CHANNELS": CHANNELS, "CARDSHOP_STOCK": "5", "CARDSHOP_ADMIN_TOKEN": TOKEN} | changed


def _command(data: Path, *more: str) -> list[str]:
    return [sys.executable, "-P", "-m", "targets.cardshop", "--data", str(data), *more]


@contextmanager
def started(data: Path, *more: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    port_file, errors = data / "port", data / "errors.txt"
    with errors.open("w") as stderr:
        command = _command(data, "--port", "0", "--port-file", str(port_file), *more)
        process = subprocess.Popen(command, cwd=ROOT, env=_environ(), stderr=stderr, text=True)
    try:
        deadline = time.monotonic() + 20
        while not port_file.exists():  # a child can be waited for by its file only
            assert process.poll() is None, errors.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield process, f"http://127.0.0.1:{port_file.read_text().strip()}"
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_shop_answers_once_the_port_file_is_there_and_ends_when_told(tmp_path: Path, number: int) -> None:
    with started(tmp_path, "--profile", "hardened") as (process, url):
        with urlopen(f"{url}/healthz", timeout=5) as answer:
            assert json.load(answer) == {"ok": True}
        form = b"product=card_10&channel=epay&contact=c&account=a"
        order = Request(f"{url}/orders", data=form, headers={"Accept": "application/json"})
        with pytest.raises(Exception, match="502"):
            urlopen(order, timeout=5)
        process.send_signal(number)
        assert process.wait(10) == 0
    said = (tmp_path / "errors.txt").read_text()
    assert "Traceback" not in said
    assert KEY not in said
    assert TOKEN not in said
    assert not (tmp_path / "port.part").exists()


def _refused(data: Path, *more: str, **environ: str) -> str:
    command = _command(data, *more)
    ended = subprocess.run(command, cwd=ROOT, env=_environ(**environ), capture_output=True, text=True, timeout=20)
    assert ended.returncode == 2, ended.stderr
    assert ended.stdout == ""
    assert KEY not in ended.stderr
    return ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "environ", "said"),
    [
        ((), {"CARDSHOP_STOCKS": "1"}, "CARDSHOP_STOCKS: no such setting; did you mean CARDSHOP_STOCK?"),
        ((), {"CARDSHOP_REQUERY_S": "soon"}, "CARDSHOP_REQUERY_S='soon'"),
        ((), {"CARDSHOP_DATABASE_URL": "postgresql+asyncpg://u:hidden@h/d"}, "no driver 'postgresql+asyncpg' here"),
        (("--profile", "naive+settle"), {}, "did you mean 'settle_once'?"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(
    tmp_path: Path, more: tuple[str, ...], environ: dict[str, str], said: str
) -> None:
    line = _refused(tmp_path, "--port", "0", *more, **environ)
    assert said in line
    assert line.count("\n") == 1
    assert "hidden" not in line


@pytest.mark.slow
def test_a_port_in_use_is_one_line_and_exit_2(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = _refused(tmp_path, "--port", str(port))
    assert f"--port {port}" in line
    assert line.count("\n") == 1


def test_the_shop_imports_nothing_of_ours() -> None:
    for path in (ROOT / "targets/cardshop").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.split(".")[0] not in OURS, f"{path.name} imports {name}"
                assert not name.startswith("targets") or name.startswith("targets.cardshop"), path.name

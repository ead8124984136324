import os
import signal
import subprocess
from collections.abc import Iterator

import pytest


@pytest.fixture
def running() -> Iterator[list["subprocess.Popen[str]"]]:
    """Started harnesses; whatever is left of them is killed after the test."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

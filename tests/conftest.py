"""What holds for every test."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

# How long an example takes says nothing on a shared machine: no test is timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that the session starts once; skips where there is none to start."""
    from harness.postgres import MISSING, Binaries
    from tests.targets import both

    if Binaries.find() is None:
        pytest.skip(MISSING)
    with both.server(tmp_path_factory.mktemp("postgres")) as url:
        yield url


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Counts the tests that run against both Toxiproxy servers, on both databases and in a browser: which was there
    must not be guessed from dots."""
    counts: dict[str, dict[str, int]] = {}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            if (of := _told_apart(report.nodeid)) is not None:
                counts.setdefault(of, {}).setdefault(outcome, 0)
                counts[of][outcome] += 1
    for of, count in sorted(counts.items()):
        told = ", ".join(f"{n} {outcome}" for outcome, n in count.items())
        terminalreporter.write_line(f"tests {of}: {told}")


def _told_apart(nodeid: str) -> str | None:
    file, _, test = nodeid.partition("::")
    if "reports/test_look.py" in file:
        return "of the report in Chromium" + (", by axe-core" if test.startswith("test_axe") else "")
    if "transport/test_both_" in file:
        server = next((name for name in ("embedded", "real") if f"[{name}" in test), None)
        return server and f"of both Toxiproxy servers, {server}"
    database = next((name for name in ("sqlite", "postgresql") if f"[{name}" in test), None)
    return database and f"of both databases of the shop, {database}"

"""What holds for every test."""

import pytest
from hypothesis import settings

# How long an example takes says nothing on a shared machine: no test is timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Counts the tests that run against both Toxiproxy servers: which was there must not be guessed from dots."""
    counts: dict[str, dict[str, int]] = {}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            file, _, test = report.nodeid.partition("::")
            server = next((name for name in ("embedded", "real") if f"[{name}" in test), None)
            if "transport/test_both_" in file and server is not None:
                of = counts.setdefault(server, {})
                of[outcome] = of.get(outcome, 0) + 1
    for server, of in sorted(counts.items()):
        told = ", ".join(f"{count} {outcome}" for outcome, count in of.items())
        terminalreporter.write_line(f"tests of both Toxiproxy servers, {server}: {told}")

"""The shop's tests that ask for `database` run on SQLite and on PostgreSQL alike."""

from collections.abc import Iterator

import pytest

from harness.postgres import MISSING, Binaries
from tests.targets import both


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that the session starts once; skips where there is none to start."""
    if Binaries.find() is None:
        pytest.skip(MISSING)
    with both.server(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(params=[both.SQLITE, both.POSTGRESQL])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """Which database the shops of this test have."""
    if request.param == both.POSTGRESQL:
        both.CHOSEN.server = request.getfixturevalue("postgresql")
    yield request.param
    both.CHOSEN.server = ""

"""The shop's tests that ask for `database` run on SQLite and on PostgreSQL alike."""

from collections.abc import Iterator

import pytest

from tests.targets import both


@pytest.fixture(params=[both.SQLITE, both.POSTGRESQL])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """Which database the shops of this test have."""
    if request.param == both.POSTGRESQL:
        both.CHOSEN.server = request.getfixturevalue("postgresql")
    yield request.param
    both.CHOSEN.server = ""

"""A short run of tests/mocks/fuzzing.py; `make fuzz` does the long one."""

import pytest

from mocks.game.mock import DIALECTS as GAMES
from mocks.payment.mock import DIALECTS as CHANNELS
from mocks.supplier.mock import DIALECTS as SUPPLIERS
from tests.mocks.fuzzing import KEPT_MIB_MAX, fuzz, fuzz_frames
from tests.mocks.seeds import SEEDS

REQUESTS = 250
pytestmark = pytest.mark.slow


def test_every_dialect_that_speaks_http_is_fuzzed() -> None:
    assert SEEDS.keys() == {*CHANNELS, *SUPPLIERS, *GAMES} - {"rcon", "stub"}


@pytest.mark.parametrize("dialect", [*SEEDS, "admin"])
async def test_whatever_comes_it_answers_without_an_error_or_a_secret_and_keeps_nothing(dialect: str) -> None:
    findings, kept_mib = await fuzz(dialect, REQUESTS)
    assert findings == []
    assert kept_mib < KEPT_MIB_MAX


async def test_whatever_bytes_come_they_are_frames_or_refused_as_none() -> None:
    assert await fuzz_frames(10 * REQUESTS) == []

"""A short run of tests/faults/transport/fuzzing.py; `make fuzz` does the long one."""

import pytest

from tests.faults.transport.fuzzing import KEPT_MIB_MAX, fuzz


@pytest.mark.slow
def test_whatever_is_asked_it_answers_as_the_real_server_and_keeps_nothing() -> None:
    made, kept_mib = fuzz(2_000)
    assert made.findings == []
    assert kept_mib < KEPT_MIB_MAX

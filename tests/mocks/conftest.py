import pytest

from tests.mocks.world import MakeWorld, make_world


@pytest.fixture
def world() -> MakeWorld:
    """Makes a payment mock without sockets."""
    return make_world

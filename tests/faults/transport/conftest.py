"""Both Toxiproxy servers as processes, and upstreams: every test that takes `server` runs against both."""

import socket
from collections.abc import Callable, Iterator

import pytest

from tests.faults.transport.servers import EMBEDDED, NOT_HERE, REAL, Server, Start, Upstream, echo, real_binary, started


@pytest.fixture(scope="module", params=[EMBEDDED, REAL])
def process(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param == REAL and real_binary() is None:
        pytest.skip(NOT_HERE)
    with started(request.param, "-proxy-metrics", "-runtime-metrics") as server:
        yield server


@pytest.fixture
def server(process: Server) -> Iterator[Server]:
    """A server without proxies."""
    yield process
    process.forget()


@pytest.fixture
def upstream() -> Iterator[Start]:
    made: list[Upstream] = []

    def start(serve: Callable[[socket.socket], None] = echo) -> int:
        made.append(Upstream(serve))
        return made[-1].port

    yield start
    for one in made:
        one.close()

"""Both Toxiproxy servers as processes, and upstreams: every test that takes `server` runs against both."""

import socket
from collections.abc import Callable, Iterator

import pytest

from tests.faults.transport.servers import EMBEDDED, NOT_HERE, REAL, Server, Start, Upstream, echo, real_binary, started

NOT_REAL = pytest.mark.skipif(real_binary() is None, reason=NOT_HERE)


@pytest.fixture(scope="module", params=[EMBEDDED, pytest.param(REAL, marks=NOT_REAL)])
def process(request: pytest.FixtureRequest) -> Iterator[Server]:
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

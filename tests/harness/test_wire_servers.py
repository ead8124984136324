"""Both holders of a run's proxies as they are: our own child, and a Toxiproxy with a guard by it."""

import http.client
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from harness.children import ChildDied, Children
from harness.up import plan_of
from harness.wire_places import Place
from harness.wire_servers import Embedded, External
from ledger.clock import Epoch
from ledger.rundir import RunDir
from ledger.states import Hop
from plan import run as plans
from targets import webshop
from tests.faults.transport.servers import EMBEDDED, NOT_HERE, REAL, Server, real_binary, started

pytestmark = pytest.mark.slow
NOT_REAL = pytest.mark.skipif(real_binary() is None, reason=NOT_HERE)
PLACE = Place(Hop.SHOP_PAYMENT, "epay")


@pytest.fixture(scope="module", params=[EMBEDDED, pytest.param(REAL, marks=NOT_REAL)])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with started(request.param) as running:
        yield running


async def test_what_a_run_made_at_a_toxiproxy_is_taken_away_and_nothing_else(server: Server) -> None:
    server.proxy(9, name="orderjam-another-run")
    runs = [await External.found(f"127.0.0.1:{server.port}", "the run") for _ in range(2)]
    listens = [await runs[0].create(PLACE, "127.0.0.1:9"), await runs[0].create(Place(Hop.BUYER_SHOP), "127.0.0.1:9")]
    await runs[0].lead(PLACE, "127.0.0.1:10")
    found = server.done("GET", "/proxies")
    assert {p["upstream"] for p in found.values() if p["listen"] in listens} == {"127.0.0.1:9", "127.0.0.1:10"}
    other = await runs[1].create(PLACE, "127.0.0.1:9")  # of the same name, and they do not meet
    assert [await run.gone() for run in runs] == ["", ""]
    await runs[0].close()
    left = server.done("GET", "/proxies")
    assert left.pop("orderjam-another-run")
    assert [proxy["listen"] for proxy in left.values()] == [other]
    await runs[1].close()
    assert list(server.done("GET", "/proxies")) == ["orderjam-another-run"]
    server.forget()


async def test_a_binary_is_a_child_that_ends_with_the_run(tmp_path: Path) -> None:
    binary = real_binary()
    if binary is None:
        pytest.skip(NOT_HERE)
    async with Children(tmp_path) as children:
        external = await External.started(children, binary, "run")
        assert await external.gone() == ""
        (child,) = children.named("toxiproxy")
        external.may_die()
        child.signal_group(signal.SIGKILL)
        await child.process.wait()
        assert await external.gone() == "toxiproxy was killed by SIGKILL"
        await external.close()


async def test_what_is_no_toxiproxy_says_so(tmp_path: Path) -> None:
    async with Children(tmp_path) as children:
        with pytest.raises(ChildDied, match="toxiproxy exited with 1"):
            await External.started(children, "/bin/false", "run")


async def test_our_own_server_makes_leads_and_refuses_and_its_death_is_told(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, "wires", 7)
    plans.save(plan_of(webshop.load(webshop.find("cardshop")), "cardshop", webshop.find("cardshop")), run.plan)
    arguments = ["--run", str(run.path), "--epoch", str(Epoch.now())]
    async with Children(tmp_path) as children:
        embedded = await Embedded.started(children, tmp_path, arguments)
        listen = await embedded.create(PLACE, "127.0.0.1:9")
        await embedded.lead(PLACE, "127.0.0.1:10")
        api = http.client.HTTPConnection(embedded.url.removeprefix("http://"))
        api.request("GET", "/proxies")
        (proxy,) = msgspec.json.decode(api.getresponse().read()).values()
        api.close()
        assert (proxy["name"], proxy["listen"], proxy["upstream"]) == ("shop-payment-epay", listen, "127.0.0.1:10")
        with pytest.raises(ChildDied, match=r"wire refused /_admin/proxies: .*is there already"):
            await embedded.create(PLACE, "127.0.0.1:9")
        with pytest.raises(ChildDied, match=r"wire refused /_admin/proxies: .*no upstream 'epai'.*'epay'"):
            await embedded.create(Place(Hop.SHOP_PAYMENT, "epai"), "127.0.0.1:9")
        assert await embedded.gone() == ""
        embedded.may_die()
        (child,) = children.named("wire")
        child.signal_group(signal.SIGKILL)
        await child.process.wait()
        assert await embedded.gone() == "wire was killed by SIGKILL"
        with pytest.raises(ChildDied, match="wire did not answer /proxies/shop-payment-epay"):
            await embedded.lead(PLACE, "127.0.0.1:9")
        await embedded.close()

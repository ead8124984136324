"""Other people's RCON clients, unmodified, against the real process of the mock. What each does stands in
docs/protocols/rcon.md."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ledger.events import Credited, Struck
from ledger.states import Hop
from mocks.upstreams import Keys
from plan.run import Plan, UpstreamPlan
from tests.mocks.goods import PRODUCTS, REGIONS, TARGET
from tests.mocks.running import Running, as_text, running
from tests.mocks.world import KEY, PID, a_fault, a_plan

pytestmark = pytest.mark.slow
GIVE = "give player-00000007 topup_10 2 order=G000007"
GAVE = "Gave 2 [topup_10] to player-00000007"
REFUSALS = {"WrongPassword", "MCRconException", "RconAuthenticationError", "InvalidPassword"}
Say = Callable[[int, str, str], str]
"""Says one command to the server at a port, with a password."""


def rcon_says(port: int, password: str, command: str) -> str:
    rcon = pytest.importorskip("rcon.source")
    with rcon.Client("127.0.0.1", port, passwd=password, timeout=5) as client:
        return str(client.run(command))


def mcrcon_says(port: int, password: str, command: str) -> str:
    mcrcon = pytest.importorskip("mcrcon")
    with mcrcon.MCRcon("127.0.0.1", password, port=port, timeout=5) as client:
        return str(client.command(command))


def rconx_says(port: int, password: str, command: str) -> str:
    rconx = pytest.importorskip("rconx")
    return str(rconx.execute("127.0.0.1", port, command, password=password, preset="minecraft", timeout=5).text)


def factorio_says(port: int, password: str, command: str) -> str:
    factorio = pytest.importorskip("factorio_rcon")
    client = factorio.RCONClient("127.0.0.1", port, password, timeout=5)
    try:
        return str(client.send_command(command))
    finally:
        client.close()


CLIENTS = {"rcon": rcon_says, "mcrcon": mcrcon_says, "rconx": rconx_says, "factorio": factorio_says}
every_client = pytest.mark.parametrize("say", CLIENTS.values(), ids=CLIENTS)


@contextmanager
def a_server(folder: Path, *faults: Any, flavour: str = "minecraft") -> Iterator[Running]:
    city = UpstreamPlan("game", "rcon", options={"flavour": flavour})
    plan: Plan = a_plan(*faults, upstreams={"city": city}, target=TARGET, product=PRODUCTS, region=REGIONS)
    with running(folder, plan, role="game", ORDERJAM_UPSTREAMS=as_text({"city": Keys(PID, KEY)})) as mock:
        mock.post("/_admin/phase", json.dumps({"phase": "load", "l0_t": 0}).encode())
        mock.post("/_admin/lease", b"")
        yield mock


def ended(mock: Running) -> list[Any]:
    """What the mock has journalled, its process well ended."""
    assert mock.stop() == (0, "")
    return mock.events()


@every_client
def test_it_delivers_by_a_command_and_the_server_knows_for_which_order(say: Say, tmp_path: Path) -> None:
    with a_server(tmp_path) as mock:
        assert say(mock.ports.own["city"], KEY, GIVE) == GAVE
        credits = [event for event in ended(mock) if isinstance(event, Credited)]
    assert [(c.o, c.request_no, c.upstream) for c in credits] == [("b00000007", "G000007", "city")]


@every_client
def test_it_hears_that_its_password_is_wrong_and_nothing_is_delivered(say: Say, tmp_path: Path) -> None:
    with a_server(tmp_path) as mock:
        with pytest.raises(Exception, match=r"^$|(?i:password|login failed|authentication)") as refused:
            say(mock.ports.own["city"], "another-password", GIVE)
        assert type(refused.value).__name__ in REFUSALS
        assert not [event for event in ended(mock) if isinstance(event, Credited)]


@every_client
def test_what_it_sends_twice_is_delivered_twice(say: Say, tmp_path: Path) -> None:
    with a_server(tmp_path) as mock:
        assert [say(mock.ports.own["city"], KEY, GIVE) for _ in range(2)] == [GAVE, GAVE]
        trades = json.loads(mock.ask("/_admin/trades?key=b00000007"))["trades"]
    assert [trade["credits"] for trade in trades] == [2, 2]


@pytest.mark.parametrize("say", [rcon_says, mcrcon_says, rconx_says])
def test_it_reads_an_answer_of_several_frames_to_its_end(say: Say, tmp_path: Path) -> None:
    with a_server(tmp_path, a_fault("big", "big_answer", Hop.SHOP_GAME)) as mock:
        text = say(mock.ports.own["city"], KEY, GIVE)
        assert (len(text), text.startswith(GAVE)) == (9000, True)
        assert [s.changed for s in ended(mock) if isinstance(s, Struck)] == ["9000 bytes answered"]


def test_factorios_client_takes_the_rest_of_a_long_answer_for_one_it_cannot_know(tmp_path: Path) -> None:
    factorio = pytest.importorskip("factorio_rcon")
    with a_server(tmp_path, a_fault("big", "big_answer", Hop.SHOP_GAME)) as mock:
        client = factorio.RCONClient("127.0.0.1", mock.ports.own["city"], KEY, timeout=5)
        assert len(client.send_command(GIVE)) == 4096
        with pytest.raises(factorio.InvalidResponse):
            client.send_command("list")


@pytest.mark.parametrize("is_fault", [True, False], ids=["as a fault", "as a setting"])
def test_a_source_server_is_understood_by_rconx_and_by_factorios_client_never(is_fault: bool, tmp_path: Path) -> None:
    factorio = pytest.importorskip("factorio_rcon")
    faults = [a_fault("other", "ver.rcon_flavour", Hop.SHOP_GAME)] if is_fault else []
    with a_server(tmp_path, *faults, flavour="minecraft" if is_fault else "source") as mock:
        port = mock.ports.own["city"]
        assert rconx_says(port, KEY, GIVE) == GAVE
        with pytest.raises(factorio.InvalidResponse):
            factorio_says(port, KEY, GIVE)
        struck = [(s.operation, s.changed) for s in ended(mock) if isinstance(s, Struck)]
    assert struck == ([("login", "spoken as a source server")] * 2 if is_fault else [])


def test_an_answer_that_is_lost_leaves_the_client_without_a_word_and_the_player_with_the_goods(tmp_path: Path) -> None:
    rconx = pytest.importorskip("rconx")
    with a_server(tmp_path, a_fault("gone", "lose_answer", Hop.SHOP_GAME, first=1)) as mock:
        for _ in range(2):  # the answer to the first password is lost, then that to the first command
            with pytest.raises(rconx.RconConnectionError):
                rconx_says(mock.ports.own["city"], KEY, GIVE)
        assert rconx_says(mock.ports.own["city"], KEY, GIVE) == GAVE
        events = ended(mock)
    assert [s.operation for s in events if isinstance(s, Struck)] == ["login", "buy"]
    assert [c.request_no for c in events if isinstance(c, Credited)] == ["G000007"] * 2

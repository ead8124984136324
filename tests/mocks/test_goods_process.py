"""The processes of the supplier and of the game server: how they start, answer, stop, and what they never say."""

import json
import subprocess
import time
from pathlib import Path
from urllib.error import HTTPError

import pytest

from ledger.events import Credited, GoodsAccepted, GoodsRequested, GoodsSold, NoticeAnswered, goods_hash
from ledger.journal import Wholeness, check
from plan.run import Plan, UpstreamPlan
from tests.mocks.goods import (
    a_game_plan,
    a_store_plan,
    a_top_up,
    a_trade,
    game_headers,
    hmac_hex,
    store_signed,
)
from tests.mocks.running import WITHIN_S, Running, a_run, a_shop, command, environment, running
from tests.mocks.world import KEY, PID, a_plan

pytestmark = pytest.mark.slow
STORES = json.dumps({name: {"pid": PID, "key": KEY} for name in ("cheap", "good")})
GAMES = json.dumps({"game": {"pid": PID, "key": KEY}})


def asked(mock: Running, method: str, path: str, body: dict[str, object] | None = None, once: str = "") -> bytes:
    """The answer to a request that is signed as the protocol says."""
    text = json.dumps(body).encode() if body is not None else b""
    headers = game_headers(method, path, text, wall_s=int(time.time()), once=once)
    return mock.post(path, text, headers) if method == "POST" else mock.ask(path, None, **headers)


def test_a_card_is_bought_from_the_running_supplier_and_no_trace_of_it_or_of_the_key_stays(tmp_path: Path) -> None:
    with running(tmp_path, a_store_plan(), role="supplier", ORDERJAM_UPSTREAMS=STORES) as mock:
        answer = json.loads(mock.ask("/cheap/shared/commodity/trade", store_signed(a_trade())))
        card = answer["data"]["secret"]
        asking = store_signed({"request_no": "S000001"})
        assert json.loads(mock.ask("/cheap/shared/commodity/query", asking))["data"]["secret"] == card
        with pytest.raises(HTTPError, match="404"):
            mock.ask(f"/cheap/shared/commodity/tread?{KEY}", store_signed(a_trade()))
        listed = mock.ask("/_admin/trades?out_trade_no=S000001")
        code, said = mock.stop()
    assert (code, said) == (0, "")
    left = b"".join(path.read_bytes() for path in mock.run.path.rglob("*") if path.is_file()) + listed
    assert KEY.encode() not in left
    assert card.rpartition(" ")[2].encode() not in left
    assert goods_hash(card).encode() in listed
    assert [e.goods for e in mock.events() if isinstance(e, GoodsSold)] == [goods_hash(card)]
    assert [check(path).wholeness for path in mock.run.journals()] == [Wholeness.CLOSED] * 2


def test_the_running_game_server_credits_once_and_tells_the_shop(tmp_path: Path) -> None:
    plan = a_game_plan(takes=0.05)
    with a_shop(204, "") as shop, running(tmp_path, plan, role="game", ORDERJAM_UPSTREAMS=GAMES) as mock:
        body = a_top_up(notify_url=f"{shop.url}/notify/topup")
        for _ in range(2):
            assert json.loads(asked(mock, "POST", "/game/v1/topups", body, once="one"))["ok"] is True
        told = shop.wait_until_told()
        stamp = shop.headers["X-Timestamp"]
        assert shop.headers["X-Signature"] == hmac_hex(f"{stamp}\n".encode() + shop.body)
        assert shop.headers["Content-Type"] == "application/json"
        found = json.loads(asked(mock, "GET", "/game/v1/topups/G000001"))
        assert (told["event"], found["status"], found["credit_id"]) == (
            "topup.succeeded",
            "succeeded",
            told["credit_id"],
        )
        until = time.monotonic() + WITHIN_S
        while json.loads(mock.ask("/_admin/health"))["open_notices"]:
            assert time.monotonic() < until
            time.sleep(0.01)
        code, said = mock.stop()
    assert (code, said) == (0, "")
    kinds = [type(event) for event in mock.events()]
    assert [kinds.count(kind) for kind in (GoodsRequested, GoodsAccepted, Credited)] == [2, 1, 1]
    assert [(e.status, e.outcome) for e in mock.events() if isinstance(e, NoticeAnswered)] == [(204, "accepted")]
    assert KEY.encode() not in b"".join(path.read_bytes() for path in mock.run.path.rglob("*") if path.is_file())


def test_sigterm_ends_a_game_server_that_is_still_at_work(tmp_path: Path) -> None:
    with running(tmp_path, a_game_plan(takes=600), role="game", ORDERJAM_UPSTREAMS=GAMES) as mock:
        asked(mock, "POST", "/game/v1/topups", a_top_up(), once="one")
        assert json.loads(mock.ask("/_admin/health"))["open_notices"] == 1
        began = time.monotonic()
        assert mock.stop() == (0, "")
        assert time.monotonic() - began < 5
    assert [check(path).wholeness for path in mock.run.journals()] == [Wholeness.CLOSED] * 2
    assert not [event for event in mock.events() if isinstance(event, Credited)]


@pytest.mark.parametrize(
    ("role", "plan", "keys", "words"),
    [
        ("supplier", a_store_plan(), "", 'ORDERJAM_UPSTREAMS is not set; it holds {"cheap"'),
        ("supplier", a_store_plan(), GAMES, "no keys for upstream 'cheap'"),
        ("supplier", a_store_plan(), STORES[:-1] + f", {GAMES[1:]}", "the plan has no supplier upstream 'game'"),
        ("game", a_game_plan(), STORES, "no keys for upstream 'game'"),
        (
            "game",
            a_plan(upstreams={"game": UpstreamPlan("game", "topop")}),
            GAMES,
            "upstreams.game: the game mock speaks no 'topop'; did you mean 'topup'?",
        ),
        (
            "supplier",
            a_plan(upstreams={n: UpstreamPlan("supplier", "topup") for n in ("cheap", "good")}),
            STORES,
            "upstreams.cheap: the supplier mock speaks no 'topup'; legal: fulu, kakayun, sharedstore",
        ),
    ],
)
def test_what_does_not_fit_together_ends_with_2_and_one_line(
    tmp_path: Path, role: str, plan: Plan, keys: str, words: str
) -> None:
    done = subprocess.run(
        command(a_run(tmp_path, plan), role=role),
        env=environment(ORDERJAM_UPSTREAMS=keys),
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.startswith(f"mocks.{role}: ")
    assert done.stderr.count("\n") == 1
    assert KEY not in done.stderr

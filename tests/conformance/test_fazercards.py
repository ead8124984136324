"""fazercards 0.2.0, unmodified, against the real process of the mock: its client, and its reader of webhooks."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ledger.events import Credited, Struck
from ledger.states import Hop
from mocks.upstreams import Keys
from plan.dialects import DIALECTS
from plan.ladders import LADDERS
from plan.run import UpstreamPlan
from plan.units import WireTime
from tests.mocks.goods import PRODUCTS, REGIONS, TARGET
from tests.mocks.running import Running, Shop, a_shop, as_text, keys_of, running
from tests.mocks.world import a_fault, a_plan

fazercards = pytest.importorskip("fazercards")
pytestmark = pytest.mark.slow
FIELDS = {"player_id": "someone-7", "server_id": "cn-east"}
WEBHOOK = LADDERS[DIALECTS["fazer"].ladder]


class Sold:
    """The mock, the account's client, and the shop that its webhooks go to."""

    def __init__(self, mock: Running, keys: Keys, shop: Shop) -> None:
        self.mock, self.keys, self.shop = mock, keys, shop
        self.client = self.client_with(keys.key)

    def client_with(self, key: str) -> Any:
        return fazercards.FazerCardsClient(api_key=key, base_url=f"{self.mock.url}/game/api/v2", retries=0)

    def order(self, once: str | None = "b00000007", **changed: Any) -> Any:
        asked = {"category_id": "game_auto", "offer_id": "topup_10", "fields": FIELDS}
        return self.client.topups.order(**(asked | changed), idempotency_key=once)

    def told(self, secret: str = "") -> Any:
        """The latest webhook, as the client's own reader takes it."""
        headers = self.shop.headers
        return fazercards.parse_webhook_event(
            self.shop.body, headers.get("X-Webhook-Signature", ""), secret or self.keys.own["webhook_secret"]
        )


@contextmanager
def selling(folder: Path, *faults: Any, status: int = 200) -> Iterator[Sold]:
    game = UpstreamPlan("game", "fazer", WEBHOOK.gaps, WEBHOOK.timeout, takes=WireTime(0.05))
    plan = a_plan(*faults, upstreams={"game": game}, target=TARGET, product=PRODUCTS, region=REGIONS, compress=2400)
    plan_keys = keys_of(plan)
    with (
        a_shop(status=status) as shop,
        running(folder, plan, role="game", ORDERJAM_UPSTREAMS=as_text(plan_keys)) as mock,
    ):
        sold = Sold(mock, plan_keys["game"], shop)
        sold.client.webhooks.set(url=f"{shop.url}/hook")
        mock.post("/_admin/phase", json.dumps({"phase": "load", "l0_t": 0}).encode())
        mock.post("/_admin/lease", b"")
        yield sold


def test_it_finds_orders_waits_and_is_told(tmp_path: Path) -> None:
    with selling(tmp_path) as s:
        (category,) = s.client.topups.iter_categories()
        offers = s.client.topups.offers(category["category_id"])
        assert [offer["offer_id"] for offer in offers["offers"]] == ["topup_10"]
        assert [field["key"] for field in offers["fields"]] == list(FIELDS)
        (game,) = s.client.topups.validate_id_games()["items"]
        assert s.client.topups.validate_id(category_id=game["category_id"], fields=FIELDS)["valid"] is True

        order = s.order()
        assert (order["status"], order["offer_id"], order["price_usd"]) == ("processing", "topup_10", "10.0000")
        done = s.client.orders.wait(order["id"], timeout=5, interval=0.02)
        assert (done["id"], done["status"]) == (order["id"], "completed")

        s.shop.wait_until_told()
        event = s.told()
        assert (event["event"], event["data"]["id"]) == ("order.status_changed", order["id"])
        assert event["data"] == done
        assert s.shop.headers["X-Webhook-Event-Id"] == event["event_id"]
        assert s.mock.stop() == (0, "")
        assert [(c.o, c.request_no) for c in s.mock.events() if isinstance(c, Credited)] == [("b00000007", "b00000007")]


def test_its_idempotency_key_buys_once_and_another_order_under_it_is_a_conflict(tmp_path: Path) -> None:
    with selling(tmp_path) as s:
        assert s.order()["id"] == s.order()["id"]
        with pytest.raises(fazercards.FazerCardsConflictError) as conflict:
            s.order(fields=FIELDS | {"player_id": "someone-else"})
        assert conflict.value.code == "idempotency_conflict"
        assert s.order(once=None)["id"] != s.order(once=None)["id"]


def test_its_errors_are_those_of_the_api(tmp_path: Path) -> None:
    with selling(tmp_path) as s:
        for unknown in ("ord-1", "ord-", "1"):
            with pytest.raises(fazercards.FazerCardsNotFoundError):
                s.client.orders.get(unknown)
        with pytest.raises(fazercards.FazerCardsAuthError) as refused:
            s.client_with("another-key").topups.order(category_id="game_auto", offer_id="topup_10", fields=FIELDS)
        assert (refused.value.status, refused.value.code) == (401, "unauthorized")
        for flaw in ({"offer_id": "card_10"}, {"category_id": "game"}, {"fields": {"player_id": "x"}}):
            with pytest.raises(fazercards.FazerCardsBadRequestError):
                s.order(once=None, **flaw)
        assert (
            s.client.topups.validate_id(category_id="game", fields=FIELDS | {"player_id": "nobody"})["valid"] is False
        )
        assert json.loads(s.mock.ask("/_admin/trades"))["trades"] == []


@pytest.mark.parametrize(
    ("status", "error"),
    [(403, "AuthError"), (429, "RateLimitError"), (503, "ServerError")],
)
def test_a_refusal_of_any_kind_is_its_own_error(status: int, error: str, tmp_path: Path) -> None:
    with selling(tmp_path, a_fault("no", "refuse", Hop.SHOP_GAME, params={"status": status})) as s:
        with pytest.raises(getattr(fazercards, f"FazerCards{error}")) as refused:
            s.order()
        assert refused.value.status == status


@pytest.mark.parametrize("fault", ["sig.wrong_peer_key", "sig.missing", "sig.body_reserialized"])
def test_its_reader_notices_a_webhook_that_is_signed_wrongly(fault: str, tmp_path: Path) -> None:
    with selling(tmp_path, a_fault("forged", fault, Hop.GAME_SHOP)) as s:
        s.order()
        s.shop.wait_until_told()
        with pytest.raises(fazercards.WebhookSignatureError):
            s.told()
        assert s.mock.stop() == (0, "")
        assert [x.must for x in s.mock.events() if isinstance(x, Struck)] == ["refuse"]


@pytest.mark.parametrize("fault", ["sig.odd_spaced", "sig.odd_escaped", "sig.odd_field_order", "sig.odd_extra_field"])
def test_its_reader_takes_a_webhook_that_only_looks_unusual(fault: str, tmp_path: Path) -> None:
    with selling(tmp_path, a_fault("odd", fault, Hop.GAME_SHOP)) as s:
        order = s.order()
        s.shop.wait_until_told()
        assert (s.told()["data"]["id"], s.told()["data"]["status"]) == (order["id"], "completed")
        with pytest.raises(fazercards.WebhookSignatureError):
            s.told(secret="another-secret")
        assert s.mock.stop() == (0, "")
        assert [x.must for x in s.mock.events() if isinstance(x, Struck)] == ["accept"]


def test_what_stands_outside_the_signature_passes_and_only_what_is_inside_counts(tmp_path: Path) -> None:
    with selling(tmp_path, a_fault("label", "sig.partial_cover", Hop.GAME_SHOP)) as s:
        s.order()
        s.shop.wait_until_told()
        assert s.shop.headers["X-Webhook-Event"] == "webhook.test"
        assert s.told()["event"] == "order.status_changed"


def test_a_webhook_is_sent_four_times_under_one_id(tmp_path: Path) -> None:
    with selling(tmp_path, status=500) as s:
        s.order()
        s.shop.wait_until_told(4)
        assert s.shop.headers["X-Webhook-Delivery-Attempt"] == "4"
        assert [event["event_id"] for event in s.shop.told] == [s.told()["event_id"]] * 4

"""A whole run against a shop with one bug to an order: each invariant and each count finds its order, and no other."""

from pathlib import Path

import duckdb
import pytest
import yaml

from harness.run import Exit
from plan.gates import INVARIANTS
from plan.orders import order_key
from tests.harness.planted_shop import BUGS
from tests.whole_run import Played, play

pytestmark = [pytest.mark.slow, pytest.mark.run]

ORDERS = 20
SHOP = Path(__file__).with_name("planted_shop.py")
NUMBER = {bug: n for n, bug in BUGS.items()}
BROKEN_BY = {
    "lost_order": {"lost"},
    "double_delivery": {"twice"},
    "delivered_unpaid": {"unpaid"},
    "refund_and_delivered": {"both"},
    "double_refund": set[
        str
    ](),  # the channel refuses it: tests/reports/test_invariants.py has the journal that shows one
    "orphan_payment": {"orphan", "lost"},  # an order that the books call expired is booked as unpaid
    "ghost_order": {"ghost", "unpaid"},  # one that they call completed, as paid
    "optimistic_page": {"early"},
}
FALSE_PROGRESS = {"idle", "slow"}
COUNTED = {
    "goods.bought_twice": {"twice", "spare"},
    "goods.charged_undelivered": {"unread"},
    "intents.paid_twice": {"slow"},
}
TARGET = {
    "about": "one bug to an order",
    "start": {
        "command": ["{python}", str(SHOP), "{port_file}"],
        "ready": "/",
        "env": {
            "CHANNELS": "{payment_channels}",
            "SUPPLIERS": "{supplier_channels}",
            "TOKEN": "{admin_token}",
            "PROXY": "{tls_proxy}",
        },
    },
    "compressible": True,
    "sells": {"products": {"card_10": 1000}, "dialects": ["epay", "sharedstore"]},
    "place": {
        "path": "/orders",
        "form": {"product": "{product}", "contact": "{contact}"},
        "order_no": {"json": "no"},
        "pay_url": {"json": "pay"},
        "poll_url": {"json": "poll"},
    },
    "poll": {"state": {"json": "state"}, "goods": {"json": "goods"}},
    "states": {s: s for s in ("paying", "paid", "recharging", "completed", "refunded", "expired")},
    "books": {
        "path": "/books",
        "headers": {"X-Token": "{admin_token}"},
        "rows": "orders",
        "fields": {
            "key": "contact",
            "order_no": "order_no",
            "state": "state",
            "amount_fen": "paid_fen",
            "goods": "goods",
        },
    },
    "key_in": {"shop>payment": "param", "shop>supplier": "contact"},
}
SCENARIO = {
    "about": "one bug to an order",
    "target": "./shop.yaml",
    "profile": "default",
    "compress": 15,
    "load": {"shape": "constant", "rate": "10/s", "orders": ORDERS},
    "mix": {"product": {"card_10": "100%"}, "channel": {"epay": "100%"}, "pay_delay": {"constant": "3 s"}},
    "upstreams": {"epay": {"dialect": "epay"}, "store": {"dialect": "sharedstore"}},
    "faults": [{"id": "again", "fault": "reorders", "at": "buyer>shop", "orders": "60%..61%", "after": "15 s"}],
    "deadline": "75 s",
    "warm_up": 0,
    "evidence": {"orders": 10},
    "gates": [*(f"invariants.{name} == 0" for name in BROKEN_BY), *(f"{name} == 0" for name in COUNTED)],
}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("planted")
    (folder / "shop.yaml").write_text(yaml.safe_dump(TARGET), encoding="utf-8")
    (folder / "planted.yaml").write_text(yaml.safe_dump(SCENARIO, sort_keys=False), encoding="utf-8")
    return play(folder / "runs", str(folder / "planted.yaml"))


def keys(bugs: set[str]) -> list[str]:
    return sorted(order_key(NUMBER[bug]) for bug in bugs)


def test_the_plan_of_bugs_names_every_invariant() -> None:
    assert BROKEN_BY.keys() == INVARIANTS.keys()


@pytest.mark.parametrize("name", BROKEN_BY)
def test_an_invariant_finds_the_planted_orders_and_no_other(name: str, played: Played) -> None:
    found = played.findings["invariants"][name]
    assert (found["evaluated"], found["orders"]) == (True, keys(BROKEN_BY[name])), played.said


@pytest.mark.parametrize("name", COUNTED)
def test_a_count_finds_the_planted_orders_and_no_other(name: str, played: Played) -> None:
    assert played.findings["counted"][name]["orders"] == keys(COUNTED[name]), played.said


@pytest.mark.parametrize(("name", "bugs"), [("false_progress", FALSE_PROGRESS), ("optimistic", {"early"})])
def test_dishonest_time_is_that_of_the_planted_orders_and_no_other(name: str, bugs: set[str], played: Played) -> None:
    sql = f"SELECT key FROM read_parquet(?) WHERE {name}_business_s > 0 ORDER BY key"
    assert [key for (key,) in duckdb.execute(sql, [str(played.folder.orders)]).fetchall()] == keys(bugs), played.said
    assert played.findings["measures"][f"honesty.{name}"]["value"] > 0


def test_every_gate_on_a_planted_bug_fails_and_the_run_with_them(played: Played) -> None:
    verdicts = {gate["measure"]: gate["verdict"] for gate in played.findings["gates"]}
    wanted = {f"invariants.{name}": "fail" if bugs else "pass" for name, bugs in BROKEN_BY.items()}
    assert verdicts == {**wanted, **dict.fromkeys(COUNTED, "fail")}
    assert played.code == Exit.GATE_FAILED


def test_the_channel_gives_the_money_back_once_however_often_the_shop_asks(played: Played) -> None:
    key = order_key(NUMBER["refunds"])
    asked, given = ([e.o for e in played.events(kind)].count(key) for kind in ("refund_requested", "refunded"))
    assert (asked, given) == (2, 1)


def test_a_target_that_names_the_tls_proxy_has_it_beside_the_mocks(played: Played) -> None:
    refused = (played.folder.logs / "tls-proxy.log").read_text()
    assert refused.startswith("403: no mock plays outside.example, and nothing goes outside"), played.said

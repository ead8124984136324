"""One reader for the faults of a scenario and for those by hand."""

from typing import Any

import msgspec
import pytest

from faults.read import LEASE_BY_HAND_S, Around, at_of, read, read_by_hand, role_of, written
from plan.document import Document, DocumentError
from plan.orders import Delay, Mix
from plan.units import BusinessTime, Share

MIX = Mix(
    product={"card_10": Share(1.0)},
    channel={"epay": Share(1.0)},
    region={"cn": Share(1.0)},
    pay_delay=Delay(constant=BusinessTime(8)),
)
AROUND = Around({"epay": "epay", "cheap": "epay_v2", "wx": "wechat", "store": "sharedstore"}, MIX, 60.0)
SLOW = {"id": "x", "fault": "slow", "at": "shop>payment", "ms": 400}


def by_hand(raw: Any) -> Any:
    return read_by_hand(Document("by hand", raw, {}), (), raw, AROUND)


@pytest.mark.parametrize(
    "raw",
    [
        SLOW,
        {**SLOW, "at": "shop>payment/cheap", "rate": "30%", "first": 2},
        {**SLOW, "orders": "25%..50%", "select": {"product": ["card_10"]}, "window": "10 s..25 s"},
        {"id": "v", "fault": "ver.renamed", "at": "payment>shop", "rolling": "0 s..30 s", "field": "a", "to": "b"},
        {"id": "l", "fault": "loss_with_load", "at": "shop>payment", "curve": [["5/s", "0%"], ["10/s", "20%"]]},
        {"id": "n", "fault": "notice_lost", "at": "payment>shop"},
    ],
)
def test_a_fault_is_written_as_it_is_read(raw: dict[str, Any]) -> None:
    found = Document("faults.yaml", raw, {})
    fault = read(found, (), raw, AROUND)
    assert written(fault) == raw
    assert read(found, (), written(fault), AROUND) == fault


@pytest.mark.parametrize(
    ("fault", "at", "says"),
    [
        ("sig.unsorted", "shop>payment", ""),  # strikes the two that sort, and not WeChat
        ("sig.unsorted", "shop>payment/cheap", ""),
        ("sig.unsorted", "payment>shop/epay", ""),
        ("sig.unsorted", "shop>payment/wx", "sig.unsorted means nothing at shop>payment in wechat, which 'wx' speaks; "
         "legal: epay, epay_v2, alipay"),
        ("sig.gcm_bad_tag", "payment>shop/wx", ""),
        ("sig.gcm_bad_tag", "payment>shop", ""),
        ("sig.gcm_bad_tag", "payment>shop/epay", "in epay, which 'epay' speaks; legal: wechat"),
        ("sig.json_escaping", "shop>payment", "in epay, epay_v2, wechat, which the upstreams speak; legal: alipay"),
        ("sig.json_escaping", "shop>supplier/store", "legal: fulu"),
        ("sig.wrong_key", "buyer>payment/wx", "legal: epay, epay_v2, vmq, alipay"),
        ("sig.merged_sources", "payment>shop", "is not legal at payment>shop; legal: shop>payment, buyer>payment"),
        ("notice_lost", "supplier>shop/store", "notice_lost means nothing at supplier>shop in sharedstore, which "
         "'store' speaks; legal: fulu"),
    ],
)  # fmt: skip
def test_a_fault_is_refused_where_the_dialect_knows_no_such_thing(fault: str, at: str, says: str) -> None:
    raw = {"id": "it", "fault": fault, "at": at}
    if not says:
        assert read(Document("faults.yaml", raw, {}), (), raw, AROUND).fault == fault
        return
    with pytest.raises(DocumentError) as refused:
        read(Document("faults.yaml", raw, {}), (), raw, AROUND)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("at", "versions", "says"),
    [
        ("shop>payment", ["1.0", "2.0"], ""),
        ("shop>payment/cheap", "RSA", ""),
        ("shop>supplier", ["0"], ""),
        (
            "payment>shop",
            ["1.0"],
            "only requests say their version, and there is none at payment>shop; legal: shop>payment",
        ),
        ("shop>payment", [], "names no version"),
        ("shop>payment", [""], "names no version"),
        ("shop>payment", [1.0], "select"),
    ],
)
def test_a_fault_may_be_for_some_versions_of_the_interface(at: str, versions: Any, says: str) -> None:
    raw = {"id": "it", "fault": "ver.missing_field", "at": at, "select": {"api_version": versions}}
    if not says:
        fault = read(Document("faults.yaml", raw, {}), (), raw, AROUND)
        assert fault.select == {"api_version": [versions] if isinstance(versions, str) else versions}
        assert by_hand(raw).plan == fault
        return
    with pytest.raises(DocumentError) as refused:
        read(Document("faults.yaml", raw, {}), (), raw, AROUND)
    assert says in str(refused.value)


HOUSE = msgspec.structs.replace(AROUND, offers=("kill", "web", "worker", "lock", "queue"))
KILL = {"id": "k", "fault": "shop_kill", "at": "shop"}


@pytest.mark.parametrize("key", ["rate", "orders", "select", "first", "rolling"])
def test_what_is_done_to_the_shop_itself_cannot_be_for_some_orders(key: str) -> None:
    value = {"rate": "5%", "orders": "0%..50%", "select": {"product": ["card_10"]}, "first": 1, "rolling": "1 s..2 s"}
    acked = {**KILL, "at": "payment>shop", "after_ack": "0 ms..50 ms"}
    for raw in (KILL, {"id": "l", "fault": "db_lock", "at": "shop>db"}):
        with pytest.raises(DocumentError, match=f"{key}: .* strikes the shop, whoever buys; legal: window"):
            read(Document("faults.yaml", raw, {}), (), {**raw, key: value[key]}, HOUSE)
        assert read(Document("faults.yaml", raw, {}), (), {**raw, "window": "1 s..2 s"}, HOUSE).window is not None
    if key != "rolling":
        assert read(Document("faults.yaml", acked, {}), (), {**acked, key: value[key]}, HOUSE).layer == "house"


def test_by_hand_a_fault_lasts_as_long_as_it_says_or_the_usual_time() -> None:
    assert by_hand(SLOW).lease_s == LEASE_BY_HAND_S
    found = by_hand({**SLOW, "at": "shop>supplier/store", "lease_s": 0.5})
    assert (found.lease_s, at_of(found.plan), role_of(found.plan)) == (0.5, "shop>supplier/store", "supplier")


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ({**SLOW, "fault": "slo"}, "by hand fault: no fault 'slo'; did you mean 'slow'?"),
        ({**SLOW, "msx": 4}, "unknown key 'msx' of fault slow; did you mean 'ms'?"),
        ({**SLOW, "ms": "fast"}, "by hand ms: "),
        ({**SLOW, "rate": "30"}, "by hand rate: '30' is not legal here; legal: a share such as 30% (0%..100%)"),
        ({**SLOW, "rate": "101%"}, "by hand rate: '101%' is not legal"),
        ({**SLOW, "first": 0}, "by hand first: 0 is not legal here"),
        ({**SLOW, "at": "shop>paiment"}, "did you mean 'shop>payment'?"),
        ({**SLOW, "at": "payment>shop"}, "slow is not legal at payment>shop"),
        ({**SLOW, "at": "shop>payment/cheep"}, "no upstream 'cheep'; did you mean 'cheap'?"),
        ({**SLOW, "at": "shop>payment/store"}, "'store' plays supplier, which is no end of shop>payment"),
        ({**SLOW, "at": "shop>game"}, "no mock of role game is up; up: payment, supplier"),
        ({k: v for k, v in SLOW.items() if k != "id"}, "missing required field `id`"),
        ({**SLOW, "id": ""}, "by hand id: is empty"),
        ({**SLOW, "orders": "0%..50%"}, "'orders' cannot be given by hand"),
        ({**SLOW, "select": {"product": ["card_10"], "api_version": ["1"]}}, "'select' cannot be given by hand"),
        ({**SLOW, "select": {}}, "'select' cannot be given by hand"),
        ({**SLOW, "window": "1 s..2 s"}, "'window' cannot be given by hand"),
        ({**SLOW, "rolling": "1 s..2 s"}, "'rolling' cannot be given by hand"),
        ({**SLOW, "lease_s": 0}, "by hand lease_s: 0 is not legal here; legal: seconds, above 0 and up to 86400"),
        ({**SLOW, "lease_s": -1}, "-1 is not legal"),
        ({**SLOW, "lease_s": 86401}, "86401 is not legal"),
        ({**SLOW, "lease_s": "60 s"}, "'60 s' is not legal"),
        ({**SLOW, "lease_s": True}, "True is not legal"),
        ({"id": "d", "fault": "double_click", "at": "buyer>shop"}, "double_click is a fault of the buyers; by hand:"),
        ({"id": "k", "fault": "shop_kill", "at": "shop"}, "shop_kill is done to the shop itself; by hand:"),
        (7, "7 is no fault"),
    ],
)
def test_what_cannot_be_done_by_hand_is_refused_in_one_line(raw: Any, says: str) -> None:
    with pytest.raises(DocumentError) as refused:
        by_hand(raw)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)

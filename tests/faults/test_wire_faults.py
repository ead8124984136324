"""Where a fault on the wire may stand, and whom it may be for there."""

from typing import Any

import msgspec
import pytest

from faults.catalog import ON_THE_WIRE, WITH_PROXY, Cause, catalog
from faults.read import Around, read, read_by_hand
from ledger.states import Hop, Operation
from plan.document import Document, DocumentError
from plan.faults import FaultPlan
from plan.orders import Delay, Mix
from plan.transport import Request
from plan.units import BusinessTime, Share

MIX = Mix(
    product={"card_10": Share(1.0)},
    channel={"epay": Share(1.0)},
    region={"cn": Share(1.0)},
    pay_delay=Delay(constant=BusinessTime(8)),
)
DIALECTS = {"epay": "epay", "wx": "wechat", "store": "sharedstore", "own": "stub", "game": "topup", "mc": "rcon"}
BUYER = (Request("POST", "/orders", Operation.PLACE, key=("form.contact",)),)
AROUND = Around(DIALECTS, MIX, 60.0, buyer=BUYER, has_database_link=True)
EXTERNAL = msgspec.structs.replace(AROUND, is_external=True)
ON_A_FILE = msgspec.structs.replace(AROUND, has_database_link=False)
CUT = {"id": "x", "fault": "wire.cut"}
WORDS: dict[str, dict[str, Any]] = {
    "rate": {"rate": "30%"},
    "orders": {"orders": "25%..50%"},
    "select": {"select": {"product": ["card_10"]}},
    "first": {"first": 1},
    "window": {"window": "1 s..2 s"},
}
KEYED = ["buyer>shop", "shop>payment", "shop>payment/wx", "payment>shop/epay", "buyer>payment", "shop>supplier/store",
         "shop>game/game", "game>shop"]  # fmt: skip
BLIND = ["shop>db", "shop>game/mc", "shop>supplier/own", "payment>shop/wx"]
MIXED = {"shop>game": "shop>game/mc", "shop>supplier": "shop>supplier/own", "payment>shop": "payment>shop/wx"}


def found(raw: dict[str, Any], around: Around = AROUND) -> FaultPlan:
    return read(Document("faults.yaml", raw, {}), (), raw, around)


def refused(raw: dict[str, Any], around: Around = AROUND) -> str:
    with pytest.raises(DocumentError) as error:
        found(raw, around)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("hop", WITH_PROXY)
@pytest.mark.parametrize("name", [fault.name for fault in catalog().values() if fault.layer in ON_THE_WIRE])
def test_a_wire_fault_is_legal_wherever_a_proxy_can_stand(name: str, hop: Hop) -> None:
    assert hop in catalog()[name].hops
    assert Hop.SHOP not in catalog()[name].hops


@pytest.mark.parametrize("key", WORDS)
@pytest.mark.parametrize("at", KEYED)
def test_where_requests_tell_whose_they_are_it_may_be_for_orders(at: str, key: str) -> None:
    fault = found({**CUT, "at": at, **WORDS[key]})
    assert not fault.by_exposure
    assert fault.is_exposure is (key == "window")


@pytest.mark.parametrize("key", WORDS)
@pytest.mark.parametrize("at", [*BLIND, *MIXED])
def test_where_nothing_does_it_is_for_connections_and_marked_as_exposure(at: str, key: str) -> None:
    raw = {**CUT, "at": at, **WORDS[key]}
    if key in ("rate", "window"):
        assert found(raw).by_exposure
    else:
        says = f"what passes at {MIXED.get(at, at)} does not tell whose it is; legal: rate, window"
        assert refused(raw) == f"faults.yaml {key}: {says}"


@pytest.mark.parametrize("key", WORDS)
def test_the_real_toxiproxy_heeds_shares_and_windows_and_strikes_by_exposure(key: str) -> None:
    raw = {**CUT, "at": "shop>payment/epay", **WORDS[key]}
    if key in ("rate", "window"):
        assert found(raw, EXTERNAL).by_exposure
    else:
        assert "legal: rate, window, or transport: embedded" in refused(raw, EXTERNAL)


@pytest.mark.parametrize(
    ("name", "own", "is_theirs"),
    [
        ("wire.latency", {"ms": 1}, True),
        ("wire.slow_link", {"kb_s": 1}, True),
        ("wire.slow_close", {"ms": 1}, True),
        ("wire.silence", {}, True),
        ("wire.cut", {}, True),
        ("wire.sliced", {"bytes": 1}, True),
        ("wire.cut_short", {"bytes": 1}, True),
        ("wire.down", {}, True),
        ("wire.true_loss", {"loss": "1%"}, True),  # which is the kernel's, whoever has the other hops
        ("wire.corrupt", {"per_mb": 1}, False),
        ("wire.half_open", {}, False),
        ("wire.loss", {"share": "1%"}, False),
        ("wire.loss_with_load", {"curve": [["1/s", "1%"]]}, False),
    ],
)
def test_what_the_real_toxiproxy_has_not_is_refused_there(name: str, own: dict[str, Any], is_theirs: bool) -> None:
    raw = {"id": "x", "fault": name, "at": "shop>supplier/store", **own}
    assert found(raw).fault == name
    if is_theirs:
        assert found(raw, EXTERNAL).by_exposure
    else:
        assert refused(raw, EXTERNAL).endswith(f"{name} is no toxic of the real Toxiproxy; legal: transport: embedded")


@pytest.mark.parametrize("key", WORDS)
@pytest.mark.parametrize(("name", "own"), [("wire.down", {}), ("wire.true_loss", {"loss": "1%"})])
def test_what_strikes_the_hop_has_a_window_and_nothing_else(name: str, own: dict[str, Any], key: str) -> None:
    raw = {"id": "x", "fault": name, "at": "shop>payment/epay", **own, **WORDS[key]}
    if key == "window":
        assert found(raw).is_exposure
    else:
        assert f"{key}: {name} at shop>payment strikes all that is on the hop; legal: window" in refused(raw)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ({"at": "shop>payment", "select": {"api_version": ["1.0"]}}, "select.api_version: is read by mocks alone"),
        ({"at": "shop"}, "wire.cut is not legal at shop; legal: buyer>shop"),
        ({"at": "supplier>shop"}, "wire.cut means nothing at supplier>shop in sharedstore, stub"),
        ({"at": "shop>payment", "after": 5}, "unknown key 'after' of fault wire.cut; did you mean 'after_ms'?"),
        ({"at": "shop>payment", "fault": "wire.cutt"}, "no fault 'wire.cutt'; did you mean 'wire.cut'?"),
    ],
)
def test_what_means_nothing_on_the_wire_is_refused_in_one_line(raw: dict[str, Any], says: str) -> None:
    assert says in refused({**CUT, **raw})


@pytest.mark.parametrize("name", ["wire.cut", "wire.down"])
def test_no_link_leads_to_a_database_that_is_a_file(name: str) -> None:
    raw = {"id": "x", "fault": name, "at": "shop>db"}
    assert found(raw).by_exposure
    assert "at: the shop's database is a file, which no link leads to; legal: a database" in refused(raw, ON_A_FILE)


@pytest.mark.parametrize(
    ("at", "cause"),
    [
        ("shop>payment", Cause.RESET),
        ("payment>shop/epay", Cause.RESET),
        ("buyer>shop", Cause.BUYER),
        ("shop>db", Cause.DATABASE_LINK),
    ],
)
def test_the_cause_is_that_of_whose_link_it_is(at: str, cause: Cause) -> None:
    assert found({**CUT, "at": at}).cause == cause


@pytest.mark.parametrize("name", [fault.name for fault in catalog().values() if fault.layer in ON_THE_WIRE])
def test_nothing_on_the_wire_is_done_by_hand(name: str) -> None:
    raw = {"id": "x", "fault": name, "at": "shop>payment"}
    with pytest.raises(DocumentError) as error:
        read_by_hand(Document("by hand", raw, {}), (), raw, AROUND)
    assert "; by hand: faults of the mocks, a run of a scenario plays the rest" in str(error.value)
    assert "only a run has" in str(error.value)

"""What a scenario may say of the wire: who breaks the hops, which database, and what the plan carries for a proxy."""

import sys
from pathlib import Path

import msgspec
import pytest

from faults.catalog import ON_THE_WIRE
from faults.transport import judge
from faults.transport.keys import Reader
from harness.cli_common import vocabulary
from ledger.states import Hop, Operation
from plan import run
from plan.document import DocumentError
from plan.run import Plan
from plan.transport import Request, Transport
from scenarios import cautions, loader
from scenarios.loader import Changes
from targets import webshop

WORDS = msgspec.structs.replace(
    vocabulary(webshop.load(webshop.find("cardshop"))), databases={"sqlite": False, "postgresql": True}
)
GOOD = """\
about: a test
compress: 15
load: {shape: constant, rate: 10/s, orders: 400}
mix:
  product: {card_10: 60%, topup_6: 40%}
  channel: {epay: 50%, wx: 50%}
  pay_delay: {constant: 3 s}
upstreams:
  epay: {dialect: epay, ladder: [1 min, 3 min]}
  wx: {dialect: wechat}
  store: {dialect: sharedstore}
  game: {dialect: topup}
transport: embedded
database: postgresql
faults:
  - {id: lost, fault: wire.loss, at: shop>payment, share: 5%}
"""


def resolved(tmp_path: Path, old: str = "", new: str = "") -> Plan:
    assert GOOD.count(old) == 1 or not old
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace(old, new) if old else GOOD, encoding="utf-8")
    return loader.resolve(path, Path("shop.yaml"), WORDS, Changes())


def refused(tmp_path: Path, old: str, new: str) -> str:
    with pytest.raises(DocumentError) as error:
        resolved(tmp_path, old, new)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- who breaks the hops -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("transport", "found"),
    [
        ("", Transport()),
        ("transport: embedded", Transport()),
        ("transport: embedded\non_proxy_death: continue", Transport(on_proxy_death="continue")),
        ("transport: {external: '127.0.0.1:8474'}", Transport("external", "127.0.0.1:8474")),
        ("transport: {external: '[::1]:8474'}", Transport("external", "[::1]:8474")),
        (f"transport: {{external: {sys.executable}}}", Transport("external", str(Path(sys.executable).resolve()))),
    ],
)
def test_who_breaks_the_hops_stands_in_the_plan(tmp_path: Path, transport: str, found: Transport) -> None:
    path = tmp_path / "mine.yaml"
    text = GOOD.replace("transport: embedded", transport).replace(
        "wire.loss, at: shop>payment, share: 5%", "wire.down, at: shop>game"
    )
    path.write_text(text, encoding="utf-8")
    assert loader.resolve(path, Path("shop.yaml"), WORDS, Changes()).transport == found


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "transport: embedded",
            "transport: embeded",
            "transport: 'embeded' is not legal here; did you mean 'embedded'?",
        ),
        ("transport: embedded", "transport: {extern: x}", "unknown key 'extern'; did you mean 'external'?"),
        ("transport: embedded", "transport: {external: '198.51.100.1:8474'}", "is not on this machine; legal: 127.0"),
        ("transport: embedded", "transport: {external: 'localhost:0'}", "is not on this machine"),
        ("transport: embedded", "transport: {external: 'localhost:65536'}", "is not on this machine"),
        ("transport: embedded", "transport: {external: ./no-such}", "transport.external: './no-such': no such program"),
        ("transport: embedded", "transport: {external: 8474}", "transport"),
        ("transport: embedded", "on_proxy_death: panic", "on_proxy_death"),
        ("database: postgresql", "database: postgres", "no database 'postgres'; did you mean 'postgresql'?"),
        (
            "transport: embedded",
            "transport: {external: 'localhost:8474'}",
            "faults[0].fault: wire.loss is no toxic of the real Toxiproxy; legal: transport: embedded",
        ),
        ("at: shop>payment,", "at: payment>shop, orders: 0%..50%,", "faults[0].orders: what passes at payment>shop/wx"),
        ("share: 5%", "share: 5", "faults[0]"),
        ("share: 5%", "shar: 5%", "unknown key 'shar' of fault wire.loss; did you mean 'share'?"),
    ],
)
def test_a_flaw_is_refused_with_its_place_and_the_way_out(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert says in refused(tmp_path, old, new)


# --- the database ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("said", "found"), [("", "sqlite"), ("database: postgresql", "postgresql")])
def test_the_database_is_the_targets_first_unless_the_scenario_names_one(tmp_path: Path, said: str, found: str) -> None:
    assert resolved(tmp_path, "database: postgresql", said or "seed: 7").target.database == found


def test_a_target_that_names_no_databases_has_none_to_choose(tmp_path: Path) -> None:
    bare = msgspec.structs.replace(WORDS, databases={})
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD, encoding="utf-8")
    with pytest.raises(DocumentError, match="database: no database 'postgresql'; this target names no databases"):
        loader.resolve(path, Path("shop.yaml"), bare, Changes())
    path.write_text(GOOD.replace("database: postgresql\n", ""), encoding="utf-8")
    assert loader.resolve(path, Path("shop.yaml"), bare, Changes()).target.database == ""


@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_the_link_to_the_database_can_be_broken_where_there_is_one(tmp_path: Path, database: str) -> None:
    text = GOOD.replace("at: shop>payment", "at: shop>db").replace("postgresql", database)
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    if database == "postgresql":
        assert loader.resolve(path, Path("shop.yaml"), WORDS, Changes()).faults[0].by_exposure
    else:
        with pytest.raises(DocumentError, match=r"faults\[0\].at: the shop's database is a file"):
            loader.resolve(path, Path("shop.yaml"), WORDS, Changes())


# --- what a proxy is told ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("at", "hops"),
    [
        ("shop>payment", ["shop>payment/epay", "shop>payment/wx"]),
        ("shop>payment/wx", ["shop>payment/wx"]),
        ("payment>shop", ["payment>shop/epay"]),
        ("buyer>payment", ["buyer>payment/epay", "buyer>payment/wx"]),
        ("buyer>shop", ["buyer>shop"]),
        ("shop>supplier", ["shop>supplier/store"]),
        ("game>shop", ["game>shop/game"]),
        ("shop>db", []),
    ],
)
def test_the_plan_carries_how_to_read_what_passes_at_hops_with_wire_faults(
    tmp_path: Path, at: str, hops: list[str]
) -> None:
    plan = resolved(tmp_path, "at: shop>payment", f"at: {at}")
    assert list(plan.requests) == hops
    run.save(plan, tmp_path / "plan.yaml")
    again = run.load(tmp_path / "plan.yaml")
    assert (again.requests, again.transport, again.target) == (plan.requests, plan.transport, plan.target)


def test_without_faults_on_the_wire_it_carries_none(tmp_path: Path) -> None:
    plan = resolved(tmp_path, "fault: wire.loss, at: shop>payment, share: 5%", "fault: slow, at: shop>payment, ms: 5")
    assert plan.requests == {}
    assert cautions.told(plan) == ""


def test_a_field_that_the_target_passes_the_key_on_in_is_looked_at_too(tmp_path: Path) -> None:
    words = msgspec.structs.replace(WORDS, key_in={Hop.SHOP_PAYMENT: ["name"]})
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD, encoding="utf-8")
    plan = loader.resolve(path, Path("shop.yaml"), words, Changes())
    created = {at: request.key for at, table in plan.requests.items() for request in table if _is_create(request)}
    assert created == {
        "shop>payment/epay": ("query.param", "form.param", "query.name", "form.name"),
        "shop>payment/wx": ("json.attach", "json.name"),
    }


def _is_create(request: Request) -> bool:
    return request.operation is Operation.CREATE


# --- what is said of it ------------------------------------------------------------------------------------------
def said(tmp_path: Path, old: str, new: str) -> tuple[list[str], str]:
    plan = resolved(tmp_path, old, new)
    return cautions.warnings(plan), cautions.told(plan)


@pytest.mark.parametrize(
    ("new", "warning"),
    [
        ("fault: wire.cut, at: shop>payment", ""),
        ("fault: wire.cut, at: buyer>shop", ""),
        ("fault: wire.cut, at: payment>shop", "fault lost: at payment>shop/wx by connection, not repeatable"),
        ("fault: wire.cut, at: shop>db", "fault lost: at shop>db by connection, not repeatable"),
        ("fault: wire.down, window: 1 s..2 s, at: shop>db", ""),
        ("fault: wire.true_loss, loss: 5%, at: shop>game", ""),
        ("fault: wire.latency, ms: 400, at: shop>payment", ""),
        (
            "fault: wire.latency, ms: 2000, at: shop>payment",
            "fault lost: ms 2000 weighs 30 s of business time at compress 15 and reaches the stuck threshold of 30 s",
        ),
    ],
)
def test_check_warns_of_what_cannot_be_repeated_and_of_long_delays(tmp_path: Path, new: str, warning: str) -> None:
    warnings, _ = said(tmp_path, "fault: wire.loss, at: shop>payment, share: 5%", new)
    assert warnings == ([warning] if warning else [])


@pytest.mark.parametrize(
    ("fault", "transport", "line"),
    [
        (
            "fault: wire.loss, at: shop>payment, share: 5%",
            "transport: embedded",
            "wire: shop>payment/epay (wire.loss) by the embedded server; shop>payment/wx (wire.loss) by the embedded "
            "server; on its death: stop",
        ),
        (
            "fault: wire.cut, at: shop>db",
            "transport: {external: '127.0.0.1:8474'}\non_proxy_death: continue",
            "wire: shop>db (wire.cut) by Toxiproxy (127.0.0.1:8474); on its death: continue",
        ),
        (
            "fault: wire.true_loss, at: shop>game, loss: 5%",
            "transport: embedded",
            "wire: shop>game/game (wire.true_loss) by the kernel; on its death: stop",
        ),
    ],
)
def test_it_is_said_who_breaks_which_hops(tmp_path: Path, fault: str, transport: str, line: str) -> None:
    path = tmp_path / "mine.yaml"
    text = GOOD.replace("fault: wire.loss, at: shop>payment, share: 5%", fault)
    path.write_text(text.replace("transport: embedded", transport), encoding="utf-8")
    assert cautions.told(loader.resolve(path, Path("shop.yaml"), WORDS, Changes())) == line


def test_a_toxiproxy_of_its_own_draws_whom_it_strikes(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    text = GOOD.replace("wire.loss, at: shop>payment, share: 5%", "wire.cut, at: shop>payment, rate: 5%")
    path.write_text(text.replace("transport: embedded", "transport: {external: 'localhost:8474'}"), encoding="utf-8")
    plan = loader.resolve(path, Path("shop.yaml"), WORDS, Changes())
    words = "fault lost: a Toxiproxy of its own draws whom it strikes, not repeatable"
    assert cautions.warnings(plan) == [words]
    assert plan.faults[0].is_exposure


# --- the shipped ones --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("ci", [False, True])
@pytest.mark.parametrize("name", loader.shipped())
def test_every_wire_fault_of_a_shipped_scenario_has_its_toxics_and_its_readers(name: str, ci: bool) -> None:
    plan = loader.resolve(loader.find(name), Path("shop.yaml"), WORDS, Changes(ci=ci))
    warnings = cautions.warnings(plan)
    for fault in (fault for fault in plan.faults if fault.layer in ON_THE_WIRE):
        assert not [w for w in warnings if w.startswith(f"fault {fault.id}:") and "not repeatable" not in w]
        assert fault.layer == "kernel" or judge.placed([fault]) or judge.downs([fault])
    for at, table in plan.requests.items():
        hop, _, upstream = at.partition("/")
        assert judge.wire_faults(plan, Hop(hop), upstream or None)
        Reader(table, upstream or None)

import json
from pathlib import Path
from typing import Any

import pytest

from faults.catalog import catalog
from harness.cli_common import vocabulary
from plan import document, run
from plan.arrivals import Schedule
from plan.document import DocumentError
from plan.run import Plan
from scenarios import cautions, loader, schema
from scenarios.loader import Changes, Vocabulary
from targets import webshop

WORDS = Vocabulary(
    products=("card_10", "card_50", "card_100"),
    regions=("cn-east", "cn-south"),
    dialects=("epay",),
    profiles=("naive", "hardened"),
    switches=("settle_once", "requery_unpaid"),
    compressible=True,
)
GOOD = """\
about: a test
profile: naive
compress: 15
load: {shape: constant, rate: 10/s, orders: 100}
mix:
  product: {card_10: 60%, card_50: 40%}
  channel: {epay: 100%}
  pay_delay: {constant: 3 s}
upstreams:
  epay: {dialect: epay, ladder: [1 min, 3 min]}
faults:
  - {id: lost, fault: notice_lost, at: payment>shop, rate: 30%, first: 2}
gates: [stuck.rate <= 1%]
"""


def resolved(tmp_path: Path, text: str, **changes: Any) -> Plan:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return loader.resolve(path, Path("shop.yaml"), WORDS, Changes(**changes))


def test_a_good_scenario_becomes_the_plan_it_says(tmp_path: Path) -> None:
    plan = resolved(tmp_path, GOOD)
    assert (plan.scenario, plan.seed, plan.compress, plan.load.orders) == ("mine", 7, 15, 100)
    assert plan.faults[0].first == 2
    assert plan.faults[0].label.zh
    assert [float(gap) for gap in plan.upstreams["epay"].ladder] == [60, 180]
    assert plan.poll_every == pytest.approx(0.2)
    assert plan.mix.region == {"cn-east": 0.5, "cn-south": 0.5}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("about: a test", "abot: a test", "mine.yaml:1 abot: unknown key 'abot'; did you mean 'about'?"),
        ("rate: 10/s", "rate: 10", "mine.yaml:4 load.rate: 10 is not legal here; legal: a rate such as 12/s"),
        ("rate: 10/s", "rate: 0/s", "mine.yaml:4 load: this load plans no order"),
        ("shape: constant", "shape: constnt", "did you mean 'constant'?"),
        ("card_10: 60%", "card_10: 70%", "mix.product: the shares sum to 110.0000%"),
        ("card_10: 60%", "card_11: 60%", "mine.yaml:6 mix.product.card_11: no product 'card_11'; did you mean"),
        ("epay: 100%", "epoy: 100%", "mix.channel.epoy: no channel 'epoy'; did you mean 'epay'?"),
        ("constant: 3 s", "constant: 3 sec", "mix.pay_delay.constant: '3 sec' is not legal here"),
        ("dialect: epay", "dialect: epai", "no dialect 'epai'; did you mean 'epay'?"),
        (
            "fault: notice_lost",
            "fault: notice_lst",
            "mine.yaml:12 faults[0].fault: no fault 'notice_lst'; did you mean",
        ),
        (
            "at: payment>shop",
            "at: shop>payment",
            "faults[0].at: notice_lost is not legal at shop>payment; legal: payment>shop, supplier>shop, game>shop",
        ),
        ("at: payment>shop", "at: payment>shp", "no hop 'payment>shp'; did you mean 'payment>shop'?"),
        ("at: payment>shop", "at: payment>shop/alipay", "no upstream 'alipay'"),
        (
            "fault: notice_lost, at: payment>shop",
            "fault: weak_net, operation: pay, at: buyer>shop",
            "faults[0].at: weak_net at buyer>shop: operation pay is legal at buyer>payment",
        ),
        ("rate: 30%", "rate: 130%", "faults[0].rate: '130%' is not legal here; legal: a share"),
        ("rate: 30%", "rte: 30%", "faults[0].rte: unknown key 'rte' of fault notice_lost; did you mean 'rate'?"),
        ("first: 2", "first: 0", "faults[0].first: 0 is not legal here"),
        ("first: 2", "window: 20 s..25 s", "faults[0].window: begins at 20 s, after the load has ended (10 s)"),
        ("first: 2", "window: 9 s..5 s", "is empty: its start must come before its end"),
        ("first: 2", "orders: 50%", "faults[0].orders: '50%' is not a range"),
        ("first: 2", "select: {product: card_99}", "no product 'card_99' in the mix"),
        ("first: 2", "select: {produkt: card_10}", "unknown key 'produkt'; did you mean 'product'?"),
        (
            "compress: 15",
            "compress: 100",
            "mine.yaml:3 compress: the shortest stuck threshold is 300 ms at compress 100",
        ),
        ("compress: 15", "compress: 0.5", "compress: 0.5 is not legal here"),
        (
            "compress: 15",
            "compress: 15\nstuck_after: {paid: 3 s}",
            "stuck_after: the shortest stuck threshold is 200 ms",
        ),
        ("compress: 15", "compress: 15\nstuck_after: {payd: 3 s}", "did you mean 'paid'?"),
        ("compress: 15", "compress: 15\npoll_every: 1 s", "poll_every: 1 s is not legal here; legal: at most 200 ms"),
        (
            "profile: naive",
            "profile: naiv",
            "mine.yaml:2 profile: no profile 'naiv' in this target; did you mean 'naive'?",
        ),
        (
            "profile: naive",
            "profile: naive+setle_once",
            "no switch 'setle_once' in this target; did you mean 'settle_once'?",
        ),
        ("stuck.rate <= 1%", "stuck.rte <= 1%", "gates[0]: no measure 'stuck.rte'; did you mean 'stuck.rate'?"),
        ("stuck.rate <= 1%", "stuck.rate >= 1%", "guards the wrong side"),
        (
            "  - {id: lost,",
            "  - {id: lost, fault: notice_lost, at: payment>shop}\n  - {id: lost,",
            "'lost' stands twice",
        ),
        ("compress: 15", "compress: 15\ncompress: 3", "given twice"),
        ("gates: [", "gates: [[", "not YAML"),
    ],
)
def test_a_flaw_is_refused_with_its_place_and_the_way_out(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in GOOD
    with pytest.raises(DocumentError) as error:
        resolved(tmp_path, GOOD.replace(old, new))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_an_unknown_name_are_refused_with_the_nearest() -> None:
    with pytest.raises(DocumentError, match="did you mean 'evening_peak'"):
        loader.find("evening_pek")
    with pytest.raises(DocumentError, match="no such scenario file"):
        loader.find("./nowhere.yaml")


def test_rate_alone_stretches_the_time_and_keeps_the_orders(tmp_path: Path) -> None:
    plan = resolved(tmp_path, GOOD, rate="40/s")
    assert plan.load.orders == 100
    assert plan.load.points[-1][0] == pytest.approx(2.5)
    assert resolved(tmp_path, GOOD, rate="40/s", duration="5 s").load.orders == 200


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("load.rte", "3/s", "unknown key 'rte'"),
        ("faults.lst.rate", "3%", "no item 'lst'; did you mean 'lost'?"),
        ("about.x", "3", "'about' holds no keys"),
        ("load..rate", "3", "legal: --set key.key=value"),
        ("load.rate", "[", "not YAML after the ="),
    ],
)
def test_a_wrong_set_is_refused_and_says_that_it_was_the_set(tmp_path: Path, path: str, value: str, says: str) -> None:
    with pytest.raises(DocumentError) as error:
        resolved(tmp_path, GOOD, sets=((path, value),))
    assert says in str(error.value)
    assert str(error.value).startswith("--set")


@pytest.mark.parametrize(
    "profile",
    ["naive", "naive+settle_once", "hardened-requery_unpaid", "hardened-settle_once+requery_unpaid", "hardened"],
)
def test_profiles_with_switches_are_legal(tmp_path: Path, profile: str) -> None:
    assert resolved(tmp_path, GOOD, profile=profile).target.profile == profile


def test_set_reaches_a_fault_by_its_id(tmp_path: Path) -> None:
    assert resolved(tmp_path, GOOD, sets=(("faults.lost.rate", "50%"),)).faults[0].rate == 0.5


def test_a_shape_of_its_own_takes_the_place_of_the_bases_load_and_of_its_cut(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(GOOD + "ci: {compress: 30, load: {rate: 50/s}}\n", encoding="utf-8")
    spike = "extends: base\nabout: mine\nload: {shape: curve, points: [[0 s, 5/s], [10 s, 7/s]]}\n"
    assert resolved(tmp_path, spike).load.orders == 60
    assert resolved(tmp_path, spike, ci=True).compress == 30
    assert resolved(tmp_path, "extends: base\nabout: mine\n", ci=True).load.peak == 50


def test_a_kind_of_buyer_that_the_target_offers_nothing_for_is_refused(tmp_path: Path) -> None:
    mix = GOOD.replace("pay_delay:", "buyer: {plain: 90%, cancels: 10%}\n  pay_delay:")
    with pytest.raises(DocumentError, match=r"mine.yaml:8 mix.buyer.cancels: cancels needs 'cancel' of the target"):
        resolved(tmp_path, mix)


def test_extends_lays_a_scenario_over_its_base_and_a_circle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(GOOD, encoding="utf-8")
    plan = resolved(tmp_path, "extends: base\nabout: mine\nload: {orders: 20}\n")
    assert (plan.load.orders, plan.about, len(plan.faults)) == (20, "mine", 1)
    (tmp_path / "base.yaml").write_text("extends: base\nabout: x\n", encoding="utf-8")
    with pytest.raises(DocumentError, match="circle"):
        resolved(tmp_path, "extends: base\nabout: mine\n")


def test_a_target_that_cannot_be_shortened_refuses_compress(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD, encoding="utf-8")
    words = Vocabulary(WORDS.products, WORDS.regions, WORDS.dialects, WORDS.profiles, WORDS.switches, False)
    with pytest.raises(DocumentError, match="cannot be shortened"):
        loader.resolve(path, Path("shop.yaml"), words, Changes())


def test_check_warns_where_a_wire_delay_reaches_a_threshold(tmp_path: Path) -> None:
    slow = "{id: slow, fault: slow, at: shop>payment, ms: 2000}"
    plan = resolved(tmp_path, GOOD.replace("faults:\n", f"faults:\n  - {slow}\n"))
    assert any("weighs 30 s of business time" in warning for warning in cautions.warnings(plan))
    assert not any("weighs" in warning for warning in cautions.warnings(resolved(tmp_path, GOOD)))


@pytest.mark.parametrize("ci", [False, True])
@pytest.mark.parametrize("name", sorted(loader.shipped()))
def test_every_shipped_scenario_resolves_and_its_plan_survives_the_file(name: str, ci: bool, tmp_path: Path) -> None:
    words = vocabulary(webshop.load(webshop.find("cardshop")))
    plan = loader.resolve(loader.find(name), Path("shop.yaml"), words, Changes(ci=ci))
    run.save(plan, tmp_path / "plan.yaml")
    again = run.load(tmp_path / "plan.yaml")
    assert document.write(again) == document.write(plan)
    assert [fault.id for fault in again.faults] == [fault.id for fault in plan.faults]


@pytest.mark.parametrize(("ci", "most_s"), [(False, 90), (True, 25)])
@pytest.mark.parametrize("name", loader.shipped())
def test_a_shipped_scenario_is_over_in_time(name: str, ci: bool, most_s: float) -> None:
    words = vocabulary(webshop.load(webshop.find("cardshop")))
    plan = loader.resolve(loader.find(name), Path("shop.yaml"), words, Changes(ci=ci))
    load_s = Schedule(plan.load, plan.seed).last_due_s + plan.longest_pay_delay_s + run.LOAD_TAIL_S
    assert load_s + plan.wire_s(plan.deadline) <= most_s


def test_the_shipped_schema_is_the_one_that_the_types_give() -> None:
    shipped = json.loads((Path(schema.__file__).parent / "scenario.schema.json").read_text(encoding="utf-8"))
    assert shipped == json.loads(json.dumps(schema.json_schema())), "run `make schema`"


def test_the_schema_knows_every_fault() -> None:
    variants = schema.json_schema()["$defs"]["ScenarioDoc"]["properties"]["faults"]["items"]["oneOf"]
    assert {variant["title"] for variant in variants} == set(catalog())


STUBBED = GOOD.replace("faults:\n", "  extra: {dialect: stub, file: stubs.yaml}\nfaults:\n")


def test_an_upstream_that_its_user_wrote_down_is_resolved_into_the_plan(tmp_path: Path) -> None:
    (tmp_path / "stubs.yaml").write_text("stubs:\n- {name: price, path: '/prices/{sku}', json: {sku: '{sku}'}}\n")
    text = STUBBED + "warm_up: 0\n"
    extra = resolved(tmp_path, text.replace("at: payment>shop", "at: payment>shop/epay")).upstreams["extra"]
    assert (extra.role, extra.file) == ("supplier", str(tmp_path / "stubs.yaml"))
    assert [(stub.path, stub.value) for stub in extra.stubs] == [("/prices/{sku}", {"sku": "{sku}"})]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("file: stubs.yaml", "file: nowhere.yaml", "mine.yaml:11 upstreams.extra.file: 'nowhere.yaml': no such file"),
        (", file: stubs.yaml", "", "mine.yaml:11 upstreams.extra.file: an upstream of the dialect stub needs"),
        ("dialect: epay,", "dialect: epay, file: stubs.yaml,", "upstreams.epay.file: an upstream of the dialect stub"),
        ("dialect: stub", "dialect: stab", "no dialect 'stab'; did you mean 'stub'?"),
        ("file: stubs.yaml", "file: bad.yaml", "bad.yaml:2 stubs[0].pth: unknown key 'pth'; did you mean 'path'?"),
    ],
)
def test_an_upstream_without_a_good_stubs_file_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    (tmp_path / "stubs.yaml").write_text("stubs:\n- {name: price, path: /prices}\n")
    (tmp_path / "bad.yaml").write_text("stubs:\n- {name: price, pth: /prices}\n")
    assert STUBBED.count(old) == 1
    with pytest.raises(DocumentError) as refused:
        resolved(tmp_path, STUBBED.replace(old, new))
    assert says in str(refused.value)

from pathlib import Path

import msgspec
import pytest

from harness import directions, handout, wiring
from harness.directions import DIRECTIONS
from harness.up import Standing, UpOptions, plan_of
from harness.wiring import Secrets
from ledger.clock import Epoch
from ledger.rundir import RunDir
from mocks.ports import Ports
from plan.dialects import DIALECTS as SPOKEN
from plan.dialects import STUB
from plan.run import Plan, UpstreamPlan
from plan.stubs import Stub
from targets import webshop
from targets.webshop import Target

URLS = {"payment": "http://127.0.0.1:1", "supplier": "http://127.0.0.1:2", "game": "http://127.0.0.1:3"}
DIALECTS = ("epay", "sharedstore", "topup")


@pytest.fixture
def target() -> Target:
    """The reference shop, as if it spoke every dialect."""
    shop = webshop.load(webshop.find("cardshop"))
    env = {"CHANNELS": "{payment_channels}", "STORES": "{supplier_channels}", "GAMES": "{game_servers}", "OTHER": "1"}
    start = msgspec.structs.replace(shop.start, env=env)
    return msgspec.structs.replace(shop, sells=msgspec.structs.replace(shop.sells, dialects=DIALECTS), start=start)


@pytest.fixture
def plan(target: Target) -> Plan:
    """What mocks play without a scenario, and one more upstream that its user wrote down."""
    made = plan_of(target, "cardshop", webshop.find("cardshop"))
    more = UpstreamPlan("supplier", "stub", stubs=(Stub("price", "GET", "/prices"),))
    return msgspec.structs.replace(made, upstreams={**made.upstreams, "extra": more})


def test_without_a_scenario_there_is_one_upstream_of_each_dialect_that_the_target_speaks(plan: Plan) -> None:
    assert {n: u.role for n, u in plan.upstreams.items() if n != "extra"} == {
        "epay": "payment",
        "store": "supplier",
        "game": "game",
    }
    assert (plan.compress, plan.faults) == (1.0, ())


def test_a_shop_is_told_of_a_stub_by_its_name_and_never_as_a_supplier(plan: Plan) -> None:
    values = wiring.shop_values(plan, Secrets.fresh(plan), URLS)
    assert msgspec.json.decode(values["supplier_channels"]).keys() == {"store"}
    assert values["supplier.extra.url"] == "http://127.0.0.1:2/extra/"


def test_a_shop_is_told_the_own_port_of_a_server_that_speaks_no_http(plan: Plan) -> None:
    made = msgspec.structs.replace(plan, upstreams={**plan.upstreams, "city": UpstreamPlan("game", "rcon")})
    own = wiring.own_urls(made, URLS["game"], Ports(3, {"city": 41234}))
    values = wiring.shop_values(made, Secrets.fresh(made), URLS, own)
    assert values["game.city.url"] == "rcon://127.0.0.1:41234"
    assert values["game.game.url"] == "http://127.0.0.1:3/game/"


@pytest.mark.parametrize("role", wiring.ROLES)
def test_the_mocks_of_a_run_know_their_own_keys_alone_and_take_no_token_of_the_users(role: str, plan: Plan) -> None:
    keys = Secrets.fresh(plan)
    made = wiring.mock(role, plan, RunDir(Path("runs/x")), Epoch(0, 0), keys, Path("port"))
    assert made.env["ORDERJAM_ADMIN_TOKEN"] == ""
    known = msgspec.json.decode(made.env["ORDERJAM_UPSTREAMS"])
    assert known.keys() == {name for name, upstream in plan.upstreams.items() if upstream.role == role}
    assert not any(secret.key in " ".join(made.argv) for secret in keys.upstreams.values())
    assert "--by-hand" not in made.argv


def test_a_ready_env_holds_every_upstream_and_what_the_target_reads(plan: Plan, target: Target) -> None:
    keys = Secrets.fresh(plan)
    text = handout.env(plan, target, Standing(URLS, {}, keys))
    lines = dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines["STORE_URL"] == "http://127.0.0.1:2/store/"
    assert (lines["GAME_PID"], lines["GAME_KEY"]) == (keys.upstreams["game"].pid, keys.upstreams["game"].key)
    assert "EXTRA_URL" in lines
    assert not {"EXTRA_KEY", "OTHER"} & lines.keys()
    assert msgspec.json.decode(lines["GAMES"].strip("'"))["game"]["key"] == keys.upstreams["game"].key
    assert not lines.keys() & target.business_time.keys(), "nothing is compressed"


def test_where_business_time_is_compressed_the_env_shortens_the_limits_of_the_shop(plan: Plan, target: Target) -> None:
    shorter = msgspec.structs.replace(plan, compress=15.0)
    text = handout.env(shorter, target, Standing(URLS, {}, Secrets.fresh(plan)))
    assert "CARDSHOP_ORDER_LIFE_S=20.000000\n" in text


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("::1", "http://[::1]:80"),
        ("localhost", "http://localhost:80"),
        ("192.0.2.1", "http://192.0.2.1:80"),
    ],
)
def test_an_address_is_one_where_this_machine_reaches_what_listens_there(host: str, url: str) -> None:
    assert UpOptions(host).url(80) == url


def test_each_role_has_a_port_of_its_own_whichever_others_are_played() -> None:
    assert [UpOptions(port_base=4100).port(role) for role in ("game", "payment", "supplier")] == [4102, 4100, 4101]
    assert UpOptions().port("game") == 0


# --- what a person is handed -----------------------------------------------------------------------------------------
def test_of_every_dialect_it_is_said_where_to_point_a_client_and_what_to_do_by_hand() -> None:
    spoken = SPOKEN.keys() - {STUB}
    assert DIRECTIONS.keys() == spoken
    for dialect in spoken:
        point, by_hand = directions.lines(dialect, f"http://127.0.0.1:4100/{dialect}/")
        assert "4100" in point
        assert not {"{", "}"} & {*point, *by_hand}


def test_a_private_key_is_named_by_its_file_and_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: Target
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    paid = plan_of(target, "cardshop", webshop.find("cardshop"), ["alipay", "wechat"])
    assert list(paid.upstreams) == ["alipay", "wechat"]
    keys = Secrets.fresh(paid)
    handout.write_pems(paid, keys)
    standing = Standing({"payment": URLS["payment"]}, {"payment": 7}, keys)
    lines = dict(line.split("=", 1) for line in handout.env(paid, None, standing).splitlines() if "=" in line)
    written = Path(lines["ALIPAY_APP_PRIVATE_KEY_FILE"])
    assert written.read_text() == keys.upstreams["alipay"].told["app_private_key"]
    assert (written.stat().st_mode & 0o777, "ALIPAY_APP_PRIVATE_KEY" in lines) == (0o600, False)
    start = msgspec.structs.replace(
        target.start, env={"CHANNELS": "{payment_channels}", "PEM": "{payment.alipay.app_private_key}"}
    )
    page = handout.page(paid, msgspec.structs.replace(target, start=start), standing, tmp_path)
    assert "# CHANNELS holds a private key: --env-file writes it" in page
    assert "# PEM holds a private key: --env-file writes it" in page
    assert "PRIVATE KEY-----" not in page
    assert not set(written.read_text().splitlines()) & {line.strip() for line in page.splitlines()}
    assert "client._gateway = 'http://127.0.0.1:1/alipay/gateway.do'" in page

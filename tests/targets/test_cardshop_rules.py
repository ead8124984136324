"""The shop's pure parts: signature, money, states, profiles, settings, what a payment means."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import ClientSession

import ledger.states
from targets import webshop
from targets.cardshop.epay import Epay, signature
from targets.cardshop.gateway import Notice, NoticeFault, Payment
from targets.cardshop.money import read_yuan, yuan
from targets.cardshop.ordering import BadWish, new_order_no, read_wish
from targets.cardshop.peers import Peer, SettingsError
from targets.cardshop.products import CARDS, PRODUCTS
from targets.cardshop.profiles import BASES, SWITCHES, Profile, ProfileError, read_profile
from targets.cardshop.settings import VARIABLES, read_settings
from targets.cardshop.settling import Outcome, in_yuan, judge
from targets.cardshop.states import ENDS, PROGRESS, REACHED, STEPS, UNPAID, WORDS, Code, Known, State
from targets.cardshop.tables import Order

KEY = "k3yk3yk3yk3yk3yk3yk3yk3yk3yk3y12"
SECRET = "a-secret-that-nobody-may-print"


# --- Epay --------------------------------------------------------------------------------------------------------
GOLDEN = {  # docs/protocols.md 3.1, golden vector
    "pid": "1001",
    "type": "alipay",
    "out_trade_no": "E1",
    "notify_url": "http://127.0.0.1/n",
    "return_url": "http://127.0.0.1/r",
    "name": "会员 充值&x=1",  # signed raw, so the ampersand stands in it
    "money": "10.00",
    "param": "透传",
    "empty": "",
    "sign": "ignored",
    "sign_type": "MD5",
}


def test_the_signature_agrees_with_the_published_sample() -> None:
    assert signature(GOLDEN, KEY) == "fb88512038cb5852711314da5776e85f"


@pytest.mark.parametrize("changed", [{"money": "10.0"}, {"name": "会员 充值&x=2"}, {"more": "1"}, {"out_trade_no": ""}])
def test_a_changed_parameter_changes_the_signature(changed: dict[str, str]) -> None:
    assert signature(GOLDEN | changed, KEY) != "fb88512038cb5852711314da5776e85f"


def _notice(**changed: str) -> dict[str, str]:
    params = {"pid": "1001", "trade_no": "T1", "out_trade_no": "C1", "money": "10.00", "trade_status": "TRADE_SUCCESS"}
    params |= changed
    return {"sign_type": "MD5", "sign": signature(params, KEY)} | params


@pytest.mark.parametrize(
    ("params", "read"),
    [
        (_notice(), Payment("C1", "T1", 1000)),
        (_notice(money="10"), Payment("C1", "T1", 1000)),
        (_notice(money="ten"), Payment("C1", "T1", None)),
        (_notice() | {"sign": _notice()["sign"].upper()}, Payment("C1", "T1", 1000)),
        (_notice(pid="1002"), NoticeFault.WRONG_MERCHANT),
        (_notice(trade_status="WAIT_BUYER_PAY"), NoticeFault.NOT_PAID),
        (_notice() | {"money": "0.01"}, NoticeFault.BAD_SIGNATURE),
        (_notice() | {"sign": ""}, NoticeFault.BAD_SIGNATURE),
        (_notice() | {"sign": "签名"}, NoticeFault.BAD_SIGNATURE),
        ({"pid": "1001"}, NoticeFault.BAD_SIGNATURE),
        ({}, NoticeFault.WRONG_MERCHANT),
    ],
)
async def test_a_notice_counts_only_with_pid_signature_and_success(
    params: dict[str, str], read: Payment | NoticeFault
) -> None:
    async with ClientSession() as session:
        epay = Epay(Peer("epay", "http://127.0.0.1/", "1001", KEY, "epay"), session)
        assert await epay.read_notice(Notice({}, params, {}, b"")) == read
        assert await epay.read_notice(Notice({}, {}, params, b"in the body")) == read


# --- money -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("text", "fen"), [("10.00", 1000), ("10", 1000), ("0.5", 50), ("0.01", 1), ("19.99", 1999)])
def test_an_amount_is_whole_fen(text: str, fen: int) -> None:
    assert read_yuan(text) == fen
    assert read_yuan(yuan(fen)) == fen


@pytest.mark.parametrize("text", ["", "-1", "1.005", "1e3", "１０", " 10", "10.", "010", "1,000", "nan", "10.00\n"])
def test_what_is_not_plainly_an_amount_is_refused(text: str) -> None:
    assert read_yuan(text) is None


# --- states ------------------------------------------------------------------------------------------------------
def test_the_steps_are_exactly_these() -> None:
    undelivered = ("delayed", "paid", "recharging", "submitted")
    assert {(step.name, *sorted(step.sources), step.target) for step in STEPS} == {
        ("ask", "created", "paying"),
        ("pay", "created", "paying", "paid"),
        ("pay_shown", "created", "paying", "recharging"),
        ("pay_late", "expired", "paid"),
        ("submit", "paid", "submitted"),
        ("recharge", "delayed", "paid", "submitted", "recharging"),
        ("complete", "delayed", "manual", "paid", "recharging", "submitted", "completed"),
        ("settle", "created", "paying", "completed"),
        ("delay", "paid", "recharging", "submitted", "delayed"),
        ("fail", *undelivered, "failed"),
        ("roll_back", *undelivered, "paying"),
        ("refund", *undelivered, "refunding"),
        ("refund_odd", "cancelled", "created", "expired", "paying", "refunding"),
        ("finish_refund", "refunding", "refunded"),
        ("hand_over", "delayed", "paid", "recharging", "refunding", "submitted", "manual"),
        ("expire", "created", "paying", "expired"),
        ("cancel", "created", "paying", "cancelled"),
    }


def test_only_a_late_payment_leads_out_of_an_end_and_only_a_roll_back_to_unpaid() -> None:
    for step in STEPS:
        assert step.target not in step.sources
        assert not step.sources & ENDS or step.name in ("pay_late", "refund_odd")
        assert not step.sources & {State.COMPLETED, State.REFUNDED, State.FAILED}
        assert step.target not in UNPAID or step.name in ("ask", "roll_back")


def test_every_state_has_words_in_both_languages() -> None:
    assert set(WORDS) == set(State)
    assert len({zh for zh, _ in WORDS.values()}) == len({en for _, en in WORDS.values()}) == len(State)
    assert [WORDS[state][0] for state in PROGRESS] == ["支付中", "已提交", "充值中", "已完成"]
    assert all(0 <= index < len(PROGRESS) for index in REACHED.values())


# --- profiles ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "on"),
    [
        ("naive", set()),
        ("hardened", set(SWITCHES)),
        ("naive+requery_unpaid+settle_once", {"requery_unpaid", "settle_once"}),
        ("hardened-verify_amount", set(SWITCHES) - {"verify_amount"}),
        ("hardened-verify_amount+verify_amount", set(SWITCHES)),
        ("naive-settle_once", set()),
    ],
)
def test_a_profile_turns_on_exactly_the_switches_it_names(text: str, on: set[str]) -> None:
    profile = read_profile(text)
    assert {switch for switch in SWITCHES if getattr(profile, switch)} == on


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no profile ''"),
        ("naiv", "did you mean 'naive'?"),
        ("Hardened", "did you mean 'hardened'?"),
        ("naive+settle_onc", "did you mean 'settle_once'?"),
        ("naive+", "no switch ''"),
        ("naive settle_once", "no profile 'naive settle_once'"),
        ("+settle_once", "no profile ''"),
        ("hardened--settle_once", "no switch ''"),
        ("naive+name", "no switch 'name'"),
    ],
)
def test_an_unknown_profile_is_refused_with_the_legal_names(text: str, said: str) -> None:
    with pytest.raises(ProfileError) as refused:
        read_profile(text)
    assert said in str(refused.value)
    assert all(name in str(refused.value) for name in (*BASES, *SWITCHES))
    assert "\n" not in str(refused.value)


# --- what a payment means ----------------------------------------------------------------------------------------
def _order(state: State = State.PAYING) -> Order:
    return Order(
        id=1, order_no="C1", trade_no="", contact="b00000001@buyers.example", account="p", product="card_10",
        channel="epay", region="", state=state, code=None, price_fen=1000, paid_fen=None, told="", upstream="",
        known=Known.NOTHING, tries=0, refusals="", receipt="", apology=None, pay_url="", created_at=0.0, paid_at=None,
        changed_at=0.0, updated_at=0.0,
    )  # fmt: skip


AMOUNT, ASKED, BACK = "naive+verify_amount", "naive+query_before_expiry", "naive+compensate_late"


@pytest.mark.parametrize(
    ("order", "fen", "profile", "outcome"),
    [
        (_order(), 1000, AMOUNT, Outcome.DELIVER),
        (_order(State.CREATED), 1000, AMOUNT, Outcome.DELIVER),
        (_order(), 999, "naive", Outcome.DELIVER),
        (_order(), None, "naive", Outcome.DELIVER),
        (_order(), 999, AMOUNT, Outcome.WRONG_AMOUNT),
        (_order(), 1001, AMOUNT, Outcome.WRONG_AMOUNT),
        (_order(), None, AMOUNT, Outcome.WRONG_AMOUNT),
        (_order(State.EXPIRED), 1000, AMOUNT, Outcome.TOO_LATE),
        (_order(State.CANCELLED), 1000, "naive", Outcome.TOO_LATE),
        (_order(State.EXPIRED), 1000, ASKED, Outcome.DELIVER),
        (_order(State.EXPIRED), 999, ASKED, Outcome.TOO_LATE),
        (_order(State.CANCELLED), 1000, ASKED, Outcome.TOO_LATE),
        (_order(State.EXPIRED), 1000, BACK, Outcome.REFUND),
        (_order(State.CANCELLED), 1000, BACK, Outcome.REFUND),
        (_order(State.EXPIRED), None, BACK, Outcome.TOO_LATE),
        (_order(State.EXPIRED), 1000, "hardened", Outcome.DELIVER),
        (_order(State.EXPIRED), 999, "hardened", Outcome.REFUND),
        (_order(State.PAID), 1000, AMOUNT, Outcome.REPEAT),
        (_order(State.RECHARGING), 1000, "hardened", Outcome.REPEAT),
        (_order(State.REFUNDING), 1000, "hardened", Outcome.REPEAT),
        (_order(State.COMPLETED), 1, AMOUNT, Outcome.REPEAT),
        (None, 1000, AMOUNT, Outcome.NO_SUCH_ORDER),
        (replace(_order(), channel="other"), 1000, AMOUNT, Outcome.NO_SUCH_ORDER),
    ],
)
def test_a_payment_means(order: Order | None, fen: int | None, profile: str, outcome: Outcome) -> None:
    assert judge(order, Payment("C1", "T1", fen), channel="epay", profile=read_profile(profile)) is outcome


@pytest.mark.parametrize(
    ("profile", "fen", "read"),
    [
        ("naive", 100_000, 100_000),
        ("naive+tolerant_reader", 100_000, 1000),
        ("naive+tolerant_reader", 10, 10),
        ("naive+tolerant_reader", 100_001, 100_001),
        ("naive+tolerant_reader", None, None),
    ],
)
def test_only_exactly_a_hundred_prices_are_one_price_in_fen(profile: str, fen: int | None, read: int | None) -> None:
    assert in_yuan(_order(), Payment("C1", "T1", fen), read_profile(profile)).fen == read


# --- forms -------------------------------------------------------------------------------------------------------
FORM = {"product": "card_10", "channel": "epay", "contact": "b00000042@buyers.example", "account": "player-00000042"}


@pytest.mark.parametrize("changed", [{}, {"region": "cn-east"}, {"contact": "张三 138"}, {"contact": " x "}])
def test_a_whole_form_is_taken(changed: dict[str, str]) -> None:
    assert read_wish(FORM | changed, {"epay": None}).region == changed.get("region", "")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"product": "card_11"}, "product"),
        ({"product": ""}, "product"),
        ({"channel": "wechat"}, "channel"),
        ({"contact": ""}, "contact"),
        ({"contact": "   "}, "contact"),
        ({"contact": "x" * 65}, "contact"),
        ({"contact": "a\r\nb"}, "contact"),
        ({"account": ""}, "account"),
        ({"account": "a\x00"}, "account"),
        ({"region": "r" * 33}, "region"),
    ],
)
def test_a_form_that_cannot_become_an_order_is_refused_by_field(changed: dict[str, str], field: str) -> None:
    with pytest.raises(BadWish) as refused:
        read_wish(FORM | changed, {"epay": None})
    assert refused.value.words.startswith(field)
    assert refused.value.words_en.startswith(field)


def test_order_numbers_fit_and_do_not_repeat() -> None:
    numbers = {new_order_no(1_700_000_000.0) for _ in range(1000)}
    assert len(numbers) == 1000
    assert all(len(number) <= 32 and number.isalnum() for number in numbers)


# --- settings ----------------------------------------------------------------------------------------------------
CHANNELS = json.dumps({"epay": {"url": "http://127.0.0.1:9000/epay", "pid": "1001", "key": SECRET}})
GOOD = {"CARDSHOP_CHANNELS": CHANNELS, "PATH": "/bin"}


def test_settings_have_the_documented_defaults() -> None:
    settings = read_settings(GOOD, Path("/data"))
    assert (settings.order_life_s, settings.requery_s, settings.gateway_timeout_s) == (300.0, 10.0, 30.0)
    assert (settings.stock, settings.admin_token, settings.public_url) == (20_000, "", "")
    assert settings.database_url == "sqlite+aiosqlite:////data/shop.db"
    assert settings.channels["epay"] == Peer("epay", "http://127.0.0.1:9000/epay/", "1001", SECRET, "epay")
    assert SECRET not in repr(settings)


def _channel(**changed: object) -> str:
    return json.dumps({"epay": {"url": "http://h/", "pid": "1", "key": SECRET} | changed})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("CARDSHOP_ORDER_LIFE", "1", "did you mean CARDSHOP_ORDER_LIFE_S?"),
        ("CARDSHOP_ORDER_LIFE_S", "0", "'0'"),
        ("CARDSHOP_ORDER_LIFE_S", "5 min", "'5 min'"),
        ("CARDSHOP_REQUERY_S", "nan", "'nan'"),
        ("CARDSHOP_GATEWAY_TIMEOUT_S", "inf", "'inf'"),
        ("CARDSHOP_STOCK", "-1", "'-1'"),
        ("CARDSHOP_STOCK", "1.5", "'1.5'"),
        ("CARDSHOP_STOCK", "1000001", "1000000"),
        ("CARDSHOP_PUBLIC_URL", "shop.example", "'shop.example'"),
        ("CARDSHOP_PUBLIC_URL", "http://[", "'http://['"),
        ("CARDSHOP_DATABASE_URL", f"postgresql+asyncpg://u:{SECRET}@h/d", "no driver 'postgresql+asyncpg' here"),
        ("CARDSHOP_DATABASE_TIMEOUT_S", "0", "a number of seconds above 0, such as 2"),
        ("CARDSHOP_DATABASE_URL", "shop.db", "no URL"),
        ("CARDSHOP_CHANNELS", "", "no JSON"),
        ("CARDSHOP_CHANNELS", f'{{"epay": {SECRET}', "column"),
        ("CARDSHOP_CHANNELS", "{}", "holds no channel"),
        ("CARDSHOP_CHANNELS", "[]", "holds no channel"),
        ("CARDSHOP_CHANNELS", '{"a b": {}}', "'a b'"),
        ("CARDSHOP_CHANNELS", '{"epay": 1}', "is no object"),
        ("CARDSHOP_CHANNELS", '{"epay": {}}', "'url' is missing"),
        ("CARDSHOP_CHANNELS", _channel(pid=1001), "'pid' must be a text"),
        ("CARDSHOP_CHANNELS", _channel(secret=SECRET), "no setting 'secret'"),
        ("CARDSHOP_CHANNELS", _channel(url="ftp://h/"), "'ftp://h/'"),
        ("CARDSHOP_CHANNELS", _channel(dialect="alipays"), "dialect 'alipays'; legal: epay, alipay, wechat"),
        ("CARDSHOP_CHANNELS", _channel(dialect=["epay"]), "dialect"),
        ("CARDSHOP_CHANNELS", _channel(dialect="alipay"), "'app_private_key' is missing"),
        ("CARDSHOP_CHANNELS", _channel(dialect="wechat", type="wxpay"), "no setting 'type'"),
        ("CARDSHOP_SUPPLIERS", _channel(dialect="epay"), "dialect 'epay'; legal: sharedstore, fulu"),
        ("CARDSHOP_GAMES", _channel(dialect="rcon"), "dialect 'rcon'; legal: topup"),
        ("CARDSHOP_SDK_THREADS", "0", "from 1 to 256"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_name(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings(GOOD | {name: value}, Path("/data"))
    line = str(refused.value)
    assert line.startswith(name)
    assert said in line
    assert "legal" in line or "must be" in line
    assert "\n" not in line
    assert SECRET not in line


def test_a_channel_is_known_by_its_dialect_and_by_its_own_way_of_payment() -> None:
    keys = {"app_private_key": SECRET, "alipay_public_key": "public"}
    given = {"a": {"dialect": "alipay", **keys}, "e": {"type": "wxpay"}, "f": {"dialect": "epay"}}
    whole = {name: {"url": "http://h", "pid": "1", "key": SECRET} | more for name, more in given.items()}
    channels = read_settings({"CARDSHOP_CHANNELS": json.dumps(whole)}, Path("/data")).channels
    assert [(c.dialect, c.way, c.url) for c in channels.values()] == [
        ("alipay", "alipay", "http://h/"), ("epay", "wxpay", "http://h/"), ("epay", "alipay", "http://h/"),
    ]  # fmt: skip
    assert channels["a"].told == keys
    assert SECRET not in repr(channels)


def test_channels_must_be_set() -> None:
    with pytest.raises(SettingsError, match="CARDSHOP_CHANNELS is not set"):
        read_settings({}, Path("/data"))


def test_each_switch_says_what_naive_does_instead() -> None:
    source = Path(__file__).parents[2].joinpath("targets/cardshop/profiles.py").read_text(encoding="utf-8")
    assert Profile() == BASES["naive"]
    for switch in SWITCHES:
        assert "Off:" in source.split(f"{switch}: bool")[1].split("bool =")[0]


def test_codes_and_states_are_the_standard_ones() -> None:
    standard = {code.value for code in ledger.states.Code}
    assert {code.value for code in Code} <= standard
    assert standard - {code.value for code in Code} == {
        "pay.not_submitted",
        "pay.unmatched",
        "risk.held",
        "risk.rejected",
    }
    assert {state.value for state in State} == {s.value for s in ledger.states.State} - {"held", "unknown"}


def test_the_target_file_knows_every_state_code_switch_setting_and_product() -> None:
    target = webshop.load(webshop.find("cardshop"))
    assert set(target.states) == {state.value for state in State}
    assert set(target.codes) == {code.value for code in Code}
    assert tuple(target.switches) == SWITCHES
    assert set(target.business_time) <= set(VARIABLES)
    assert target.sells.products == {key: product.price_fen for key, product in PRODUCTS.items()}
    assert set(target.sells.needs) == set(PRODUCTS) - set(CARDS)

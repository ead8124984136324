import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from plan.orders import Delay, Lognormal, Mix, Uniform, Wish, find_key, is_warm_up, number_of, order_key, wish
from plan.units import BusinessTime, Share, from_text

MIX = Mix(
    product={"card_10": Share(0.6), "card_50": Share(0.4)},
    channel={"epay": Share(0.7), "cheap": Share(0.3)},
    region={"cn": Share(0.9), "hk": Share(0.1)},
    buyer={"plain": Share(0.95), "double_click": Share(0.05)},
    pay_delay=Delay(lognormal=Lognormal(BusinessTime(8), BusinessTime(40), BusinessTime(60))),
)
KNOWN = [  # (seed, n, warm-up): part of the contract, the same in every build
    (7, 0, False, ("b00000000", "card_50", "cheap", "hk", "plain", 5.4264502370881385)),
    (7, 1, False, ("b00000001", "card_10", "epay", "cn", "plain", 1.5346677654186225)),
    (7, 42, False, ("b00000042", "card_50", "epay", "cn", "plain", 6.081410141508113)),
    (7, 123456, False, ("b00123456", "card_10", "cheap", "hk", "plain", 4.90777951408585)),
    (8, 42, False, ("b00000042", "card_10", "epay", "hk", "plain", 4.402265421721981)),
    (7, 42, True, ("w00000042", "card_10", "epay", "hk", "double_click", 12.490650743141034)),
]


@pytest.mark.parametrize(("seed", "n", "warm_up", "known"), KNOWN)
def test_an_order_is_the_pinned_one(seed: int, n: int, warm_up: bool, known: tuple[object, ...]) -> None:
    found = wish(seed, n, MIX, warm_up=warm_up)
    assert (found.key, found.product, found.channel, found.region, found.buyer) == known[:5]
    assert found.pay_delay_s == pytest.approx(known[5], rel=1e-12)


def test_an_order_does_not_depend_on_which_were_asked_for_before() -> None:
    forwards = [wish(3, n, MIX) for n in range(50)]
    backwards = [wish(3, n, MIX) for n in reversed(range(50))]
    assert forwards == backwards[::-1]


def test_a_warm_up_order_is_another_order_with_another_key() -> None:
    pairs = [(wish(3, n, MIX), wish(3, n, MIX, warm_up=True)) for n in range(50)]
    assert all(real.key[0] == "b" and warm.key[0] == "w" and real.key[1:] == warm.key[1:] for real, warm in pairs)
    assert any(real.pay_delay_s != warm.pay_delay_s for real, warm in pairs)


@pytest.mark.parametrize("dimension", ["product", "channel", "region", "buyer"])
def test_the_shares_of_a_mix_are_respected(dimension: str) -> None:
    shares: dict[str, Share] = getattr(MIX, dimension)
    found = [getattr(wish(11, n, MIX), dimension) for n in range(10_000)]
    counts = [found.count(name) for name in shares]
    assert sum(counts) == 10_000
    assert stats.chisquare(counts, [share * 10_000 for share in shares.values()]).pvalue > 0.001


def test_what_an_order_buys_says_nothing_of_how_it_is_paid() -> None:
    orders = [wish(11, n, MIX) for n in range(10_000)]
    table = [
        [sum(o.product == product and o.channel == channel for o in orders) for channel in MIX.channel]
        for product in MIX.product
    ]
    assert stats.chi2_contingency(table).pvalue > 0.001
    late = [o.pay_delay_s for o in orders if o.product == "card_10"]
    assert stats.ks_2samp(late, [o.pay_delay_s for o in orders if o.product == "card_50"]).pvalue > 0.001


def test_a_product_without_a_share_is_never_wanted() -> None:
    mix = msgspec.structs.replace(MIX, product={"none": Share(0.0), "all": Share(1.0)})
    assert {wish(1, n, mix).product for n in range(500)} == {"all"}


# --- pay delay ---------------------------------------------------------------------------------------------------
def test_the_lognormal_delay_has_its_median_its_p95_and_its_limit() -> None:
    delay = MIX.pay_delay
    assert delay.at(0.5) == pytest.approx(8)
    assert delay.at(0.95) == pytest.approx(40)
    assert (delay.at(0.0), delay.at(1.0), delay.longest) == (0.0, 60.0, 60.0)
    assert delay.at(0.9999) == 60.0


def test_the_delays_of_many_orders_have_the_percentiles_of_the_mix() -> None:
    delays = sorted(wish(5, n, MIX).pay_delay_s for n in range(10_000))
    assert delays[5_000] == pytest.approx(8, rel=0.06)
    assert delays[9_500] == pytest.approx(40, rel=0.06)
    assert delays[-1] <= 60


@pytest.mark.parametrize(
    ("delay", "points", "longest"),
    [
        (Delay(constant=BusinessTime(3)), [(0.0, 3), (0.5, 3), (0.999, 3)], 3),
        (Delay(constant=BusinessTime(0)), [(0.5, 0)], 0),
        (Delay(uniform=Uniform(BusinessTime(2), BusinessTime(10))), [(0.0, 2), (0.5, 6), (0.75, 8)], 10),
        (Delay(uniform=Uniform(BusinessTime(2), BusinessTime(2))), [(0.0, 2), (0.9, 2)], 2),
        (Delay(lognormal=Lognormal(BusinessTime(5), BusinessTime(5), BusinessTime(5))), [(0.3, 5), (0.99, 5)], 5),
    ],
)
def test_a_delay_is_what_its_shape_says(delay: Delay, points: list[tuple[float, float]], longest: float) -> None:
    assert [delay.at(u) for u, _ in points] == pytest.approx([s for _, s in points])
    assert delay.longest == longest


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_later_share_of_buyers_never_pays_earlier(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert MIX.pay_delay.at(low) <= MIX.pay_delay.at(high) <= MIX.pay_delay.longest


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"constant": "1 s", "uniform": {"min": "1 s", "max": "2 s"}},
        {"uniform": {"min": "3 s", "max": "2 s"}},
        {"uniform": {"min": "3 s"}},
        {"lognormal": {"median": "8 s", "p95": "4 s", "max": "60 s"}},
        {"lognormal": {"median": "8 s", "p95": "40 s", "max": "30 s"}},
        {"lognormal": {"median": "0 s", "p95": "40 s", "max": "60 s"}},
        {"lognormal": {"median": "8 s", "p95": "40 s"}},
        {"constant": 5},
        {"constant": "-5 s"},
        {"exponential": "5 s"},
    ],
)
def test_a_delay_that_is_not_exactly_one_sound_shape_is_refused(plain: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(plain, Delay, dec_hook=from_text)


# --- keys --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("b00000042", "b00000042"),
        ("w00000042", "w00000042"),
        ("b00000042@buyers.example", "b00000042"),
        ("run7-b00000042@buyers.example", "b00000042"),
        ("https://shop/pay?param=b00000042&sign=x", "b00000042"),
        ("param_b00000042_x", "b00000042"),
        ("b00000042.2", "b00000042.2"),
        ("it was b00000042.", "b00000042"),
        ("给b00000042", "b00000042"),
        ("b00000001 b00000002", "b00000001"),
    ],
)
def test_a_key_is_found_bare_in_what_carries_it(text: str, key: str) -> None:
    assert find_key(text) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b0000042",
        "b000000042",
        "B00000042",
        "a00000042",
        "b0000004x",
        "xb00000042",
        "1b00000042",
        "b00000042x",
        "b 00000042",
        "b００００００４２",
        "00000042",
        "deadb00000042",
        "20260101b00000042",
    ],
)
def test_what_only_looks_like_a_key_is_not_one(text: str) -> None:
    assert find_key(text) is None


@pytest.mark.parametrize(
    ("key", "n", "warm_up"),
    [
        ("b00000042", 42, False),
        ("b00000042.2", 42, False),
        ("b99999999", 99_999_999, False),
        ("w00000042", None, True),
        ("w00000042.2", None, True),
        ("SN20260101", None, False),
        ("b00000042x", None, False),
        (" b00000042", None, False),
        ("", None, False),
    ],
)
def test_a_key_tells_its_number_and_whether_it_warms_up(key: str, n: int | None, warm_up: bool) -> None:
    assert number_of(key) == n
    assert is_warm_up(key) is warm_up


@given(st.integers(0, 99_999_999))
def test_every_number_comes_back_from_its_key(n: int) -> None:
    assert number_of(order_key(n)) == n
    assert find_key(f"{order_key(n)}@buyers.example") == order_key(n)
    assert is_warm_up(order_key(n, warm_up=True))


def test_a_wish_is_frozen() -> None:
    with pytest.raises(AttributeError):
        wish(1, 1, MIX).product = "x"  # type: ignore[misc]
    assert isinstance(wish(1, 1, MIX), Wish)

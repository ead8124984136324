from pathlib import Path

import msgspec
import pytest

from ledger.states import Code, State
from plan.document import DocumentError
from plan.orders import Wish
from targets import webshop
from targets.storefront import NotPlaced, Page, Person, Placed, Reply, Unread

CARDSHOP = webshop.find("cardshop")
WISH = Wish(42, "b00000042", "card_10", "epay", "cn-east", "plain", 8.0)
PERSON = Person("王芳", "b00000042@buyers.example", "player-00000042")


def reply(body: object, status: int = 200, **headers: str) -> Reply:
    raw = (
        body if isinstance(body, bytes) else str(body).encode() if isinstance(body, str) else msgspec.json.encode(body)
    )
    return Reply(status, {"content-type": "application/json", **headers}, raw, "http://127.0.0.1:5/orders")


@pytest.fixture
def shop() -> webshop.Webshop:
    return webshop.storefront(CARDSHOP, "http://127.0.0.1:5")


def test_an_order_is_placed_with_the_key_in_contact_and_account(shop: webshop.Webshop) -> None:
    ask = shop.place(WISH, PERSON)
    assert (ask.method, ask.url) == ("POST", "http://127.0.0.1:5/orders")
    assert b"contact=b00000042%40buyers.example" in ask.body
    assert b"account=player-00000042" in ask.body


def test_a_placed_order_gives_its_number_and_absolute_addresses(shop: webshop.Webshop) -> None:
    placed = shop.read_placed(
        reply({"order_no": "C1", "pay_url": "http://127.0.0.1:6/pay", "poll": "/orders/C1.json"}, 201)
    )
    assert placed == Placed("C1", "http://127.0.0.1:6/pay", "http://127.0.0.1:5/orders/C1.json")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (reply("<html>加载失败</html>", 502), "status 502: <html>加载失败</html>"),
        (reply({"error": "加载失败", "code": "upstream.timeout"}, 502), "status 502: 加载失败"),
        (reply({"order_no": "C1"}, 201), "status 201 without an order"),
        (reply("", 201), "status 201 without an order"),
        (reply(b"\xff\xfe{", 201), "status 201 without an order"),
        (reply([1, 2], 201), "status 201 without an order"),
        (Reply(0, {}, b"", "http://127.0.0.1:5/orders", "timeout after 30 s"), "timeout after 30 s"),
    ],
)
def test_an_answer_that_is_no_order_is_told_in_words(shop: webshop.Webshop, answer: Reply, says: str) -> None:
    placed = shop.read_placed(answer)
    assert isinstance(placed, NotPlaced)
    assert placed.why.startswith(says)


def test_the_shops_own_code_is_mapped(shop: webshop.Webshop) -> None:
    placed = shop.read_placed(reply({"error": "加载失败", "code": "upstream.timeout"}, 502))
    assert isinstance(placed, NotPlaced)
    assert placed.code is Code.UPSTREAM_TIMEOUT


def test_an_apology_is_no_goods(shop: webshop.Webshop) -> None:
    body = {"state": "completed", "node": "卡密已发放", "goods": ["库存不足，请联系客服", "CARD-1"]}
    page = shop.read_page(reply(body))
    assert page == Page(State.COMPLETED, "卡密已发放", ("CARD-1",), None)


@pytest.mark.parametrize(
    ("answer", "gone"),
    [
        (reply("<html>", 404), True),
        (reply("<html>", 200), False),
        (reply({"words": "x"}), False),
        (reply({"state": "paid"}, 500), False),
        (Reply(0, {}, b"", "http://127.0.0.1:5/x", "connection refused"), False),
    ],
)
def test_a_page_that_cannot_be_read_is_unread_and_never_a_state(
    shop: webshop.Webshop, answer: Reply, gone: bool
) -> None:
    page = shop.read_page(answer)
    assert isinstance(page, Unread)
    assert page.gone is gone


def test_a_word_that_nobody_mapped_is_the_unknown_state(shop: webshop.Webshop) -> None:
    page = shop.read_page(reply({"state": "frozen"}))
    assert isinstance(page, Page)
    assert page.state is State.UNKNOWN


PAY = {
    "redirect": (webshop.Take(header="Location"), reply("", 302, location="/pay?x=1"), "/pay?x=1"),
    "script": (webshop.Take(regex=r"location\.href='([^']+)'"), reply("<script>location.href='/p'</script>"), "/p"),
    "form": (
        webshop.Take(form=True),
        reply(
            '<form action="http://127.0.0.1:6/s.php"><input name="pid" value="1"><input name="n" value="充值"></form>'
        ),
        "http://127.0.0.1:6/s.php?pid=1&n=%E5%85%85%E5%80%BC",
    ),
    "json": (webshop.Take(json="data.pay"), reply({"data": {"pay": "/x"}}), "/x"),
}


@pytest.mark.parametrize("way", sorted(PAY))
def test_the_pay_address_is_found_in_each_way(way: str) -> None:
    take, answer, expected = PAY[way]
    assert webshop._Body(answer).take(take) == expected


def changed(tmp_path: Path, old: str, new: str) -> Path:
    text = CARDSHOP.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "shop.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "  completed: completed",
            "  completed: complted",
            "states.completed: 'complted' is not legal here; did you mean",
        ),
        (
            "  unknown: unknown",
            "  unknown: unkown",
            "codes.unknown: 'unkown' is not legal here; did you mean 'unknown'?",
        ),
        ("place:", "plaze:", "unknown key 'plaze'; did you mean 'place'?"),
        ("order_no: {json: order_no}", "order_no: {jsn: order_no}", "unknown key 'jsn'; did you mean 'json'?"),
        ("order_no: {json: order_no}", "order_no: {}", "exactly one of json, header, regex, form"),
        ("order_no: {json: order_no}", "order_no: {regex: '('}", "is not a regular expression"),
        ("order_no: {json: order_no}", "order_no: {regex: 'a'}", "needs exactly one group"),
        ("compressible: true", "compressible: false", "so compressible must be true"),
        ("5 min", "5", "business_time.CARDSHOP_ORDER_LIFE_S: 5 is not legal here; legal: a duration"),
        ("shop>payment: [param", "shop>pay: [param", "key_in"),
        ("shop>game: passthrough", "shop>game: {a: b}", "key_in"),
        ("server: postgresql", "server: postgres", "databases.postgresql.server: 'postgres' is not legal here"),
        ("{database_url}", "{database}", "databases.postgresql has a server, so its env must say {database_url}"),
        ("  sqlite: {}", "  sqlite: {lose_jobs: DELETE FROM jobs}", ":n must stand in it"),
        ("  sqlite: {}", "  sqlite: {locks: []}", "unknown key 'locks'; did you mean 'lock'?"),
    ],
)
def test_a_flaw_in_a_target_file_is_refused_with_its_place(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(DocumentError) as error:
        webshop.load(changed(tmp_path, old, new))
    assert says in str(error.value)
    assert "shop.yaml:" in str(error.value)


def test_a_database_lays_its_environment_over_that_of_start_and_its_statements_over_the_house() -> None:
    target = webshop.load(CARDSHOP)
    assert next(iter(target.databases)) == "sqlite"
    assert target.having("sqlite") == target
    assert target.having("") == target
    other = target.having("postgresql")
    assert other.start.env == target.start.env | {"CARDSHOP_DATABASE_URL": "{database_url}"}
    assert other.house
    assert target.house
    assert (other.house.database, other.house.lock[0]) == ("{database_direct}", "BEGIN")
    assert (other.house.queued, other.house.processes) == (target.house.queued, target.house.processes)


def test_a_name_that_nothing_fills_is_refused_with_the_nearest() -> None:
    with pytest.raises(DocumentError, match=r"nothing is called \{prt\}; did you mean 'port'"):
        webshop.filled("--port {prt}", {"port": "1"})
    with pytest.raises(DocumentError, match="not in the environment"):
        webshop.filled("${ORDERJAM_NO_SUCH_VARIABLE}", {})


def test_an_unknown_target_is_refused_with_the_nearest() -> None:
    with pytest.raises(DocumentError, match="did you mean 'cardshop'"):
        webshop.find("cardshp")


def test_a_row_of_the_books_without_a_key_is_not_one_of_ours() -> None:
    target = webshop.load(CARDSHOP)
    row = {"contact": "someone@else", "order_no": "1", "state": "paid", "paid_fen": 1}
    assert webshop.booked(target, row, t=0, shop_t=None) is None


def test_books_without_a_named_column_are_refused_with_the_nearest() -> None:
    target = webshop.load(CARDSHOP)
    with pytest.raises(DocumentError, match="no column 'paid_fen'; did you mean 'paid_fn'"):
        webshop.booked(
            target, {"contact": "b00000001", "order_no": "1", "state": "paid", "paid_fn": 1}, t=0, shop_t=None
        )

"""Only whole values at the places of a pattern tell whose a request is."""

from urllib.parse import unquote_plus

import msgspec
import pytest

from faults.transport.keys import NUMBERS_MAX, Numbers, Reader, Subject
from faults.transport.toxic import Head
from ledger.states import Operation
from plan.transport import Request

KEY = "b00000042"
CREATE = Request(
    "POST", "/create", Operation.CREATE,
    key=(
        "form.param", "query.param", "json.attach", "form.biz.passback", "json.biz.contact", "json.list.value",
        "header.x-key",
    ),
    number=("form.no", "query.no", "json.no"),
)  # fmt: skip
QUERY = Request("", "/orders/(?P<no>[^/]+)", Operation.QUERY, number=("path.no",))
REFUND = Request("POST", "/gateway", Operation.REFUND, when={"form.method": "trade.refund"}, number=("form.no",))
CLOSE = Request("POST", "/gateway", Operation.CLOSE, when={"form.method": "trade.close"}, number=("form.no",))
ANY = Request("POST", "/any", Operation.BUY, key=("form.*",))
TABLE = (CREATE, QUERY, REFUND, CLOSE, ANY)


def post(body: str | bytes, target: str = "/create", *, is_whole: bool = True, **headers: str) -> Head:
    text = body if isinstance(body, bytes) else body.encode()
    return Head("POST", target, {k.replace("_", "-"): v for k, v in headers.items()}, text, is_whole)


def get(target: str) -> Head:
    return Head("GET", target, {}, b"", True)


def multipart(**fields: str) -> bytes:
    parts = (
        f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    )
    return "".join(parts).encode() + b"--B--\r\n"


NESTED = msgspec.json.encode({"contact": f"{KEY}@buyers.example"}).decode()


@pytest.mark.parametrize(
    "head",
    [
        post(f"a=1&param={KEY}"),
        post(f"param={KEY}.2x&param={KEY}"),
        post(f"param={KEY}%40buyers.example&b="),
        post("param=player-00000042"),
        post(f"param=%2540%253D{KEY}"),
        post("", f"/create?param={KEY}"),
        post("", f"http://upstream:80/create?a&param={KEY}#x"),
        post(f'{{"attach": "{KEY}"}}'),
        post(f'biz={{"passback":"who%3D{KEY}"}}'),
        post(f'{{"biz": {{"contact": "{KEY}"}}}}'),
        post(msgspec.json.encode({"biz": NESTED})),
        post(f'{{"list": [{{"value": "x"}}, {{"value": "{KEY}"}}]}}'),
        post("", x_key=KEY),
        post(multipart(a="1", param=KEY), content_type="multipart/form-data; boundary=B"),
        post(f"param={KEY}&cut=off", is_whole=False),
        post(f"x={KEY}", "/any"),
        post(f"param={KEY}", "/epay/create"),
    ],
)
def test_the_key_is_read_from_its_place(head: Head) -> None:
    found = Reader(TABLE, "epay").read(head)
    assert found is not None
    assert (found.key.removesuffix(".2"), found.keyed_by) == (KEY, "key")


@pytest.mark.parametrize(
    "head",
    [
        post(f"other={KEY}"),
        post("param=xb00000042"),
        post("param=b0000004"),
        post(f"a=param%3D{KEY}"),
        post(f"a=1&param={KEY}", is_whole=False),
        post(f'{{"attach": "{KEY}"', is_whole=False),
        post(f'{{"attach": ["{KEY[:-1]}"], "x": "{KEY}"}}'),
        post(f'{{"attach": {{"deeper": "{KEY}"}}}}'),
        post(f'biz={{"passback":"{KEY}"'),
        post(multipart(a=f"param={KEY}"), content_type="multipart/form-data; boundary=B"),
        post(multipart(a="1", param=KEY), content_type="multipart/form-data"),
        post(multipart(a="1", param=KEY)[:-10], content_type="multipart/form-data; boundary=B", is_whole=False),
        post(b"param=\xff\xfe"),
        post(b"[" * 5000),
        post(f"param={'x' * 1100}{KEY}"),
        post("", x_keys=KEY),
    ],
)
def test_what_only_looks_like_a_key_is_none(head: Head) -> None:
    assert Reader(TABLE).read(head) == Subject(Operation.CREATE)


@pytest.mark.parametrize(
    "head",
    [
        get(f"/create?param={KEY}"),
        post(f"param={KEY}", "/create/"),
        post(f"param={KEY}", "/CREATE"),
        post(f"param={KEY}", "/epayx/create"),
        post("method=trade.refunds&no=1", "/gateway"),
        post("", "*"),
        post("", ""),
        post("", "http://"),
    ],
)
def test_a_request_of_no_kind_that_is_known_has_no_subject(head: Head) -> None:
    assert Reader(TABLE, "epay").read(head) is None


def test_a_field_tells_which_of_the_requests_of_one_address_it_is() -> None:
    reader = Reader(TABLE)
    for method, operation in (("trade.refund", Operation.REFUND), ("trade.close", Operation.CLOSE)):
        assert reader.read(post(f"no=C1&method={method}", "/gateway")) == Subject(operation, "C1", "order_number")


def test_a_number_that_came_with_a_key_tells_it_from_then_on_at_all_hops_of_the_upstream() -> None:
    numbers = Numbers()
    reader, other, stranger = Reader(TABLE, None, numbers), Reader(TABLE, None, numbers), Reader(TABLE)
    assert reader.read(get("/orders/C%201")) == Subject(Operation.QUERY, "C 1", "order_number")
    reader.read(post(f"param={KEY}&no=C+1"))
    assert reader.read(get("/orders/C%201")) == Subject(Operation.QUERY, KEY, "key")
    assert other.read(get("/orders/C%201")) == Subject(Operation.QUERY, KEY, "key")
    assert stranger.read(get("/orders/C%201")) == Subject(Operation.QUERY, "C 1", "order_number")
    reader.read(post("param=b00000043&no=C+1"))
    assert reader.read(get("/orders/C%201")) == Subject(Operation.QUERY, KEY, "key")


def test_the_memory_for_numbers_is_bounded_and_the_oldest_go_first() -> None:
    numbers = Numbers()
    for n in range(NUMBERS_MAX + 1):
        numbers.learn(str(n), KEY)
    assert [numbers.key_of(n) for n in ("0", "1", str(NUMBERS_MAX))] == [None, KEY, KEY]


def test_paths_without_end_fill_no_memory_and_change_no_answer() -> None:
    reader = Reader(TABLE)
    assert {reader.read(get(f"/orders/{n}")) for n in range(3000)} == {
        Subject(Operation.QUERY, str(n), "order_number") for n in range(3000)
    }


@pytest.mark.parametrize(
    "written",
    ["C1", "", "a+b", "%43%31", "a%2Bb+c", "%e4%BC%9a", "%E4%BC", "%", "100%", "%4", "%zz%41", "%%41", "é%41"],
)
def test_a_number_is_what_its_escaped_form_says(written: str) -> None:
    """urllib's reading is the standard's (WHATWG URL, application/x-www-form-urlencoded parsing)."""
    subject = Reader(TABLE).read(post(f"a=1&no={written}&b=2"))
    assert subject == Subject(Operation.CREATE, *((unquote_plus(written), "order_number") if written else ()))

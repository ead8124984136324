"""What buyers say to a shop, as a proxy reads it by the target file."""

import msgspec
import pytest

from faults.transport.keys import BY_KEY, BY_NUMBER, Reader
from faults.transport.toxic import Head
from ledger.states import Operation
from targets import asks, webshop
from targets.webshop import Take

CARDSHOP = webshop.load(webshop.find("cardshop"))


def read(target: webshop.Target, method: str, path: str, body: bytes = b"") -> tuple[Operation, str, str] | None:
    found = Reader(asks.requests(target)).read(Head(method, path, {}, body, is_whole=True))
    return None if found is None else (found.operation, found.key, found.keyed_by)


@pytest.mark.parametrize(
    ("method", "path", "body", "says"),
    [
        ("POST", "/orders", b"product=card_10&contact=b00000042%40x", (Operation.PLACE, "b00000042", BY_KEY)),
        ("POST", "/orders", b"product=card_10&account=player-00000042", (Operation.PLACE, "b00000042", BY_KEY)),
        ("GET", "/orders/C000001.json", b"", (Operation.POLL, "C000001", BY_NUMBER)),
        ("GET", "/orders/C000001?lang=en", b"", (Operation.POLL, "C000001", BY_NUMBER)),
        ("POST", "/orders/C000001/cancel", b"", (Operation.CANCEL, "C000001", BY_NUMBER)),
        ("POST", "/admin/login", b"contact=b00000042", None),
        ("GET", "/", b"", None),
    ],
)
def test_what_a_buyer_of_the_reference_shop_says_is_told_apart(
    method: str, path: str, body: bytes, says: tuple[Operation, str, str] | None
) -> None:
    assert read(CARDSHOP, method, path, body) == says


@pytest.mark.parametrize(
    ("page", "path", "says"),
    [
        ("/o/{order_no}/state", "/o/7/state", (Operation.POLL, "7", BY_NUMBER)),
        ("/o/{order_no}/state", "/o/7/other", None),
        ("/o/{order_no}/state?t={order_no}", "/o/7/state?t=7", (Operation.POLL, "7", BY_NUMBER)),
        ("/o/{order_no}/{order_no}.html", "/o/7/7.html", (Operation.POLL, "7", BY_NUMBER)),
        ("/state?no={order_no}", "/state?no=7", (Operation.POLL, "7", BY_NUMBER)),
        (Take(header="X-Page"), "/anywhere/7.html", (Operation.POLL, "7", BY_NUMBER)),
    ],
)
def test_an_order_page_is_known_by_its_address(
    page: str | Take, path: str, says: tuple[Operation, str, str] | None
) -> None:
    target = msgspec.structs.replace(CARDSHOP, place=msgspec.structs.replace(CARDSHOP.place, poll_url=page))
    assert read(target, "GET", path) == says


def test_a_shop_without_cancelling_is_never_asked_to() -> None:
    target = msgspec.structs.replace(CARDSHOP, cancel=None)
    assert {request.operation for request in asks.requests(target)} == {Operation.PLACE, Operation.POLL}

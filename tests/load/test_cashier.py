import pytest

from load.cashier import Jump, Send, Stay, Step, next_step
from targets.storefront import Reply

AT = "http://127.0.0.1:9/epay/submit.php?pid=1"
HTML = {"content-type": "text/html"}


def page(text: str, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    return Reply(status, headers or HTML, text.encode(), AT)


@pytest.mark.parametrize(
    ("reply", "step"),
    [
        (page("", 302, {"location": "cashier.php?t=1"}), Jump("http://127.0.0.1:9/epay/cashier.php?t=1")),
        (page("", 303, {"location": "http://10.0.0.1/x"}), Jump("http://10.0.0.1/x")),
        (page("", 302, {}), Stay(AT)),
        (
            page("<script>window.location.href='./cashier.php?trade_no=1&amp;a=2';</script>"),
            Jump("http://127.0.0.1:9/epay/cashier.php?trade_no=1&a=2"),
        ),
        (page('<script>location.replace("/c")</script>'), Jump("http://127.0.0.1:9/c")),
        (page('<meta http-equiv="refresh" content="0;url=/r">'), Jump("http://127.0.0.1:9/r")),
        (page("if (location.href == '/c') {}"), Stay(AT)),
        (
            page(
                '<form action="pay" method="post"><input name="a" value="会"><input name="b"><input type=submit></form>'
            ),
            Send("POST", "http://127.0.0.1:9/epay/pay", b"a=%E4%BC%9A&b=", False),
        ),
        (
            page('<form id="f" action="/go" method="POST"></form><script>document.forms[0].submit()</script>'),
            Send("POST", "http://127.0.0.1:9/go", b"", True),
        ),
        (
            page('<form action="/go?x=1"><input name="a" value="1"></form>'),
            Send("GET", "http://127.0.0.1:9/go?x=1&a=1", b"", False),
        ),
        (page('<form method="post"></form><form action="/other"></form>'), Send("POST", AT, b"", False)),
        (page("签名校验失败"), Stay(AT)),
        (Reply(200, {}, b"\xff\xfe<form", AT), Stay(AT)),
    ],
)
def test_a_page_leads_where_it_says(reply: Reply, step: Step) -> None:
    assert next_step(reply) == step

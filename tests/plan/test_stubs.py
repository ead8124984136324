"""Stubs files: what they say, and what is refused where."""

from pathlib import Path

import pytest

from plan import document, stubs
from plan.document import DocumentError
from plan.stubs import Stub
from plan.units import WireTime


def read(folder: Path, text: str) -> tuple[Stub, ...]:
    path = folder / "stubs.yaml"
    path.write_text(text, encoding="utf-8")
    return stubs.read(path)


def test_a_stub_is_read_with_all_that_it_says(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<h1>价格</h1>", encoding="utf-8")
    found = read(
        tmp_path,
        "about: three\nstubs:\n"
        "- {name: price, path: '/prices/{sku}', json: {sku: '{sku}', price: 9.9}}\n"
        "- {name: order, method: POST, path: /orders, status: 201, headers: {X-By: us}, body: ok, delay: 50 ms}\n"
        "- {name: page, path: /page, file: page.html, headers: {Content-Type: text/html}}\n"
        "- {name: none, path: /none, json: null}\n",
    )
    assert found == (
        Stub("price", "GET", "/prices/{sku}", value={"sku": "{sku}", "price": 9.9}),
        Stub("order", "POST", "/orders", 201, {"X-By": "us"}, body="ok", delay=WireTime(0.05)),
        Stub("page", "GET", "/page", headers={"Content-Type": "text/html"}, body="<h1>价格</h1>"),
        Stub("none", "GET", "/none", headers={"Content-Type": "application/json"}, body="null"),
    )
    assert document.convert(document.read(document.write({"x": found}), "plan"), dict[str, tuple[Stub, ...]]) == {
        "x": found
    }


@pytest.mark.parametrize(
    ("second", "says"),
    [
        ("{name: b, path: /b, jsn: 1}", "stubs.yaml:3 stubs[1].jsn: unknown key 'jsn'; did you mean 'json'?"),
        ("{name: b}", "stubs.yaml:3 stubs[1]: object missing required field `path`"),
        ("{path: /b}", "missing required field `name`"),
        ("{name: '', path: /b}", "stubs[1].name: is empty"),
        ("{name: a, path: /b}", "stubs[1].name: 'a' stands twice"),
        ("{name: b, path: '/a/{y}'}", "stubs[1].path: GET /a/{y} stands twice"),
        ("{name: b, path: b}", "stubs[1].path: 'b' is no path; legal: /prices/{sku}"),
        ("{name: b, path: '/b?x=1'}", "'/b?x=1' is no path"),
        ("{name: b, path: '/b c'}", "'/b c' is no path"),
        ("{name: b, path: /价}", "is no path"),
        ("{name: b, path: '/{s-k}'}", "names in braces are letters, digits and _"),
        ("{name: b, path: '/{}'}", "names in braces are letters, digits and _"),
        ("{name: b, path: '/{b'}", "names in braces are letters, digits and _"),
        ("{name: b, path: '/{x}/{x}'}", "has one name twice"),
        ("{name: b, path: /b, method: get}", "stubs[1].method: 'get' is not legal here"),
        ("{name: b, path: /b, method: PSOT}", "did you mean 'POST'?"),
        ("{name: b, path: /b, status: 99}", "99 is not legal here; legal: 200 to 599"),
        ("{name: b, path: /b, status: 600}", "600 is not legal here"),
        ("{name: b, path: /b, status: fine}", "stubs[1].status: "),
        ("{name: b, path: /b, delay: 50}", "a duration with its unit"),
        ("{name: b, path: /b, headers: {'X y': z}}", "stubs[1].headers.X y: is not legal here"),
        ("{name: b, path: /b, headers: {Content-Length: '5'}}", "stubs[1].headers.Content-Length: is not legal here"),
        ('{name: b, path: /b, headers: {X: "a\\r\\nY: b"}}', "stubs[1].headers.X: is not legal here"),
        ("{name: b, path: /b, json: {}, body: x}", "stubs[1].body: stands beside json; legal: one of"),
        ("{name: b, path: /b, body: x, file: y}", "stubs[1].file: stands beside body"),
        ("{name: b, path: /b, file: nowhere.txt}", "stubs[1].file: 'nowhere.txt' cannot be read: No such file"),
        ("{name: b, path: /b, file: latin1.txt}", "'latin1.txt' cannot be read: it is no UTF-8"),
    ],
)
def test_a_flaw_is_one_line_with_file_line_and_place(second: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "latin1.txt").write_bytes(b"\xe9")
    with pytest.raises(DocumentError) as refused:
        read(tmp_path, f"stubs:\n- {{name: a, path: '/a/{{x}}'}}\n- {second}\n")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stubs: []\n", "stubs: is empty; legal: one answer or more"),
        ("about: none\n", "missing required field `stubs`"),
        ("stubs: []\nmore: 1\n", "unknown key 'more'"),
        ("- {name: a}\n", "must be a mapping"),
    ],
)
def test_what_is_no_stubs_file_is_refused(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=says.replace("[", r"\[")):
        read(tmp_path, text)

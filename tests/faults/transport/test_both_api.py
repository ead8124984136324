"""What both servers must answer alike, the embedded one and the real Toxiproxy 2.12.0: each test runs against both."""

import re
import socket
import time
from typing import Any

import pytest

from tests.faults.transport.servers import Server, Start, connected, echo, received

P = '{"name":"p","listen":"127.0.0.1:0","upstream":"127.0.0.1:1","enabled":false,"Logger":{},"toxics":'
UP = '{"attributes":{"rate":64},"name":"up","type":"bandwidth","stream":"upstream","toxicity":0.5}'
DOWN = (
    '{"attributes":{"latency":100,"jitter":5},"name":"latency_downstream","type":"latency",'
    '"stream":"downstream","toxicity":1}'
)
LATENCY = {"type": "latency", "attributes": {"latency": 100, "jitter": 5}}
BANDWIDTH = {"type": "bandwidth", "name": "up", "stream": "upstream", "toxicity": 0.5, "attributes": {"rate": 64}}


@pytest.fixture
def with_p(server: Server) -> Server:
    """With the proxy p, disabled, and a toxic in either direction."""
    server.done("POST", "/proxies", {"name": "p", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1", "enabled": False})
    server.done("POST", "/proxies/p/toxics", LATENCY)
    server.done("POST", "/proxies/p/toxics", BANDWIDTH)
    return server


def error(words: str, status: int) -> tuple[int, str]:
    return status, f'{{"error":"{words}","status":{status}}}\n'


def bad(words: str) -> tuple[int, str]:
    return error(f"bad request body: {words}", 400)


NO_PROXY, NO_TOXIC = error("proxy not found", 404), error("toxic not found", 404)
NO_ROUTE, WRONG_METHOD = (404, "404 page not found\n"), (405, "")
ANSWERS: list[tuple[str, str, Any, tuple[int, str]]] = [
    ("GET", "/proxies", None, (200, f'{{"p":{P}[{UP},{DOWN}]}}}}')),
    ("GET", "/proxies/p", None, (200, f"{P}[{UP},{DOWN}]}}")),
    ("GET", "/proxies/p/toxics", None, (200, f"[{UP},{DOWN}]")),
    ("GET", "/proxies/p/toxics/up", None, (200, UP)),
    ("GET", "/proxies/%70", None, (200, f"{P}[{UP},{DOWN}]}}")),
    ("DELETE", "/proxies/p", None, (204, "")),
    ("DELETE", "/proxies/p/toxics/up", None, (204, "")),
    ("GET", "/proxies/q", None, NO_PROXY),
    ("GET", "/proxies/P", None, NO_PROXY),
    ("POST", "/proxies/q", "{", NO_PROXY),
    ("PATCH", "/proxies/q", "{}", NO_PROXY),
    ("DELETE", "/proxies/q", None, NO_PROXY),
    ("GET", "/proxies/q/toxics", None, NO_PROXY),
    ("POST", "/proxies/q/toxics", "{", NO_PROXY),
    ("GET", "/proxies/q/toxics/up", None, NO_PROXY),
    ("DELETE", "/proxies/q/toxics/up", None, NO_PROXY),
    ("GET", "/proxies/p/toxics/no", None, NO_TOXIC),
    ("POST", "/proxies/p/toxics/no", "{", NO_TOXIC),
    ("PATCH", "/proxies/p/toxics/no", "{}", NO_TOXIC),
    ("DELETE", "/proxies/p/toxics/no", None, NO_TOXIC),
    # What gorilla/mux does to a path.
    ("GET", "/", None, NO_ROUTE),
    ("GET", "/nothing", None, NO_ROUTE),
    ("GET", "/proxies/", None, NO_ROUTE),
    ("GET", "/proxies/p/", None, NO_ROUTE),
    ("GET", "/proxies/a%2Fb", None, NO_ROUTE),
    ("GET", "/proxies/p/toxics/up/x", None, NO_ROUTE),
    ("GET", "/Proxies", None, NO_ROUTE),
    ("PUT", "/proxies", None, WRONG_METHOD),
    ("DELETE", "/proxies", None, WRONG_METHOD),
    ("GET", "/populate", None, WRONG_METHOD),
    ("GET", "/reset", None, WRONG_METHOD),
    ("PATCH", "/proxies/p/toxics", "{}", WRONG_METHOD),
    ("PUT", "/proxies/p/toxics/up", "{}", WRONG_METHOD),
    ("POST", "/version", None, WRONG_METHOD),
    # Bodies.
    ("POST", "/proxies", "", bad("EOF")),
    ("POST", "/proxies", " \n", bad("EOF")),
    ("POST", "/proxies", "{", bad("unexpected EOF")),
    ("POST", "/proxies", '{"name":"x', bad("unexpected EOF")),
    ("POST", "/proxies", "nul", bad("unexpected EOF")),
    ("POST", "/proxies", "nulx", bad("invalid character 'x' in literal null (expecting 'l')")),
    ("POST", "/proxies", "{'a'}", bad(r"invalid character '\\'' looking for beginning of object key string")),
    ("POST", "/proxies", '{"a":1,}', bad("invalid character '}' looking for beginning of object key string")),
    ("POST", "/proxies", '{"a" 1}', bad("invalid character '1' after object key")),
    ("POST", "/proxies", '{"a":1 "b":2}', bad("""invalid character '\\"' after object key:value pair""")),
    ("POST", "/proxies", "[1 2]", bad("invalid character '2' after array element")),
    ("POST", "/proxies", '"\x01"', bad(r"invalid character '\\x01' in string literal")),
    ("POST", "/proxies", r'"\x"', bad("invalid character 'x' in string escape code")),
    ("POST", "/proxies", r'"\u00g0"', bad(r"invalid character 'g' in \\u hexadecimal character escape")),
    ("POST", "/proxies", "-x", bad("invalid character 'x' in numeric literal")),
    ("POST", "/proxies", "1.x", bad("invalid character 'x' after decimal point in numeric literal")),
    ("POST", "/proxies", "1ex", bad("invalid character 'x' in exponent of numeric literal")),
    ("POST", "/proxies", "\ufeff{}", bad("invalid character 'ï' looking for beginning of value")),
    ("POST", "/proxies", "[" * 10_001, bad("invalid character '[' exceeded max depth")),
    ("POST", "/proxies", "[]", bad("json: cannot unmarshal array into Go value of type toxiproxy.Proxy")),
    ("POST", "/proxies", "01", bad("json: cannot unmarshal number into Go value of type toxiproxy.Proxy")),
    ("POST", "/proxies", "null", error("missing required field: name", 400)),
    ("POST", "/proxies", "{}", error("missing required field: name", 400)),
    ("POST", "/proxies", {"name": "", "upstream": "a:1"}, error("missing required field: name", 400)),
    ("POST", "/proxies", {"name": "x"}, error("missing required field: upstream", 400)),
    ("POST", "/proxies", {"name": "p", "upstream": "127.0.0.1:1"}, error("proxy already exists", 409)),
    (
        "POST",
        "/proxies",
        '{"name":"x","Listen":null,"UPſTREAM":"127.0.0.1:1","enabled":true,"name":"q","ENABLED":false,"z":[{}]} more',
        (201, '{"name":"q","listen":"","upstream":"127.0.0.1:1","enabled":false,"Logger":{},"toxics":[]}'),
    ),
    (
        "POST",
        "/proxies",
        rb'{"name":"<a>&\u2028\"\\\u00e9\ud800\ud83d\ude00'
        b"\xe4\xb8"
        rb'\u0001\n","upstream":"127.0.0.1:1","enabled":false}',
        (
            201,
            r'{"name":"\u003ca\u003e\u0026\u2028\"\\'
            + "é\ufffd\U0001f600\ufffd\ufffd"
            + r'\u0001\n","listen":"","upstream":"127.0.0.1:1","enabled":false,"Logger":{},"toxics":[]}',
        ),
    ),
    # Listening: what cannot be is an error of the server's.
    *(
        ("POST", "/proxies", {"name": "x", "upstream": "127.0.0.1:1", "listen": listen}, error(words, 500))
        for listen, words in [
            ("127.0.0.1", "listen tcp: address 127.0.0.1: missing port in address"),
            ("127.0.0.1:65536", "listen tcp: address 65536: invalid port"),
            ("127.0.0.1:-1", "listen tcp: address -1: invalid port"),
            ("127.0.0.1:nothing", "listen tcp: lookup tcp/nothing: unknown port"),
            ("::1:0", "listen tcp: address ::1:0: too many colons in address"),
            ("[::1:0", "listen tcp: address [::1:0: missing ']' in address"),
            ("[::1]", "listen tcp: address [::1]: missing port in address"),
        ]
    ),
    ("POST", "/proxies/p", {"listen": "x"}, error("address x: missing port in address", 500)),
    ("POST", "/proxies/p", "[]", bad("json: cannot unmarshal array into Go value of type toxiproxy.Proxy")),
    ("POST", "/proxies/p", "null", (200, f"{P}[{UP},{DOWN}]}}")),
    ("PATCH", "/proxies/p", '{"name":"q","enabled":null}', (200, f"{P}[{UP},{DOWN}]}}")),
    # Toxics.
    ("POST", "/proxies/p/toxics", "", bad("EOF")),
    ("POST", "/proxies/p/toxics", "null", error("invalid toxic type", 400)),
    ("POST", "/proxies/p/toxics", {"type": "nope"}, error("invalid toxic type", 400)),
    ("POST", "/proxies/p/toxics", {"type": "Latency"}, error("invalid toxic type", 400)),
    ("POST", "/proxies/p/toxics", LATENCY, error("toxic already exists", 409)),
    ("POST", "/proxies/p/toxics", {"type": "noop", "name": "up"}, error("toxic already exists", 409)),
    *(
        (
            "POST",
            "/proxies/p/toxics",
            {"type": "latency", "stream": stream},
            error("stream was invalid, can be either upstream or downstream", 400),
        )
        for stream in ("", "up", "upstream ")
    ),
    ("POST", "/proxies/p/toxics/up", "", bad("EOF")),
    ("POST", "/proxies/p/toxics/up", "null", (200, UP)),
    ("POST", "/proxies/p/toxics/up", {"attributes": None, "toxicity": None}, (200, UP)),
    ("POST", "/proxies/p/toxics/up", {"name": "x", "type": "noop", "stream": "downstream"}, (200, UP)),
    ("PATCH", "/proxies/p/toxics/up", {"attributes": {"RATE": 9}}, (200, UP.replace("64", "9"))),
    ("PATCH", "/proxies/p/toxics/up", {"toxicity": 1e-7}, (200, UP.replace("0.5", "1e-7"))),
    # Populate and reset.
    ("POST", "/populate", "[]", (201, '{"proxies":null}')),
    ("POST", "/populate", "null", (201, '{"proxies":null}')),
    ("POST", "/populate", "", (400, '{"error":"bad request body: EOF","status":400,"proxies":null}')),
    *(
        ("POST", "/populate", body, (400, f'{{"error":"missing required field: {what}","status":400,"proxies":null}}'))
        for body, what in [
            ([{}], "name at proxy 1"),
            ([{"name": "a", "upstream": "127.0.0.1:1"}, None], "name at proxy 2"),
            ([{"name": "a"}], "upstream at proxy 1"),
        ]
    ),
    ("POST", "/reset", "{", (204, "")),
]


@pytest.mark.parametrize(("method", "path", "body", "expected"), ANSWERS)
def test_every_answer_of_the_api_is_the_same_letter_by_letter(
    with_p: Server, method: str, path: str, body: Any, expected: tuple[int, str]
) -> None:
    answer = with_p.ask(method, path, body)
    assert (answer.status, answer.text) == expected
    is_error = answer.status >= 400 and answer.status != 405 and path != "/populate"
    kind = "text/plain; charset=utf-8" if is_error else "application/json" if answer.text else None
    assert (answer.headers.get("content-type"), "x-content-type-options" in answer.headers) == (kind, is_error)


@pytest.mark.parametrize(
    ("path", "body", "what", "kind"),
    [
        ("/proxies", '{"name":1}', "number", "string"),
        ("/proxies", '{"name":true}', "bool", "string"),
        ("/proxies", '{"enabled":"true"}', "string", "bool"),
        ("/proxies", '{"enabled":[]}', "array", "bool"),
        ("/proxies", '{"Logger":1}', "number", "zerolog.Logger"),
        ("/populate", '[{"upstream":{}}]', "object", "string"),
        ("/populate", '[{"enabled":1}]', "number", "bool"),
        ("/proxies/p", '{"listen":1}', "number", "string"),
        ("/proxies/p/toxics", '{"type":"latency","attributes":[]}', "array", "toxics.NoopToxic"),
        ("/proxies/p/toxics", '{"type":"latency","attributes":null,"attributes":{}}', "object", "toxics.Toxic"),
        ("/proxies/p/toxics", '{"type":"latency","name":"x","attributes":{"latency":"5"}}', "string", "int64"),
        ("/proxies/p/toxics", '{"type":"latency","name":"x","attributes":{"latency":1.5}}', "number 1.5", "int64"),
        ("/proxies/p/toxics", '{"type":"latency","name":"x","attributes":{"latency":1e3}}', "number 1e3", "int64"),
        (
            "/proxies/p/toxics",
            '{"type":"latency","name":"x","attributes":{"jitter":9223372036854775808}}',
            "number 9223372036854775808",
            "int64",
        ),
        ("/proxies/p/toxics", '{"type":"slicer","name":"x","attributes":{"delay":{}}}', "object", "int"),
        ("/proxies/p/toxics", '{"type":"latency","toxicity":"1"}', "string", "float32"),
        ("/proxies/p/toxics", '{"type":"latency","toxicity":3.5e38}', "number 3.5e38", "float32"),
        ("/proxies/p/toxics/up", '{"attributes":[]}', "array", "toxics.BandwidthToxic"),
        ("/proxies/p/toxics/up", '{"attributes":{"rate":false}}', "bool", "int64"),
        ("/proxies/p/toxics/up", '{"toxicity":{}}', "object", "float32"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_in_the_words_of_go(
    with_p: Server, path: str, body: str, what: str, kind: str
) -> None:
    """Of the words, the path of the field is another with each version of Go, and so is not looked at."""
    answer = with_p.ask("POST", path, body)
    assert answer.status == 400
    found = f"bad request body: json: cannot unmarshal {what} into Go struct field [A-Za-z.]+ of type {kind}"
    assert re.fullmatch(found, answer.json["error"]), answer.text


@pytest.mark.parametrize(
    ("toxicity", "text"),
    [("0.1", "0.1"), ("1e-7", "1e-7"), ("1e21", "1e+21"), ("-3", "-3"), ("16777217", "16777216"), ("0.30000001", "0.3"),
     ("1.0", "1"), ("-0.0", "-0"), ("1e-60", "0"), ("0.1234567890123", "0.12345679")],
)  # fmt: skip
def test_toxicity_is_a_number_of_32_bits(with_p: Server, toxicity: str, text: str) -> None:
    answer = with_p.ask("POST", "/proxies/p/toxics", f'{{"type":"noop","toxicity":{toxicity}}}')
    assert answer.text == (
        f'{{"attributes":{{}},"name":"noop_downstream","type":"noop","stream":"downstream","toxicity":{text}}}'
    )


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("bandwidth", '{"rate":0}'),
        ("latency", '{"latency":0,"jitter":0}'),
        ("limit_data", '{"bytes":0}'),
        ("noop", "{}"),
        ("reset_peer", '{"timeout":0}'),
        ("slicer", '{"average_size":0,"size_variation":0,"delay":0}'),
        ("slow_close", '{"delay":0}'),
        ("timeout", '{"timeout":0}'),
    ],
)
@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_every_toxic_has_its_attributes_and_a_default_name(
    with_p: Server, kind: str, attributes: str, stream: str
) -> None:
    with_p.done("DELETE", "/proxies/p/toxics/latency_downstream")
    made = with_p.ask("POST", "/proxies/p/toxics", {"type": kind, "stream": stream})
    expected = f'"name":"{kind}_{stream}","type":"{kind}","stream":"{stream}","toxicity":1}}'
    assert (made.status, made.text) == (200, f'{{"attributes":{attributes},{expected}')


@pytest.mark.parametrize(
    ("agent", "path", "status"),
    [("Mozilla/5.0", "/version", 403), ("Mozilla/5.0", "/proxies/q", 403), ("Mozilla/5.0", "/nothing", 404),
     ("mozilla/5.0", "/version", 200), ("Mozilla", "/version", 200), ("curl/8 Mozilla/5.0", "/version", 200)],
)  # fmt: skip
def test_browsers_are_refused(server: Server, agent: str, path: str, status: int) -> None:
    answer = server.ask("GET", path, User_Agent=agent)
    assert answer.status == status
    assert status != 403 or answer.text == "User agent not allowed\n"


def test_the_version_is_told_as_json_with_a_charset(server: Server) -> None:
    answer = server.ask("GET", "/version")
    # A server made by `go install` calls itself "git"; that of a release, and the embedded one, "2.12.0".
    assert re.fullmatch(
        r'\{"version": "(2\.12\.0|git)"\}\n' if server.is_real else r'\{"version": "2\.12\.0"\}\n', answer.text
    )
    assert answer.headers["content-type"] == "application/json;charset=utf-8"


@pytest.mark.parametrize(
    ("path", "to"),
    [("//proxies?x=1", "/proxies?x=1"), ("/proxies/../version", "/version"), ("/proxies/%2e", "/proxies"),
     ("/proxies/./", "/proxies/")],
)  # fmt: skip
def test_a_path_that_is_not_clean_is_led_to_the_one_that_is(server: Server, path: str, to: str) -> None:
    answer = server.ask("POST", path)
    assert (answer.status, answer.headers["location"]) == (301, to)


@pytest.mark.parametrize(
    ("listen", "host"),
    [
        ("127.0.0.1:0", "127.0.0.1"),
        ("localhost:0", "127.0.0.1"),
        ("LOCALHOST:", "127.0.0.1"),
        ("127.0.0.2:0", "127.0.0.2"),
        ("[::1]:0", "[::1]"),
        ("[::ffff:127.0.0.1]:0", "127.0.0.1"),
    ],
)
def test_port_0_is_a_free_one_and_the_answer_names_it(server: Server, listen: str, host: str) -> None:
    made = server.done("POST", "/proxies", {"name": "p", "listen": listen, "upstream": "127.0.0.1:1"})
    assert re.fullmatch(re.escape(host) + ":[1-9][0-9]*", made["listen"])
    assert server.done("GET", "/proxies/p") == made


def test_a_port_that_is_taken_is_an_error_and_makes_no_proxy(server: Server) -> None:
    taken = f"127.0.0.1:{server.port}"
    words = error(f"listen tcp {taken}: bind: address already in use", 500)
    answer = server.ask("POST", "/proxies", {"name": "p", "listen": taken, "upstream": "127.0.0.1:1"})
    assert (answer.status, answer.text) == words
    assert server.done("GET", "/proxies") == {}
    server.done("POST", "/proxies", {"name": "p", "listen": taken, "upstream": "127.0.0.1:1", "enabled": False})
    for path in ("/proxies/p", "/reset"):
        answer = server.ask("POST", path, {"enabled": True})
        assert (answer.status, answer.text) == words
    assert server.done("GET", "/proxies/p")["enabled"] is False


def test_a_proxy_that_cannot_move_to_a_port_is_down_there(server: Server, upstream: Start) -> None:
    was = server.proxy(upstream(echo))
    answer = server.ask("PATCH", "/proxies/p", {"listen": f"127.0.0.1:{server.port}"})
    assert answer.status == 500
    now = server.done("GET", "/proxies/p")
    assert (now["listen"], now["enabled"]) == (f"127.0.0.1:{server.port}", False)
    with pytest.raises(ConnectionRefusedError):
        connected(was)


def test_populate_keeps_what_is_the_same_replaces_what_differs_and_says_how_far_it_came(server: Server) -> None:
    first = server.done(
        "POST", "/populate", [{"name": n, "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"} for n in "ab"]
    )
    a, b = first["proxies"]
    assert (a["enabled"], b["enabled"]) == (True, True)
    for name in "ab":
        server.done("POST", f"/proxies/{name}/toxics", {"type": "noop"})
    body = [
        {"name": "a", "listen": a["listen"], "upstream": "127.0.0.1:1", "enabled": False},
        {"name": "b", "listen": b["listen"], "upstream": "127.0.0.1:2"},
        {"name": "c", "listen": "bad", "upstream": "127.0.0.1:2"},
        {"name": "d", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:2"},
    ]
    answer = server.ask("POST", "/populate", body)
    assert (answer.status, answer.headers["content-type"]) == (500, "application/json")
    told = answer.json
    assert list(told) == ["error", "status", "proxies"]
    assert told["error"] == "listen tcp: address bad: missing port in address"
    same, other = told["proxies"]
    assert same == a | {"toxics": same["toxics"]}
    assert [toxic["name"] for toxic in same["toxics"]] == ["noop_downstream"]
    assert other == b | {"upstream": "127.0.0.1:2"}
    assert sorted(server.done("GET", "/proxies")) == ["a", "b"]


def test_reset_starts_what_is_down_and_takes_every_toxic_away(with_p: Server) -> None:
    assert with_p.ask("POST", "/reset").status == 204
    now = with_p.done("GET", "/proxies/p")
    assert (now["enabled"], now["toxics"]) == (True, [])
    assert not now["listen"].endswith(":0")


def test_the_metrics_are_those_of_prometheus(server: Server, upstream: Start) -> None:
    to = upstream(echo)
    port = server.proxy(to, name='a"b\\')
    with connected(port) as link:
        link.sendall(b"x" * 1000)
        assert received(link, 1000) == b"x" * 1000
        link.shutdown(socket.SHUT_WR)
        assert link.recv(1) == b""
    labels = f'listener="127.0.0.1:{port}",proxy="a\\"b\\\\",upstream="127.0.0.1:{to}"'
    until = time.monotonic() + 5
    for what in ("received", "sent"):
        for direction in ("upstream", "downstream"):
            line = f'toxiproxy_proxy_{what}_bytes_total{{direction="{direction}",{labels}}} 1000'
            while line not in (text := server.ask("GET", "/metrics").text).splitlines():  # counted as the links end
                assert time.monotonic() < until, text
    assert "# TYPE toxiproxy_proxy_sent_bytes_total counter" in text.splitlines()
    assert re.search(r"^process_open_fds [0-9]+$", text, re.M)
    assert server.ask("POST", "/metrics").headers["content-type"].startswith("text/plain; version=0.0.4; charset=utf-8")

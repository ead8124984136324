"""Any split of a connection into chunks gives the same exchanges and the very same bytes."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faults.transport.http1 import ANSWER_HEAD_MAX, READ_MAX, WAITING_MAX, Framing, Parts
from faults.transport.toxic import Exchange, Head


class One:
    """An exchange that keeps what it carried."""

    struck: frozenset[str] = frozenset()
    rate = 0.0

    def __init__(self, name: str) -> None:
        self.name, self.ended = name, 0

    def draw(self, toxic: str, n: int) -> float:
        return 0.0

    def changed(self, toxic: str, words: str, size: int) -> None: ...

    def end(self) -> None:
        self.ended += 1


class Recorder:
    """A judge that tells every request from every other."""

    reads_requests = True

    def __init__(self) -> None:
        self.heads: list[Head] = []
        self.made: list[One] = []

    def connection(self, n: int) -> Exchange:
        self.made.append(One(f"c{n}"))
        return self.made[-1]

    def request(self, connection: int, n: int, head: Head) -> Exchange:
        self.heads.append(head)
        assert n == len(self.heads)
        self.made.append(One(f"c{connection}.{n}"))
        return self.made[-1]


class Carried:
    """A connection, and what it carried of each exchange, in order."""

    def __init__(self) -> None:
        self.judge = Recorder()
        self.framing = Framing(7, self.judge)
        self.up: list[tuple[str, bytes]] = []
        self.down: list[tuple[str, bytes]] = []

    @staticmethod
    def _join(into: list[tuple[str, bytes]], parts: Parts) -> None:
        for exchange, data in parts:
            assert data, "an empty part"
            assert isinstance(exchange, One)
            if into and into[-1][0] == exchange.name:
                into[-1] = (exchange.name, into[-1][1] + data)
            else:
                into.append((exchange.name, data))

    def ask(self, *chunks: bytes) -> "Carried":
        for chunk in chunks:
            self._join(self.up, self.framing.request_bytes(chunk))
        return self

    def answer(self, *chunks: bytes) -> "Carried":
        for chunk in chunks:
            self._join(self.down, self.framing.answer_bytes(chunk))
        return self

    def end(self) -> "Carried":
        self._join(self.up, self.framing.request_end())
        self._join(self.down, self.framing.answer_end())
        self.framing.closed()
        return self

    @property
    def ended(self) -> dict[str, int]:
        return {one.name: one.ended for one in self.judge.made}


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(at) if a < b]


GET = b"GET /query?no=1 HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /create HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\na=b00"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def chunked(data: bytes, sizes: list[int], trailers: bytes) -> bytes:
    text = b""
    for size in sizes:
        part, data = data[:size], data[size:]
        text += b"%x;note=1\r\n%s\r\n" % (len(part), part) if part else b""
    text += b"%X\r\n%s\r\n" % (len(data), data) if data else b""
    return text + b"0\r\n" + trailers + b"\r\n"


BODIES = st.one_of(
    st.binary(max_size=40), st.binary(max_size=8).map(lambda b: b * 5000), st.just(b"\r\n\r\nGET / HTTP/1.1\r\n\r\n")
)
FRAMED = st.tuples(
    BODIES,
    st.sampled_from(["length", "chunked"]),
    st.lists(st.integers(1, 5000), max_size=4),
    st.sampled_from([b"", b"X-Sum: 1\r\n"]),
)
Framed = tuple[bytes, str, list[int], bytes]


def framed(how: Framed) -> tuple[bytes, bytes]:
    """The header that says how, and the body as it goes over the wire."""
    body, kind, sizes, trailers = how
    if kind == "length":
        return b"content-LENGTH: \t%d \r\n" % len(body), body
    return b"Transfer-Encoding: gzip, Chunked\r\n", chunked(body, sizes, trailers)


class Asked(msgspec.Struct):
    request: bytes
    body: bytes
    answer: bytes


@st.composite
def exchanges(draw: st.DrawFn) -> Asked:
    method = draw(st.sampled_from([b"GET", b"POST", b"HEAD", b"PUT", b"X-OWN"]))
    has_body = method in (b"POST", b"PUT") or draw(st.booleans())
    header, body = b"", b""
    plain = b""
    if has_body:
        how = draw(FRAMED)
        (header, body), plain = framed(how), how[0]
    if method != b"GET" and draw(st.booleans()):
        header += b"Expect: 100-continue\r\n"
    before = draw(st.sampled_from([b"", b"\r\n"]))
    head = before + method + b" /a?q=%20 HTTP/1.1\r\nHost: x\r\n" + header + b"X: y\r\n\r\n"
    status = draw(st.sampled_from([b"200 OK", b"204 No Content", b"304 Not Modified", b"404 Nichts da", b"500 "]))
    answer = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" if draw(st.booleans()) else b""
    header, answered = framed(draw(FRAMED))
    is_bare = method == b"HEAD" or status[:3] in (b"204", b"304")
    answer += b"HTTP/1.1 " + status + b"\r\n" + header + b"\r\n" + (b"" if is_bare else answered)
    return Asked(head + body, plain, answer)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(exchanges(), min_size=1, max_size=4),
    st.lists(st.integers(0), max_size=30),
    st.lists(st.integers(0), max_size=30),
)
def test_any_split_gives_the_same_exchanges_and_bytes(asked: list[Asked], cuts: list[int], others: list[int]) -> None:
    requests, answers = b"".join(a.request for a in asked), b"".join(a.answer for a in asked)
    one = Carried().ask(*split(requests, cuts)).answer(*split(answers, others))
    names = [f"c7.{n}" for n in range(1, len(asked) + 1)]
    assert one.up == list(zip(names, (a.request for a in asked), strict=True))
    assert one.down == list(zip(names, (a.answer for a in asked), strict=True))
    assert one.ended == dict.fromkeys(names, 1)
    whole = Carried().ask(requests)
    heads = [(h.method, h.target, dict(h.headers), h.body, h.is_whole) for h in one.judge.heads]
    assert heads == [(h.method, h.target, dict(h.headers), h.body, h.is_whole) for h in whole.judge.heads]
    for head, a in zip(one.judge.heads, asked, strict=True):
        assert a.body == head.body if head.is_whole else a.body.startswith(head.body)
        assert head.is_whole or len(a.request) > READ_MAX or "expect" in head.headers
    assert one.end().ended == dict.fromkeys(names, 1)


@settings(max_examples=100, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.lists(
            st.sampled_from(
                [
                    GET,
                    POST,
                    OK,
                    b"\r\n",
                    b"GET ",
                    b"HTTP/1.1",
                    b" ",
                    b"0",
                    b"\x16\x03\x01",
                    b"Transfer-Encoding: chunked\r\n",
                ]
            ),
            max_size=12,
        ).map(b"".join),
    ),
    st.binary(max_size=300),
    st.lists(st.integers(0), max_size=10),
)
def test_garbage_passes_unharmed_in_both_directions(up: bytes, down: bytes, cuts: list[int]) -> None:
    one = Carried().ask(*split(up, cuts)).answer(*split(down, cuts)).end()
    assert b"".join(data for _, data in one.up) == up
    assert b"".join(data for _, data in one.down) == down
    assert set(one.ended.values()) <= {1}


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 3), st.lists(st.integers(0), max_size=10))
def test_what_stops_being_http_passes_as_the_connections_own(junk: bytes, n: int, cuts: list[int]) -> None:
    one = Carried().ask(*split(GET * n + b"\x00" + junk, cuts))
    assert one.up == [(f"c7.{i}", GET) for i in range(1, n + 1)] + [("c7", b"\x00" + junk)]


@pytest.mark.parametrize(
    "text",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"get foo\r\n",
        b"PRI * HTTP/2.0\r\n",
        b"GET / HTTP/1.1\n",
        b"GET / HTTP/1.1\r\nHost: x\n",
        b"GET /\x01",
        b"A" * 33,
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length : 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1111111111111111\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * READ_MAX,
    ],
)  # fmt: skip
def test_what_two_servers_might_read_differently_is_not_withheld(text: bytes) -> None:
    one = Carried().ask(text)
    assert one.up == [("c7", text)]
    assert not one.judge.heads


@pytest.mark.parametrize(
    "text",
    [
        b"GE", b"GET ", b"GET / HTTP/1.1", b"GET / HTTP/1.1\r", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\r\n", POST[:-1],
        b"GET / HTTP/1.1\r\nX: " + b"x" * 5000, b"P / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    ],
)  # fmt: skip
def test_what_may_become_a_request_is_withheld_until_its_client_ends(text: bytes) -> None:
    one = Carried().ask(text)
    assert one.up == []
    one.end()
    assert b"".join(data for _, data in one.up) == text


def test_a_request_that_was_cut_off_is_judged_by_what_is_there() -> None:
    one = Carried().ask(POST[:-1]).end()
    assert one.up == [("c7.1", POST[:-1])]
    assert (one.judge.heads[0].body, one.judge.heads[0].is_whole) == (b"a=b0", False)


def test_a_body_that_waits_for_a_word_of_the_server_is_not_waited_for() -> None:
    head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    one = Carried().ask(head)
    assert one.up == [("c7.1", head)]
    one.answer(b"HTTP/1.1 100 Continue\r\n\r\n").ask(b"abc", GET).answer(OK, OK)
    assert one.up == [("c7.1", head + b"abc"), ("c7.2", GET)]
    assert one.down == [("c7.1", b"HTTP/1.1 100 Continue\r\n\r\n" + OK), ("c7.2", OK)]


def test_an_answer_before_the_request_has_come_to_its_end_ends_with_it() -> None:
    body = b"x" * 3 * READ_MAX
    head = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
    one = Carried().ask(head, body[:READ_MAX]).answer(OK)
    assert one.ended == {"c7.1": 0}
    one.ask(body[READ_MAX:], GET).answer(OK)
    assert one.ended == {"c7.1": 1, "c7.2": 1}
    assert one.up == [("c7.1", head + body), ("c7.2", GET)]


@pytest.mark.parametrize(
    "asked",
    [b"CONNECT db:5432 HTTP/1.1\r\n\r\n", b"GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"],
)
def test_another_protocol_on_the_connection_belongs_to_the_exchange_that_asked_for_it(asked: bytes) -> None:
    said = b"HTTP/1.1 200 Yes\r\n\r\n" if asked.startswith(b"CONNECT") else b"HTTP/1.1 101 Yes\r\n\r\n"
    one = Carried().ask(asked).answer(said + b"\x81\x01").ask(b"GET", b"\x00").answer(OK)
    assert one.up == [("c7.1", asked + b"GET\x00")]
    assert one.down == [("c7.1", said + b"\x81\x01" + OK)]
    assert one.end().ended == {"c7.1": 1}


@pytest.mark.parametrize(("early", "after"), [(b"", "c7.2"), (b"early", "c7")])
def test_where_another_protocol_is_refused_requests_go_on_unless_something_was_sent_ahead(
    early: bytes, after: str
) -> None:
    asked = b"GET /ws HTTP/1.1\r\nUpgrade: h2c\r\n\r\n"
    one = Carried().ask(asked, *([early] if early else [])).answer(OK).ask(GET)
    assert one.up == [("c7.1", asked + early), (after, GET)]


def test_an_answer_that_ends_with_its_connection_takes_all_that_follows() -> None:
    said = b"HTTP/1.0 200 OK\r\n\r\n"
    one = Carried().ask(GET).answer(said, OK, OK)
    assert one.down == [("c7.1", said + OK + OK)]
    assert one.end().ended == {"c7.1": 1}


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", b"ICY 200", b"HTTP/1.1 200 OK\r\nX: " + b"x" * ANSWER_HEAD_MAX]
)
def test_an_answer_that_is_none_passes_as_the_connections_own(said: bytes) -> None:
    one = Carried().ask(GET).answer(said, OK)
    assert one.down == [("c7", said + OK)]
    assert one.end().ended == {"c7.1": 1, "c7": 1}


def test_what_nobody_asked_for_passes_as_the_connections_own() -> None:
    assert Carried().answer(OK).down == [("c7", OK)]


def test_requests_that_wait_for_answers_are_bounded() -> None:
    one = Carried().ask(GET * (WAITING_MAX + 2))
    assert len(one.judge.heads) == WAITING_MAX
    assert one.up[-1] == ("c7", GET * 2)

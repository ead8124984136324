"""Cuts the bytes of an HTTP/1.1 connection at the borders of its exchanges, so that each can be judged by itself.

A request is withheld until its head and what a judge may read of its body are there; answers are passed on as they
come. Nothing is ever changed, reordered or lost: what is no HTTP/1.1 passes as the connection's own exchange, from
where it stops being HTTP to the end of the connection.
"""

from collections import deque
from typing import TypeAlias

from faults.transport.messages import (
    CHUNKED,
    TO_END,
    Chunks,
    NoHttp,
    RequestHead,
    answer_head,
    check_answer_begun,
    check_request_begun,
    request_head,
)
from faults.transport.toxic import Exchange, Head, Judge

READ_MAX = 16 * 1024
"""Bytes of a request, head and body, that a judge may read; a longer head is none."""
ANSWER_HEAD_MAX = 32 * 1024
WAITING_MAX = 1024
"""Requests of one connection that wait for their answers."""

Parts: TypeAlias = list[tuple[Exchange | None, bytes]]
"""Bytes in their order, each with the exchange that it belongs to."""


class _Waiting:
    """A request whose answer has not come to its end."""

    __slots__ = ("exchange", "is_answered", "is_sent", "method", "switches")

    def __init__(self, exchange: Exchange, method: str, switches: bool) -> None:
        self.exchange, self.method, self.switches = exchange, method, switches
        self.is_sent = self.is_answered = False

    def end_if_over(self) -> None:
        if self.is_sent and self.is_answered:
            self.exchange.end()


class Framing:
    """The exchanges of one connection."""

    def __init__(self, connection: int, judge: Judge) -> None:
        self._connection, self._judge = connection, judge
        self._n = 0
        self._own: Exchange | None = None
        self._waiting: deque[_Waiting] = deque()
        # Towards the upstream: what is withheld, its head if that is there, and the message that is passing.
        self._held = b""
        self._head: RequestHead | None = None
        self._asked = Chunks()
        self._fed = 0
        self._sending: _Waiting | None = None
        self._to_send = 0
        self._all_up: Exchange | None = None
        self._switching_bytes = 0
        # Back: the head as far as it came, and what is to come of the body.
        self._seen = b""
        self._to_come: int | None = None
        self._answer = Chunks()
        self._all_down: Exchange | None = None

    # --- requests -----------------------------------------------------------------------------------------------
    def request_bytes(self, data: bytes) -> Parts:
        """What may pass towards the upstream, now that these bytes have come."""
        if self._held:
            data, self._held = self._held + data, b""
        parts: Parts = []
        at, size = 0, len(data)
        try:
            while at < size:
                if self._all_up is not None:
                    self._switching_bytes += size - at
                    parts.append((self._all_up, data[at:] if at else data))
                    break
                if self._sending is None and not self._is_decided(data, at):
                    self._held = data[at:] if at else data
                    break
                assert self._sending is not None
                exchange = self._sending.exchange
                stop = self._pass_request(data, at, self._sending)
                parts.append((exchange, data if stop - at == size else data[at:stop]))
                at = stop
        except NoHttp:
            self._all_up = self._connections_own()
            parts.append((self._all_up, data[at:]))
        return parts

    def request_end(self) -> Parts:
        """What was withheld, now that the client sends no more."""
        data, self._held = self._held, b""
        if not data:
            return []
        if self._all_up is None and self._head is not None:
            head = self._head
            body = bytes(self._asked.kept or b"") if head.size == CHUNKED else data[head.body_at :]
            self._all_up = self._decide(head, body, is_whole=False)
        self._all_up = self._all_up or self._connections_own()
        return [(self._all_up, data)]

    def _is_decided(self, data: bytes, at: int) -> bool:
        """Whether enough of the next message, which begins at `at`, is there, and it was decided about."""
        message = data if not at else data[at : at + READ_MAX + 1]
        head = self._head or self._read_head(message)
        if head is None:
            return False
        if head.size == CHUNKED:
            return self._is_chunked_decided(head, message)
        enough = head.body_at if head.expects else min(head.size, READ_MAX)
        if len(message) < enough:
            self._head = head
            return False
        self._decide(head, message[head.body_at : enough], is_whole=enough == head.size)
        self._to_send = head.size
        return True

    def _is_chunked_decided(self, head: RequestHead, message: bytes) -> bool:
        if self._head is None:
            self._head, self._asked, self._fed = head, Chunks(bytearray()), head.body_at
        if not head.expects:
            self._fed = self._asked.feed(message, self._fed, min(len(message), READ_MAX))
            if not self._asked.is_done and len(message) < READ_MAX:
                return False
        self._decide(head, bytes(self._asked.kept or b""), is_whole=self._asked.is_done)
        self._asked.kept, self._to_send = None, CHUNKED
        return True

    def _read_head(self, message: bytes) -> RequestHead | None:
        """The head if it is there; NoHttp where none can be."""
        if len(self._waiting) >= WAITING_MAX:
            raise NoHttp
        begin = 0
        while message.startswith(b"\r\n", begin):  # RFC 9112, 2.2: empty lines may stand before a request
            begin += 2
        end = message.find(b"\r\n\r\n", begin) + 4
        if 4 <= end <= READ_MAX:
            return request_head(message[:end])
        if len(message) > READ_MAX:
            raise NoHttp
        check_request_begun(message, begin)
        return None

    def _decide(self, head: RequestHead, body: bytes, *, is_whole: bool) -> Exchange:
        self._head = None
        self._n += 1
        read = Head(head.method, head.target, head.headers, body, is_whole)
        self._sending = _Waiting(self._judge.request(self._connection, self._n, read), head.method, head.switches)
        self._waiting.append(self._sending)
        return self._sending.exchange

    def _pass_request(self, data: bytes, at: int, sending: _Waiting) -> int:
        """Where the message ends that is passing, or data does."""
        size = len(data)
        if self._to_send == CHUNKED:
            stop = self._asked.feed(data, at + self._fed, size)
            self._fed = 0
            if not self._asked.is_done:
                return stop
        else:
            stop = min(at + self._to_send, size)
            self._to_send -= stop - at
            if self._to_send:
                return stop
        self._sending, sending.is_sent = None, True
        if sending.switches and not sending.is_answered:  # until the answer says what is spoken from here on
            self._all_up, self._switching_bytes = sending.exchange, 0
        sending.end_if_over()
        return stop

    # --- answers ------------------------------------------------------------------------------------------------
    def answer_bytes(self, data: bytes) -> Parts:
        """These bytes, by the exchanges that they answer."""
        parts: Parts = []
        at, begun, size = 0, 0, len(data)
        try:
            while at < size and self._all_down is None and self._waiting:
                asked = self._waiting[0]
                at = self._pass_answer(data, at, asked)
                if asked.is_answered:
                    parts.append((asked.exchange, data if at - begun == size else data[begun:at]))
                    begun = at
        except NoHttp:
            self._all_down = self._connections_own()
        if begun < size:
            owner = self._all_down or (self._waiting[0].exchange if self._waiting else self._connections_own())
            parts.append((owner, data[begun:] if begun else data))
        return parts

    def answer_end(self) -> Parts:
        """Nothing is withheld of answers."""
        return []

    def _pass_answer(self, data: bytes, at: int, asked: _Waiting) -> int:
        """Where the head ends that is passing, or its body, or data."""
        if self._to_come is None:
            return self._pass_head(data, at, asked)
        size = len(data)
        if self._to_come == CHUNKED:
            stop = self._answer.feed(data, at, size)
            is_over = self._answer.is_done
        else:
            stop = min(at + self._to_come, size)
            self._to_come -= stop - at
            is_over = not self._to_come
        if is_over:
            self._answered(asked)
        return stop

    def _pass_head(self, data: bytes, at: int, asked: _Waiting) -> int:
        text, begin = (self._seen + data[at:], 0) if self._seen else (data, at)
        end = text.find(b"\r\n\r\n", begin) + 4
        if end < 4:
            text = text[begin:]
            check_answer_begun(text)
            if len(text) > ANSWER_HEAD_MAX:
                raise NoHttp
            self._seen = text
            return len(data)
        stop = end if not self._seen else at + end - len(self._seen)
        self._seen = b""
        self._read_answer(text[begin:end], asked)
        return stop

    def _read_answer(self, head: bytes, asked: _Waiting) -> None:
        status, to_come = answer_head(head)
        if status == 101 or (asked.method == "CONNECT" and 200 <= status < 300):
            self._all_up = self._all_down = asked.exchange
            return
        if status < 200:  # an interim answer; the real one follows
            return
        if status in (204, 304) or asked.method == "HEAD":
            to_come = 0
        if to_come == TO_END:
            self._all_down = asked.exchange
            return
        self._to_come = to_come
        if to_come == CHUNKED:
            self._answer = Chunks()
        elif not to_come:
            self._answered(asked)

    def _answered(self, asked: _Waiting) -> None:
        self._to_come = None
        self._waiting.popleft()
        asked.is_answered = True
        if asked.switches and self._all_up is asked.exchange:
            # Refused: what the client may have sent already was not read as requests.
            self._all_up = self._connections_own() if self._switching_bytes else None
        asked.end_if_over()

    # --- both ---------------------------------------------------------------------------------------------------
    def _connections_own(self) -> Exchange:
        if self._own is None:
            self._own = self._judge.connection(self._connection)
        return self._own

    def closed(self) -> None:
        """The connection is over, and with it all its exchanges."""
        open_ones = [waiting.exchange for waiting in self._waiting]
        if self._sending is not None and self._sending.is_answered:
            open_ones.append(self._sending.exchange)
        self._waiting.clear()
        self._sending = None
        for exchange in open_ones:
            exchange.end()
        if self._own is not None:
            self._own.end()
            self._own = None

"""What stands behind the proxies that are measured: an HTTP/1.1 server, an echo, a source and a sink, in one process.

`python -m benchmarks.wire_upstream` prints {"http": port, "echo": port, "source": port, "sink": port} and serves until
it is ended. `thirty_lines.py` beside it is the least that a proxy on uvloop can be.
"""

import asyncio
import json
from typing import cast

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
HEAD_END = b"\r\n\r\n"
PIECE = bytes(range(256)) * 256
"""64 KiB of which every place is known."""
COUNT_SIZE = 8
"""A source and a sink are told first how many bytes, in this many bytes, most significant first."""
DONE = b"k"


class Served(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass of it


class Http(Served):
    """Answers every head; bodies are let pass, and must hold no empty line."""

    seen = b""

    def data_received(self, data: bytes) -> None:
        text = self.seen + data
        self.seen = text[-len(HEAD_END) + 1 :]
        if heads := text.count(HEAD_END):
            self.transport.write(ANSWER * heads)


class Echo(Served):
    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Source(Served):
    """Sends so many bytes and closes."""

    asked = b""
    left = 0
    is_full = False

    def data_received(self, data: bytes) -> None:
        self.asked += data
        if len(self.asked) == COUNT_SIZE:
            self.left = int.from_bytes(self.asked, "big")
            self.transport.set_write_buffer_limits(high=1 << 20)
            self.resume_writing()

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False
        while self.left and not self.is_full:
            self.transport.write(PIECE if self.left >= len(PIECE) else PIECE[: self.left])
            self.left -= min(self.left, len(PIECE))
        if not self.left:
            self.transport.close()


class Sink(Served):
    """Takes so many bytes and says so."""

    head = b""
    left = 0

    def data_received(self, data: bytes) -> None:
        if len(self.head) < COUNT_SIZE:
            self.head += data
            if len(self.head) < COUNT_SIZE:
                return
            self.left = int.from_bytes(self.head[:COUNT_SIZE], "big")
            data = self.head[COUNT_SIZE:]
        self.left -= len(data)
        if not self.left:
            self.transport.write(DONE)
            self.head = b""


SERVED: dict[str, type[Served]] = {"http": Http, "echo": Echo, "source": Source, "sink": Sink}


async def serve() -> None:
    loop = asyncio.get_running_loop()
    servers = {name: await loop.create_server(kind, "127.0.0.1", 0, backlog=4096) for name, kind in SERVED.items()}
    print(json.dumps({name: server.sockets[0].getsockname()[1] for name, server in servers.items()}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())

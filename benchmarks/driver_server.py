"""A server in a process of its own that answers every request with the same bytes and notes when each one came.

`python benchmarks/driver_server.py ANSWER ARRIVALS_FILE`: prints its port; ANSWER is `refused` (an order is one
request) or `order` (place, cashier, pay, poll); on SIGTERM it writes the arrivals of POST /orders, int64 monotonic ns.
"""

import asyncio
import signal
import sys
import time
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import uvloop

ANSWERS = {
    "refused": b'{"error":"closed"}',
    "order": b'{"number":"1","pay":"/pay","page":"/page","state":"completed"}',
}
TARGET = """
about: the server of the driver's benchmarks
start: {command: [none], ready: /}
sells: {products: {card: 100}, regions: [cn]}
place:
  path: /orders
  form: {product: "{product}", contact: "{contact}", account: "{account}"}
  status: [200]
  order_no: {json: number}
  pay_url: {json: pay}
  poll_url: {json: page}
poll: {state: {json: state}}
states: {completed: completed}
"""


class _Server(asyncio.Protocol):
    def __init__(self, reply: bytes, arrivals: "array[int]") -> None:
        self._reply = reply
        self._arrivals = arrivals
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's own is not derived from it

    def data_received(self, data: bytes) -> None:
        """Each client here sends a request in one segment."""
        if data.startswith(b"POST /orders"):
            self._arrivals.append(time.monotonic_ns())
        assert self._transport is not None
        self._transport.write(self._reply)


async def _serve(answer: str, file: Path) -> None:
    body, arrivals = ANSWERS[answer], array("q")
    reply = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    server = await loop.create_server(lambda: _Server(reply, arrivals), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await ended.wait()
    file.write_bytes(arrivals.tobytes())


@asynccontextmanager
async def served(answer: str, file: Path) -> AsyncIterator[str]:
    """The base address of a server; when the context ends its arrivals are in the file."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, answer, str(file)), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.terminate()
        await process.wait()


if __name__ == "__main__":
    if len(sys.argv) == 3:
        uvloop.run(_serve(sys.argv[1], Path(sys.argv[2])))
    else:
        print('{"note": "measures nothing itself; driver_lateness and driver_throughput start it"}')

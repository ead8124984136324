"""Plans with faults on the wire, requests of orders, and an upstream that answers them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from ledger.states import Hop, Operation
from plan.faults import FaultPlan, Label
from plan.orders import order_key
from plan.run import Plan, UpstreamPlan
from plan.transport import Request

TABLE = (
    Request("POST", "/create", Operation.CREATE, key=("form.param",), number=("form.no",)),
    Request("GET", "/query", Operation.QUERY, number=("query.no",)),
    Request("GET", "/stock", Operation.STOCK),
)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def wire_fault(id: str = "late", fault: str = "wire.latency", **more: object) -> FaultPlan:
    """Answers 50 ms late, unless told otherwise."""
    params = more.pop("params", {"ms": 50, "stream": "down"})
    hops = more.pop("hops", (Hop.SHOP_PAYMENT,))
    return FaultPlan(id, fault, hops, Label(id, id), "cause", layer="wire", params=params, **more)  # type: ignore[arg-type]


def with_table(plan: Plan) -> Plan:
    """The plan with an upstream epay, and how its requests are read."""
    return msgspec.structs.replace(
        plan,
        upstreams={"epay": UpstreamPlan("payment", "epay")},
        requests={f"{Hop.SHOP_PAYMENT}/epay": TABLE},
    )


def create(n: int) -> bytes:
    body = f"param={order_key(n)}&no=C{n}"
    return f"POST /epay/create HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def query(n: int) -> bytes:
    return f"GET /epay/query?no=C{n} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


@asynccontextmanager
async def an_upstream() -> AsyncIterator[str]:
    """Answers what came together, on every connection; where it listens."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            writer.write(OK)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

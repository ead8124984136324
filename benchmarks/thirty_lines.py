"""The least that a proxy on uvloop can be: the limit of the others. Arguments: LISTEN:UPSTREAM ports."""

import asyncio
import sys
from functools import partial
from typing import cast

import uvloop


class End(asyncio.Protocol):
    """One end of a connection; what it hears goes to the other end. A caller's end dials `upstream`, a port."""

    other: "End | None" = None
    early = b""

    def __init__(self, upstream: int = 0, tasks: asyncio.TaskGroup | None = None) -> None:
        self.upstream, self.tasks = upstream, tasks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass of it
        if self.tasks is not None:
            self.tasks.create_task(self.dial())

    async def dial(self) -> None:
        _, end = await asyncio.get_running_loop().create_connection(End, "127.0.0.1", self.upstream)
        end.other, self.other = self, end
        end.transport.write(self.early)

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self.early += data
        else:
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None:
            self.other.transport.close()


async def serve(pairs: list[str]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for pair in pairs:
            listen, _, upstream = pair.partition(":")
            made = partial(End, int(upstream), tasks)
            await asyncio.get_running_loop().create_server(made, "127.0.0.1", int(listen), backlog=4096)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1:]))

"""An RCON server in the test's own loop: its clock moves by hand, its frames go through real sockets or none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mocks.game.mock import GameMock
from mocks.game.rcon import Rcon
from mocks.game.rcon_frames import AUTH, COMMAND, Frame, read_frame
from mocks.game.rcon_wire import Line, Out
from plan.run import UpstreamPlan
from tests.mocks.goods import PRODUCTS, REGIONS, TARGET
from tests.mocks.world import KEY, Around, a_plan

ANSWER_MAX = 70_000


class RconWorld(Around[GameMock]):
    """The game mock with one RCON server, `city`."""

    @property
    def server(self) -> Rcon:
        server = self.mock._servers["city"]
        assert isinstance(server, Rcon)
        return server

    async def line(self, password: str = KEY) -> Line:
        """A connection on which a password was sent."""
        line = self.server.hello()
        await self.server.heard(line, Frame(1, AUTH, password.encode()))
        return line

    async def out(self, line: Line, command: str | bytes) -> Out:
        body = command.encode() if isinstance(command, str) else command
        return await self.server.heard(line, Frame(2, COMMAND, body))

    async def said(self, command: str | bytes, line: Line | None = None) -> str:
        """The text that answers a command."""
        return "".join(
            frame.body.decode() for frame in await frames_of(await self.out(line or await self.line(), command))
        )


async def frames_of(out: Out) -> list[Frame]:
    """The frames of an answer."""
    reader = asyncio.StreamReader(limit=ANSWER_MAX * 2)
    reader.feed_data(b"".join(out.parts))
    reader.feed_eof()
    frames = []
    while (frame := await read_frame(reader, ANSWER_MAX)) is not None:
        frames.append(frame)
    return frames


@asynccontextmanager
async def an_rcon(*faults: Any, flavour: str = "minecraft") -> AsyncIterator[RconWorld]:
    """A server in load, in which faults strike."""
    city = UpstreamPlan("game", "rcon", options={"flavour": flavour})
    plan = a_plan(*faults, upstreams={"city": city}, target=TARGET, product=PRODUCTS, region=REGIONS)
    async with asyncio.TaskGroup() as tasks:
        made = RconWorld(GameMock, plan, tasks)
        made.begin_load()
        yield made
        made.mock.injector.release()
        made.mock.stop()

"""Group commit: writes that wait for SQLite's one writer share the next transaction."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

T = TypeVar("T")
Job = Callable[[AsyncConnection], Awaitable[T]]


class GroupCommit:
    """Runs jobs one after another and commits those that stood in line together.

    Nobody is told of a success before it is committed. What fails one job of a group fails all of them: it is the
    database that is away, for a job that loses its conditional update does not fail.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._line: list[tuple[Job[Any], asyncio.Future[Any]]] = []
        self._turn = asyncio.Lock()

    async def run(self, job: Job[T]) -> T:
        """What the job returned, once that is committed; raises what the database raised."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._line.append((job, done))
        async with self._turn:
            if not done.done():  # else whoever had the turn before took this job along
                await self._commit()
        return done.result()

    async def _commit(self) -> None:
        group, self._line = self._line, []
        try:
            async with self._engine.begin() as connection:
                results = [await job(connection) for job, _ in group]
        except BaseException as error:
            for _, done in group:
                done.set_exception(error)
                done.exception()  # read here: the one who waits may be gone
            return
        for (_, done), result in zip(group, results, strict=True):
            done.set_result(result)

"""Connections to PostgreSQL that do not trust their link: what it does not say, this end finds out or decides."""

import asyncio
import os
import select
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine

Connect = Callable[..., Awaitable["psycopg.AsyncConnection[Any]"]]

_POOLED = "pooled"


def impatient(patience_s: float) -> Connect:
    """What connects, for SQLAlchemy. A question that has no answer after `patience_s` breaks its connection, which the
    driver then reports as one that the server has closed.

    Neither the driver nor TCP would: a peer whose kernel acknowledges everything looks alive to keepalives, and the
    driver's own cancelling of a query waits for the same link.
    """

    class Impatient(psycopg.AsyncConnection[Any]):
        async def wait(self, *given: Any, **named: Any) -> Any:
            breaking = asyncio.get_running_loop().call_later(patience_s, _break, self.pgconn.socket)
            try:
                return await super().wait(*given, **named)
            finally:
                breaking.cancel()

    return Impatient.connect


def _break(descriptor: int) -> None:
    with socket.socket(fileno=os.dup(descriptor)) as own:
        own.shutdown(socket.SHUT_RDWR)


def look_before_use(engine: AsyncEngine) -> None:
    """A connection that was cut while it lay in the pool is replaced: its end, or anything else, lies there to be read.
    To ask the server instead (`pool_pre_ping`) costs each use of a connection an exchange."""
    event.listen(engine.sync_engine, "checkout", _look)


def _look(connection: Any, record: Any, _lent: Any) -> None:
    if not record.info.get(_POOLED):
        record.info[_POOLED] = True  # it has just been made
        return
    poll = select.poll()
    poll.register(connection.driver_connection.fileno(), select.POLLIN | select.POLLRDHUP)
    if poll.poll(0):
        raise DisconnectionError

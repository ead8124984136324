"""The outbox: which paid orders somebody must see to, when, and who is at it. One job an order at most.

A job is written, postponed and ended in the transaction that changes its order. A worker holds it by a lease.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import bindparam, delete, exists, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from targets.cardshop.database import Database
from targets.cardshop.states import UNDELIVERED, UNSETTLED, Code, Known, State
from targets.cardshop.tables import JOBS, ORDERS

_INSERT = {
    "sqlite": sqlite.insert(JOBS).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(JOBS).on_conflict_do_nothing(),
}
_END = delete(JOBS).where(JOBS.c.order_no == bindparam("key"))
_POSTPONE = update(JOBS).where(JOBS.c.order_no == bindparam("key")).values(leased_until=0.0, worker="")
_WAITING = JOBS.c.leased_until == 0.0
_NEXT = (
    select(JOBS.c.order_no)
    .where(_WAITING, JOBS.c.due_at <= bindparam("now"))
    .order_by(JOBS.c.due_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .cte("due")  # looked for once: PostgreSQL may run a subquery again for each row, and lock others each time
)
_CLAIM = (
    update(JOBS)
    .where(JOBS.c.order_no.in_(select(_NEXT.c.order_no)))
    .values(leased_until=bindparam("until"), worker=bindparam("who"))
    .returning(JOBS.c.order_no)
)
_IS_DUE = select(JOBS.c.order_no).where(_WAITING, JOBS.c.due_at <= bindparam("now")).limit(1)
_LEFT = JOBS.c.leased_until > 0.0
_LOST = {
    "expired": _LEFT & (JOBS.c.leased_until <= bindparam("now")),
    "worker": _LEFT & (JOBS.c.worker == bindparam("who")),
    "all": _LEFT,
}
# The next worker may send a request once more although the limit of its kind is reached: nobody saw the last answer.
_FORGIVE = {
    name: update(ORDERS)
    .where(ORDERS.c.order_no.in_(select(JOBS.c.order_no).where(lost)), ORDERS.c.state.in_(sorted(UNSETTLED)))
    .values(tries=0, code=func.coalesce(ORDERS.c.code, Code.SHOP_CRASHED.value))
    for name, lost in _LOST.items()
}
_RELEASE = {
    name: update(JOBS).where(lost).values(leased_until=0.0, worker="", due_at=bindparam("at"))
    for name, lost in _LOST.items()
}
_HAS_NO_JOB = ~exists().where(JOBS.c.order_no == ORDERS.c.order_no)
_IS_UNDELIVERED = ORDERS.c.state.in_(sorted(UNDELIVERED))
_IS_QUIET = ORDERS.c.updated_at <= bindparam("since")
_MISSING = {
    # Somebody was in the middle of it; an answer that was read is written together with the next job.
    "between_steps": _IS_QUIET
    & ((_IS_UNDELIVERED & ORDERS.c.known.in_(("", Known.OPEN.value))) | (ORDERS.c.state == State.REFUNDING.value)),
    "refused": _IS_QUIET & _IS_UNDELIVERED & (ORDERS.c.known == Known.REFUSED.value),
    "without_result": _IS_QUIET
    & _IS_UNDELIVERED
    & ORDERS.c.known.in_((Known.OPEN.value, Known.UNCLEAR.value, Known.ACCEPTED.value)),
    "too_late": ORDERS.c.state.in_(sorted(UNSETTLED)) & (ORDERS.c.paid_at <= bindparam("since")),
}
_FORGIVE_MISSING = {
    name: update(ORDERS)
    .where(missing, _HAS_NO_JOB)
    .values(tries=0, code=func.coalesce(ORDERS.c.code, Code.SHOP_CRASHED.value))
    for name, missing in _MISSING.items()
}
_FIND_MISSING = {
    name: select(ORDERS.c.order_no, ORDERS.c.contact).where(missing, _HAS_NO_JOB) for name, missing in _MISSING.items()
}


async def put(connection: AsyncConnection, order_no: str, contact: str, *, due: float, lease: float = 0.0) -> None:
    """A job for an order, in the transaction of the caller; nothing where it has one already."""
    row = {"order_no": order_no, "contact": contact, "due_at": due, "leased_until": lease}
    await connection.execute(_INSERT[connection.dialect.name], row)


async def leave(connection: AsyncConnection, order_no: str, contact: str, *, due: float | None) -> None:
    """What becomes of the order's job, in the transaction of the caller: due again then, or done for good."""
    if due is None:
        await connection.execute(_END, {"key": order_no})
    elif (await connection.execute(_POSTPONE, {"key": order_no, "due_at": due})).rowcount == 0:
        await put(connection, order_no, contact, due=due)


class Jobs:
    """The queue as workers and keepers see it. Anything may raise one of DATABASE_AWAY."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ping(self) -> None:
        """Ask the database for a sign of life."""
        await self._database.ping()

    async def are_due(self, now: float) -> bool:
        """Whether there is a job to claim: a question that takes no lock."""
        async with self._database.read() as connection:
            return (await connection.execute(_IS_DUE, {"now": now})).first() is not None

    async def claim(self, worker: str, *, now: float, lease_s: float, most: int) -> list[str]:
        """The orders whose jobs this worker now holds, the longest due first, and nobody else does."""
        asked = {"now": now, "most": most, "until": now + lease_s, "who": worker}

        async def job(connection: AsyncConnection) -> list[str]:
            return [str(row.order_no) for row in await connection.execute(_CLAIM, asked)]

        return await self._database.write(job)

    async def leave(self, order_no: str, contact: str, *, due: float | None) -> None:
        """Give a claimed job back, due then; None ends it."""

        async def job(connection: AsyncConnection) -> None:
            await leave(connection, order_no, contact, due=due)

        await self._database.write(job)

    async def give_back(self, order_no: str, *, due: float) -> None:
        """A claimed job that came to nothing waits again."""

        async def job(connection: AsyncConnection) -> None:
            await connection.execute(_POSTPONE, {"key": order_no, "due_at": due})

        await self._database.write(job)

    async def release(self, whose: str, *, now: float, worker: str = "") -> int:
        """Free the jobs that nobody works on any more: `expired` leases, those of a dead `worker`, or `all` of them."""
        asked = {"now": now, "at": now, "who": worker}

        async def job(connection: AsyncConnection) -> int:
            await connection.execute(_FORGIVE[whose], _only(asked, _FORGIVE[whose]))
            return (await connection.execute(_RELEASE[whose], _only(asked, _RELEASE[whose]))).rowcount

        return await self._database.write(job)

    async def put_missing(self, which: str, *, since: float, now: float, forgive: bool) -> int:
        """Jobs for orders that need one and have none; how many there were. `forgive`: they may ask once more."""

        async def job(connection: AsyncConnection) -> int:
            if forgive:
                await connection.execute(_FORGIVE_MISSING[which], {"since": since})
            rows = (await connection.execute(_FIND_MISSING[which], {"since": since})).all()
            for row in rows:
                await put(connection, row.order_no, row.contact, due=now)
            return len(rows)

        async with self._database.read() as connection:  # nearly always none, and then no lock is taken
            if (await connection.execute(_FIND_MISSING[which].limit(1), {"since": since})).first() is None:
                return 0
        return await self._database.write(job)


def _only(values: dict[str, Any], statement: Any) -> dict[str, Any]:
    """Of the values those that the statement asks for."""
    named: Iterable[str] = statement.compile().params
    return {name: value for name, value in values.items() if name in named}

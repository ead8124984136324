"""The database: every question and every change the shop knows, each a short transaction.

Who may change an order is decided by the database: a step is ``UPDATE … WHERE order_no = ? AND state IN (…)``, and
the number of rows tells who won.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import Insert, Row, Select, Update, bindparam, event, func, select, text, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from targets.cardshop.commits import GroupCommit, Job, T
from targets.cardshop.states import COMPLETE, EXPIRE, SETTLE, STEPS, UNPAID, Code, State, Step
from targets.cardshop.tables import CARDS, METADATA, ORDERS, Order, printed_cards

DATABASE_AWAY = (OperationalError, PoolTimeout)
"""What the store raises while the database is locked, gone or overrun."""

LOCK_WAIT_S = 5.0
POOL_WAIT_S = 10.0
APOLOGY = "库存不足，请联系客服"
_READERS = 4
_POSTGRES_CONNECTIONS = 10
_UNPAID_MAX = 5_000

_COLUMNS = tuple(field.name for field in fields(Order) if field.name != "cards")
_ROW = [ORDERS.c[name] for name in _COLUMNS]
_INSERT = ORDERS.insert()
_MOVE = {
    step.name: update(ORDERS)
    .where(ORDERS.c.order_no == bindparam("key"), ORDERS.c.state.in_(sorted(step.sources)))
    .values(state=step.target.value)
    for step in STEPS
}
_REMEMBER_TRADE = update(ORDERS).where(ORDERS.c.order_no == bindparam("key"))
_NOTE = update(ORDERS).where(ORDERS.c.order_no == bindparam("key"), ORDERS.c.state.in_(sorted(UNPAID)))
_APOLOGISE = (
    update(ORDERS).where(ORDERS.c.order_no == bindparam("key")).values(apology=APOLOGY, code=Code.SOLD_OUT.value)
)
_EXPIRE_OLD = (
    update(ORDERS)
    .where(ORDERS.c.state.in_(sorted(EXPIRE.sources)), ORDERS.c.created_at <= bindparam("born_before"))
    .values(state=EXPIRE.target.value, code=Code.EXPIRED.value)
)
# SKIP LOCKED lets two buyers of one product pass each other in PostgreSQL; SQLite has one writer and leaves it out.
_NEXT_CARD = (
    select(CARDS.c.id)
    .where(CARDS.c.product == bindparam("kind"), CARDS.c.order_no.is_(None))
    .order_by(CARDS.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_TAKE_CARD = update(CARDS).where(CARDS.c.id == _NEXT_CARD.scalar_subquery()).values(order_no=bindparam("owner"))
_JOINED = select(*_ROW, CARDS.c.text).select_from(ORDERS.outerjoin(CARDS, CARDS.c.order_no == ORDERS.c.order_no))
_FIND = _JOINED.where(ORDERS.c.order_no.in_(bindparam("numbers", expanding=True))).order_by(CARDS.c.id)
_UNPAID = (
    select(ORDERS.c.order_no, ORDERS.c.channel)
    .where(
        ORDERS.c.state.in_(sorted(UNPAID)),
        ORDERS.c.created_at <= bindparam("born_before"),
        ORDERS.c.created_at > bindparam("born_after"),
    )
    .order_by(ORDERS.c.created_at)
    .limit(_UNPAID_MAX)
)


@dataclass(frozen=True)
class NewOrder:
    """What is known of an order when the buyer asks for it."""

    order_no: str
    contact: str
    account: str
    product: str
    channel: str
    region: str
    price_fen: int


class Store:
    """The order table and the stock. Anything may raise one of DATABASE_AWAY."""

    def __init__(self, url: str) -> None:
        is_sqlite = make_url(url).get_backend_name() == "sqlite"
        shared: dict[str, Any] = {"hide_parameters": True, "pool_timeout": POOL_WAIT_S, "max_overflow": 0}
        if is_sqlite:
            shared |= {"connect_args": {"timeout": LOCK_WAIT_S}}
            self._writer = create_async_engine(url, pool_size=1, **shared)
            event.listen(self._writer.sync_engine, "connect", _use_wal)
            # SQLite has one writer: who stands in line commits together instead of polling the lock.
            self._commits: GroupCommit | None = GroupCommit(self._writer)
        else:
            self._writer = create_async_engine(url, pool_size=_POSTGRES_CONNECTIONS, **shared)
            self._commits = None
        self._reader = _reading_engine(url, _READERS if is_sqlite else _POSTGRES_CONNECTIONS, shared)
        if is_sqlite:
            event.listen(self._reader.sync_engine, "connect", _use_wal)

    async def open(self, products: Iterable[str], *, stock: int) -> None:
        """Create what is missing; where no card was ever printed, print `stock` of each product."""
        async with self._writer.begin() as connection:
            await connection.run_sync(METADATA.create_all)
            printed = (await connection.execute(select(CARDS.c.id).limit(1))).first()
            if printed is None and stock:
                for product in products:
                    await connection.execute(CARDS.insert(), list(printed_cards(product, stock)))

    async def close(self) -> None:
        """Let go of all connections."""
        await self._reader.dispose()
        await self._writer.dispose()

    async def ping(self) -> None:
        """Ask the database for a sign of life."""
        async with self._reader.connect() as connection:
            await connection.execute(text("SELECT 1"))

    # --- changes ---------------------------------------------------------------------------------------------
    async def insert(self, order: NewOrder, *, at: float) -> None:
        """A new row in state created."""
        row = asdict(order) | {"state": State.CREATED.value, "created_at": at, "updated_at": at}
        await self._change(_INSERT, row)

    async def move(self, step: Step, order_no: str, *, at: float, **values: Any) -> bool:
        """Take a step and set further columns with it; whether this call won it."""
        return await self._change(_MOVE[step.name], {"key": order_no, "updated_at": at, **values}) == 1

    async def settle(self, order_no: str, product: str, *, at: float, **values: Any) -> bool:
        """From unpaid to completed with a card, all or nothing; whether this call won it."""
        key = {"key": order_no, "updated_at": at}

        async def job(connection: AsyncConnection) -> bool:
            if (await connection.execute(_MOVE[SETTLE.name], key | values)).rowcount != 1:
                return False
            if (await connection.execute(_TAKE_CARD, {"kind": product, "owner": order_no})).rowcount != 1:
                await connection.execute(_APOLOGISE, key)
            return True

        return await self._write(job)

    async def take_card(self, product: str, order_no: str) -> bool:
        """Give one more card of the stock to an order, whatever it has already; False where none is left."""
        return await self._change(_TAKE_CARD, {"kind": product, "owner": order_no}) == 1

    async def complete(self, order_no: str, *, has_card: bool, at: float) -> bool:
        """The last step of a delivery in steps: with a card, or with an apology in its place."""
        values: dict[str, Any] = {} if has_card else {"apology": APOLOGY, "code": Code.SOLD_OUT.value}
        return await self.move(COMPLETE, order_no, at=at, **values)

    async def remember_trade(self, order_no: str, *, trade_no: str, pay_url: str) -> None:
        """Keep the gateway's answer for an order that has already moved on."""
        await self._change(_REMEMBER_TRADE, {"key": order_no, "trade_no": trade_no, "pay_url": pay_url})

    async def note(self, order_no: str, code: Code, *, at: float, **values: Any) -> None:
        """Write a reason beside an unpaid order without changing its state."""
        await self._change(_NOTE, {"key": order_no, "code": code.value, "updated_at": at, **values})

    async def expire(self, *, born_before: float, at: float) -> int:
        """End the unpaid orders that are as old as that; how many there were."""
        return await self._change(_EXPIRE_OLD, {"born_before": born_before, "updated_at": at})

    async def _change(self, statement: Insert | Update, values: dict[str, Any]) -> int:
        """One statement in a transaction; the number of rows it changed."""

        async def job(connection: AsyncConnection) -> int:
            return (await connection.execute(statement, values)).rowcount

        return await self._write(job)

    async def _write(self, job: Job[T]) -> T:
        if self._commits is not None:
            return await self._commits.run(job)
        async with self._writer.begin() as connection:
            return await job(connection)

    # --- questions -------------------------------------------------------------------------------------------
    async def find(self, numbers: Sequence[str]) -> dict[str, Order]:
        """The orders of these numbers, as far as they exist."""
        async with self._reader.connect() as connection:
            rows = (await connection.execute(_FIND, {"numbers": numbers})).all()
        return {order.order_no: order for order in _orders(rows)}

    async def of_contact(self, contact: str, *, limit: int) -> list[Order]:
        """The orders of a contact, newest first."""
        return await self._list(select(ORDERS.c.id).where(ORDERS.c.contact == contact), newest=True, limit=limit)

    async def newest(self, *, limit: int) -> list[Order]:
        """The newest orders, newest first."""
        return await self._list(select(ORDERS.c.id), newest=True, limit=limit)

    async def after(self, row_id: int, *, limit: int) -> list[Order]:
        """The orders behind a row, in the order of their rows."""
        return await self._list(select(ORDERS.c.id).where(ORDERS.c.id > row_id), newest=False, limit=limit)

    async def unpaid(self, *, born_before: float, born_after: float) -> list[tuple[str, str]]:
        """Number and channel of the unpaid orders of that age, oldest first."""
        async with self._reader.connect() as connection:
            rows = await connection.execute(_UNPAID, {"born_before": born_before, "born_after": born_after})
            return [(row.order_no, row.channel) for row in rows]

    async def stock_left(self) -> dict[str, int]:
        """How many cards of each product nobody owns; a product with none is left out."""
        asked = select(CARDS.c.product, func.count()).where(CARDS.c.order_no.is_(None)).group_by(CARDS.c.product)
        async with self._reader.connect() as connection:
            return {product: count for product, count in await connection.execute(asked)}

    async def _list(self, ids: Select[tuple[int]], *, newest: bool, limit: int) -> list[Order]:
        by = ORDERS.c.id.desc() if newest else ORDERS.c.id
        wanted = ids.order_by(by).limit(limit).scalar_subquery()
        async with self._reader.connect() as connection:
            rows = (await connection.execute(_JOINED.where(ORDERS.c.id.in_(wanted)).order_by(by, CARDS.c.id))).all()
        return _orders(rows)


def _orders(rows: Sequence[Row[*tuple[Any, ...]]]) -> list[Order]:
    """One order a number, with all of its cards, in the sequence of the rows."""
    cards: dict[str, list[str]] = {}
    first: dict[str, Row[*tuple[Any, ...]]] = {}
    for row in rows:
        first.setdefault(row.order_no, row)
        if row.text is not None:
            cards.setdefault(row.order_no, []).append(row.text)
    return [_order(row, tuple(cards.get(number, ()))) for number, row in first.items()]


def _order(row: Row[*tuple[Any, ...]], cards: tuple[str, ...]) -> Order:
    values = dict(zip(_COLUMNS, row, strict=False))
    values["state"] = State(values["state"])
    values["code"] = Code(values["code"]) if values["code"] else None
    return Order(**values, cards=cards)


def _reading_engine(url: str, connections: int, shared: dict[str, Any]) -> AsyncEngine:
    # One statement needs no transaction around it: without BEGIN and ROLLBACK a page costs half as much.
    return create_async_engine(
        url, pool_size=connections, isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True, **shared
    )


def _use_wal(connection: Any, _record: object) -> None:
    """Pages are read while an order is written, and a commit need not wait for the disk."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()

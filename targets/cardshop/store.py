"""The order table and the stock: every question and every change the shop knows, each a short transaction.

Who may change an order is decided by the database: a step is ``UPDATE … WHERE order_no = ? AND state IN (…)``, and
the number of rows tells who won.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import Insert, Row, Select, Update, bindparam, case, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from targets.cardshop import jobs
from targets.cardshop.database import Database
from targets.cardshop.states import (
    COMPLETE,
    DELAY,
    EXPIRE,
    SETTLE,
    STEPS,
    UNDELIVERED,
    UNPAID,
    UNSETTLED,
    Code,
    Known,
    State,
    Step,
)
from targets.cardshop.tables import CARDS, METADATA, ORDERS, Order, printed_cards

APOLOGY = "库存不足，请联系客服"
_UNPAID_MAX = 5_000
_PATIENCE = {State.PAID: 1, State.SUBMITTED: 2, State.RECHARGING: 4}
"""How often `delayed_s` an order may stand in a state before the page admits that nothing moves."""

_COLUMNS = tuple(field.name for field in fields(Order) if field.name != "cards")
_ROW = [ORDERS.c[name] for name in _COLUMNS]
_INSERT = ORDERS.insert()
_NOW: dict[str, Any] = {"changed_at": bindparam("moment"), "updated_at": bindparam("moment")}
_OF_KEY = ORDERS.c.order_no == bindparam("key")
_MOVE = {
    step.name: update(ORDERS)
    .where(_OF_KEY, ORDERS.c.state.in_(sorted(step.sources)))
    .values(state=step.target.value, **_NOW)
    for step in STEPS
}
_KEEP = update(ORDERS).where(_OF_KEY, ORDERS.c.state.in_(sorted(UNSETTLED))).values(updated_at=bindparam("moment"))
_ASK_GOODS = (
    update(ORDERS)
    .where(_OF_KEY, ORDERS.c.state.in_(sorted(UNDELIVERED)))
    .values(
        state=case((ORDERS.c.state == State.PAID.value, State.SUBMITTED.value), else_=ORDERS.c.state),
        changed_at=case((ORDERS.c.state == State.PAID.value, bindparam("moment")), else_=ORDERS.c.changed_at),
        updated_at=bindparam("moment"),
        known=Known.OPEN.value,
        tries=ORDERS.c.tries + 1,
    )
)
# A buyer who has paid may still go back as long as nobody was asked for the goods.
_TAKE_BACK = (
    update(ORDERS)
    .where(
        _OF_KEY,
        ORDERS.c.state.in_([State.PAID.value, State.DELAYED.value]),
        ORDERS.c.known == Known.NOTHING.value,
    )
    .values(state=State.REFUNDING.value, code=Code.CANCELLED.value, tries=0, **_NOW)
)
_REMEMBER_TRADE = update(ORDERS).where(_OF_KEY)
_NOTE = update(ORDERS).where(_OF_KEY, ORDERS.c.state.in_(sorted(UNPAID))).values(updated_at=bindparam("moment"))
_APOLOGISE = update(ORDERS).where(_OF_KEY).values(apology=APOLOGY, code=Code.SOLD_OUT.value)
_EXPIRE_OLD = (
    update(ORDERS)
    .where(ORDERS.c.state.in_(sorted(EXPIRE.sources)), ORDERS.c.created_at <= bindparam("born_before"))
    .values(state=EXPIRE.target.value, code=Code.EXPIRED.value, **_NOW)
)
_IS_STALE = or_(
    *(
        (ORDERS.c.state == state.value) & (ORDERS.c.changed_at <= bindparam(f"since_{state.value}"))
        for state in _PATIENCE
    )
)
_ADMIT_DELAY = (
    update(ORDERS)
    .where(_IS_STALE)
    .values(
        state=DELAY.target.value,
        **_NOW,
        code=func.coalesce(
            ORDERS.c.code,
            case((ORDERS.c.state == State.PAID.value, Code.SHOP_OVERLOADED.value), else_=Code.TIMEOUT.value),
        ),
    )
)
_STALE = select(ORDERS.c.id).where(_IS_STALE).limit(1)
# SKIP LOCKED lets two buyers of one product pass each other in PostgreSQL; SQLite has one writer and leaves it out.
_NEXT_CARD = (
    select(CARDS.c.id)
    .where(CARDS.c.product == bindparam("kind"), CARDS.c.order_no.is_(None))
    .order_by(CARDS.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_IN_STOCK = select(CARDS.c.id).where(CARDS.c.product == bindparam("kind"), CARDS.c.order_no.is_(None)).limit(1)
_TAKE_CARD = update(CARDS).where(CARDS.c.id == _NEXT_CARD.scalar_subquery()).values(order_no=bindparam("owner"))
_KEEP_CARD = {  # the same card twice is one card: an upstream may answer a repeat with what it has sold before
    "sqlite": sqlite.insert(CARDS).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(CARDS).on_conflict_do_nothing(),
}
_JOINED = select(*_ROW, CARDS.c.text).select_from(ORDERS.outerjoin(CARDS, CARDS.c.order_no == ORDERS.c.order_no))
_FIND = _JOINED.where(ORDERS.c.order_no.in_(bindparam("numbers", expanding=True))).order_by(CARDS.c.id)
_NUMBER_OF = select(ORDERS.c.order_no).where(
    ORDERS.c.upstream == bindparam("who"), ORDERS.c.receipt == bindparam("number")
)
_UNPAID = (
    select(ORDERS.c.order_no, ORDERS.c.channel, ORDERS.c.created_at)
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
    """Orders and cards. Anything may raise one of DATABASE_AWAY."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, products: Iterable[str], *, stock: int) -> None:
        """Create what is missing; where no card was ever printed, print `stock` of each product."""

        async def job(connection: AsyncConnection) -> None:
            await connection.run_sync(METADATA.create_all)
            printed = (await connection.execute(select(CARDS.c.id).limit(1))).first()
            if printed is None and stock:
                for product in products:
                    await connection.execute(CARDS.insert(), list(printed_cards(product, stock)))

        await self._database.write(job)

    # --- changes ---------------------------------------------------------------------------------------------
    async def insert(self, order: NewOrder, *, at: float) -> None:
        """A new row in state created."""
        row = asdict(order) | {"state": State.CREATED.value, "created_at": at, "changed_at": at, "updated_at": at}
        await self._change(_INSERT, row)

    async def move(self, step: Step, order_no: str, *, at: float, **values: Any) -> bool:
        """Take a step and set further columns with it; whether this call won it."""
        return await self._change(_MOVE[step.name], {"key": order_no, "moment": at, **values}) == 1

    async def start(
        self, step: Step, order: Order, *, at: float, due: float | None, lease: float = 0.0, **values: Any
    ) -> bool:
        """A step that leaves something to do, with the job for it: both or neither; whether this call won it."""

        async def job(connection: AsyncConnection) -> bool:
            asked = {"key": order.order_no, "moment": at, **values}
            if (await connection.execute(_MOVE[step.name], asked)).rowcount != 1:
                return False
            if due is not None:
                await jobs.put(connection, order.order_no, order.contact, due=due, lease=lease)
            return True

        return await self._database.write(job)

    async def turn(
        self,
        step: Step | None,
        order: Order,
        *,
        at: float,
        due: float | None,
        cards: Sequence[dict[str, str]] = (),
        is_guarded: bool = True,
        **values: Any,
    ) -> bool:
        """What came of a turn at a paid order: its step (None: it stays where it is), its cards, its job due again or
        done; whether this call won. Whoever lost leaves the job to be looked at again. Not guarded, cards are kept
        whoever won."""

        async def job(connection: AsyncConnection) -> bool:
            statement = _KEEP if step is None else _MOVE[step.name]
            asked = {"key": order.order_no, "moment": at, **values}
            has_won = (await connection.execute(statement, asked)).rowcount == 1
            if cards and (has_won or not is_guarded):
                await connection.execute(_KEEP_CARD[connection.dialect.name], list(cards))
            await jobs.leave(connection, order.order_no, order.contact, due=due if has_won else at)
            return has_won

        return await self._database.write(job)

    async def ask_goods(self, order_no: str, upstream: str, *, at: float) -> bool:
        """Write down that this upstream is being asked, before it is; False where the order wants no goods any more."""
        return await self._change(_ASK_GOODS, {"key": order_no, "upstream": upstream, "moment": at}) == 1

    async def take_back(self, order: Order, *, at: float) -> bool:
        """From paid to refunding, as long as nobody was asked for the goods; whether it was."""

        async def job(connection: AsyncConnection) -> bool:
            if (await connection.execute(_TAKE_BACK, {"key": order.order_no, "moment": at})).rowcount != 1:
                return False
            await jobs.put(connection, order.order_no, order.contact, due=at)
            return True

        return await self._database.write(job)

    async def settle(self, order_no: str, product: str, *, at: float, **values: Any) -> bool:
        """From unpaid to completed with a card of the stock, all or nothing; whether this call won it."""
        key: dict[str, Any] = {"key": order_no}

        async def job(connection: AsyncConnection) -> bool:
            if (await connection.execute(_MOVE[SETTLE.name], key | values | {"moment": at})).rowcount != 1:
                return False
            if (await connection.execute(_TAKE_CARD, {"kind": product, "owner": order_no})).rowcount != 1:
                await connection.execute(_APOLOGISE, key)
            return True

        return await self._database.write(job)

    async def hand_out(self, order: Order, *, at: float) -> bool:
        """From paid to completed with a card of the stock, and the job done; False, and nothing changed, where the
        stock is empty."""

        async def job(connection: AsyncConnection) -> bool:
            if (await connection.execute(_IN_STOCK, {"kind": order.product})).first() is None:
                return False
            asked = {"key": order.order_no, "moment": at, "code": None}
            if (await connection.execute(_MOVE[COMPLETE.name], asked)).rowcount == 1:
                await connection.execute(_TAKE_CARD, {"kind": order.product, "owner": order.order_no})
            await jobs.leave(connection, order.order_no, order.contact, due=None)
            return True

        return await self._database.write(job)

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
        await self._change(_NOTE, {"key": order_no, "code": code.value, "moment": at, **values})

    async def expire(self, *, born_before: float, at: float) -> int:
        """End the unpaid orders that are as old as that; how many there were."""
        return await self._change(_EXPIRE_OLD, {"born_before": born_before, "moment": at})

    async def admit_delay(self, *, delayed_s: float, at: float) -> int:
        """Show as delayed what has stood in one state too long; how many there were."""
        since = {f"since_{state.value}": at - times * delayed_s for state, times in _PATIENCE.items()}
        async with self._database.read() as connection:  # nearly always none, and then no lock is taken
            if (await connection.execute(_STALE, since)).first() is None:
                return 0
        return await self._change(_ADMIT_DELAY, since | {"moment": at})

    async def _change(self, statement: Insert | Update, values: dict[str, Any]) -> int:
        """One statement in a transaction; the number of rows it changed."""

        async def job(connection: AsyncConnection) -> int:
            return (await connection.execute(statement, values)).rowcount

        return await self._database.write(job)

    # --- questions -------------------------------------------------------------------------------------------
    async def find(self, numbers: Sequence[str]) -> dict[str, Order]:
        """The orders of these numbers, as far as they exist."""
        async with self._database.read() as connection:
            rows = (await connection.execute(_FIND, {"numbers": numbers})).all()
        return {order.order_no: order for order in _orders(rows)}

    async def number_of(self, upstream: str, receipt: str) -> str | None:
        """The order that an upstream knows under its own number."""
        async with self._database.read() as connection:
            row = (await connection.execute(_NUMBER_OF, {"who": upstream, "number": receipt})).first()
        return None if row is None else str(row.order_no)

    async def of_contact(self, contact: str, *, limit: int) -> list[Order]:
        """The orders of a contact, newest first."""
        return await self._list(select(ORDERS.c.id).where(ORDERS.c.contact == contact), newest=True, limit=limit)

    async def newest(self, *, limit: int) -> list[Order]:
        """The newest orders, newest first."""
        return await self._list(select(ORDERS.c.id), newest=True, limit=limit)

    async def after(self, row_id: int, *, limit: int) -> list[Order]:
        """The orders behind a row, in the order of their rows."""
        return await self._list(select(ORDERS.c.id).where(ORDERS.c.id > row_id), newest=False, limit=limit)

    async def unpaid(self, *, born_before: float, born_after: float = 0.0) -> list[tuple[str, str, float]]:
        """Number, channel and time of the unpaid orders of that age, oldest first."""
        async with self._database.read() as connection:
            rows = await connection.execute(_UNPAID, {"born_before": born_before, "born_after": born_after})
            return [(row.order_no, row.channel, row.created_at) for row in rows]

    async def stock_left(self) -> dict[str, int]:
        """How many cards of each product nobody owns; a product with none is left out."""
        asked = select(CARDS.c.product, func.count()).where(CARDS.c.order_no.is_(None)).group_by(CARDS.c.product)
        async with self._database.read() as connection:
            return {product: count for product, count in await connection.execute(asked)}

    async def _list(self, ids: Select[tuple[int]], *, newest: bool, limit: int) -> list[Order]:
        by = ORDERS.c.id.desc() if newest else ORDERS.c.id
        wanted = ids.order_by(by).limit(limit).scalar_subquery()
        async with self._database.read() as connection:
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
    values["known"] = Known(values["known"])
    return Order(**values, cards=cards)

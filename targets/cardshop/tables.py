"""The shop's three tables, in SQL that SQLite and PostgreSQL share."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Column, Double, Index, Integer, MetaData, String, Table

from targets.cardshop.states import Code, Known, State

METADATA = MetaData()

ORDERS = Table(
    "orders",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("order_no", String(32), nullable=False, unique=True),
    Column("trade_no", String(64), nullable=False, default=""),
    Column("contact", String(64), nullable=False, index=True),
    Column("account", String(64), nullable=False),
    Column("product", String(16), nullable=False),
    Column("channel", String(64), nullable=False),
    Column("region", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("code", String(32), nullable=True),
    Column("price_fen", Integer, nullable=False),
    Column("paid_fen", Integer, nullable=True),
    Column("told", String(256), nullable=False, default=""),  # `param` as the notice of the payment had it
    Column("upstream", String(64), nullable=False, default=""),  # the supplier or game that was asked last
    Column("known", String(16), nullable=False, default=""),  # what is known of that request: states.Known
    Column("tries", Integer, nullable=False, default=0),  # requests for goods so far
    Column("refusals", String(512), nullable=False, default=""),  # JSON: which upstream has refused, and why
    Column("receipt", String(128), nullable=False, default=""),  # the game's number of a top-up, then of the credit
    Column("apology", String(64), nullable=True),  # stands where goods should, when nothing was left
    Column("pay_url", String(1024), nullable=False, default=""),
    Column("created_at", Double, nullable=False),  # this and the next three: seconds since 1970
    Column("paid_at", Double, nullable=True),
    Column("changed_at", Double, nullable=False),  # of the state
    Column("updated_at", Double, nullable=False),
    Index("orders_by_age", "state", "created_at"),
)

CARDS = Table(
    "cards",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("product", String(16), nullable=False),
    Column("order_no", String(32), nullable=True, index=True),  # whose it is; empty while in stock
    Column("text", String(64), nullable=False, unique=True),
    Index("cards_in_stock", "product", "order_no", "id"),
)

JOBS = Table(  # the outbox: a paid order that somebody must see to, written in the transaction that says so
    "jobs",
    METADATA,
    Column("order_no", String(32), primary_key=True),
    Column("contact", String(64), nullable=False),
    Column("due_at", Double, nullable=False),
    Column("leased_until", Double, nullable=False, default=0.0),  # 0: waits
    Column("worker", String(32), nullable=False, default=""),  # who has the lease
    Index("jobs_that_wait", "leased_until", "due_at"),
)


@dataclass(frozen=True)
class Order:
    """A row of the order table with the cards that belong to it."""

    id: int
    order_no: str
    trade_no: str
    contact: str
    account: str
    product: str
    channel: str
    region: str
    state: State
    code: Code | None
    price_fen: int
    paid_fen: int | None
    told: str
    upstream: str
    known: Known
    tries: int
    refusals: str
    receipt: str
    apology: str | None
    pay_url: str
    created_at: float
    paid_at: float | None
    changed_at: float
    updated_at: float
    cards: tuple[str, ...] = ()

    @property
    def goods(self) -> tuple[str, ...]:
        """The texts that the page shows as goods: the cards, or the apology that stands in their place."""
        return self.cards or ((self.apology,) if self.apology else ())


def printed_cards(product: str, count: int) -> Iterator[dict[str, str]]:
    """Rows of new cards: a serial number that is never given twice, and a password that cannot be guessed."""
    for serial in range(1, count + 1):
        password = secrets.token_hex(8).upper()
        yield {"product": product, "text": f"卡号 {product}-{serial:07d} 卡密 {password}"}

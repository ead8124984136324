"""What to send to buy, and how to read the answer. Builds requests and reads replies as values; does no I/O."""

from typing import Protocol

import msgspec

from ledger.states import Code, State
from plan.orders import Wish


class Person(msgspec.Struct, frozen=True):
    """Who buys. The order key stands in contact and account: b00000042@buyers.example, player-00000042."""

    name: str
    contact: str
    account: str


class Ask(msgspec.Struct, frozen=True):
    """A request to the shop. `name` is what it is counted under."""

    name: str
    method: str
    url: str
    headers: dict[str, str] = {}
    body: bytes = b""


class Reply(msgspec.Struct, frozen=True):
    """What came back; header names in lower case. `status` 0 means that no HTTP answer came, `why` then says so."""

    status: int
    headers: dict[str, str]
    body: bytes
    url: str
    why: str = ""


class Placed(msgspec.Struct, frozen=True):
    """The shop took the order: its number, where to pay (absolute), and where to poll (absolute)."""

    order_no: str
    pay_url: str
    poll_url: str


class NotPlaced(msgspec.Struct, frozen=True):
    """The shop's answer was not an order; what it was, in a few words."""

    code: Code
    why: str


class Page(msgspec.Struct, frozen=True):
    """What the order page says: standard state, its own words, the goods texts that are goods and no apologies."""

    state: State
    words: str
    goods: tuple[str, ...] = ()
    code: Code | None = None


class Unread(msgspec.Struct, frozen=True):
    """The order page could not be read; `gone` where the shop says that there is no such order."""

    code: Code
    why: str
    gone: bool = False


class Cancelled(msgspec.Struct, frozen=True):
    """What the shop said to a buyer who wanted to cancel; `done` where it agreed."""

    done: bool
    words: str


class Storefront(Protocol):
    """A shop as a buyer meets it."""

    def place(self, wish: Wish, person: Person) -> Ask:
        """The request that places the order."""
        ...

    def read_placed(self, reply: Reply) -> Placed | NotPlaced:
        """Never raises, whatever the shop answered."""
        ...

    def poll(self, placed: Placed) -> Ask:
        """The request for the order page."""
        ...

    def read_page(self, reply: Reply) -> Page | Unread:
        """Never raises, whatever the shop answered."""
        ...

    def cancel(self, placed: Placed) -> Ask | None:
        """The request by which the buyer cancels; None where this shop has no such thing."""
        ...

    def read_cancelled(self, reply: Reply) -> Cancelled:
        """Never raises, whatever the shop answered."""
        ...

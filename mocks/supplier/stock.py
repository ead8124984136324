"""The goods truly sold: every card is unique and sold once, and a request number is honoured as its upstream does.

No dialect shows here: a purchase knows nothing of the names that its fields have on the wire.
"""

from hashlib import blake2b

import msgspec

from ledger.clock import Clock
from ledger.events import GoodsAccepted, GoodsSold, goods_hash
from ledger.money import Fen
from ledger.states import Code
from mocks.apply import Append, Subject
from mocks.goods import GoodsError, GoodsFacts, UnknownProduct, replayed
from mocks.register import Register
from plan.run import REPLAY

ENDLESS = 999_999
"""What is said to be left of a product whose stock the plan does not set."""
CREDIT_FEN = 10_000_000
"""What a shop has at a supplier before it buys anything; the balance never refuses, only the fault does."""

DELIVERED, PROCESSING, FAILED = "delivered", "processing", "failed"


class SoldOut(GoodsError):
    """Fewer are left than were asked for."""


class Request(msgspec.Struct, frozen=True, gc=False):
    """What a shop asks for, under its own number."""

    upstream: str
    request_no: str
    product: str
    quantity: int


class Purchase(msgspec.Struct, gc=False):
    """What became of a request. `cards` is what the shop is given, `sold` how many cards were truly sold for it."""

    trade_no: str
    request: Request
    key: str
    keyed_by: str
    o: str
    t: int
    amount_fen: Fen
    state: str
    cards: tuple[str, ...] = ()
    sold: int = 0

    @property
    def subject(self) -> Subject:
        return Subject(self.key, self.keyed_by, self.o)

    @property
    def upstream(self) -> str:
        return self.request.upstream

    @property
    def request_no(self) -> str:
        return self.request.request_no


class Shelf(msgspec.Struct):
    """What one upstream sells, at which prices, how much of it is left (what is not named never ends), and what was
    spent there so far."""

    prices: dict[str, Fen]
    left: dict[str, int]
    on_repeat: str = REPLAY
    spent_fen: Fen = Fen(0)


class Stock(GoodsFacts):
    """All goods of a process, over all its upstreams. Every change is journalled as it happens."""

    def __init__(self, seed: int, clock: Clock, append: Append) -> None:
        super().__init__(clock, append)
        self._salt = f"{seed}".encode()
        self._shelves: dict[str, Shelf] = {}
        self._filled: dict[str, dict[str, int]] = {}
        self._made: dict[str, int] = {}  # goes on after `forget`: a card is never sold twice
        self.purchases: Register[Purchase] = Register()

    def fill(self, upstream: str, shelf: Shelf) -> None:
        """From now on the upstream sells what is on the shelf."""
        self._shelves[upstream], self._filled[upstream] = shelf, dict(shelf.left)

    # --- what may be known --------------------------------------------------------------------------------------
    def products(self, upstream: str) -> list[str]:
        return list(self._shelves[upstream].prices)

    def price_fen(self, upstream: str, product: str) -> Fen:
        """What one costs; UnknownProduct."""
        price = self._shelves[upstream].prices.get(product)
        if price is None:
            raise UnknownProduct(f"{upstream} sells no {product!r}")
        return price

    def left(self, upstream: str, product: str) -> int:
        """How many can be bought; UnknownProduct."""
        self.price_fen(upstream, product)
        return self._shelves[upstream].left.get(product, ENDLESS)

    def balance_fen(self, upstream: str) -> Fen:
        return Fen(CREDIT_FEN - self._shelves[upstream].spent_fen)

    def known(self, request: Request) -> Purchase | None:
        """The purchase that a repeated number replays, None if the request is to be sold; Repeated if it is refused."""
        before = self.purchases.find(request.upstream, request.request_no)
        on_repeat = self._shelves[request.upstream].on_repeat
        return replayed(before, request, number=request.request_no, on_repeat=on_repeat)

    # --- what is done -------------------------------------------------------------------------------------------
    def sell(self, request: Request, subject: Subject) -> Purchase:
        """Sells what is asked for; UnknownProduct, SoldOut."""
        self.check(request)
        purchase = self._begin(request, subject, DELIVERED)
        purchase.cards = tuple(self._sell_card(purchase) for _ in range(request.quantity))
        return purchase

    def sell_partly(self, request: Request, subject: Subject) -> Purchase:
        """Sells one card fewer than asked for at the price of all; of a single one, gives only half of its text.
        UnknownProduct, SoldOut."""
        self.check(request)
        purchase = self._begin(request, subject, DELIVERED)
        cards = tuple(self._sell_card(purchase) for _ in range(max(1, request.quantity - 1)))
        purchase.cards = cards if request.quantity > 1 else (cards[0][: len(cards[0]) // 2],)
        return purchase

    def sell_nothing(self, request: Request, subject: Subject) -> Purchase:
        """Says that it was delivered, and gives nothing; UnknownProduct, SoldOut."""
        self.check(request)
        return self._begin(request, subject, DELIVERED)

    def accept(self, request: Request, subject: Subject) -> Purchase:
        """Takes the request on and never works on it; UnknownProduct, SoldOut."""
        self.check(request)
        purchase = self._begin(request, subject, PROCESSING)
        t, upstream, no = purchase.t, request.upstream, request.request_no
        self._append(GoodsAccepted(t=t, o=purchase.o, upstream=upstream, request_no=no))
        return purchase

    def fail(self, purchase: Purchase, code: Code, words: str) -> None:
        """Ends a purchase that was accepted without goods."""
        assert purchase.state == PROCESSING, purchase.state
        purchase.state = FAILED
        self.note_refused(purchase.upstream, purchase.request_no, purchase.o, code, words)

    def forget(self) -> int:
        """Drops every purchase and fills the shelves again; how many purchases there were."""
        for upstream, shelf in self._shelves.items():
            shelf.left, shelf.spent_fen = dict(self._filled[upstream]), Fen(0)
        return self.purchases.forget()

    def check(self, request: Request) -> None:
        """Whether so many can be bought; UnknownProduct, SoldOut."""
        if (left := self.left(request.upstream, request.product)) < request.quantity:
            raise SoldOut(f"{request.upstream}: {left} of {request.product} left, {request.quantity} asked for")

    def _begin(self, request: Request, subject: Subject, state: str) -> Purchase:
        purchase = Purchase(
            self.purchases.next_no(),
            request,
            subject.key,
            subject.keyed_by,
            subject.o or request.request_no,
            self._clock.t(),
            Fen(self.price_fen(request.upstream, request.product) * request.quantity),
            state,
        )
        self.purchases.add(purchase)
        return purchase

    def _sell_card(self, purchase: Purchase) -> str:
        """The text of a card that nobody had before."""
        product, shelf = purchase.request.product, self._shelves[purchase.upstream]
        n = self._made[product] = self._made.get(product, 0) + 1
        secret = blake2b(f"{product}\x1f{n}".encode(), digest_size=8, key=self._salt).hexdigest().upper()
        card = f"卡号 {product}-{n:07d} 卡密 {secret}"
        if product in shelf.left:
            shelf.left[product] -= 1
        shelf.spent_fen = Fen(shelf.spent_fen + shelf.prices[product])
        purchase.sold += 1
        self._append(
            GoodsSold(
                t=purchase.t,
                o=purchase.o,
                upstream=purchase.upstream,
                goods=goods_hash(card),
                request_no=purchase.request_no,
            )
        )
        return card

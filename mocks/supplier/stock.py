"""The goods truly sold: every card is unique and sold once, and a request number is honoured as its upstream does.

No dialect shows here: a purchase knows nothing of the names that its fields have on the wire.
"""

from collections import deque
from hashlib import blake2b

import msgspec

from ledger.clock import Clock
from ledger.events import Credited, GoodsAccepted, GoodsSold, goods_hash
from ledger.money import Fen
from ledger.states import Code
from mocks.call import Append, Subject
from mocks.goods import GoodsError, GoodsFacts, UnknownProduct, replayed
from mocks.register import Register
from plan.run import REPLAY

ENDLESS = 999_999
"""What is said to be left of a product whose stock the plan does not set."""
OFFERED = 100
"""So many cards of a product can be chosen from at a time."""
LATEST = 16
"""So many of the last sales of a product are remembered, to give their cards to somebody else once more."""
CREDIT_FEN = 10_000_000
"""What a shop has at a supplier before it buys anything; the balance never refuses, only the fault does."""

DELIVERED, PROCESSING, FAILED = "delivered", "processing", "failed"


_CARD, _BETWEEN = "卡号 ", " 卡密 "


def card_parts(card: str) -> tuple[str, str]:
    """Number and password of a card's text; a part that was cut off is empty."""
    number, _, password = card.removeprefix(_CARD).partition(_BETWEEN)
    return number, password


class SoldOut(GoodsError):
    """Fewer are left than were asked for."""


class Request(msgspec.Struct, frozen=True, gc=False):
    """What a shop asks for, under its own number: cards, or that the supplier itself tops up an `account`. `way`: by
    which of its dialect's calls, where there are several; `pick`: the number of the card that was chosen, 0 for any."""

    upstream: str
    request_no: str
    product: str
    quantity: int
    account: str = ""
    way: str = ""
    pick: int = 0


class Purchase(msgspec.Struct, gc=False):
    """What became of a request. `cards` is what the shop is given, `sold` how many cards were truly sold for it;
    `receipt` is the unique number of a top-up, once it was done. `held`: so many are taken from the shelf for it.
    `reason`: why it failed; `ended_t`: when it came to an end, if not at once."""

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
    receipt: str = ""
    held: int = 0
    reason: Code | None = None
    ended_t: int = 0
    notices: int = 0
    heard: str = ""

    @property
    def subject(self) -> Subject:
        return Subject(self.key, self.keyed_by, self.o)

    @property
    def upstream(self) -> str:
        return self.request.upstream

    @property
    def request_no(self) -> str:
        return self.request.request_no

    @property
    def product(self) -> str:
        return self.request.product


class Shelf(msgspec.Struct):
    """What one upstream sells: cards at `prices`, and what it tops up itself at those of `top_ups`; how much of it is
    left (what is not named never ends), and what was spent there so far."""

    prices: dict[str, Fen]
    left: dict[str, int]
    on_repeat: str = REPLAY
    spent_fen: Fen = Fen(0)
    top_ups: dict[str, Fen] = {}


class Stock(GoodsFacts):
    """All goods of a process, over all its upstreams. Every change is journalled as it happens."""

    def __init__(self, seed: int, clock: Clock, append: Append) -> None:
        super().__init__(clock, append)
        self._salt = f"{seed}".encode()
        self._shelves: dict[str, Shelf] = {}
        self._filled: dict[str, dict[str, int]] = {}
        self._made: dict[str, int] = {}  # goes on after `forget`: a card is never sold twice
        self._picked: dict[str, set[int]] = {}  # those sold out of turn, beyond the last that was made
        self._latest: dict[tuple[str, str], deque[Purchase]] = {}
        self.purchases: Register[Purchase] = Register()

    def fill(self, upstream: str, shelf: Shelf) -> None:
        """From now on the upstream sells what is on the shelf."""
        self._shelves[upstream], self._filled[upstream] = shelf, dict(shelf.left)

    # --- what may be known --------------------------------------------------------------------------------------
    def products(self, upstream: str) -> list[str]:
        return list(self._shelves[upstream].prices)

    def all_goods(self, upstream: str) -> list[str]:
        """Everything that the upstream sells, sorted."""
        shelf = self._shelves[upstream]
        return sorted({*shelf.prices, *shelf.top_ups})

    def is_card(self, upstream: str, product: str) -> bool:
        return product in self._shelves[upstream].prices

    def price_fen(self, upstream: str, product: str, *, is_top_up: bool = False) -> Fen:
        """What one costs, as cards or as a top-up; UnknownProduct."""
        shelf = self._shelves[upstream]
        price = (shelf.top_ups if is_top_up else shelf.prices).get(product)
        if price is None:
            raise UnknownProduct(f"{upstream} sells no {product!r}")
        return price

    def left(self, upstream: str, product: str, *, is_top_up: bool = False) -> int:
        """How many can be bought; UnknownProduct."""
        self.price_fen(upstream, product, is_top_up=is_top_up)
        return self._shelves[upstream].left.get(product, ENDLESS)

    def on_offer(self, upstream: str, product: str, most: int) -> list[int]:
        """The numbers of the next cards, at most so many: those that a buyer may choose from; UnknownProduct."""
        picked, n = self._picked.get(product, ()), self._made.get(product, 0)
        found: list[int] = []
        while len(found) < min(most, self.left(upstream, product)):
            n += 1
            if n not in picked:
                found.append(n)
        return found

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
        self._sell_all(purchase)
        return purchase

    def sell_partly(self, request: Request, subject: Subject) -> Purchase:
        """Sells one card fewer than asked for at the price of all; of a single one, gives only half of its text.
        UnknownProduct, SoldOut."""
        self.check(request)
        purchase = self._begin(request, subject, DELIVERED)
        purchase.cards = self._part_of_cards(purchase)
        return purchase

    def sell_nothing(self, request: Request, subject: Subject) -> Purchase:
        """Says that it was delivered, and gives nothing; UnknownProduct, SoldOut."""
        self.check(request)
        return self._begin(request, subject, DELIVERED)

    def others(self, request: Request, o: str | None) -> tuple[str, ...]:
        """As many cards as are asked for that another order than `o` was given lately; none where there are not."""
        sales = self._latest.get((request.upstream, request.product), ())
        theirs = (sale.cards for sale in reversed(sales) if sale.o != o and len(sale.cards) >= request.quantity)
        return next(theirs, ())[: request.quantity]

    def sell_others(self, request: Request, subject: Subject) -> Purchase:
        """Gives cards that another order was given already, and sells nothing; UnknownProduct, SoldOut."""
        self.check(request)
        purchase = self._begin(request, subject, DELIVERED)
        purchase.cards = self.others(request, purchase.o)
        return purchase

    def accept(self, request: Request, subject: Subject) -> Purchase:
        """Takes the request on and never works on it; UnknownProduct, SoldOut."""
        self.check(request)
        purchase = self._begin(request, subject, PROCESSING)
        t, upstream, no = purchase.t, request.upstream, request.request_no
        self._append(GoodsAccepted(t=t, o=purchase.o, upstream=upstream, request_no=no))
        return purchase

    def take_on(self, request: Request, subject: Subject) -> Purchase:
        """Takes the request on and sets aside what it asks for, to be delivered later; UnknownProduct, SoldOut."""
        purchase = self.accept(request, subject)
        left = self._shelves[request.upstream].left
        if request.product in left:
            left[request.product] -= request.quantity
            purchase.held = request.quantity
        return purchase

    def deliver(self, purchase: Purchase) -> None:
        """Ends a purchase that was taken on: its cards are sold, or its top-up is done."""
        self._end(purchase, DELIVERED)
        if purchase.request.account:
            self._credit(purchase)
        else:
            self._sell_all(purchase)

    def deliver_partly(self, purchase: Purchase) -> None:
        """Ends a purchase of cards that was taken on, as `sell_partly` does."""
        self._end(purchase, DELIVERED)
        purchase.cards = self._part_of_cards(purchase)
        self._put_back(purchase)

    def deliver_others(self, purchase: Purchase) -> None:
        """Ends a purchase of cards that was taken on, as `sell_others` does."""
        self._end(purchase, DELIVERED)
        purchase.cards = self.others(purchase.request, purchase.o)
        self._put_back(purchase)

    def deliver_nothing(self, purchase: Purchase) -> None:
        """Ends a purchase that was taken on as delivered, without any goods."""
        self._end(purchase, DELIVERED)
        self._put_back(purchase)

    def fail(self, purchase: Purchase, code: Code, words: str) -> None:
        """Ends a purchase that was accepted without goods."""
        self._end(purchase, FAILED)
        purchase.reason = code
        self._put_back(purchase)
        self.note_refused(purchase.upstream, purchase.request_no, purchase.o, code, words)

    def forget(self) -> int:
        """Drops every purchase and fills the shelves again; how many purchases there were."""
        for upstream, shelf in self._shelves.items():
            shelf.left, shelf.spent_fen = dict(self._filled[upstream]), Fen(0)
        self._latest.clear()
        return self.purchases.forget()

    def check(self, request: Request) -> None:
        """Whether so many can be bought, and the card that was chosen; UnknownProduct, SoldOut."""
        if (left := self.left(request.upstream, request.product, is_top_up=bool(request.account))) < request.quantity:
            raise SoldOut(f"{request.upstream}: {left} of {request.product} left, {request.quantity} asked for")
        if request.pick and request.pick not in self.on_offer(request.upstream, request.product, OFFERED):
            raise SoldOut(f"{request.upstream}: card {request.pick} of {request.product} is not on offer")

    def _begin(self, request: Request, subject: Subject, state: str) -> Purchase:
        purchase = Purchase(
            self.purchases.next_no(),
            request,
            subject.key,
            subject.keyed_by,
            subject.o or request.request_no,
            self._clock.t(),
            Fen(self._price_fen(request) * request.quantity),
            state,
        )
        self.purchases.add(purchase)
        return purchase

    def _price_fen(self, request: Request) -> Fen:
        return self.price_fen(request.upstream, request.product, is_top_up=bool(request.account))

    def _end(self, purchase: Purchase, state: str) -> None:
        assert purchase.state == PROCESSING, f"{purchase.trade_no} has ended as {purchase.state} already"
        purchase.state, purchase.ended_t = state, self._clock.t()

    def _put_back(self, purchase: Purchase) -> None:
        """What was set aside for a purchase and not sold is for others again."""
        if purchase.held:
            self._shelves[purchase.upstream].left[purchase.request.product] += purchase.held
            purchase.held = 0

    def _credit(self, purchase: Purchase) -> None:
        assert not purchase.receipt, f"{purchase.trade_no} would be topped up twice"
        purchase.receipt, purchase.held = f"R{purchase.trade_no}", 0
        shelf = self._shelves[purchase.upstream]
        shelf.spent_fen = Fen(shelf.spent_fen + purchase.amount_fen)
        t, upstream, no = self._clock.t(), purchase.upstream, purchase.request_no
        self._append(Credited(t=t, o=purchase.o, upstream=upstream, credit=purchase.receipt, request_no=no))

    def _sell_all(self, purchase: Purchase) -> None:
        purchase.cards = tuple(self._sell_card(purchase) for _ in range(purchase.request.quantity))
        self._latest.setdefault((purchase.upstream, purchase.product), deque(maxlen=LATEST)).append(purchase)

    def _next_number(self, product: str, pick: int) -> int:
        """The number of the card to be sold now, which is then no more on offer."""
        picked = self._picked.setdefault(product, set())
        if pick:
            picked.add(pick)
            return pick
        n = self._made.get(product, 0) + 1
        while n in picked:
            picked.remove(n)
            n += 1
        self._made[product] = n
        return n

    def _part_of_cards(self, purchase: Purchase) -> tuple[str, ...]:
        wanted = purchase.request.quantity
        cards = tuple(self._sell_card(purchase) for _ in range(max(1, wanted - 1)))
        return cards if wanted > 1 else (cards[0][: len(cards[0]) // 2],)

    def _sell_card(self, purchase: Purchase) -> str:
        """The text of a card that nobody had before."""
        product, shelf = purchase.request.product, self._shelves[purchase.upstream]
        n = self._next_number(product, purchase.request.pick)
        secret = blake2b(f"{product}\x1f{n}".encode(), digest_size=8, key=self._salt).hexdigest().upper()
        card = f"{_CARD}{product}-{n:07d}{_BETWEEN}{secret}"
        if purchase.held:
            purchase.held -= 1
        elif product in shelf.left:
            shelf.left[product] -= 1
        shelf.spent_fen = Fen(shelf.spent_fen + shelf.prices[product])
        purchase.sold += 1
        self._append(
            GoodsSold(
                t=purchase.ended_t or purchase.t,
                o=purchase.o,
                upstream=purchase.upstream,
                goods=goods_hash(card),
                request_no=purchase.request_no,
            )
        )
        return card

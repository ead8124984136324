"""The supplier mock, put together: every supplier of a plan in one process, with its stock and its /_admin."""

from collections.abc import Callable

from ledger.events import goods_hash
from ledger.money import Fen
from ledger.states import Hop
from mocks.notices import Notices
from mocks.reply import Fields
from mocks.stubs import Stubs
from mocks.supplier.counter import Counter
from mocks.supplier.fulu import Fulu
from mocks.supplier.kakayun import Kakayun
from mocks.supplier.sharedstore import SharedStore
from mocks.supplier.stock import Purchase, Shelf, Stock
from mocks.supplier.works import Works
from mocks.upstreams import Instance, Keys, Upstreams
from plan.dialects import STUB
from plan.run import Plan, UpstreamPlan

DIALECTS: dict[str, Callable[[Counter], Instance]] = {"sharedstore": SharedStore, "fulu": Fulu, "kakayun": Kakayun}
PRICE_SHARE = (95, 100)
"""What a supplier takes of the shop's price."""


class SupplierMock(Upstreams):
    """All suppliers of a process."""

    role = "supplier"
    dialects = (*DIALECTS, STUB)

    def _open(self) -> None:
        self.stock = Stock(self.plan.seed, self.clock, self.append)
        self.works = Works(self.stock, self.clock, self.tasks)
        self.notices: Notices[Purchase] = self.notices_at(Hop.SUPPLIER_SHOP)

    def _instance(self, name: str, upstream: UpstreamPlan, keys: Keys) -> Instance:
        if upstream.dialect == STUB:
            return Stubs(name, upstream.stubs, clock=self.clock, injector=self.injector)
        sold = Shelf(prices(self.plan), dict(upstream.stock), upstream.on_repeat, top_ups=top_ups(self.plan))
        self.stock.fill(name, sold)
        counter = Counter(
            name=name,
            keys=keys,
            plan=self.plan,
            upstream=upstream,
            ladder=self.ladder(upstream),
            clock=self.clock,
            wall_ns=self.wall_ns,
            append=self.append,
            injector=self.injector,
            stock=self.stock,
            works=self.works,
            notices=self.notices,
        )
        return DIALECTS[upstream.dialect](counter)

    def _forget(self) -> dict[str, object]:
        self.works.stop()
        return {"notices": self.notices.forget(), "trades": self.stock.forget()}

    def stop(self) -> None:
        self.works.stop()
        self.notices.forget()

    # --- what /_admin sees --------------------------------------------------------------------------------------
    @property
    def trades_made(self) -> int:
        return len(self.stock.purchases)

    @property
    def open_notices(self) -> int:
        """Notices due or under way, those of purchases that are still worked on among them."""
        return self.notices.open + self.works.working

    def trades_json(self, wanted: Fields, latest: int) -> list[dict[str, object]]:
        return [_json(purchase) for purchase in self.stock.purchases.matching(wanted, latest)]


def prices(plan: Plan) -> dict[str, Fen]:
    """The cards that a supplier of the plan sells, and for how much: all that needs no game server; 0 where no price is
    known."""
    needs_game = plan.target.needs.get
    return {
        product: price
        for product, price in _costs(plan).items()
        if needs_game(product) != "game" or not plan.target.prices
    }


def top_ups(plan: Plan) -> dict[str, Fen]:
    """What a supplier of the plan tops up itself, where its dialect knows of that, and for how much: what a game server
    would sell, too."""
    needs_game = plan.target.needs.get
    return {
        product: price
        for product, price in _costs(plan).items()
        if needs_game(product) == "game" or not plan.target.prices
    }


def _costs(plan: Plan) -> dict[str, Fen]:
    share, whole = PRICE_SHARE
    products = dict.fromkeys([*plan.mix.product, *plan.target.prices])
    return {product: Fen(plan.target.prices.get(product, 0) * share // whole) for product in products}


def _json(purchase: Purchase) -> dict[str, object]:
    request = purchase.request
    return {
        "upstream": purchase.upstream,
        "trade_no": purchase.trade_no,
        "request_no": purchase.request_no,
        "key": purchase.o,
        "keyed_by": purchase.keyed_by,
        "product": request.product,
        "quantity": request.quantity,
        "amount_fen": purchase.amount_fen,
        "state": purchase.state,
        "created_t": purchase.t,
        "sold": purchase.sold,
        "goods": [goods_hash(card) for card in purchase.cards],
        "credit": purchase.receipt,
        "notices": purchase.notices,
        "last_notice": purchase.heard,
    }

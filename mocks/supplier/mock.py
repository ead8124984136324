"""The supplier mock, put together: every supplier of a plan in one process, with its stock and its /_admin."""

from ledger.events import goods_hash
from ledger.money import Fen
from mocks.apply import Fields
from mocks.stubs import Stubs
from mocks.supplier.sharedstore import SharedStore
from mocks.supplier.stock import Purchase, Shelf, Stock
from mocks.upstreams import Instance, Keys, Upstreams
from plan.run import Plan, UpstreamPlan

PRICE_SHARE = (95, 100)
"""What a supplier takes of the shop's price."""


class SupplierMock(Upstreams):
    """All suppliers of a process."""

    role = "supplier"
    dialects = ("sharedstore", "stub")

    def _open(self) -> None:
        self.stock = Stock(self.plan.seed, self.clock, self.append)

    def _instance(self, name: str, upstream: UpstreamPlan, keys: Keys) -> Instance:
        if upstream.dialect == "stub":
            return Stubs(name, upstream.stubs, clock=self.clock, injector=self.injector)
        self.stock.fill(name, Shelf(prices(self.plan), dict(upstream.stock), upstream.on_repeat))
        return SharedStore(name, keys, clock=self.clock, append=self.append, injector=self.injector, stock=self.stock)

    def _forget(self) -> dict[str, object]:
        return {"notices": 0, "trades": self.stock.forget()}

    def stop(self) -> None:
        """Nothing goes on by itself."""

    # --- what /_admin sees --------------------------------------------------------------------------------------
    @property
    def trades_made(self) -> int:
        return len(self.stock.purchases)

    @property
    def open_notices(self) -> int:
        return 0

    def trades_json(self, wanted: Fields, latest: int) -> list[dict[str, object]]:
        return [_json(purchase) for purchase in self.stock.purchases.matching(wanted, latest)]


def prices(plan: Plan) -> dict[str, Fen]:
    """What a supplier of the plan sells, and for how much: all that needs no game server; 0 where no price is known."""
    share, whole = PRICE_SHARE
    products = dict.fromkeys([*plan.mix.product, *plan.target.prices])
    return {
        product: Fen(plan.target.prices.get(product, 0) * share // whole)
        for product in products
        if plan.target.needs.get(product) != "game" or not plan.target.prices
    }


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
    }

"""The game server mock, put together: every game server of a plan in one process, with its accounts and its /_admin."""

from ledger.states import Hop
from mocks.apply import Fields
from mocks.game.accounts import Accounts, Realm, TopUp
from mocks.game.topup import TopUpServer
from mocks.notices import Notices
from mocks.upstreams import Keys, Upstreams
from plan.run import Plan, UpstreamPlan


class GameMock(Upstreams):
    """All game servers of a process."""

    role = "game"
    dialects = ("topup",)

    def _open(self) -> None:
        self.notices: Notices[TopUp] = Notices(
            self.clock, self.append, self.injector, self.send, self.tasks, self.secrets, hop=Hop.GAME_SHOP
        )
        self._servers: dict[str, TopUpServer] = {}
        self.accounts = Accounts(
            self.plan.seed, self.plan.mix, self.clock, self.append, self.tasks,
            tell=lambda top_up: self._servers[top_up.upstream].tell(top_up),
        )  # fmt: skip

    def _instance(self, name: str, upstream: UpstreamPlan, keys: Keys) -> TopUpServer:
        self.accounts.open(name, Realm.of(products(self.plan), upstream.takes, upstream.on_repeat))
        server = self._servers[name] = TopUpServer(
            name,
            keys,
            clock=self.clock,
            wall_ns=self.wall_ns,
            append=self.append,
            injector=self.injector,
            accounts=self.accounts,
            notices=self.notices,
        )
        self.notices.serve(name, server, self.ladder(upstream))
        return server

    def _forget(self) -> dict[str, object]:
        return {"notices": self.notices.forget(), "trades": self.accounts.forget()}

    def stop(self) -> None:
        self.accounts.stop()
        self.notices.forget()

    # --- what /_admin sees --------------------------------------------------------------------------------------
    @property
    def trades_made(self) -> int:
        return len(self.accounts.top_ups)

    @property
    def open_notices(self) -> int:
        """Notices due or under way, those of top-ups that are still worked on among them."""
        return self.notices.open + self.accounts.working

    def trades_json(self, wanted: Fields, latest: int) -> list[dict[str, object]]:
        return [self._json(top_up) for top_up in self.accounts.top_ups.matching(wanted, latest)]

    def _json(self, top_up: TopUp) -> dict[str, object]:
        return {
            "upstream": top_up.upstream,
            "trade_no": top_up.trade_no,
            "request_no": top_up.request_no,
            "key": top_up.o,
            "keyed_by": top_up.keyed_by,
            "product": top_up.product,
            "quantity": top_up.request.quantity,
            "account": top_up.request.account,
            "region": top_up.request.region,
            "state": top_up.state,
            "created_t": top_up.t,
            "credit": top_up.credit,
            "credits": self.accounts.credits_of(top_up.o),
            "notices": top_up.notices,
            "last_notice": top_up.heard,
        }


def products(plan: Plan) -> frozenset[str]:
    """What a game server of the plan sells: the target's products that need one, or all of the mix if nothing is known
    of the target's."""
    if not plan.target.prices:
        return frozenset(plan.mix.product)
    known = {*plan.mix.product, *plan.target.prices}
    return frozenset(product for product in known if plan.target.needs.get(product) == "game")

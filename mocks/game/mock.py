"""The game server mock, put together: every game server of a plan in one process, with its accounts and its /_admin."""

from collections.abc import Callable

from ledger.states import Hop
from mocks.game.accounts import Accounts, Realm, TopUp
from mocks.game.command_queue import CommandQueue
from mocks.game.desk import Desk, GameServer
from mocks.game.fazer import Fazer
from mocks.game.rcon import Rcon
from mocks.game.topup import TopUpServer
from mocks.notices import Notices
from mocks.reply import Fields
from mocks.upstreams import Instance, Keys, Upstreams
from plan.run import Plan, UpstreamPlan

DIALECTS: dict[str, Callable[[Desk], GameServer]] = {
    "topup": TopUpServer,
    "fazer": Fazer,
    "rcon": Rcon,
    "command_queue": CommandQueue,
}


class GameMock(Upstreams):
    """All game servers of a process."""

    role = "game"
    dialects = tuple(DIALECTS)

    def _open(self) -> None:
        self.notices: Notices[TopUp] = self.notices_at(Hop.GAME_SHOP)
        self._servers: dict[str, GameServer] = {}
        self.accounts = Accounts(
            self.plan.seed, self.plan.mix, self.clock, self.append, self.tasks,
            tell=lambda top_up: self._servers[top_up.upstream].tell(top_up),
        )  # fmt: skip

    def _instance(self, name: str, upstream: UpstreamPlan, keys: Keys) -> Instance:
        sold = products(self.plan)
        self.accounts.open(name, Realm.of(sold, upstream.takes, upstream.on_repeat))
        desk = Desk(
            name=name,
            keys=keys,
            plan=self.plan,
            upstream=upstream,
            clock=self.clock,
            wall_ns=self.wall_ns,
            append=self.append,
            injector=self.injector,
            accounts=self.accounts,
            notices=self.notices,
            tasks=self.tasks,
            products=sold,
            ladder=self.ladder(upstream),
        )
        server = self._servers[name] = DIALECTS[upstream.dialect](desk)
        return server

    async def listen(self, host: str, port: int) -> dict[str, int]:
        ports: dict[str, int] = {}
        for name, server in self._servers.items():
            got = await server.listen(host, port + len(ports) if port else 0)
            if got is not None:
                ports[name] = got
        return ports

    def _forget(self) -> dict[str, object]:
        return {"notices": self.notices.forget(), "trades": self.accounts.forget()}

    def stop(self) -> None:
        for server in self._servers.values():
            server.stop()
        self.accounts.stop()
        self.notices.forget()

    # --- what /_admin sees --------------------------------------------------------------------------------------
    @property
    def trades_made(self) -> int:
        return len(self.accounts.top_ups)

    @property
    def open_notices(self) -> int:
        """Notices due or under way, those of top-ups that are still worked on among them, and commands that wait."""
        return self.notices.open + self.accounts.working + sum(server.open for server in self._servers.values())

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

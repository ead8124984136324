"""Reads orders by number: all who ask within a moment share one query."""

import asyncio

from targets.cardshop.store import Store
from targets.cardshop.tables import Order

GATHER_S = 0.004
"""How long the first of a group waits for others: a query costs as much for one order as for five."""


class Lookups:
    """A queue in front of `Store.find`, so that the cost of a crowd that polls is one query and not a thousand."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asked: dict[str, asyncio.Future[Order | None]] = {}
        self._turn = asyncio.Lock()

    async def find(self, order_no: str) -> Order | None:
        """The order as the database has it after this call began; raises one of DATABASE_AWAY."""
        answer = self._asked.get(order_no)
        if answer is None:
            answer = self._asked[order_no] = asyncio.get_running_loop().create_future()
        async with self._turn:
            if not answer.done():  # else whoever had the turn before asked for this one as well
                await asyncio.sleep(GATHER_S)
                await self._ask()
        return answer.result()

    async def _ask(self) -> None:
        asked, self._asked = self._asked, {}
        try:
            found = await self._store.find(list(asked))
        except BaseException as error:
            for answer in asked.values():
                answer.set_exception(error)
                answer.exception()  # read here: the one who asks may be gone
            return
        for number, answer in asked.items():
            answer.set_result(found.get(number))

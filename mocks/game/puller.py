"""The game's side of a command queue: a plugin that fetches commands, runs them, and then takes them off the queue.

It works as such plugins do, at least once: what was run and could not be taken off is run again. It makes its requests
as a stranger would, so that the faults of requests reach it, too. Everybody is always online in its game.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from urllib.parse import quote

import msgspec

from faults.verdict import Unconfirmed
from ledger.clock import SECOND_NS
from mocks.call import Place
from mocks.game.commands import Command, Commands
from mocks.game.desk import Desk
from mocks.reply import Reply

RUN_AGAIN = "run, and not taken off the queue: it will run again"
Ask: TypeAlias = Callable[[str, str, bytes], Awaitable[Reply | None]]
"""Makes a request of this method, to this path, with this body."""


class Puller:
    """Pulls one queue, every `takes` wire seconds, until stopped."""

    def __init__(self, desk: Desk, commands: Commands, ask: Ask, confirming: Place) -> None:
        self._desk, self._commands, self._ask, self._confirming = desk, commands, ask, confirming
        self._task: asyncio.Task[None] = desk.tasks.create_task(self._pull(), name=f"puller of {desk.name}")

    def stop(self) -> None:
        self._task.cancel()

    async def _pull(self) -> None:
        clock, gap_ns = self._desk.clock, max(int(self._desk.upstream.takes * SECOND_NS), 1)
        while True:
            await clock.wait_until(clock.t() + gap_ns)
            if not len(self._commands):
                continue
            for command in await self._fetched():
                self._run(command)
                await self._confirm(command)

    async def _fetched(self) -> list[Command]:
        """What is due, as far as the answers can be read."""
        fetched = _listed(await self._ask("GET", "queue/offline-commands", b""), "commands")
        for player in _listed(await self._ask("GET", "queue", b""), "players"):
            path = f"queue/online-commands/{quote(str(player.get('id')), safe='')}"
            fetched += _listed(await self._ask("GET", path, b""), "commands")
        found = (self._commands.find(one["id"]) for one in fetched if isinstance(one.get("id"), int))
        return [command for command in found if command is not None]

    def _run(self, command: Command) -> None:
        """Does what the command says: `giveonce` nothing where it was done for this payment before."""
        asked, accounts = command.top_up.request, self._desk.accounts
        before = accounts.top_ups.matching({"out_trade_no": asked.request_no}, 0)
        if command.once and any(t.credited and t.upstream == asked.upstream for t in before):
            return
        accounts.credit(command.top_up)

    async def _confirm(self, command: Command) -> None:
        injector, place, subject = self._desk.injector, self._confirming, command.top_up.subject
        exchange = injector.exchange(place, subject, place.counts.get(subject.key, 0) + 1)
        crash = injector.decide(exchange).first(Unconfirmed)
        if crash is not None:
            place.count(subject.key)
            injector.struck(crash, exchange, subject.o, RUN_AGAIN)
            return
        await self._ask("DELETE", "queue", msgspec.json.encode({"ids": [command.id]}))


def _listed(reply: Reply | None, name: str) -> list[dict[str, Any]]:
    """The objects that an answer lists under a name; none where it is no such answer."""
    if reply is None or reply.status != 200 or reply.breaks is not None or reply.fields is None:
        return []
    listed = reply.fields.get(name)
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []

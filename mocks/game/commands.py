"""The commands that wait in a queue for the game's side, each with the top-up that it is to bring about."""

from collections.abc import Iterator
from itertools import count

import msgspec

from mocks.game.accounts import TopUp

GIVE, GIVE_ONCE = "give", "giveonce"
"""What the game is told to do: to give, or to give unless it has given for this payment already."""


class Command(msgspec.Struct, frozen=True):
    """One command. `online`: only while the player is; `once`: not again for the same payment."""

    id: int
    top_up: TopUp
    online: bool
    once: bool

    @property
    def text(self) -> str:
        asked, verb = self.top_up.request, GIVE_ONCE if self.once else GIVE
        return f"{verb} {asked.account} {asked.product} {asked.quantity} order={asked.request_no}"


class Commands:
    """A queue, in the order in which it was filled. A number is never given twice."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._waiting: dict[int, Command] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Command]:
        return iter(self._waiting.values())

    def put(self, top_up: TopUp, *, online: bool, once: bool) -> None:
        number = next(self._numbers)
        self._waiting[number] = Command(number, top_up, online, once)

    def find(self, number: int) -> Command | None:
        return self._waiting.get(number)

    def take_off(self, number: int) -> Command | None:
        """The command, which waits no longer; None where it did not."""
        return self._waiting.pop(number, None)

    def forget(self) -> None:
        self._waiting.clear()

"""The command by which a shop delivers over RCON: `give <player> <item> [<count>] [order=<id>]`.

It is Minecraft's own, with the shop's number added as a plugin of the server would take it: docs/protocols/rcon.md.
"""

import re

import msgspec

from ledger.states import Code, Operation
from mocks.call import Subject
from plan.orders import find_key, key_of_account

COUNT_MAX = 1000
NAME_MAX = 64
NAMESPACE = "minecraft:"
_MARK = "order="
_ORDER = re.compile(r"[A-Za-z0-9._|-]{1,64}", re.ASCII)
_COUNT = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)


class Refusal(Exception):
    """Why the console refuses a command: what it says, and the standard code."""

    def __init__(self, words: str, code: Code) -> None:
        super().__init__(words)
        self.words, self.code = words, code


class Given(msgspec.Struct, frozen=True):
    """The command, taken apart; `order` is the shop's own number, if it said one."""

    player: str
    item: str
    count: int
    order: str


def read_give(words: list[str]) -> Given:
    """The words of a command, the first of them `give`; Refusal where anything in it is not as it must be."""
    marked = [word for word in words[1:] if word.startswith(_MARK)]
    player, item, count, *more = [*(word for word in words[1:] if not word.startswith(_MARK)), "", "", ""]
    order = order_in(words)
    is_named = 0 < len(player) <= NAME_MAX and 0 < len(item) <= NAME_MAX
    is_counted = not count or (_COUNT.fullmatch(count) is not None and int(count) <= COUNT_MAX)
    if not is_named or not is_counted or any(more) or len(marked) != bool(order):
        where = " ".join(words)[:NAME_MAX]
        raise Refusal(f"Incorrect argument for command{where}<--[HERE]", Code.IDENTIFIERS_MISSING)
    return Given(player, item.removeprefix(NAMESPACE), int(count or 1), order)


def order_in(words: list[str]) -> str:
    """The shop's own number in a command; empty where there is none, or none that is legal."""
    found = [word.removeprefix(_MARK) for word in words if word.startswith(_MARK)]
    return found[0] if len(found) == 1 and _ORDER.fullmatch(found[0]) else ""


def subject_of(words: list[str]) -> Subject:
    """Whom a command is about: the key in the shop's number, else that of the player, else the shop's number."""
    order, player = order_in(words), words[1] if len(words) > 1 else ""
    if key := find_key(order) or key_of_account(player):
        return Subject(key, "key", key)
    return Subject(order, "order_number", order) if order else Subject(Operation.BUY.value, "operation", None)

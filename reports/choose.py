"""Which orders somebody asked for: one by any of its numbers, or many by what became of them; with the nearest legal
word for a wrong one."""

import re

import msgspec

from ledger.rundir import RunDir
from ledger.states import State
from plan.causes import MULTIPLE, UNKNOWN, Cause
from plan.document import nearest
from plan.orders import is_warm_up, order_key
from plan.run import Plan
from reports.table import Row, Table
from reports.told import facts, owners
from reports.write.words import GONE

CAUSES = {cause.name.lower(): str(cause) for cause in Cause} | {UNKNOWN: UNKNOWN, MULTIPLE: MULTIPLE}
"""By the short words that a command line takes."""


class ChoiceError(Exception):
    """Nothing can be chosen by this: the place, the value, and what is legal."""


class Choice(msgspec.Struct, frozen=True):
    """What chosen orders have in common; empty or false is no condition."""

    cause: str = ""
    state: str = ""
    channel: str = ""
    product: str = ""
    region: str = ""
    stuck: bool = False
    lost: bool = False
    open: bool = False

    @property
    def is_empty(self) -> bool:
        return self == Choice()


def conditions(choice: Choice, plan: Plan, table: Table) -> list[tuple[str, object]]:
    """Columns of `Row` and the values asked for; ChoiceError where the run cannot have such a one."""
    legal = {
        "state": [*map(str, State), GONE],
        "channel": [*plan.mix.channel, *table.words("channel")],
        "product": [*plan.mix.product, *table.words("product")],
        "region": [*plan.mix.region, *table.words("region")],
    }
    wanted: list[tuple[str, object]] = []
    if choice.cause:
        wanted.append(("cause", _cause(choice.cause)))
    for name, words in legal.items():
        if word := getattr(choice, name):
            if word not in words:
                raise ChoiceError(f"--{name} {word}: not in this run{nearest(word, set(words))}")
            wanted.append((name, word))
    return wanted + [(name, True) for name in ("stuck", "lost", "open") if getattr(choice, name)]


def _cause(word: str) -> str:
    """A cause by its short word, or by the whole of it."""
    short = re.sub(r"[\s-]+", "_", word.strip().lower())
    if short in CAUSES:
        return CAUSES[short]
    if word in CAUSES.values():
        return word
    raise ChoiceError(f"--cause {word}: no such cause{nearest(short, CAUSES)}")


def one(run: RunDir, table: Table, name: str) -> Row | str:
    """The order of this key, order number, trade number, or of any other number that journals tell of; of one of the
    warm-up, which has no row, the key alone. ChoiceError where there is none, or several."""
    if not name.strip():
        raise ChoiceError(f"{run.path.name}: an order is named by its key, order number or trade number")
    found = table.find(name)
    if not found:
        names = owners(facts(run), name)
        if is_warm_up(name) or any(map(is_warm_up, names)):
            return _warm_up(run, name, names)
        found = [row for other in sorted(names) for row in table.find(other)]
    if len(found) == 1:
        return found[0]
    if found:
        keys = ", ".join(row.key for row in found)
        raise ChoiceError(f"{run.path.name}: {name!r} stands for {len(found)} orders: {keys}; name one of them")
    raise ChoiceError(f"{run.path.name}: no order {name!r} in this run{_meant(table, name)}")


def _warm_up(run: RunDir, name: str, names: set[str]) -> str:
    keys = sorted(key for key in names | {name} if is_warm_up(key))
    if not owners(facts(run), keys[0]):
        raise ChoiceError(f"{run.path.name}: no order {name!r} in this run")
    return keys[0]


def _meant(table: Table, name: str) -> str:
    digits = re.fullmatch(r"[bB]?0*([0-9]{1,8})", name.strip())
    if digits and table.find(key := order_key(int(digits[1]))):
        return f"; did you mean {key!r}?"
    if near := table.nearest(name):
        return f"; did you mean {near!r}?"
    return "; keys look like b00000042, and order numbers and trade numbers are taken too"

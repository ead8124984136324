"""Who buys: the person behind an order key, drawn from Faker's Chinese names as a pure function of seed and key."""

from bisect import bisect_right
from itertools import accumulate

from faker.providers.person.zh_CN import Provider

from plan.chance import draw
from plan.orders import account_of
from targets.storefront import Person

# Faker's own generator is shared and slow to reseed (25 µs a person); its lists, drawn from by a keyed hash, cost 4 µs
# and give order n the same person on any number of workers.
_FAMILIES = tuple(Provider.last_names)
_REACHED = tuple(accumulate(float(weight) for weight in Provider.last_names.values()))
_GIVEN = tuple(Provider.first_names)


def person(seed: int, key: str) -> Person:
    """The buyer of the order with this bare key; the key stands in contact and account.

    A warm-up key keeps its letter in the account (player-w00000042), so that it never is a planned order's account.
    """
    family = _FAMILIES[bisect_right(_REACHED, draw(seed, "person", "family", key) * _REACHED[-1])]
    given = _GIVEN[int(draw(seed, "person", "given", key) * len(_GIVEN))]
    return Person(f"{family}{given}", f"{key}@buyers.example", account_of(key))

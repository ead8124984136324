"""Why orders got stuck, found without being told what was broken: what stands for one order, and for all."""

from collections.abc import Mapping

import msgspec

from reports.findings import Words


class Found(msgspec.Struct, frozen=True):
    """What an order that got stuck, was lost or never ended is put down to.

    `cause` is a word of plan/causes.py; `also` the causes that `multiple` stands for. `hop` is the first hop (of
    reports/measure/lasthop.HOPS) that is missing. `rule` names the rule that decided, `why` is its
    evidence in a sentence.
    """

    cause: str
    hop: str
    rule: str
    why: Words
    also: tuple[str, ...] = ()


Attributed = Mapping[int, Found]
"""By index of the order; of those alone that needed a cause."""

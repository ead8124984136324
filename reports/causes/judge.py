"""Puts every order that stood still down to a cause: the first rule that applies, at one moment or at two."""

from collections.abc import Iterator, Mapping

import msgspec
import numpy as np

from plan.causes import MULTIPLE, UNKNOWN
from reports.basis import Basis
from reports.causes import before, beyond, inside, moments
from reports.causes.evidence import Evidence, Surroundings, gather
from reports.causes.moments import Moments
from reports.causes.rule import Rule
from reports.findings import Words
from reports.measure.causes import Found
from reports.measure.lasthop import HOPS, last_hop
from reports.orders import Ints, Texts
from reports.stories import Stories

RULES: tuple[Rule, ...] = (*before.RULES, *beyond.RULES, *inside.RULES)
"""The decision list: the first that applies wins. Before the shop knew, at the upstreams, within the shop."""
NO_RULE = Words("no rule fits what is known of it", "已知情况不符合任何规则")
NONE = -1


class Judged(msgspec.Struct, frozen=True):
    """The evidence at some moments, the rule that applied at each (NONE: no one), the first hop that was missing."""

    evidence: Evidence
    rule: Ints
    hop: Ints

    @property
    def cause(self) -> Texts:
        """The causes by the rules."""
        words = np.array([*(str(rule.cause) for rule in RULES), UNKNOWN], dtype=object)
        return np.asarray(words[self.rule])

    def found(self, j: int) -> Found:
        """One of them, with its sentence."""
        number, hop = int(self.rule[j]), HOPS[int(self.hop[j])]
        if number == NONE:
            return Found(UNKNOWN, hop, "", NO_RULE)
        rule = RULES[number]
        return Found(str(rule.cause), hop, rule.name, rule.why(self.evidence.row(j)))


class Attribution(Mapping[int, Found]):
    """What each order was put down to, by its index; sentences are written when they are asked for. As columns: `i`,
    `cause`, `hop` (an index into HOPS), and `state`, what the page showed while it stood still."""

    def __init__(self, first: Judged, later: Judged) -> None:
        self._first, self._later = first, later
        self.i, self.hop, self.state = first.evidence.i, first.hop, first.evidence.state
        self._row = {int(i): j for j, i in enumerate(self.i)}
        self._again = {int(i): j for j, i in enumerate(later.evidence.i)}
        self.cause = _joined(self, later)

    def __len__(self) -> int:
        return len(self._row)

    def __iter__(self) -> Iterator[int]:
        return iter(self._row)

    def __getitem__(self, i: int) -> Found:
        found = self._first.found(self._row[i])
        return _both(found, self._later.found(self._again[i])) if i in self._again else found

    @property
    def firsts(self) -> Texts:
        """The causes at the first moment."""
        return self._first.cause


def attribute(stories: Stories, b: Basis) -> Attribution:
    """What stopped each paid order that got stuck, was lost, was served nothing, or never ended."""
    around = Surroundings(stories, b)
    return Attribution(_judge(around, moments.first(b)), _judge(around, moments.later(b)))


def first_rule(evidence: Evidence) -> Ints:
    """For each entry the index into RULES of the first that applies, else NONE."""
    rule = np.full(len(evidence), NONE, dtype=np.int64)
    for number, candidate in enumerate(RULES):
        rule[(rule == NONE) & candidate.applies(evidence)] = number
    return rule


def _judge(around: Surroundings, at: Moments) -> Judged:
    evidence, orders = gather(around, at), around.b.orders
    when = np.full(len(orders), -np.inf)
    when[at.i] = at.at_t
    reached = last_hop(orders, when)[at.i]
    return Judged(evidence, first_rule(evidence), np.minimum(reached + 1, len(HOPS) - 1))


def _joined(found: Attribution, later: Judged) -> Texts:
    """The causes of all, with those of both moments as `_both` joins them."""
    cause = found.firsts.copy()
    rows = np.searchsorted(found.i, later.evidence.i)
    once, again = cause[rows], later.cause
    differ = (again != UNKNOWN) & (again != once)
    cause[rows] = np.where(once == UNKNOWN, again, np.where(differ, MULTIPLE, once))
    return cause


def _both(first: Found, later: Found) -> Found:
    """An order that stood still twice: for two reasons, if they differ."""
    if first.cause == UNKNOWN:
        return later
    if later.cause in (UNKNOWN, first.cause):
        return first
    why = Words(f"{first.why.en}; later: {later.why.en}", f"{first.why.zh}；后来：{later.why.zh}")
    return Found(MULTIPLE, first.hop, f"{first.rule}, then {later.rule}", why, (first.cause, later.cause))

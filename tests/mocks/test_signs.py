"""The catalogue of faults and the dialects say the same of signatures: what one names, the other knows, both ways."""

from typing import Any, Protocol

import msgspec
import pytest

from faults.catalog import Fault, Part, catalog
from faults.verdict import VALID, OtherRule, SignAs, Variant
from mocks.call import Signs
from mocks.game.mock import DIALECTS as GAME
from mocks.payment.mock import DIALECTS as PAYMENT
from mocks.signed import SIGNED, must
from mocks.supplier.mock import DIALECTS as SUPPLIER
from plan.units import from_text


class Signing(Protocol):
    signs: Signs


SPOKEN: dict[str, Any] = {**PAYMENT, **SUPPLIER, **GAME}
PARAMS: dict[str, list[dict[str, object]]] = {
    "sig.clock_skew": [{"by": "6 min"}, {"by": "11 min"}, {"by": "1 day"}],
}
"""Parameters that choose a variant."""
NAMED = [
    (fault, effect.variant, isinstance(effect, OtherRule))
    for fault in catalog().values()
    if fault.name.startswith("sig.") and fault.effect is not None
    for plain in PARAMS.get(fault.name, [{}])
    for effect in [fault.effect(msgspec.convert(plain, fault.params, dec_hook=from_text))]
    if isinstance(effect, OtherRule | SignAs)
]
"""Every variant that a fault of the catalogue names, and whether requests are checked by it too."""


def of_the_catalogue(dialect: str, part: Part) -> frozenset[Variant]:
    """What the catalogue says this part of the dialect knows."""
    return frozenset(variant for fault, variant, _ in NAMED if part in fault.dialects.get(dialect, Part(0)))


def of_the_dialect(dialect: str, part: Part) -> frozenset[Variant]:
    signs: Signs = SPOKEN[dialect].signs
    known = {Part.REQUESTS: signs.requests, Part.ANSWERS: signs.answers, Part.NOTICES: signs.notices}[part]
    # Another key at the upstream is no rule of signing: sig.wrong_key refuses whatever a dialect knows of it.
    # What is odd and right is no reason to refuse a request.
    return known - {Variant.WRONG_KEY} - VALID if part is Part.REQUESTS else known


PARTS = [(dialect, part) for dialect in SPOKEN for part in Part]


@pytest.mark.parametrize(("dialect", "part"), PARTS)
def test_a_dialect_knows_every_variant_that_the_catalogue_names_for_it(dialect: str, part: Part) -> None:
    assert sorted(of_the_catalogue(dialect, part) - of_the_dialect(dialect, part)) == []


@pytest.mark.parametrize(("dialect", "part"), PARTS)
def test_the_catalogue_names_every_variant_that_a_dialect_knows(dialect: str, part: Part) -> None:
    assert sorted(of_the_dialect(dialect, part) - of_the_catalogue(dialect, part)) == []


def test_no_variant_is_without_a_fault_that_names_it_and_words_for_the_journal() -> None:
    assert {variant for _, variant, _ in NAMED} == set(Variant)
    assert set(SIGNED) == set(Variant)


@pytest.mark.parametrize(("fault", "variant", "checks"), NAMED, ids=[f"{f.name} {v}" for f, v, _ in NAMED])
def test_a_fault_says_of_shops_what_the_journal_will_say_of_its_strikes(
    fault: Fault[Any], variant: Variant, checks: bool
) -> None:
    told = any(part & Part.TOLD for part in fault.dialects.values())
    assert fault.must == (must(variant) if told else "")
    if any(Part.REQUESTS in part for part in fault.dialects.values()):
        assert checks, "requests are checked by another rule, not by one for signing"

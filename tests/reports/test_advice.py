import msgspec
import pytest

from ledger.states import State
from reports.advice import RULES, Evidence, advise, needs_escalation

PAID = Evidence(state=State.PAID, captured_fen=1000, notice_accepted=True)
UNPAID = Evidence(state=State.CREATED)


def of(base: Evidence, **changes: object) -> Evidence:
    return msgspec.structs.replace(base, **changes)


TABLE = [
    (of(UNPAID, had=1), "block the card"),
    (of(UNPAID, placed=False), "no order was made"),
    (of(UNPAID, tried=True), "never reached the channel"),
    (UNPAID, "left unpaid"),
    (of(PAID, refunded_fen=2000), "take it back"),
    (of(PAID, refunded_fen=1000, had=1), "both the goods and the money"),
    (of(PAID, had=2), "block the surplus"),
    (of(PAID, had=1, state=State.COMPLETED), "delivered: show"),
    (of(PAID, had=1), "correct the page"),
    (of(PAID, refunded_fen=1000, state=State.REFUNDED), "was given back"),
    (of(PAID, refunded_fen=999, state=State.REFUNDED), "no refund was made"),
    (of(PAID, sold=1, asked=True, refused=True, state=State.FAILED), "hand the card over"),
    (of(PAID, state=State.REFUNDED), "refund now"),
    (of(PAID, code="pay.amount_mismatch", state=State.FAILED), "not the price"),
    (of(PAID, asked=True, refused=True, state=State.RECHARGING), "the upstream refused"),
    (of(PAID, state=State.EXPIRED), "refund it in full"),
    (of(PAID, asked=True, is_vouched=True, state=State.RECHARGING), "has not said how it ended"),
    (of(PAID, state=State.HELD), "press for an answer"),
    (of(PAID, notice_accepted=False, state=State.PAYING), "send its notice again"),
    (of(PAID, is_vouched=True, state=State.RECHARGING), "asked no upstream"),
    (PAID, "deliver by hand"),
]


@pytest.mark.parametrize(("evidence", "says"), TABLE)
def test_the_evidence_decides_what_to_do(evidence: Evidence, says: str) -> None:
    assert says in advise(evidence).en


def test_every_rule_has_its_row_and_both_languages() -> None:
    given = {advise(evidence).en for evidence, _ in TABLE}
    assert given == {words.en for _, words in RULES}
    assert all(words.en.isascii() and not words.zh.isascii() for _, words in RULES)


@pytest.mark.parametrize(
    ("evidence", "waited_s", "over"),
    [(PAID, 86400.0, False), (PAID, 86401.0, True), (of(PAID, had=1), 1e6, False), (UNPAID, 1e6, False)],
)
def test_a_complaint_goes_up_after_a_day_without_goods_or_money(
    evidence: Evidence, waited_s: float, over: bool
) -> None:
    assert needs_escalation(evidence, waited_s) is over

import msgspec
import pytest

from ledger.events import EVENT_TYPES, Exchanged
from plan.causes import CAUSES_ZH, Cause
from plan.gates import HONESTY
from reports.journals import COLUMNS, LEFT_OUT
from reports.measure.causes import words as cause_words
from reports.measure.honesty import CLASSES, JUDGED
from reports.measure.lasthop import HOP_WORDS, HOPS
from reports.measure.named import Step
from reports.write.chart_honesty import COLOUR
from reports.write.words import HONESTY_WORDS, STEP_WORDS


def test_every_cause_has_a_chinese_word_and_no_other() -> None:
    assert set(CAUSES_ZH) == set(Cause)
    assert not any(text.isascii() for text in CAUSES_ZH.values())
    assert cause_words("one of next year").zh == "one of next year"


def test_every_class_of_honesty_has_words_a_colour_and_a_measure() -> None:
    assert list(HONESTY_WORDS) == list(CLASSES)
    assert list(HONESTY) == list(COLOUR) == list(JUDGED)
    assert set(HOP_WORDS) == set(HOPS)
    assert set(STEP_WORDS) == set(Step)


@pytest.mark.parametrize(
    "event_type",
    [kind for kind in EVENT_TYPES if kind is not Exchanged],  # for people's eyes, in files that no analysis reads
    ids=lambda kind: str(kind.__struct_config__.tag),
)
def test_every_field_of_every_event_is_a_column_or_left_out_by_name(event_type: type[msgspec.Struct]) -> None:
    assert set(event_type.__struct_fields__) <= COLUMNS.keys() | LEFT_OUT

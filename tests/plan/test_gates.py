import pytest

from plan.gates import INVARIANTS, MEASURES, Gate, Unit, limit_text, parse_gate


@pytest.mark.parametrize(
    ("text", "measure", "op", "limit", "shown"),
    [
        ("stuck.rate <= 1%", "stuck.rate", "<=", 0.01, "1%"),
        ("stuck.rate<=0.7%", "stuck.rate", "<=", 0.007, "0.7%"),
        ("  stuck.rate  <=  1 %  ", "stuck.rate", "<=", 0.01, "1%"),
        ("stuck.rate == 0", "stuck.rate", "==", 0.0, "0%"),
        ("stuck.rate <= 1", "stuck.rate", "<=", 1.0, "100%"),
        ("delivered.rate >= 99.5%", "delivered.rate", ">=", 0.995, "99.5%"),
        ("invariants.lost_order == 0", "invariants.lost_order", "==", 0.0, "0"),
        ("open.at_end <= 3", "open.at_end", "<=", 3.0, "3"),
        ("lateness.p99 <= 50 ms", "lateness.p99", "<=", 0.05, "50 ms"),
        ("lateness.p99 <= 0", "lateness.p99", "<=", 0.0, "0 s"),
        ("stuck.rmst <= 2 min", "stuck.rmst", "<=", 120.0, "2 min"),
    ],
)
def test_a_gate_is_a_limit_in_the_unit_of_its_measure(
    text: str, measure: str, op: str, limit: float, shown: str
) -> None:
    gate = parse_gate(text)
    assert gate == Gate(measure, op, limit, text)
    assert limit_text(gate) == shown


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a gate"),
        ("stuck.rate", "is not a gate"),
        ("stuck.rate <=", "is not a gate"),
        ("stuck.rate < 1%", "is not a gate"),
        ("stuck.rate = 0", "is not a gate"),
        ("stuck.rate != 0", "is not a gate"),
        ("<= 1%", "is not a gate"),
        ("1% >= stuck.rate", "is not a gate"),
        ("stuck.rat <= 1%", "no measure 'stuck.rat'; did you mean 'stuck.rate'"),
        ("invariants.lost_orders == 0", "did you mean 'invariants.lost_order'"),
        ("zzzz <= 1%", "no measure 'zzzz'; legal: "),
        ("stuck.rate >= 1%", "guards the wrong side"),
        ("delivered.rate <= 99%", "guards the wrong side"),
        ("invariants.lost_order >= 0", "guards the wrong side"),
        ("stuck.rate == 1%", "== is for 0 only"),
        ("open.at_end == 3", "== is for 0 only"),
        ("stuck.rate <= 50 ms", "is not legal here"),
        ("stuck.rate <= 101%", "is not legal here"),
        ("stuck.rate <= 0.01", "is not legal here"),
        ("lateness.p99 <= 50", "is not legal here"),
        ("lateness.p99 <= 1%", "is not legal here"),
        ("open.at_end <= 1%", "is not a count"),
        ("open.at_end <= 1.5", "is not a count"),
        ("open.at_end <= -1", "is not a count"),
        ("open.at_end <= ３", "is not a count"),
    ],
)
def test_what_is_no_gate_is_refused_with_the_way_out(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        parse_gate(text)
    assert message in str(error.value)


def test_every_invariant_is_a_count_that_a_gate_may_name() -> None:
    assert all(MEASURES[f"invariants.{name}"].unit is Unit.COUNT for name in INVARIANTS)
    assert all(parse_gate(f"invariants.{name} == 0").limit == 0 for name in INVARIANTS)


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_has_words_in_both_languages_and_a_bad_side(name: str) -> None:
    measure = MEASURES[name]
    assert measure.name == name
    assert measure.bad in ("high", "low")
    assert measure.en.isascii()
    assert not measure.zh.isascii()

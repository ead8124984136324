import pytest

from reports.findings import Finding, GateResult, Words
from reports.write import readouts


@pytest.mark.parametrize(
    ("method", "zh"),
    [
        ("Wilson", "Wilson 区间"),
        ("RMST up to 300 s, normal", "计至 300 秒的受限平均时间，正态区间"),
        ("mean per order, normal; too few orders for an interval", "mean per order, normal；订单过少，无区间"),
        ("not estimable: fewer than 95% came to it while they were followed", "无法估计：跟踪期间到达的不足 95%"),
        ("one of next year", "one of next year"),
    ],
)
def test_a_method_has_chinese_words_or_stays_as_it_is(method: str, zh: str) -> None:
    assert readouts.method_zh(method) == zh


@pytest.mark.parametrize(
    ("found", "en", "zh"),
    [
        (Finding(0.2, "share", "Wilson", 73, 360, 0.164, 0.247), "73 of 360 · 95 % interval 16.4–24.7 % · Wilson",
         "360 中 73 · 95% 区间 16.4–24.7 % · Wilson 区间"),
        (Finding(46.6, "business s", "RMST up to 240 s, normal", n=1360, lo=40.0, hi=None),
         "n = 1,360 · 95 % interval 40 s – ∞ · RMST up to 240 s, normal",
         "n = 1,360 · 95% 区间 40 s – ∞ · 计至 240 秒的受限平均时间，正态区间"),
        (Finding(3.0, "count", "counted; compared as it is"), "counted; compared as it is", "计数；按数值直接比较"),
    ],
)  # fmt: skip
def test_a_number_tells_of_how_many_its_interval_and_its_method(found: Finding, en: str, zh: str) -> None:
    assert readouts.finding(found) == en
    assert readouts.finding(found, "zh") == zh


def judged(
    value: float | None, lo: float | None, hi: float | None, limit: float = 0.01, verdict: str = "inconclusive"
) -> GateResult:
    why = Words("why", "理由")
    return GateResult("g", "stuck.rate", "<=", limit, "share", verdict, why, value, 2, 400, bound_lo=lo, bound_hi=hi)


@pytest.mark.parametrize(
    ("gate", "times"),
    [
        (judged(0.005, 0.001, 0.02), "about 9 times"),
        (judged(0.02, 0.005, 0.03), "about 2.3 times"),
        (judged(0.00999, 0.001, 0.03), "not even 1000 times"),
        (judged(0.01, 0.001, 0.03), None),
        (judged(None, 0.001, None), None),
        (judged(0.005, 0.001, None), None),
        (judged(0.005, 0.001, 0.009), None),
        (judged(0.05, 0.04, 0.06, verdict="fail"), None),
    ],
)  # fmt: skip
def test_an_interval_across_the_limit_says_how_many_more_orders_it_would_take(
    gate: GateResult, times: str | None
) -> None:
    told = readouts.lacking(gate)
    assert (told is None) if times is None else (told is not None and told.en.startswith(times))

"""The picture of one order: what stands in it, and both ways to draw it."""

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from ledger import events as facts
from ledger.rundir import RunDir
from ledger.states import Code, Operation, State
from plan.run import Plan, UpstreamPlan
from reports.lanes import Lane, Picture, picture
from reports.told import frame, told
from reports.write import lanes, lanes_text
from reports.write.axis import columns, ticks
from tests.reports.conftest import NewRun, RunMaker, make_plan, ns

SUPPLIED = {**make_plan().upstreams, "cheap": UpstreamPlan("supplier", "sharedstore")}
SVG = "{http://www.w3.org/2000/svg}"


def drawn(run: RunMaker, n: int = 0) -> Picture:
    return picture_of(run.write(), run.plan, f"b{n:08d}")


def picture_of(folder: RunDir, plan: Plan, key: str) -> Picture:
    return picture(key, told(folder.journals(), {key: key})[key], plan, frame(folder))


def lane(p: Picture, name: str) -> Lane:
    return next(one for one in p.lanes if one.name.en == name)


@pytest.fixture
def hard(new_run: NewRun) -> RunMaker:
    """An order that was paid late in the channel's eyes: notices in vain, a refusal, a sale whose goods never came."""
    run = new_run(1, upstreams=SUPPLIED)
    order = run.order(0).placed(11).seen(State.PAYING, 11.2).captured(12).notice(12.1, outcome="unanswered")
    order.notice(20, n=2, outcome="refused").notice(40, n=3).struck("lost", 12.05)
    order.requested(41, no="R1").refused(42, no="R1").requested(43, no="R2").sold(44, "card", no="R2")
    order.seen(State.RECHARGING, 41).seen(State.RECHARGING, 59, final=True).booked(State.RECHARGING)
    return run


def test_the_page_stands_above_what_is_true(hard: RunMaker) -> None:
    p = drawn(hard)
    page, truth = lane(p, "page").bars, lane(p, "truth").bars
    assert [(bar.look, round(bar.start, 2), round(bar.end, 2)) for bar in page] == [
        ("paying", -0.8, 29.0),
        ("recharging", 29.0, 47.0),
    ]
    assert [bar.goes_on for bar in page] == [False, True]
    assert [bar.look for bar in truth] == ["unpaid", "paid", "asked", "refused", "asked", "sold"]
    assert [p.lanes[0].name.en, p.lanes[1].name.en] == ["page", "truth"]


def test_what_was_stuck_is_marked_from_its_onset(hard: RunMaker) -> None:
    paying, recharging = lane(drawn(hard), "page").bars
    assert paying.stuck_at == pytest.approx(3.0)  # 30 s of life at ten times the pace
    assert recharging.stuck_at == pytest.approx(29.0 + 12.0)


def test_every_attempt_of_a_notice_has_the_shape_of_its_outcome(hard: RunMaker) -> None:
    marks = lane(drawn(hard), "notices epay").marks
    assert [(m.look, m.words.en) for m in marks] == [
        ("unsure", "1 unanswered"), ("bad", "2 refused"), ("good", "3 accepted")
    ]  # fmt: skip
    assert all(m.since is not None for m in marks)


def test_a_call_without_a_result_is_a_question(new_run: NewRun) -> None:
    run = new_run(1, upstreams=SUPPLIED)
    run.order(0).placed(11).captured(12).requested(13, no="R1").refused(14, no="R1").requested(15, no="R2")
    looks = [(m.look, m.words.zh) for m in lane(drawn(run), "calls cheap").marks]
    assert looks == [("plain", "要货"), ("bad", "拒绝 goods.sold_out"), ("unsure", "要货，无结果")]


def test_payment_heal_and_deadline_cross_all_lanes(hard: RunMaker) -> None:
    assert [(m.look, m.at) for m in drawn(hard).moments] == [("paid", 0.0), ("deadline", 30.0), ("heal", 13.0)]


def test_the_axis_of_an_order_that_ended_does_not_reach_to_the_end_of_the_run(new_run: NewRun) -> None:
    run = new_run(1)
    run.order(0).happy()
    p = drawn(run)
    assert p.high < 2
    assert lane(p, "books").marks[-1].at == p.high
    assert not lane(p, "page").bars[-1].goes_on


def test_an_order_nobody_paid_is_counted_from_its_first_event(new_run: NewRun) -> None:
    run = new_run(1)
    run.order(0).placed(11).seen(State.PAYING, 11.2).pay_failed(12)
    p = drawn(run)
    assert p.since.en == "the first event"
    assert p.low < 0 < p.high
    assert lane(p, "buyer").marks[-1].words.en == "no answer to pay"


def test_states_and_events_of_another_make_do_no_harm(new_run: NewRun) -> None:
    run = new_run(1)
    order = run.order(0).placed(11).captured(12).gone(13)
    order.put("payment", facts.TradeClosed(t=ns(14), o=order.key, upstream="stranger", trade_no="T0"))
    refused = facts.TradeRefused(
        t=ns(15), o=order.key, upstream="epay", operation=Operation.QUERY, code=Code.UNKNOWN, words="no"
    )
    order.put("payment", refused)
    p = drawn(run)
    assert lane(p, "channel stranger").marks
    assert ElementTree.fromstring(lanes.svg(p)) is not None


def test_the_svg_is_xml_with_a_title_and_a_description_and_text_in_both_languages(hard: RunMaker) -> None:
    p = drawn(hard)
    root = ElementTree.fromstring(lanes.svg(p).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert desc is not None
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
    assert "recharging" in str(desc.text)
    words = {(span.get("data-l"), span.text) for span in root.iter(f"{SVG}tspan")}
    assert {("en", "recharging"), ("zh", "充值中"), ("en", "deadline"), ("zh", "期限")} <= words
    assert not [e for e in root.iter() if "font-family" in e.attrib or "style" in e.attrib]


def test_what_a_shop_wrote_is_never_markup(new_run: NewRun) -> None:
    run = new_run(1)
    run.order(0).placed(11).captured(12).struck("<script>&", 13)
    text = lanes.svg(drawn(run))
    assert "<script>" not in text
    assert "&lt;script&gt;&amp;" in text


def test_labels_of_the_svg_do_not_lie_upon_each_other(hard: RunMaker) -> None:
    p = drawn(hard)
    items = list(lanes._packed(p, list(lane(p, "calls cheap").marks)))
    rows: dict[int, list[tuple[float, float]]] = {}
    for item in items:
        wide = max(columns(item.mark.words.en), columns(item.mark.words.zh)) * 6.1
        left = item.x - wide - 18 if item.flipped else item.x - 7
        rows.setdefault(item.row, []).append((left, left + wide + 18))
    assert all(a[1] <= b[0] + 8 for row in rows.values() for a, b in pairwise(row))
    assert all(item.labelled for item in items)


@pytest.mark.parametrize("width", [20, 60, 100, 200])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_line_of_the_characters_is_wider_than_the_terminal(hard: RunMaker, width: int, language: str) -> None:
    found = ["".join(piece.text for piece in line) for line in lanes_text.lines(drawn(hard), width, language)]
    assert max(columns(line) for line in found[:-1]) <= max(width, lanes_text.NARROWEST)
    assert not [line for line in found if line != line.rstrip()]


def test_without_colour_the_characters_still_tell_all(hard: RunMaker) -> None:
    text = "\n".join("".join(piece.text for piece in line) for line in lanes_text.lines(drawn(hard), 120))
    for part in ("paying", "▓▓▓", "▶", "? 1 unanswered", "✗ 2 refused", "✓ 3 accepted", "! lost", "on the wire"):
        assert part in text


def test_ticks_are_round_in_business_time(hard: RunMaker) -> None:
    made = ticks(drawn(hard))
    assert [(t.business, t.wire) for t in made][:3] == [("0", "0"), ("2 min", "12 s"), ("4 min", "24 s")]
    assert 2 < len(made) <= 9

import csv
import io
import re
from html import unescape
from itertools import pairwise
from math import isfinite
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from msgspec.structs import replace

from ledger.states import State
from reports.findings import Capacity, Causes, Findings, Flow, Heat, Lag, Recovery, Series, Survival
from reports.write import chart_alluvial, chart_heat, chart_latency, chart_survival, figures
from reports.write.chart import SAME, Chart, cut, spread, strips, turns
from reports.write.figures import CHARTS
from tests.reports import made_up

ALL = sorted(CHARTS)
ENGLISH = re.compile(r"[A-Za-z]{3,}")
TECHNICAL = re.compile(r"^[\d.≥>–() ×]*\s*(min|ms|p\d\d|s|h|[a-z_]+\.[\w.]+ (<=|>=|==) .+)?[\d.–() %∞a-z]*$")
"""What is the same in both languages: numbers with their units, percentiles, gates."""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, figures.Drawn]:
    folder = tmp_path_factory.mktemp("figures")
    return folder, figures.draw(made_up.everything(), folder)


def texts(svg: str) -> list[str]:
    return [unescape(text).strip() for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg)]


@pytest.mark.slow
def test_every_figure_is_kept_as_svg_in_both_languages_as_png_and_as_csv(drawn: tuple[Path, figures.Drawn]) -> None:
    folder, inlined = drawn
    endings = (".svg", ".zh.svg", ".png", ".csv")
    assert {path.name for path in folder.iterdir()} == {name + ending for name in ALL for ending in endings}
    assert {name: tuple(both) for name, both in inlined.items()} == {name: ("en", "zh") for name in CHARTS}


@pytest.mark.slow
def test_figures_are_the_same_bytes_when_drawn_again_and_no_old_one_stays(
    drawn: tuple[Path, figures.Drawn], tmp_path: Path
) -> None:
    (tmp_path / "of_last_year.csv").write_text("old")
    assert figures.draw(made_up.everything(), tmp_path) == drawn[1]
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {p.name: p.read_bytes() for p in drawn[0].iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_a_file_is_sound_xml_with_title_description_and_read_outs(drawn: tuple[Path, figures.Drawn], name: str) -> None:
    for ending in (".svg", ".zh.svg"):
        svg = (drawn[0] / f"{name}{ending}").read_text()
        root = ElementTree.fromstring(svg)
        space = {"s": "http://www.w3.org/2000/svg"}
        assert root.get("role") == "img"
        assert [root.findtext(f"s:{tag}", "", space) != "" for tag in ("title", "desc")] == [True, True]
        assert root.findall(".//s:polygon/s:title", space)
        assert "DejaVu" not in svg
        assert "#000000" not in svg


@pytest.mark.slow
def test_the_figures_of_a_page_are_small_and_no_id_stands_twice(drawn: tuple[Path, figures.Drawn]) -> None:
    pieces = [svg for both in drawn[1].values() for svg in both.values()]
    assert max(len(svg.encode()) for svg in pieces) <= 120_000
    assert sum(len(svg.encode()) for svg in pieces) <= 900_000
    ids = [id for svg in pieces for id in re.findall(r'\bid="([^"]+)"', svg)]
    assert len(ids) == len(set(ids))
    used = [id for svg in pieces for id in re.findall(r'(?:href="|url\()#([^")]+)', svg)]
    assert set(used) <= set(ids)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_a_chinese_figure_has_no_english_words(drawn: tuple[Path, figures.Drawn], name: str) -> None:
    svg = drawn[1][name]["zh"]
    left = [text for text in texts(svg) if ENGLISH.search(text) and not TECHNICAL.match(text)]
    assert [text for text in left if not re.search("[一-鿿]", text)] == []
    said = re.findall(r'data-r="([^"]*)"', svg)
    assert said
    assert all(re.search("[一-鿿]", text) for text in said)
    assert re.search(r'<svg[^>]* role="img" aria-label="[^"]*[一-鿿]', svg)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_both_languages_are_drawn_alike_and_english_has_no_chinese(
    drawn: tuple[Path, figures.Drawn], name: str
) -> None:
    both = drawn[1][name]
    assert len(texts(both["en"])) == len(texts(both["zh"]))
    assert not re.search("[一-鿿]", both["en"])
    assert SAME not in both["en"] + both["zh"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_a_csv_has_a_number_for_each_word_of_its_header(drawn: tuple[Path, figures.Drawn], name: str) -> None:
    header, *rows = csv.reader(io.StringIO((drawn[0] / f"{name}.csv").read_text()))
    assert rows
    assert {len(row) for row in rows} == {len(header)}


def test_where_nothing_is_known_nothing_is_drawn(tmp_path: Path) -> None:
    nothing = made_up.nothing()
    assert figures.draw(nothing, tmp_path) == {}
    assert list(tmp_path.iterdir()) == []
    for drawer in CHARTS.values():
        assert drawer.describe(nothing).en
        assert drawer.describe(nothing).zh


def odd() -> dict[str, tuple[str, Findings]]:
    """Findings at the edge, by what is odd about them, with the figure that they are for."""
    f = made_up.everything()
    one = Survival(1, [0.2], [0.0], [0.0], [1.0], [], [])
    return {
        "one order that ended at once": ("survival", replace(f, survival=one, deadlines=[])),
        "nobody ended": ("survival", replace(f, survival=Survival(3, [], [], [], [], [], []), deadlines=[])),
        "all delivered": ("outcomes", replace(f, survival=replace(f.survival, outcomes=[made_up.horizon(1e9)]))),
        "one sample": ("open_orders", replace(f, series=Series([0.0], {State.PAID: [0]}, [0], None, None))),
        "no faults": ("open_orders", replace(f, struck=made_up.nothing().struck)),
        "one column": ("heat", replace(f, heat=Heat([1.0], [1.0], [[0]], [1]))),
        "many columns": ("heat", replace(f, heat=made_up.heat(60))),
        "all still open": ("heat", replace(f, heat=Heat([1.0, 2.0], [1.0], [[0, 0]], [4, 0]))),
        "never shown": ("lag", replace(f, lag=Lag(3, 0, None, None, None, [], []))),
        "shown at once": ("lag", replace(f, lag=Lag(1, 1, 0.0, 0.0, 0.0, [0.0], [0.0]))),
        "no recovery": ("recovery", replace(f, recovery=[Recovery("x", "x", "某", 0, 0, *(None,) * 4, 0.0, 0)])),
        "one step": ("capacity", replace(f, capacity=Capacity([1.0], [0.0], [0.0], [0], None, None, None, None, ""))),
        "no limit": ("capacity", replace(f, capacity=made_up.capacity(None))),
        "every cause there is": ("causes", made_up.everything(25)),
        "every cause struck": ("confusion", made_up.everything(25)),
        "one way": ("alluvial", replace(f, causes=Causes(1, [], [Flow("gone", "unknown", "lost", 1)]))),
        "what struck is not known": ("causes", replace(f, struck=made_up.nothing().struck)),
        "no bound of any gate": ("gates", replace(f, gates=made_up.gates()[-1:])),
        "no time but one class": ("honesty", replace(f, honesty=replace(f.honesty, states=[]))),
        "no requests": ("latency", replace(f, requests=[])),
    }


@pytest.mark.parametrize("kind", sorted(odd()))
def test_what_is_odd_is_drawn_with_every_mark_on_the_sheet(kind: str) -> None:
    name, findings = odd()[kind]
    chart, table, told = (do(findings) for do in (CHARTS[name].draw, CHARTS[name].table, CHARTS[name].describe))
    assert isinstance(chart, Chart)
    assert table is not None
    assert told is not None
    width, height = (72 * inches for inches in chart.get_size_inches())
    for mark in chart.marks:
        for x, y in chart.places(mark):
            assert isfinite(x)
            assert isfinite(y)
            assert -1 <= x <= width + 1
            assert -1 <= y <= height + 1


def test_labels_alike_in_english_alone_keep_their_own_chinese() -> None:
    chart = Chart(1.0)
    first, second = chart.say("paid", "已支付"), chart.say("paid", "付了")
    assert (first, second) == ("paid", "paid" + SAME)
    assert chart.say("paid", "已支付") == first
    svg = figures.spoken(f"<text>{first}</text><text>{second}</text><text>&lt;b&gt;</text>", chart, "zh")
    assert svg == "<text>已支付</text><text>付了</text><text>&lt;b&gt;</text>"
    assert figures.spoken(f"<text>{second}</text>", chart, "en") == "<text>paid</text>"


@pytest.mark.parametrize("n", [1, 6, 25])
def test_the_alluvial_keeps_its_labels_apart_and_loses_no_order(n: int) -> None:
    findings = made_up.everything(n)
    chart = chart_alluvial.draw(findings)
    assert chart is not None
    columns: dict[float, list[float]] = {}
    for text in chart.axes[0].texts:
        x, y = text.get_position()
        columns.setdefault(round(x, 2), []).append(y)
    for heights in columns.values():
        ordered = sorted(heights)
        assert all(b - a >= chart_alluvial.LINE_IN * 0.99 for a, b in pairwise(ordered[:-1]))
    ends = [int(mark.text.en.rsplit(": ", 1)[1].split()[0]) for mark in chart.marks]
    assert sum(ends) == 2 * sum(flow.orders for flow in findings.causes.flows)


def test_the_faults_stand_above_the_heat_map_and_the_open_ones_on_top_of_it() -> None:
    chart = chart_heat.draw(made_up.everything())
    assert chart is not None
    strip, cells, top = (ax.get_position() for ax in chart.axes[:3])
    assert cells.y1 < top.y0 < top.y1 < strip.y0


def test_a_curve_ends_where_orders_were_no_longer_followed() -> None:
    findings = made_up.everything()
    found = findings.survival
    cut_short = replace(found, outcomes=found.outcomes[:2], beyond_s=[300.0, 900.0])
    kept = [i for i, t in enumerate(found.t_s) if t <= 100]
    cut_short = replace(
        cut_short, **{name: [getattr(found, name)[i] for i in kept] for name in ("t_s", "open", "lo", "hi")}
    )
    chart = chart_survival.draw(replace(findings, survival=cut_short))
    assert chart is not None
    for line in chart.axes[0].get_lines()[:2]:
        assert np.max(np.asarray(line.get_xdata())) == 120.0
    assert "not followed so far" in {text.get_text() for text in chart.axes[0].texts}


@pytest.mark.parametrize(
    ("label", "most", "short"),
    [
        ("notices lost", 12, "notices lost"),
        ("notices lost for good", 12, "notices los…"),
        ("requests refused by signature (old_key)", 30, "requests refused by…(old_key)"),
        ("a (b) c and so on for ever", 10, "a (b) c a…"),
        ("x (an id that is much longer than all)", 12, "x (an id th…"),
    ],
)
def test_a_label_is_cut_before_its_id(label: str, most: int, short: str) -> None:
    assert cut(label, most) == short.replace("…(", "… (")
    assert len(cut(label, most)) <= most


def test_only_samples_at_which_something_changes_are_drawn() -> None:
    assert turns([[1, 1, 1, 2, 2, 2, 2], [0, 0, 0, 0, 0, 0, 0]]) == [0, 2, 3, 6]


def test_strips_touch_and_reach_from_end_to_end() -> None:
    at = spread(1.0, 100.0, 9, also=[30.0, 1000.0])
    assert 30.0 in at
    assert 1000.0 not in at
    edges = strips(at, 1.0, 100.0, log=True)
    assert edges[0][0] == 1.0
    assert edges[-1][1] == 100.0
    assert all(a[1] == b[0] for a, b in pairwise(edges))


def test_where_there_is_no_moment_none_is_the_nearest() -> None:
    assert strips([], 0, 5, log=False) == []
    assert strips([1, 3], 0, 5, log=False) == [(0, 2), (2, 5)]


def test_a_run_that_ended_before_its_first_second_was_told_has_its_figures() -> None:
    short = replace(made_up.everything(), duration_s=0.4)
    assert chart_latency.draw(short) is not None

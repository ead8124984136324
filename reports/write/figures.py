"""The figures of the report: SVG in English and Chinese with text kept as text, PNG, and their numbers as CSV.

Each figure is drawn once, in English; its labels are then exchanged for Chinese ones, so that no Chinese font is
needed. What can be pointed at lies on top of the drawing, in `<g class="marks">`, as polygons without colour. In the
page each has its read-out in `data-r`; in a file of its own in `<title>`, which browsers show. The text alternative is
the `aria-label` of the `<svg role="img">` in the page, `<desc>` in a file.
"""

import csv
import io
import re
import warnings
from html import escape, unescape
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG

from ledger.rundir import write_atomically
from reports.findings import Findings, Words
from reports.write import (
    chart_alluvial,
    chart_capacity,
    chart_causes,
    chart_confusion,
    chart_gates,
    chart_heat,
    chart_honesty,
    chart_lag,
    chart_latency,
    chart_open,
    chart_outcomes,
    chart_recovery,
    chart_survival,
)
from reports.write.chart import SAME, Chart, Table, pick


class Drawer(Protocol):
    """A module that draws one figure. `draw` gives None where there is nothing to show, and then `table` does; what
    `describe` says stands for the figure where it cannot be seen."""

    TITLE: Words
    CAPTION: Words

    def draw(self, findings: Findings, /) -> Chart | None: ...
    def table(self, findings: Findings, /) -> Table | None: ...
    def describe(self, findings: Findings, /) -> Words: ...


LANGUAGES = ("en", "zh")
CHARTS: dict[str, Drawer] = {
    "gates": chart_gates,
    "outcomes": chart_outcomes,
    "honesty": chart_honesty,
    "survival": chart_survival,
    "heat": chart_heat,
    "lag": chart_lag,
    "open_orders": chart_open,
    "recovery": chart_recovery,
    "capacity": chart_capacity,
    "alluvial": chart_alluvial,
    "causes": chart_causes,
    "confusion": chart_confusion,
    "latency": chart_latency,
}
TITLES = {name: chart.TITLE for name, chart in CHARTS.items()}
CAPTIONS = {name: chart.CAPTION for name, chart in CHARTS.items()}
PNG_DPI = 110
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "orderjam",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#8888884d",
    "grid.linewidth": 0.6,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "text.parse_math": False,
}
THEMES = (
    "svg{color:#1c1f23;background:#fff}@media(prefers-color-scheme:dark){svg{color:#e6e9ed;background:#14171b}}"
    "text{fill:currentColor}"
)
"""Of a file that stands alone: it follows the reader's light or dark."""

Drawn: TypeAlias = dict[str, dict[str, str]]


def draw(findings: Findings, folder: Path) -> Drawn:
    """Writes figures/NAME.svg, NAME.zh.svg, NAME.png and NAME.csv, and gives the SVG for the page by name and language;
    a figure of which there is nothing to show is left out. The same bytes for the same findings."""
    folder.mkdir(exist_ok=True)
    for old in (path for ending in ("svg", "png", "csv") for path in folder.glob(f"*.{ending}")):
        old.unlink()
    drawn: Drawn = {}
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()  # whatever the reader of this machine prefers
        mpl.rcParams.update(STYLE)
        # What others named in Chinese is measured with boxes where there is no font; the reader's browser has one.
        warnings.filterwarnings("ignore", message=".*Glyph.*missing from", category=UserWarning)
        for name, drawer in CHARTS.items():
            chart, table = drawer.draw(findings), drawer.table(findings)
            if chart is None or table is None:
                continue
            drawn[name] = _store(chart, folder, name, drawer.TITLE, drawer.describe(findings))
            write_atomically(folder / f"{name}.csv", _csv(table).encode())
    return drawn


def _store(chart: Chart, folder: Path, name: str, title: Words, told: Words) -> dict[str, str]:
    """The SVG for the page by language; writes the files."""
    english = themed(_svg(chart))
    inlined = {}
    for language in LANGUAGES:
        svg = spoken(english, chart, language)
        alternative = pick(language, told.en, told.zh)
        ending = "" if language == "en" else f".{language}"
        file = _alone(svg, chart, pick(language, title.en, title.zh), alternative, language)
        write_atomically(folder / f"{name}{ending}.svg", file.encode())
        inlined[language] = _inlined(svg, chart, f"{name}-{language}-", alternative, language)
    write_atomically(folder / f"{name}.png", _png(chart))
    return inlined


def _svg(chart: Chart) -> str:
    buffer = io.StringIO()
    canvas: Any = FigureCanvasSVG(chart)
    canvas.print_svg(buffer, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _png(chart: Chart) -> bytes:
    chart.set_facecolor("white")
    chart.patch.set_alpha(1)
    chart.set_dpi(PNG_DPI)
    picture = io.BytesIO()
    canvas: Any = FigureCanvasAgg(chart)
    canvas.print_png(picture, metadata={"Software": None})
    return picture.getvalue()


def _csv(table: Table) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.header)
    writer.writerows(table.rows)
    return text.getvalue()


def themed(svg: str) -> str:
    """Black becomes the reader's text colour, and the font the reader's own; no DTD, no metadata, and no coordinate
    finer than can be seen."""
    svg = re.sub(r"<!DOCTYPE.*?>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: [^;\"]+", "font-family: sans-serif", svg)
    svg = re.sub(r' (?:d|x|y|transform)="[^"]*"', _rounded, svg)
    return re.sub(r"#000000\b", "currentColor", svg)


def _rounded(attribute: re.Match[str]) -> str:
    return re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", re.sub(r" *\n", " ", attribute[0]))


def spoken(svg: str, chart: Chart, language: str) -> str:
    """The drawing with its labels in the language."""

    def label(text: re.Match[str]) -> str:
        en = unescape(text[2])
        said = chart.chinese.get(en, en) if language == "zh" else en
        return text[1] + escape(said.replace(SAME, ""), quote=False)

    return re.sub(r"(<text[^>]*>)([^<]*)(?=</text>)", label, svg)


def _marks(chart: Chart, language: str, *, alone: bool) -> str:
    """What can be pointed at, on top of the drawing."""
    if not chart.marks:
        return ""
    lines = ['<g class="marks" fill="none" pointer-events="all">']
    for mark in chart.marks:
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in chart.places(mark))
        said = escape(pick(language, mark.text.en, mark.text.zh))
        if alone:
            lines.append(f'<polygon points="{points}"><title>{said}</title></polygon>')
        else:
            lines.append(f'<polygon points="{points}" data-r="{said}"/>')
    return "\n".join((*lines, "</g>"))


def _alone(svg: str, chart: Chart, title: str, told: str, language: str) -> str:
    """A file of its own."""
    head = f"<title>{escape(title)}</title>\n<desc>{escape(told)}</desc>\n<style>{THEMES}</style>"
    svg = re.sub(r"(<svg\b[^>]*)>", rf'\1 role="img" xml:lang="{language}">\n', svg, count=1)
    start = svg.index("\n", svg.index("<svg"))
    svg = f"{svg[:start]}\n{head}{svg[start:]}"
    return svg.replace("</svg>", f"{_marks(chart, language, alone=True)}\n</svg>")


def _inlined(svg: str, chart: Chart, prefix: str, told: str, language: str) -> str:
    """For a page that holds several: without XML header, namespaces, sizes and fonts, and with ids that are its own."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r"font-family: sans-serif;? ?", "", svg)
    svg = re.sub(r'\bid="', f'id="{prefix}', svg)
    svg = re.sub(r'(href="|url\()#', rf"\1#{prefix}", svg)
    head, body = svg.split(">", 1)
    head = re.sub(r' (?:width|height|version)="[^"]*"', "", head)
    body = body.replace("</svg>", f"{_marks(chart, language, alone=False)}\n</svg>")
    return f'{head} role="img" aria-label="{escape(told)}">{body}'.strip()

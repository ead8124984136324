"""The figures of the report: each drawn twice, in English and in Chinese, as SVG with its text kept as text."""

import io
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from ledger.rundir import write_atomically
from reports.findings import Findings
from reports.write import chart_gates, chart_honesty, chart_latency, chart_open, chart_survival

LANGUAGES = ("en", "zh")
CHARTS: dict[str, Callable[[Findings, str], Figure | None]] = {
    "gates": chart_gates.draw,
    "survival": chart_survival.draw,
    "open_orders": chart_open.draw,
    "honesty": chart_honesty.draw,
    "latency": chart_latency.draw,
}
AS_PNG = ("survival", "open_orders")
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
    "text.parse_math": False,
}

Drawn: TypeAlias = dict[str, dict[str, str]]


def draw(findings: Findings, folder: Path) -> Drawn:
    """Writes figures/*.svg and *.png, and gives the SVG for the page by name and language; a figure of which there is
    nothing to show is left out. PNG are labelled in English, so that they need no Chinese font."""
    folder.mkdir(exist_ok=True)
    for old in (*folder.glob("*.svg"), *folder.glob("*.png")):
        old.unlink()
    drawn: Drawn = {}
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()  # whatever the reader of this machine prefers
        mpl.rcParams.update(STYLE)
        # Without a Chinese font the layout is measured with boxes; the reader's browser has the glyphs.
        warnings.filterwarnings("ignore", message=".*Glyph.*missing from", category=UserWarning)
        for name, chart in CHARTS.items():
            for language in LANGUAGES:
                figure = chart(findings, language)
                if figure is None:
                    continue
                drawn.setdefault(name, {})[language] = _store(figure, folder, name, language)
    return drawn


def _store(figure: Figure, folder: Path, name: str, language: str) -> str:
    buffer = io.StringIO()
    svg_canvas: Any = FigureCanvasSVG(figure)
    svg_canvas.print_svg(buffer, metadata={"Date": None, "Creator": None})
    svg = themed(buffer.getvalue())
    ending = "" if language == "en" else f".{language}"
    write_atomically(folder / f"{name}{ending}.svg", svg.encode())
    if language == "en" and name in AS_PNG:
        figure.set_facecolor("white")
        picture = io.BytesIO()
        figure.set_dpi(PNG_DPI)
        png_canvas: Any = FigureCanvasAgg(figure)
        png_canvas.print_png(picture, metadata={"Software": None})
        write_atomically(folder / f"{name}.png", picture.getvalue())
    return _inlined(svg, f"{name}-{language}-")


def themed(svg: str) -> str:
    """Black becomes the reader's text colour, and the font the reader's own; no DTD, no metadata."""
    svg = re.sub(r"<!DOCTYPE.*?>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: [^;\"]+", "font-family: sans-serif", svg)
    return re.sub(r"#000000\b", "currentColor", svg)


def _inlined(svg: str, prefix: str) -> str:
    """For a page that holds several: without XML header, namespaces and fonts, and with ids that are its own."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r"font-family: sans-serif;? ?", "", svg)
    svg = re.sub(r'\bid="', f'id="{prefix}', svg)
    svg = re.sub(r'(href="|url\()#', rf"\1#{prefix}", svg)
    svg = re.sub(r'(<svg[^>]*?) (?:width="[^"]*"|height="[^"]*")', r"\1", svg)
    svg = re.sub(r'(<svg[^>]*?) (?:width="[^"]*"|height="[^"]*")', r"\1", svg)
    return svg.strip()

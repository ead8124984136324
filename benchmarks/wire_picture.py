"""The measured picture of docs/transport.md, in English and Chinese, and the page's table."""

import io
import re
import warnings
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from benchmarks.wire_probes import CHANGE_WORDS, PANELS, Panel
from benchmarks.wire_results import DOCS, Measured, Results, between_marks, by_asked, keep, off, wanted_off
from benchmarks.wire_servers import EMBEDDED, REAL, VERSION
from ledger.rundir import write_atomically
from reports.write.chart import GREY, INK, LINES, WIDTH_IN, pick
from reports.write.figures import LANGUAGES, PNG_DPI, STYLE, themed

COLUMNS, ROW_IN = 3, 2.1
LOOK = {EMBEDDED: (LINES[0], "o", -0.13), REAL: (LINES[1], "s", 0.13)}
"""Colour, marker and place beside the middle, so that no reader has to tell colours apart."""
NAMES = {EMBEDDED: ("embedded server", "内置服务器"), REAL: (f"Toxiproxy {VERSION}", f"Toxiproxy {VERSION}")}
OFF_ZH = {"ms": "毫秒", "%": "%", "points": "百分点"}
OFF_EN = {"ms": "ms", "%": "%", "points": "% points"}
BAND = 0.22
LEAST = {"ms": 0.5, "%": 2.0, "points": 1.0}
"""Shown at the least to either side, so that what is next to nothing looks so."""
TWO_THEMES = "<style>svg{color:#1f2328}@media(prefers-color-scheme:dark){svg{color:#e6edf3}}</style>"
"""A picture in a page takes no colour from it, but knows the reader's theme."""


def label(panel: Panel, asked: float, language: str) -> str:
    """What was asked, short: 5, 10 k, 1 M, or what was changed."""
    if panel.name == "in_force":
        return pick(language, *CHANGE_WORDS[int(asked)])
    for size, letter in ((1_000_000, " M"), (1000, " k")):
        if asked >= size and panel.unit != "ms":
            return f"{asked / size:g}{letter}"
    return f"{asked:g}"


def figure(results: Results, language: str) -> Figure:
    """Small multiples: what was asked on x, how far off the server was on y."""
    panels = [panel for panel in PANELS if by_asked(results, panel.name)]
    rows = -(-len(panels) // COLUMNS)
    drawn = Figure(figsize=(WIDTH_IN, rows * ROW_IN + 0.5), layout="constrained")
    drawn.patch.set_alpha(0)
    axes = list(drawn.subplots(rows, COLUMNS, squeeze=False).flat)
    for ax, panel in zip(axes, panels, strict=False):
        one_panel(ax, panel, by_asked(results, panel.name), language)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    marks: list[Artist] = [
        Line2D([], [], color=colour, marker=marker, ls="", ms=5, label=pick(language, *NAMES[name]))
        for name, (colour, marker, _) in LOOK.items()
    ]
    marks.append(
        Patch(color=GREY, alpha=BAND, lw=0, label=pick(language, "wanted of the embedded", "内置服务器的目标范围"))
    )
    drawn.legend(handles=marks, loc="outside upper left", ncols=3, fontsize=9.5)
    return drawn


def one_panel(ax: Axes, panel: Panel, asked: dict[float, dict[str, Measured]], language: str) -> None:
    ax.patch.set_alpha(0)
    ax.axhline(0, color=INK, lw=0.9)
    for x, (value, each) in enumerate(sorted(asked.items())):
        wanted = wanted_off(panel.name, value, off(panel, each[REAL]) if REAL in each else None)
        if wanted is not None:
            low = 0.0 if panel.name == "in_force" else -wanted
            ax.bar(x, wanted - low, bottom=low, width=0.8, color=GREY, alpha=BAND, lw=0)
        for name, one in each.items():
            colour, marker, aside = LOOK[name]
            middle, low, high = off(panel, one), off(panel, one, one.low), off(panel, one, one.high)
            ax.plot([x + aside, x + aside], [low, high], color=colour, lw=1.4)
            ax.plot(x + aside, middle, color=colour, marker=marker, ms=5, ls="")
    ax.set_title(pick(language, panel.en, panel.zh), fontsize=9.5, loc="left")
    ax.set_xlim(-0.5, len(asked) - 0.5)
    ax.set_xticks(range(len(asked)), [label(panel, value, language) for value in sorted(asked)])
    ax.margins(y=0.16)
    low_y, high_y = ax.get_ylim()
    ax.set_ylim(min(low_y, -LEAST[panel.off]), max(high_y, LEAST[panel.off]))
    if panel.unit:
        ax.set_xlabel(pick(language, f"asked, {panel.unit}", f"要求值（{panel.unit}）"), fontsize=8.5)
    said = pick(language, f"off by, {OFF_EN[panel.off]}", f"偏差（{OFF_ZH[panel.off]}）")
    ax.set_ylabel(said, fontsize=8.5)
    ax.tick_params(labelsize=8.5)


def row(panel: Panel, asked: float, each: dict[str, Measured]) -> str:
    """A line of the page's table: got, and between which bounds nine of ten samples lay."""
    cells = []
    for name in (EMBEDDED, REAL):
        one = each.get(name)
        if one is None:
            cells.append("–")
        elif one.count == 1:
            cells.append(f"{one.got:,.4g}" if one.got < 1e4 else f"{one.got:,.0f}")
        else:
            cells.append(f"{one.got:,.2f} ({one.low:,.2f} … {one.high:,.2f})")
    value = CHANGE_WORDS[int(asked)][0] if panel.name == "in_force" else f"{asked:,.10g} {panel.unit}"
    return f"| {panel.en} | {value} | {cells[0]} | {cells[1]} |"


def table(results: Results) -> str:
    lines = [f"Measured {results.day}: median, and the bounds of nine of ten samples.", ""]
    lines += [f"| toxic | asked | embedded | Toxiproxy {VERSION} |", "|---|---|---|---|"]
    for panel in PANELS:
        lines += [row(panel, asked, each) for asked, each in sorted(by_asked(results, panel.name).items())]
    return "\n".join(lines)


def write(results: Results) -> None:
    """docs/transport.json, .svg, .zh.svg, .png, and the table in docs/transport.md."""
    keep(results)
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        warnings.filterwarnings("ignore", message=".*Glyph.*missing from", category=UserWarning)
        for language in LANGUAGES:
            store(figure(results, language), language)
    page = DOCS / "transport.md"
    write_atomically(page, between_marks(page.read_text("utf-8"), "fidelity", table(results)).encode())


def store(drawn: Figure, language: str, name: str = "transport") -> None:
    """Writes docs/NAME.svg, in each theme, and from the English one its PNG."""
    buffer = io.StringIO()
    svg: Any = FigureCanvasSVG(drawn)
    svg.print_svg(buffer, metadata={"Date": None, "Creator": None})
    text = re.sub(r"(<svg[^>]*>)", rf"\1{TWO_THEMES}", themed(buffer.getvalue()), count=1)
    write_atomically(DOCS / f"{name}{'' if language == 'en' else '.zh'}.svg", text.encode())
    if language == "en":
        drawn.set_facecolor("white")
        drawn.set_dpi(PNG_DPI)
        picture = io.BytesIO()
        png: Any = FigureCanvasAgg(drawn)
        png.print_png(picture, metadata={"Software": None})
        write_atomically(DOCS / f"{name}.png", picture.getvalue())

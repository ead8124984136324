"""The lane picture of one order as SVG: text stays text, colours come from the page's own style (cases.css), both
languages stand in it and the page's switch shows one. Small and quick: a report holds two hundred."""

from collections.abc import Iterable
from html import escape

import msgspec

from reports.findings import Words
from reports.lanes import SHAPES, Bar, Lane, Mark, Picture
from reports.write.axis import business, columns, ticks

WIDTH = 900
LEFT, RIGHT = 104, 14
_TOP = 30
_LETTER = 6.1
"""Width of a Latin letter at the size of labels; a Chinese one is two columns."""
_ROW, _ROWS_MAX = 16, 5
_PAGE, _TRUTH = 24, 9
_STUCK = Words("stuck", "卡住")


class _Item(msgspec.Struct, frozen=True):
    """A mark with its label, and where from and to it takes up room; without room for the label, the mark alone."""

    mark: Mark
    x: float
    row: int
    flipped: bool
    labelled: bool


def svg(p: Picture) -> str:
    """The picture with a title and a description for those who do not see it."""
    parts: list[str] = []
    y = float(_TOP)
    for lane in p.lanes:
        drawn, height = _lane(p, lane, y)
        parts += drawn
        y += height + 6
    title, desc = f"t-{p.key}", f"d-{p.key}"
    return "".join(
        (
            f'<svg class="lanes" viewBox="0 0 {WIDTH} {y + 32:.0f}" role="img" aria-labelledby="{title} {desc}">',
            f'<title id="{title}">{escape(p.key)}</title><desc id="{desc}">{escape(description(p))}</desc>',
            *_across(p, y),
            *parts,
            *_axis(p, y),
            "</svg>",
        )
    )


def description(p: Picture) -> str:
    """What the picture shows, as text: every lane in its order, with business seconds since the payment."""
    lanes = []
    for lane in p.lanes:
        bars = [f"{bar.words.en} {business(p, bar.start)} to {business(p, bar.end)}" for bar in lane.bars]
        marks = [f"{mark.words.en} {business(p, mark.at)}" for mark in lane.marks]
        lanes.append(f"{lane.name.en}: {', '.join(bars + marks)}")
    return f"Times since {p.since.en}. {'; '.join(lanes)}."


def _x(p: Picture, at: float) -> float:
    return LEFT + (at - p.low) / (p.high - p.low) * (WIDTH - LEFT - RIGHT)


def _text(x: float, y: float, words: Words, more: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}"{more}>{_both(words)}</text>'


def _both(words: Words) -> str:
    if words.en == words.zh:
        return escape(words.en)
    return f'<tspan data-l="en">{escape(words.en)}</tspan><tspan data-l="zh">{escape(words.zh)}</tspan>'


def _wide(words: Words) -> float:
    return max(columns(words.en), columns(words.zh)) * _LETTER


def _lane(p: Picture, lane: Lane, y: float) -> tuple[list[str], float]:
    """The lane from y on, and its height."""
    thick = {"page": _PAGE, "truth": _TRUTH}.get(lane.kind, 0)
    parts = [_text(0, y + 12, lane.name, ' class="n"')]
    if lane.bars:
        parts += [part for bar in lane.bars for part in _bar(p, bar, y, thick)]
    labels = [*_beside(p, lane, thick), *((m.at, m) for m in lane.marks)]
    items = list(_packed(p, [mark for _, mark in sorted(labels, key=lambda pair: pair[0])]))
    below = y + thick + (3 if lane.bars else 0)
    parts += [part for item in items for part in _item(p, item, below)]
    rows = max((item.row for item in items), default=-1) + 1
    return parts, (thick + 3 if lane.bars else 0) + rows * _ROW


def _beside(p: Picture, lane: Lane, thick: int) -> Iterable[tuple[float, Mark]]:
    """The words of the bars that are too short, or too thin, to hold them."""
    for bar in lane.bars:
        if thick < _ROW or _x(p, bar.end) - _x(p, bar.start) < _wide(bar.words) + 8:
            yield bar.start, Mark(bar.start, "", bar.words)


def _bar(p: Picture, bar: Bar, y: float, thick: int) -> Iterable[str]:
    start, end = _x(p, bar.start), max(_x(p, bar.end), _x(p, bar.start) + 1)
    yield f'<rect class="b s-{bar.look}" x="{start:.1f}" y="{y:.0f}" width="{end - start:.1f}" height="{thick}"/>'
    if bar.stuck_at is not None:
        onset = _x(p, bar.stuck_at)
        yield f'<rect class="stuck" x="{onset:.1f}" y="{y + thick - 4:.0f}" width="{end - onset:.1f}" height="4"/>'
        if end - onset > _wide(_STUCK) + 8 and onset - start > _wide(bar.words) + 8:
            yield _text(onset + 4, y + 14, _STUCK, ' class="bad"')
    if bar.goes_on:
        yield f'<path class="on" d="M{end:.0f} {y:.0f}l6 {thick / 2:g}l-6 {thick / 2:g}"/>'
    if thick >= _ROW and end - start >= _wide(bar.words) + 8:
        yield _text(start + 4, y + 14, bar.words)


def _packed(p: Picture, marks: list[Mark]) -> Iterable[_Item]:
    """Each mark in the first row where it and its label have room; the label goes left of the mark near the end."""
    free = [0.0] * _ROWS_MAX
    for mark in marks:
        x, wide = _x(p, mark.at), _wide(mark.words) + 18
        begin = x if mark.since is None else min(_x(p, mark.since), x)
        flipped = x + wide > WIDTH
        low, high = (begin - wide, x + 7) if flipped else (begin - 7, x + wide)
        row = next((n for n, used in enumerate(free) if used <= low), None)
        if row is None:
            row = min(range(_ROWS_MAX), key=lambda n: free[n])
            free[row] = max(free[row], x + 7)
            yield _Item(mark, x, row, flipped, labelled=False)
            continue
        free[row] = high
        yield _Item(mark, x, row, flipped, labelled=True)


def _item(p: Picture, item: _Item, y: float) -> Iterable[str]:
    mark, base = item.mark, y + item.row * _ROW + 12
    if not mark.look:  # the words of a bar
        if item.labelled:
            edge = ' text-anchor="end"' if item.flipped else ""
            yield _text(item.x, base, mark.words, edge)
        return
    begin = item.x if mark.since is None else _x(p, mark.since)
    if item.x - begin > 6:
        yield f'<path class="l" d="M{begin:.0f} {base - 4:.0f}H{item.x - 6:.0f}"/>'
    name = "" if item.labelled else f"<title>{escape(mark.words.en)} {escape(mark.words.zh)}</title>"
    yield f'<text class="m {mark.look}" x="{item.x:.0f}" y="{base:.0f}">{SHAPES[mark.look]}{name}</text>'
    if item.labelled:
        x, edge = (begin - 8, ' text-anchor="end"') if item.flipped else (item.x + 8, "")
        yield _text(x, base, mark.words, edge)


def _across(p: Picture, bottom: float) -> Iterable[str]:
    """The lines across all lanes, each with its name on top, in the second row where two would collide."""
    used = [0.0, 0.0]
    for moment in sorted(p.moments, key=lambda m: m.at):
        x, wide = _x(p, moment.at), _wide(moment.words)
        left = min(x, WIDTH - wide)
        row = 0 if used[0] <= left else 1
        used[row] = left + wide + 8
        yield f'<path class="at {moment.look}" d="M{x:.0f} {_TOP - 3 - 12 * (1 - row)}V{bottom:.0f}"/>'
        yield _text(left, 11 + 12 * row, moment.words, ' class="a"')


def _axis(p: Picture, y: float) -> Iterable[str]:
    """Business time, and below it the time on the wire where that is another."""
    yield f'<path class="x" d="M{LEFT} {y:.0f}H{WIDTH - RIGHT}"/>'
    yield _text(0, y + 13, Words(f"since {p.since.en}", f"自{p.since.zh}起"), ' class="a"')
    if p.compress != 1:
        yield _text(0, y + 26, Words("on the wire", "线上时间"), ' class="a"')
    for tick in ticks(p):
        x = _x(p, tick.at)
        yield f'<path class="x" d="M{x:.0f} {y:.0f}v4"/>'
        middle = ' class="a" text-anchor="middle"'
        yield f'<text x="{x:.0f}" y="{y + 14:.0f}"{middle}>{tick.business}</text>'
        if p.compress != 1:
            yield f'<text x="{x:.0f}" y="{y + 26:.0f}"{middle}>{tick.wire}</text>'

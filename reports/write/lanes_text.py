"""The lane picture of one order drawn with characters: as wide as it is told, and nothing lost without colour."""

from collections.abc import Iterable

import msgspec

from reports.findings import Words
from reports.lanes import SHAPES, Bar, Lane, Mark, Picture
from reports.write.axis import columns, ticks

NARROWEST = 40
_ROWS_MAX = 5
_FILL = {"page": "═", "truth": "─"}
_STUCK = "▓"
_LEGEND = Words(
    "✓ done  ✗ refused or failed  ? no answer  ! struck by a fault  ● happened  ▓ stuck  ¦ heal, deadline",
    "✓ 完成  ✗ 被拒或失败  ? 无应答  ! 触及故障  ● 发生  ▓ 卡住  ¦ 故障解除、期限",
)


class Piece(msgspec.Struct, frozen=True):
    """Text and how it should look: good, bad, unsure, struck, soft, strong, or as all text."""

    text: str
    look: str = ""


Line = list[Piece]


def lines(p: Picture, width: int, language: str = "en") -> list[Line]:
    """The picture in lines of at most so many columns."""
    grid = _Grid(p, max(width, NARROWEST), language)
    drawn = grid.across()
    for lane in p.lanes:
        drawn += grid.lane(lane)
    return [*drawn, *grid.axis(), [Piece(_pick(_LEGEND, language), "soft")]]


def _pick(words: Words, language: str) -> str:
    return words.zh if language == "zh" else words.en


class _Row:
    """One line under construction: letters by column, the looks of them; Chinese letters take two columns."""

    def __init__(self, width: int) -> None:
        self.cells = [" "] * width
        self.looks = [""] * width

    def put(self, at: int, text: str, look: str = "") -> None:
        for letter in text:
            wide = columns(letter)
            if not 0 <= at <= len(self.cells) - wide:
                return
            self.cells[at], self.looks[at] = letter, look
            if wide == 2:
                self.cells[at + 1], self.looks[at + 1] = "", look
            at += wide

    def is_free(self, low: int, high: int) -> bool:
        return low >= 0 and high <= len(self.cells) and all(c in " ¦" for c in self.cells[low:high])

    def pieces(self) -> Line:
        made: Line = []
        end = len("".join(cell or "-" for cell in self.cells).rstrip())
        for letter, look in zip(self.cells[:end], self.looks[:end], strict=True):
            if made and made[-1].look == look:
                made[-1] = Piece(made[-1].text + letter, look)
            else:
                made.append(Piece(letter, look))
        return made


class _Grid:
    """Places on the axis as columns of a terminal."""

    def __init__(self, p: Picture, width: int, language: str) -> None:
        self.p, self.language = p, language
        names = [columns(_pick(lane.name, language)) for lane in p.lanes] + [13]
        self.left = min(max(names) + 1, width // 3)
        self.width = width - self.left

    def col(self, at: float) -> int:
        share = (at - self.p.low) / (self.p.high - self.p.low)
        return min(max(round(share * (self.width - 1)), 0), self.width - 1)

    def across(self) -> list[Line]:
        """The names of the lines across all lanes, in a second row where two would collide."""
        rows = [_Row(self.width), _Row(self.width)]
        for moment in sorted(self.p.moments, key=lambda m: m.at):
            words = _pick(moment.words, self.language)
            at = min(self.col(moment.at), self.width - columns(words))
            row = next((r for r in rows if r.is_free(at, min(at + columns(words) + 1, self.width))), rows[1])
            row.put(at, words, "soft")
        return [[Piece(" " * self.left), *row.pieces()] for row in rows if row.pieces()]

    def lane(self, lane: Lane) -> list[Line]:
        beside = [Mark(bar.start, "", bar.words) for bar in lane.bars if not self._holds(bar)]
        first = self._row()
        for bar in lane.bars:
            self._bar(first, bar, _FILL[lane.kind])
        rows = [first] if lane.bars else []
        marks = sorted((*beside, *lane.marks), key=lambda m: m.at)
        rows += self._packed(marks)
        name = _fit(_pick(lane.name, self.language), self.left)
        heads = [Piece(name, "strong"), *(Piece(" " * self.left) for _ in rows[1:])]
        return [[head, *row.pieces()] for head, row in zip(heads, rows, strict=True)]

    def _row(self) -> _Row:
        row = _Row(self.width)
        for moment in self.p.moments:
            row.put(self.col(moment.at), "¦", "soft")
        return row

    def _holds(self, bar: Bar) -> bool:
        return self.col(bar.end) - self.col(bar.start) >= columns(_pick(bar.words, self.language)) + 2

    def _bar(self, row: _Row, bar: Bar, fill: str) -> None:
        start, end = self.col(bar.start), max(self.col(bar.end), self.col(bar.start) + 1)
        row.put(start, "╞" if fill == "═" else "├")
        row.put(start + 1, fill * (end - start - 1))
        if bar.stuck_at is not None:
            onset = max(self.col(bar.stuck_at), start + 1)
            row.put(onset, _STUCK * (end - onset), "bad")
        if self._holds(bar):
            row.put(start + 1, _pick(bar.words, self.language), "strong")
        if bar.goes_on:
            row.put(end, "▶")

    def _packed(self, marks: list[Mark]) -> list[_Row]:
        """Each mark in the first row where it and its label have room; the label left of it near the end."""
        rows: list[_Row] = []
        for mark in marks:
            at, text = self.col(mark.at), _pick(mark.words, self.language)
            shape = SHAPES.get(mark.look, "")
            begin = at if mark.since is None else self.col(mark.since)
            wide = columns(text) + (2 if shape else 0)
            flipped = at + wide > self.width
            low, high = (begin - wide, at + 1) if flipped else (begin, at + max(wide, 1))
            row = next((r for r in rows if r.is_free(low - 1 if low else low, min(high + 1, self.width))), None)
            if row is None and len(rows) < _ROWS_MAX:
                row = self._row()
                rows.append(row)
            if row is None:
                rows[-1].put(at, shape, mark.look)
                continue
            row.put(begin, "┄" * (at - begin), "soft")
            row.put(at, shape if flipped or not shape else f"{shape} ", mark.look)
            row.put((begin - wide + 1) if flipped else at + (2 if shape else 0), text)
        return rows

    def axis(self) -> Iterable[Line]:
        rule, business, wire = _Row(self.width), _Row(self.width), _Row(self.width)
        rule.put(0, "─" * self.width, "soft")
        for tick in ticks(self.p, max(self.width // 12, 2)):
            at = self.col(tick.at)
            rule.put(at, "┬", "soft")
            for row, text in ((business, tick.business), (wire, tick.wire)):
                row.put(min(max(at - len(text) // 2, 0), self.width - len(text)), text, "soft")
        since = Words(f"since {self.p.since.en}", f"自{self.p.since.zh}起")
        yield [Piece(" " * self.left), *rule.pieces()]
        yield [Piece(_fit(_pick(since, self.language), self.left), "soft"), *business.pieces()]
        if self.p.compress != 1:
            on_wire = Words("on the wire", "线上时间")
            yield [Piece(_fit(_pick(on_wire, self.language), self.left), "soft"), *wire.pieces()]


def _fit(text: str, width: int) -> str:
    """The text in exactly so many columns, cut where it is longer."""
    while columns(text) > width - 1:
        text = text[:-1]
    return text + " " * (width - columns(text))

"""The orders of a run for the page: all that were sent, or the worst of them, in short columns; and the stories of the
worst. One block of JSON, small enough for a page of a million orders."""

import base64
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ledger.rundir import RunDir
from ledger.states import State
from plan.run import Plan
from reports.case import Case, known
from reports.lanes import picture
from reports.measure.causes import words as cause_words
from reports.measure.lasthop import HOP_WORDS
from reports.orders import BARE_KEY
from reports.sentence import sentence
from reports.sheet import since_payment
from reports.table import Row, Table
from reports.told import RAW, Event, Frame, facts, frame, told
from reports.write.lanes import svg
from reports.write.sheet import event_text
from reports.write.words import GONE, state_zh

ROWS_MAX, STORIES_MAX, PLAIN_MAX = 5000, 200, 20
BYTES_MAX = 1_000_000
"""Of the block on the page."""
_FLAGS = ("lost", "stuck", "open", "paid", "delivered", "refunded")
_CODED = ("channel", "product", "region", "buyer", "state", "code", "cause", "hop", "price_fen")
_FITS = ((STORIES_MAX, STORIES_MAX), (STORIES_MAX, 50), (STORIES_MAX, 0), (50, 0), (0, 0))
"""How many stories, and how many of them with raw exchanges: the first of these that fits."""


class Cases(msgspec.Struct, frozen=True):
    """What the page shows of single orders: the JSON for its script, safe inside a script element; the worst for
    readers without script; how many were sent, and how many of these are listed."""

    island: str
    worst: list[Row]
    sent: int
    listed: int


class _Story(msgspec.Struct, frozen=True):
    """What opens under a row: the sentence and what speaks for the cause, in both languages; the picture; events as
    (business s, wire s, voice, kind, fields); and raw exchanges as text."""

    s: tuple[str, str]
    why: tuple[str, str]
    svg: str
    e: list[tuple[float, float, str, str, str]]
    raw: list[tuple[str, str, str]] = []


def cases(run: RunDir, plan: Plan) -> Cases:
    """Of a run whose orders.parquet was made; of any other one the analysis is made again."""
    table = Table.open(run, plan)
    try:
        rows, sent = table.sent(ROWS_MAX)
        stories = list(_stories(run, plan, table, rows[:STORIES_MAX]))
    finally:
        table.close()
    return Cases(_island(run, rows, sent, stories), [r for r in rows[:PLAIN_MAX] if r.stuck or r.lost], sent, len(rows))


def _stories(run: RunDir, plan: Plan, table: Table, rows: list[Row]) -> Iterable[_Story]:
    names = {name: row.key for row in rows for name in (row.key, row.order_no) if name}
    events, around = told(facts(run, raw=True), names), frame(run)
    wishes: dict[str, list[Row]] = {}
    for other in table.of_wishes([row.key for row in rows]):
        wishes.setdefault(other.key[:BARE_KEY], []).append(other)
    for row in rows:
        others = tuple(other for other in wishes[row.key[:BARE_KEY]] if other.key != row.key)
        yield _story(row, events[row.key], plan, around, others)


def _story(row: Row, events: list[Event], plan: Plan, around: Frame, others: tuple[Row, ...]) -> _Story:
    plain = [e for e in events if e.voice != RAW]
    words = sentence(known(Case(row, plain, plan, around, others)))
    shown = [e for e in since_payment(events, plan) if e.voice != RAW]
    return _Story(
        (words.en, words.zh),
        (row.why_en, row.why_zh),
        svg(picture(row.key, plain, plan, around)) if plain else "",
        [(round(e.business_s, 1), round(e.wire_s, 3), e.voice, e.kind, event_text(e)) for e in shown],
        [_exchange(e) for e in events if e.voice == RAW],
    )


def _exchange(e: Event) -> tuple[str, str, str]:
    return f"{e.text('operation')} {e.text('hop')}", e.text("sent"), e.text("received")


def _island(run: RunDir, rows: list[Row], sent: int, stories: list[_Story]) -> str:
    """The block for the page, with as many stories as there is room for."""
    made = ""
    for most, with_raw in _FITS:
        kept = [s if n < with_raw else msgspec.structs.replace(s, raw=[]) for n, s in enumerate(stories[:most])]
        block = {
            "run": run.path.name,
            "sent": sent,
            "columns": columns(rows),
            "zh": _words_zh(rows),
            "hops": {hop: words[0] for hop, words in HOP_WORDS.items()},
            "told": len(kept),
            "stories": _packed(kept),
        }
        made = _safe(msgspec.json.encode(block).decode())
        if len(made.encode()) <= BYTES_MAX:
            break
    return made


def columns(rows: list[Row]) -> dict[str, Any]:
    """The rows as columns: words and amounts by their place among the different ones, numbers of orders and trades
    without what all begin with, the flags as bits of one number."""
    return {
        "key": [row.key for row in rows],
        "order_no": _without_prefix([row.order_no for row in rows]),
        "trade_no": _without_prefix([row.trade_no for row in rows]),
        **{name: _coded([getattr(row, name) for row in rows]) for name in _CODED},
        "captured_fen": _coded([row.captured_fen for row in rows]),
        "refunded_fen": _coded([row.refunded_fen for row in rows]),
        "stuck_s": [_short(row.stuck_s) for row in rows],
        "waited_s": [_short(row.waited_s) for row in rows],
        "flags": [sum(1 << bit for bit, name in enumerate(_FLAGS) if getattr(row, name)) for row in rows],
    }


def _short(s: float) -> float | int:
    return int(s) if s == int(s) else round(s, 1)


def _coded(values: Sequence[str | int]) -> dict[str, Any]:
    words = sorted(set(values), key=lambda value: (str(type(value)), value))
    place = {word: n for n, word in enumerate(words)}
    return {"words": words, "at": [place[value] for value in values]}


def _without_prefix(values: list[str]) -> dict[str, Any]:
    first, last = min(filter(None, values), default=""), max(values, default="")  # all others lie between these two
    same = first[: next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]
    return {"same": same, "rest": [value[len(same) :] if value else None for value in values]}


def _words_zh(rows: list[Row]) -> dict[str, str]:
    """The Chinese of the words in these rows."""
    states = {name: state_zh(name) for name in (*map(str, State), GONE)}
    hops = {name: words[1] for name, words in HOP_WORDS.items()}
    causes = {row.cause: cause_words(row.cause).zh for row in rows if row.cause}
    known = states | causes | hops
    used = {word for row in rows for word in (row.state, row.cause, row.hop)}
    return {word: known[word] for word in sorted(used & known.keys())}


def _packed(stories: list[_Story]) -> str:
    """Deflated: what browsers undo by themselves, and a sixth of the size."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return base64.b64encode(deflate.compress(msgspec.json.encode(stories)) + deflate.flush()).decode()


def _safe(text: str) -> str:
    """JSON that ends no script element, whatever a shop wrote."""
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")

"""The shop's own order table, read at collect and journalled as `booked`."""

from typing import Any

import aiohttp
import msgspec

from ledger.clock import RunClock
from ledger.events import goods_hash
from ledger.journal import Journal
from plan.document import DocumentError
from targets.webshop import BooksHttp, Target, booked, filled

PAGES_MAX = 100_000
TIMEOUT_S = 20.0


class BooksError(Exception):
    """The shop's books could not be read: what it said instead."""


async def read(target: Target, shop_url: str, values: dict[str, str], clock: RunClock, journal: Journal) -> int:
    """Journals every row that carries an order key, goods hashed; how many. BooksError where the shop does not give
    them: the report then claims less."""
    assert target.books
    books, count, after = target.books, 0, None
    headers = {name: filled(text, values) for name, text in books.headers.items()}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S), headers=headers) as http:
        for _ in range(PAGES_MAX):
            page = await _page(http, shop_url + books.path, books, after)
            for row in page.get(books.rows, []):
                count += _journal_row(target, row, clock, journal)
            after = page.get(books.next) if books.next else None
            if after is None:
                return count
    raise BooksError(f"the shop's order table did not end after {PAGES_MAX} pages")


async def _page(http: aiohttp.ClientSession, url: str, books: BooksHttp, after: Any) -> dict[str, Any]:
    params = {books.after: str(after)} if books.after and after is not None else {}
    try:
        async with http.get(url, params=params) as reply:
            body = await reply.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise BooksError(f"the shop did not answer {books.path}: {error or 'timeout'}") from None
    if reply.status != 200:
        raise BooksError(f"the shop answered {books.path} with status {reply.status}")
    try:
        page = msgspec.json.decode(body)
    except msgspec.DecodeError:
        raise BooksError(f"the shop answered {books.path} with something that is not JSON") from None
    if not isinstance(page, dict) or not isinstance(page.get(books.rows), list):
        raise BooksError(f"the shop's answer to {books.path} holds no list {books.rows!r}")
    return page


def _journal_row(target: Target, row: dict[str, Any], clock: RunClock, journal: Journal) -> int:
    assert target.books
    at = row.get(target.books.fields.at) if target.books.fields.at else None
    shop_t = clock.t_of_wall(float(at)) if isinstance(at, int | float) else None
    try:
        event = booked(target, row, t=clock.t(), shop_t=shop_t)
    except (DocumentError, ValueError) as error:
        raise BooksError(str(error)) from None
    if event is None:
        return 0
    journal.append(msgspec.structs.replace(event, goods=tuple(map(goods_hash, event.goods))))
    return 1

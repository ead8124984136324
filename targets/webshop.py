"""A storefront read from a YAML file: how to start a shop, buy from it, poll it, and read its books."""

import os
import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from string import Formatter
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import msgspec

from ledger.events import Booked
from ledger.states import Code, Hop, State
from plan import document
from plan.document import DocumentError, nearest
from plan.orders import Wish, find_key
from plan.units import BusinessTime, WireTime
from targets.house import DatabaseDoc, House
from targets.storefront import Ask, Cancelled, NotPlaced, Page, Person, Placed, Reply, Unread

_ENV = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_CHARSET = re.compile(r"charset=([\w-]+)", re.ASCII)
SAID_MAX = 160
"""Letters of a shop's own words that errors and events quote."""


class Take(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where in an answer a text stands: exactly one of the ways.

    `json`: dotted path; `header`: its name; `regex`: its first group, over the body; `form`: the address that an
    auto-submitting form leads to, its hidden fields as the query.
    """

    json: str | None = None
    header: str | None = None
    regex: str | None = None
    form: bool = False

    def __post_init__(self) -> None:
        if sum((self.json is not None, self.header is not None, self.regex is not None, self.form)) != 1:
            raise ValueError("exactly one of json, header, regex, form says where the text stands")
        if self.regex is not None:
            try:
                groups = re.compile(self.regex).groups
            except re.error as error:
                raise ValueError(f"{self.regex!r} is not a regular expression: {error}") from None
            if groups != 1:
                raise ValueError(f"{self.regex!r} needs exactly one group in brackets")


class Start(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the harness starts the shop. Braces are filled in: {python} {data} {profile} {port_file} {port} {admin_token}
    {payment_channels} {supplier_channels} {game_servers} (JSON of the upstreams by name: url, dialect, pid, key …) and
    {payment.NAME.url|pid|key …}, {supplier.NAME.…}, {game.NAME.…}. {tls_proxy} and {tls_ca}: address of the loopback
    TLS proxy, which runs where a target names it, and the file of the CA that its clients must trust.

    {port} is a free one; 0 where {port_file} stands beside it and the shop may choose, until it is started again.
    """

    command: list[str]
    ready: str
    env: dict[str, str] = {}
    within: WireTime = WireTime(20.0)

    def names(self, name: str) -> bool:
        """Whether command or environment are told this."""
        return any(f"{{{name}}}" in text for text in (*self.command, *self.env.values()))

    @property
    def wants_tls_proxy(self) -> bool:
        return self.names("tls_proxy") or self.names("tls_ca")


class PlaceAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to place an order: {product} {channel} {region} {contact} {account} {name} are filled in."""

    path: str
    order_no: Take
    pay_url: Take
    poll_url: Take | str
    method: str = "POST"
    headers: dict[str, str] = {}
    form: dict[str, str] = {}
    status: tuple[int, ...] = (200, 201)
    refused_words: Take | None = None
    refused_code: Take | None = None


class PollAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to read the order page. `gone`: statuses that say that there is no such order."""

    state: Take
    words: Take | None = None
    goods: Take | None = None
    code: Take | None = None
    headers: dict[str, str] = {}
    gone: tuple[int, ...] = (404,)


class BookFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the columns of the shop's order table are called. `key`: the one that carries the order key."""

    key: str
    order_no: str
    state: str
    amount_fen: str
    code: str | None = None
    goods: str | None = None
    at: str | None = None


class BooksHttp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The shop's own order table, page by page, as JSON over HTTP."""

    path: str
    rows: str
    fields: BookFields
    headers: dict[str, str] = {}
    next: str | None = None
    after: str | None = None


class Sells(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The target's vocabulary: what a scenario may order from it. Products with their price in fen; `needs`: the role
    of the upstream without which a product cannot be sold."""

    products: dict[str, int]
    regions: tuple[str, ...] = ("cn",)
    dialects: tuple[str, ...] = ("epay",)
    needs: dict[str, str] = {}


class CancelAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a buyer cancels: {order_no} is filled in. Answered with one of `status`, the shop has agreed."""

    path: str
    method: str = "POST"
    headers: dict[str, str] = {}
    form: dict[str, str] = {}
    status: tuple[int, ...] = (200,)
    words: Take | None = None


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A target file. Of its `databases` the first is the one that it has unless a scenario says otherwise."""

    about: str
    sells: Sells
    place: PlaceAsk
    poll: PollAsk
    states: dict[str, State]
    start: Start
    profiles: tuple[str, ...] = ("default",)
    switches: list[str] = []
    codes: dict[str, Code] = {}
    apologies: list[str] = []
    books: BooksHttp | None = None
    cancel: CancelAsk | None = None
    house: House | None = None
    databases: dict[str, DatabaseDoc] = {}
    business_time: dict[str, BusinessTime] = {}
    compressible: bool = False
    key_in: dict[Hop, list[str] | str] = {}
    allow: list[str] = []

    def __post_init__(self) -> None:
        if self.business_time and not self.compressible:
            raise ValueError("business_time lists settings, so compressible must be true")
        if self.house and not self.start.names("port"):
            raise ValueError("house lets the shop be killed, so start needs {port}: it must come back where it was")
        for name, own in self.databases.items():
            own.laid_over(self.house)
            if own.server and not own.names("database_url"):
                raise ValueError(f"databases.{name} has a server, so its env must say {{database_url}}: where it is")

    def having(self, database: str) -> "Target":
        """The target with one of its databases, by name; as it is where it names none."""
        if database not in self.databases:
            return self
        own = self.databases[database]
        start = msgspec.structs.replace(self.start, env={**self.start.env, **own.env})
        return msgspec.structs.replace(self, start=start, house=own.laid_over(self.house))

    @property
    def offers(self) -> tuple[str, ...]:
        """What faults may need of a target: what its house offers, and cancel where a buyer can."""
        return (*(self.house.offers if self.house else ()), *(("cancel",) if self.cancel else ()))


def find(name: str) -> Path:
    """The file of a target given by name (one of ours) or by path; DocumentError with the nearest name."""
    if name.endswith((".yaml", ".yml")) or "/" in name:
        path = Path(name)
        if not path.is_file():
            raise DocumentError(f"{name}: no such target file")
        return path.resolve()
    known = shipped()
    if name not in known:
        raise DocumentError(f"no target {name!r}{nearest(name, known)}")
    return known[name]


def shipped() -> dict[str, Path]:
    """The target files that come with orderjam, by name."""
    folder = Path(str(files("targets")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load(path: Path) -> Target:
    """The target in a file; DocumentError with place, value and what is legal."""
    found = document.read_file(path)
    return document.convert(found, Target)


def storefront(path: Path, base_url: str) -> "Webshop":
    """The storefront of a target file for a shop that answers at an address."""
    return Webshop(load(path), base_url)


def filled(template: str, values: dict[str, str]) -> str:
    """A template with {name} filled in and ${ENV} taken from the environment; DocumentError for an unknown name."""
    parts: list[str] = []
    for literal, name, _, _ in Formatter().parse(_ENV.sub(_from_environment, template)):
        parts.append(literal)
        if name is None:
            continue
        if name not in values:
            raise DocumentError(f"{template!r}: nothing is called {{{name}}}{nearest(name, values)}")
        parts.append(values[name])
    return "".join(parts)


def _from_environment(match: re.Match[str]) -> str:
    value = os.environ.get(match[1])
    if value is None:
        raise DocumentError(f"${{{match[1]}}}: this variable is not in the environment")
    return value.replace("{", "{{").replace("}", "}}")


class Webshop:
    """A storefront as its target file describes it. Reads every answer without raising."""

    def __init__(self, target: Target, base_url: str) -> None:
        self._target = target
        self._base = base_url.rstrip("/")

    def place(self, wish: Wish, person: Person) -> Ask:
        ask = self._target.place
        values = {
            "product": wish.product,
            "channel": wish.channel,
            "region": wish.region,
            "contact": person.contact,
            "account": person.account,
            "name": person.name,
        }
        form = {key: filled(text, values) for key, text in ask.form.items()}
        headers = dict(ask.headers)
        if form:
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        return Ask("place", ask.method, self._base + ask.path, headers, urlencode(form).encode())

    def read_placed(self, reply: Reply) -> Placed | NotPlaced:
        ask = self._target.place
        if reply.status == 0:
            return NotPlaced(_code_of_silence(reply.why), reply.why)
        body = _Body(reply)
        if reply.status not in ask.status:
            said = body.take(ask.refused_words) or body.text
            code = self._target.codes.get(body.take(ask.refused_code) or "", Code.UNKNOWN)
            return NotPlaced(code, f"status {reply.status}: {_short(said)}")
        order_no, pay = body.take(ask.order_no), body.take(ask.pay_url)
        if not order_no or not pay:
            return NotPlaced(Code.UNKNOWN, f"status {reply.status} without an order: {_short(body.text)}")
        poll = ask.poll_url
        poll_url = filled(poll, {"order_no": order_no}) if isinstance(poll, str) else body.take(poll)
        if not poll_url:
            return NotPlaced(Code.UNKNOWN, f"status {reply.status} without an order page: {_short(body.text)}")
        return Placed(order_no, urljoin(reply.url, pay), urljoin(reply.url, poll_url))

    def poll(self, placed: Placed) -> Ask:
        return Ask("poll", "GET", placed.poll_url, self._target.poll.headers)

    def read_page(self, reply: Reply) -> Page | Unread:
        ask, target = self._target.poll, self._target
        if reply.status == 0:
            return Unread(_code_of_silence(reply.why), reply.why)
        if reply.status in ask.gone:
            return Unread(Code.UNKNOWN, f"status {reply.status}: no such order", gone=True)
        body = _Body(reply)
        own = body.take(ask.state) if reply.status == 200 else None
        if own is None:
            return Unread(Code.UNKNOWN, f"status {reply.status} without a state: {_short(body.text)}")
        goods = tuple(g for g in body.take_all(ask.goods) if g and not self._is_apology(g))
        code = body.take(ask.code)
        words = body.take(ask.words) or own
        known_code = target.codes.get(code, Code.UNKNOWN) if code else None
        return Page(target.states.get(own, State.UNKNOWN), _short(words), goods, known_code)

    def cancel(self, placed: Placed) -> Ask | None:
        ask = self._target.cancel
        if ask is None:
            return None
        values = {"order_no": placed.order_no}
        form = {key: filled(text, values) for key, text in ask.form.items()}
        headers = {**({"Content-Type": "application/x-www-form-urlencoded"} if form else {}), **ask.headers}
        return Ask("cancel", ask.method, self._base + filled(ask.path, values), headers, urlencode(form).encode())

    def read_cancelled(self, reply: Reply) -> Cancelled:
        ask = self._target.cancel
        if ask is None or reply.status == 0:
            return Cancelled(False, reply.why)
        body = _Body(reply)
        said = body.take(ask.words) or body.text
        return Cancelled(reply.status in ask.status, _short(said))

    def _is_apology(self, goods: str) -> bool:
        return any(words in goods for words in self._target.apologies)


def booked(target: Target, row: dict[str, Any], *, t: int, shop_t: int | None) -> Booked | None:
    """One row of a shop's order table as an event; None for a row that carries no order key.

    Goods stand in it as texts: whoever journals it hashes them. DocumentError where a named column is missing.
    """
    assert target.books
    fields = target.books.fields
    try:
        key, order_no, own, fen = (row[n] for n in (fields.key, fields.order_no, fields.state, fields.amount_fen))
    except KeyError as missing:
        raise DocumentError(f"the shop's books have no column {missing}{nearest(missing.args[0], row)}") from None
    found = find_key(str(key))
    if found is None:
        return None
    goods = row.get(fields.goods) if fields.goods else None
    texts = goods if isinstance(goods, list) else [goods] if goods else []
    real = tuple(str(g) for g in texts if not any(a in str(g) for a in target.apologies))
    code = row.get(fields.code) if fields.code else None
    return Booked(
        t=t,
        o=found,
        order_no=str(order_no),
        state=target.states.get(str(own), State.UNKNOWN),
        words=str(own),
        amount_fen=int(fen or 0),
        goods=real,
        code=target.codes.get(str(code), Code.UNKNOWN) if code else None,
        shop_t=shop_t,
    )


class _Body:
    """An answer's body, taken apart at most once in each way."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        charset = _CHARSET.search(reply.headers.get("content-type", ""))
        try:
            self.text = reply.body.decode(charset[1] if charset else "utf-8", errors="replace")
        except LookupError:
            self.text = reply.body.decode("utf-8", errors="replace")

    def take(self, take: Take | None) -> str | None:
        """The first text that stands there; None if nothing does."""
        return next(iter(self.take_all(take)), None)

    def take_all(self, take: Take | None) -> list[str]:
        """Every text that stands there."""
        if take is None:
            return []
        if take.json is not None:
            return _texts(_step_into(self._json(), take.json))
        if take.header is not None:
            value = self._reply.headers.get(take.header.lower())
            return [value] if value else []
        if take.regex is not None:
            return [str(m) for m in re.findall(take.regex, self.text)]
        form = _Form()
        form.feed(self.text)
        return [form.address] if form.address else []

    def _json(self) -> Any:
        try:
            return msgspec.json.decode(self._reply.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None


def _step_into(value: Any, path: str) -> Any:
    for part in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [] if value is None or isinstance(value, dict) else [str(value)]


class _Form(HTMLParser):
    """The address an auto-submitting form leads to."""

    def __init__(self) -> None:
        super().__init__()
        self._action = ""
        self._fields: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and not self._action:
            self._action = given.get("action", "")
        elif tag == "input" and self._action and given.get("name"):
            self._fields.append((given["name"], given.get("value", "")))

    @property
    def address(self) -> str:
        """The form's action with its fields as the query; empty if the page holds no form."""
        if not self._action or not self._fields:
            return self._action
        return self._action + ("&" if urlsplit(self._action).query else "?") + urlencode(self._fields)


def _short(text: str) -> str:
    return " ".join(text.split())[:SAID_MAX]


def _code_of_silence(why: str) -> Code:
    return Code.UPSTREAM_TIMEOUT if "timeout" in why else Code.SHOP_CRASHED if "refused" in why else Code.UNKNOWN

"""What the shop is told by its environment, read once at the start and refused when it makes no sense."""

import difflib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

PREFIX = "CARDSHOP_"
STOCK_MAX = 1_000_000
_DRIVERS = ("sqlite+aiosqlite", "postgresql+asyncpg")
WORKERS_MAX = 32
_LEGAL_PEERS = 'JSON {"NAME": {"url": "http://…/", "pid": "…", "key": "…"}}'
_LEGAL_CHANNELS = _LEGAL_PEERS.replace("}}", ', "type": "alipay"}}')


class SettingsError(ValueError):
    """A variable that cannot be used; the text is one line with its name, value and what is legal."""


@dataclass(frozen=True)
class Peer:
    """A supplier or game server, and who the shop is there. `url` ends with a slash; `key` is the secret."""

    name: str
    url: str
    pid: str
    key: str = field(repr=False)


@dataclass(frozen=True)
class Channel(Peer):
    """One Epay gateway; `type` is the way of payment it is asked for."""

    type: str = "alipay"


@dataclass(frozen=True)
class Settings:
    """All that can be set from outside. `_s` are seconds; the timeouts are wire time, the other durations business
    time."""

    channels: Mapping[str, Channel]
    database_url: str = field(repr=False)
    admin_token: str = field(default="", repr=False)
    public_url: str = ""
    order_life_s: float = 300.0
    requery_s: float = 10.0
    gateway_timeout_s: float = 30.0
    stock: int = 20_000
    suppliers: Mapping[str, Peer] = field(default_factory=dict)
    games: Mapping[str, Peer] = field(default_factory=dict)
    upstream_timeout_s: float = 2.0
    workers: int = 2
    retries: int = 6
    retry_s: float = 5.0
    query_s: float = 15.0
    recover_s: float = 20.0
    delayed_s: float = 20.0
    compensate_s: float = 180.0
    lock_wait_s: float = 5.0


VARIABLES = (
    "CARDSHOP_CHANNELS",
    "CARDSHOP_SUPPLIERS",
    "CARDSHOP_GAMES",
    "CARDSHOP_ORDER_LIFE_S",
    "CARDSHOP_REQUERY_S",
    "CARDSHOP_RETRY_S",
    "CARDSHOP_RETRIES",
    "CARDSHOP_QUERY_S",
    "CARDSHOP_RECOVER_S",
    "CARDSHOP_DELAYED_S",
    "CARDSHOP_COMPENSATE_S",
    "CARDSHOP_LOCK_WAIT_S",
    "CARDSHOP_UPSTREAM_TIMEOUT_S",
    "CARDSHOP_GATEWAY_TIMEOUT_S",
    "CARDSHOP_WORKERS",
    "CARDSHOP_PUBLIC_URL",
    "CARDSHOP_ADMIN_TOKEN",
    "CARDSHOP_STOCK",
    "CARDSHOP_DATABASE_URL",
)


def read_settings(environ: Mapping[str, str], data: Path) -> Settings:
    """The settings of an environment; `data` is the folder of the default database.

    SettingsError for an unknown CARDSHOP_ variable or a value that is not legal. No secret is repeated in it.
    """
    for name in environ:
        if name.startswith(PREFIX) and name not in VARIABLES:
            near = difflib.get_close_matches(name, VARIABLES, n=1, cutoff=0.5)
            hint = f" did you mean {near[0]}?" if near else ""
            raise SettingsError(f"{name}: no such setting;{hint} legal: {', '.join(VARIABLES)}")
    return Settings(
        channels=_channels(environ.get("CARDSHOP_CHANNELS")),
        database_url=_database_url(environ.get("CARDSHOP_DATABASE_URL", f"sqlite+aiosqlite:///{data / 'shop.db'}")),
        admin_token=environ.get("CARDSHOP_ADMIN_TOKEN", ""),
        public_url=_public_url(environ.get("CARDSHOP_PUBLIC_URL", "")),
        order_life_s=_seconds(environ, "CARDSHOP_ORDER_LIFE_S", 300.0),
        requery_s=_seconds(environ, "CARDSHOP_REQUERY_S", 10.0),
        gateway_timeout_s=_seconds(environ, "CARDSHOP_GATEWAY_TIMEOUT_S", 30.0),
        stock=_count(environ, "CARDSHOP_STOCK", 20_000, STOCK_MAX, "cards"),
        suppliers=_peers(environ, "CARDSHOP_SUPPLIERS", "supplier"),
        games=_peers(environ, "CARDSHOP_GAMES", "game"),
        upstream_timeout_s=_seconds(environ, "CARDSHOP_UPSTREAM_TIMEOUT_S", 2.0),
        workers=_count(environ, "CARDSHOP_WORKERS", 2, WORKERS_MAX, "processes", least=1),
        retries=_count(environ, "CARDSHOP_RETRIES", 6, 100, "requests", least=1),
        retry_s=_seconds(environ, "CARDSHOP_RETRY_S", 5.0),
        query_s=_seconds(environ, "CARDSHOP_QUERY_S", 15.0),
        recover_s=_seconds(environ, "CARDSHOP_RECOVER_S", 20.0),
        delayed_s=_seconds(environ, "CARDSHOP_DELAYED_S", 20.0),
        compensate_s=_seconds(environ, "CARDSHOP_COMPENSATE_S", 180.0),
        lock_wait_s=_seconds(environ, "CARDSHOP_LOCK_WAIT_S", 5.0),
    )


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name)
    if text is None:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 1e7:  # false for nan as well
        raise SettingsError(f"{name}={text!r}: legal is a number of seconds above 0, such as {default:g}")
    return seconds


def _count(environ: Mapping[str, str], name: str, default: int, most: int, of_what: str, *, least: int = 0) -> int:
    text = environ.get(name, str(default))
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise SettingsError(f"{name}={text!r}: legal is a whole number of {of_what} from {least} to {most}")
    return int(text)


def _public_url(text: str) -> str:
    if text and not _is_http(text):
        raise SettingsError(f"CARDSHOP_PUBLIC_URL={text!r}: legal is an address such as http://127.0.0.1:8000")
    return text.rstrip("/")


def _database_url(text: str) -> str:
    legal = f"legal is a URL of {' or '.join(_DRIVERS)}, such as sqlite+aiosqlite:////tmp/shop.db"
    try:
        url = make_url(text)
    except ArgumentError:
        raise SettingsError(f"CARDSHOP_DATABASE_URL: the value is no URL; {legal}") from None
    if url.drivername not in _DRIVERS:
        shown = url.render_as_string(hide_password=True)
        raise SettingsError(f"CARDSHOP_DATABASE_URL={shown!r}: no driver {url.drivername!r} here; {legal}")
    return text


def _channels(text: str | None) -> dict[str, Channel]:
    if text is None:
        raise SettingsError(f"CARDSHOP_CHANNELS is not set; legal: {_LEGAL_CHANNELS}")
    given = _instances("CARDSHOP_CHANNELS", text, _LEGAL_CHANNELS)
    if not given:
        raise SettingsError(f"CARDSHOP_CHANNELS: holds no channel by name; legal: {_LEGAL_CHANNELS}")
    channels = {}
    for name, parts in given.items():
        peer, rest = _peer(f"CARDSHOP_CHANNELS, channel {name!r}", name, parts, ("type",), _LEGAL_CHANNELS)
        channels[name] = Channel(peer.name, peer.url, peer.pid, peer.key, **rest)
    return channels


def _peers(environ: Mapping[str, str], variable: str, what: str) -> dict[str, Peer]:
    given = _instances(variable, environ.get(variable, "{}"), _LEGAL_PEERS)
    return {
        name: _peer(f"{variable}, {what} {name!r}", name, parts, (), _LEGAL_PEERS)[0] for name, parts in given.items()
    }


def _instances(variable: str, text: str, legal: str) -> dict[str, object]:
    """What JSON holds by name; it holds secrets too, so errors name the place in it instead of quoting it."""
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        raise SettingsError(f"{variable}: no JSON ({error.msg}, column {error.colno}); legal: {legal}") from None
    if not isinstance(given, dict):
        raise SettingsError(f"{variable}: holds no channel by name; legal: {legal}")
    return given


def _peer(place: str, name: str, parts: object, more: tuple[str, ...], legal: str) -> tuple[Peer, dict[str, str]]:
    """The peer, and what else is said of it."""
    if not (name.isascii() and name.replace("_", "").replace("-", "").isalnum()):
        raise SettingsError(f"{place}: legal in a name are letters, digits, - and _")
    if not isinstance(parts, dict):
        raise SettingsError(f"{place}: is no object; legal: {legal}")
    for part, value in parts.items():
        if part not in ("url", "pid", "key", *more):
            raise SettingsError(f"{place}: no setting {part!r}; legal: {legal}")
        if not isinstance(value, str) or not value:
            raise SettingsError(f"{place}: {part!r} must be a text that is not empty")
    for part in ("url", "pid", "key"):
        if part not in parts:
            raise SettingsError(f"{place}: {part!r} is missing; legal: {legal}")
    if not _is_http(parts["url"]):
        raise SettingsError(f"{place}: url {parts['url']!r}; legal is an address such as http://127.0.0.1:9000/epay/")
    peer = Peer(name, parts["url"].rstrip("/") + "/", parts["pid"], parts["key"])
    return peer, {part: parts[part] for part in more if part in parts}


def _is_http(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment
    except ValueError:
        return False

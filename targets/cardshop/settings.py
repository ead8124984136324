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
_LEGAL_CHANNELS = 'JSON {"NAME": {"url": "http://…/", "pid": "…", "key": "…", "type": "alipay"}}'


class SettingsError(ValueError):
    """A variable that cannot be used; the text is one line with its name, value and what is legal."""


@dataclass(frozen=True)
class Channel:
    """One Epay gateway. `url` ends with a slash; `key` is the secret."""

    name: str
    url: str
    pid: str
    key: str = field(repr=False)
    type: str = "alipay"


@dataclass(frozen=True)
class Settings:
    """All that can be set from outside. `_s` are seconds; order life and re-query interval are business time."""

    channels: Mapping[str, Channel]
    database_url: str = field(repr=False)
    admin_token: str = field(default="", repr=False)
    public_url: str = ""
    order_life_s: float = 300.0
    requery_s: float = 10.0
    gateway_timeout_s: float = 30.0
    stock: int = 20_000


VARIABLES = (
    "CARDSHOP_CHANNELS",
    "CARDSHOP_ORDER_LIFE_S",
    "CARDSHOP_REQUERY_S",
    "CARDSHOP_GATEWAY_TIMEOUT_S",
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
        stock=_stock(environ.get("CARDSHOP_STOCK", "20000")),
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


def _stock(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= STOCK_MAX):
        raise SettingsError(f"CARDSHOP_STOCK={text!r}: legal is a whole number of cards from 0 to {STOCK_MAX}")
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
    """The channels; their JSON holds secrets, so errors name the place in it instead of quoting it."""
    if text is None:
        raise SettingsError(f"CARDSHOP_CHANNELS is not set; legal: {_LEGAL_CHANNELS}")
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        raise SettingsError(
            f"CARDSHOP_CHANNELS: no JSON ({error.msg}, column {error.colno}); legal: {_LEGAL_CHANNELS}"
        ) from None
    if not isinstance(given, dict) or not given:
        raise SettingsError(f"CARDSHOP_CHANNELS: holds no channel by name; legal: {_LEGAL_CHANNELS}")
    return {name: _channel(name, parts) for name, parts in given.items()}


def _channel(name: str, parts: object) -> Channel:
    place = f"CARDSHOP_CHANNELS, channel {name!r}"
    if not (name.isascii() and name.replace("_", "").replace("-", "").isalnum()):
        raise SettingsError(f"{place}: legal names are letters, digits, _ and -")
    if not isinstance(parts, dict):
        raise SettingsError(f"{place}: is no object; legal: {_LEGAL_CHANNELS}")
    legal = ("url", "pid", "key", "type")
    for part, value in parts.items():
        if part not in legal:
            raise SettingsError(f"{place}: no setting {part!r}; legal: {', '.join(legal)}")
        if not isinstance(value, str) or not value:
            raise SettingsError(f"{place}: {part!r} must be a text that is not empty")
    for part in ("url", "pid", "key"):
        if part not in parts:
            raise SettingsError(f"{place}: {part!r} is missing; legal: {_LEGAL_CHANNELS}")
    if not _is_http(parts["url"]):
        raise SettingsError(f"{place}: url {parts['url']!r}; legal is an address such as http://127.0.0.1:9000/epay/")
    url = parts["url"].rstrip("/") + "/"
    return Channel(name, url, parts["pid"], parts["key"], parts.get("type", "alipay"))


def _is_http(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment
    except ValueError:
        return False

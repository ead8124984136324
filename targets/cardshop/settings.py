"""What the shop is told by its environment, read once at the start and refused when it makes no sense."""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from targets.cardshop.peers import CHANNELS, GAMES, SUPPLIERS, Peer, SettingsError, is_http, read_channels, read_peers

PREFIX = "CARDSHOP_"
STOCK_MAX = 1_000_000
_DRIVERS = ("sqlite+aiosqlite", "postgresql+psycopg")
WORKERS_MAX = 32
SDK_THREADS_MAX = 256


@dataclass(frozen=True)
class Settings:
    """All that can be set from outside. `_s` are seconds; the timeouts are wire time, the other durations business
    time."""

    channels: Mapping[str, Peer]
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
    database_timeout_s: float = 2.0
    sdk_threads: int = 8


VARIABLES = (
    CHANNELS,
    SUPPLIERS,
    GAMES,
    "CARDSHOP_ORDER_LIFE_S",
    "CARDSHOP_REQUERY_S",
    "CARDSHOP_RETRY_S",
    "CARDSHOP_RETRIES",
    "CARDSHOP_QUERY_S",
    "CARDSHOP_RECOVER_S",
    "CARDSHOP_DELAYED_S",
    "CARDSHOP_COMPENSATE_S",
    "CARDSHOP_LOCK_WAIT_S",
    "CARDSHOP_DATABASE_TIMEOUT_S",
    "CARDSHOP_UPSTREAM_TIMEOUT_S",
    "CARDSHOP_GATEWAY_TIMEOUT_S",
    "CARDSHOP_WORKERS",
    "CARDSHOP_SDK_THREADS",
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
        channels=read_channels(environ.get(CHANNELS)),
        database_url=_database_url(environ.get("CARDSHOP_DATABASE_URL", f"sqlite+aiosqlite:///{data / 'shop.db'}")),
        admin_token=environ.get("CARDSHOP_ADMIN_TOKEN", ""),
        public_url=_public_url(environ.get("CARDSHOP_PUBLIC_URL", "")),
        order_life_s=_seconds(environ, "CARDSHOP_ORDER_LIFE_S", 300.0),
        requery_s=_seconds(environ, "CARDSHOP_REQUERY_S", 10.0),
        gateway_timeout_s=_seconds(environ, "CARDSHOP_GATEWAY_TIMEOUT_S", 30.0),
        stock=_count(environ, "CARDSHOP_STOCK", 20_000, STOCK_MAX, "cards"),
        suppliers=read_peers(SUPPLIERS, environ.get(SUPPLIERS, "{}")),
        games=read_peers(GAMES, environ.get(GAMES, "{}")),
        upstream_timeout_s=_seconds(environ, "CARDSHOP_UPSTREAM_TIMEOUT_S", 2.0),
        workers=_count(environ, "CARDSHOP_WORKERS", 2, WORKERS_MAX, "processes", least=1),
        retries=_count(environ, "CARDSHOP_RETRIES", 6, 100, "requests", least=1),
        retry_s=_seconds(environ, "CARDSHOP_RETRY_S", 5.0),
        query_s=_seconds(environ, "CARDSHOP_QUERY_S", 15.0),
        recover_s=_seconds(environ, "CARDSHOP_RECOVER_S", 20.0),
        delayed_s=_seconds(environ, "CARDSHOP_DELAYED_S", 20.0),
        compensate_s=_seconds(environ, "CARDSHOP_COMPENSATE_S", 180.0),
        lock_wait_s=_seconds(environ, "CARDSHOP_LOCK_WAIT_S", 5.0),
        database_timeout_s=_seconds(environ, "CARDSHOP_DATABASE_TIMEOUT_S", 2.0),
        sdk_threads=_count(environ, "CARDSHOP_SDK_THREADS", 8, SDK_THREADS_MAX, "threads", least=1),
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
    if text and not is_http(text):
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

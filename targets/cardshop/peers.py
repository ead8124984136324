"""Who the shop deals with: channels, suppliers and game servers, each with its address, its dialect and its keys."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CHANNELS, SUPPLIERS, GAMES = "CARDSHOP_CHANNELS", "CARDSHOP_SUPPLIERS", "CARDSHOP_GAMES"


class SettingsError(ValueError):
    """A variable that cannot be used; the text is one line with its name, value and what is legal."""


@dataclass(frozen=True)
class Dialect:
    """What a dialect is told beside address, number and secret: what it must be, and what it may be. An upstream's
    console shows more than this shop has a use for, such as the certificates of modes that it does not speak."""

    must: tuple[str, ...] = ()
    may: tuple[str, ...] = ()


DIALECTS: Mapping[str, Mapping[str, Dialect]] = {
    CHANNELS: {
        "epay": Dialect(may=("type",)),
        "alipay": Dialect(
            ("app_private_key", "alipay_public_key"), ("seller_id", "app_cert", "alipay_cert", "alipay_root_cert")
        ),
        "wechat": Dialect(
            ("appid", "merchant_private_key", "merchant_serial", "platform_public_key", "platform_public_key_id"),
            ("platform_certificate", "platform_serial"),
        ),
    },
    SUPPLIERS: {"sharedstore": Dialect(), "fulu": Dialect()},
    GAMES: {"topup": Dialect()},
}
"""The dialects of each variable; the first one is meant where none is named."""

_WHAT = {CHANNELS: "channel", SUPPLIERS: "supplier", GAMES: "game"}
_WAYS = {"alipay": "alipay", "wechat": "wxpay"}


@dataclass(frozen=True)
class Peer:
    """One that the shop asks. `url` ends with a slash; `pid` is who the shop is there, `key` the secret, `told` what
    else its dialect needs."""

    name: str
    url: str
    pid: str
    key: str = field(repr=False)
    dialect: str = ""
    told: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def way(self) -> str:
        """How the buyer pays at this channel, as Epay names the ways."""
        return _WAYS.get(self.dialect) or self.told.get("type", "alipay")


def read_channels(text: str | None) -> dict[str, Peer]:
    """The payment channels by name, one at least; SettingsError."""
    if text is None:
        raise SettingsError(f"{CHANNELS} is not set; legal: {_legal(CHANNELS)}")
    channels = read_peers(CHANNELS, text)
    if not channels:
        raise SettingsError(f"{CHANNELS}: holds no channel by name; legal: {_legal(CHANNELS)}")
    return channels


def read_peers(variable: str, text: str) -> dict[str, Peer]:
    """The peers of a variable by name; SettingsError. It holds secrets too, so errors name the place in it instead of
    quoting it."""
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        raise SettingsError(
            f"{variable}: no JSON ({error.msg}, column {error.colno}); legal: {_legal(variable)}"
        ) from None
    if not isinstance(given, dict):
        raise SettingsError(f"{variable}: holds no {_WHAT[variable]} by name; legal: {_legal(variable)}")
    return {name: _peer(variable, name, parts) for name, parts in given.items()}


def is_http(text: str) -> bool:
    """Whether a text is an address that paths can be put behind."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment
    except ValueError:
        return False


def _peer(variable: str, name: str, parts: object) -> Peer:
    place, legal = f"{variable}, {_WHAT[variable]} {name!r}", _legal(variable)
    if not (name.isascii() and name.replace("_", "").replace("-", "").isalnum()):
        raise SettingsError(f"{place}: legal in a name are letters, digits, - and _")
    if not isinstance(parts, dict):
        raise SettingsError(f"{place}: is no object; legal: {legal}")
    spoken = DIALECTS[variable]
    dialect = parts.get("dialect", next(iter(spoken)))
    if not isinstance(dialect, str) or dialect not in spoken:
        raise SettingsError(f"{place}: dialect {str(dialect)[:40]!r}; legal: {', '.join(spoken)}")
    must = ("url", "pid", "key", *spoken[dialect].must)
    for part, value in parts.items():
        if part not in (*must, "dialect", *spoken[dialect].may):
            raise SettingsError(f"{place}: no setting {part!r}; legal: {legal}")
        if not isinstance(value, str) or not value:
            raise SettingsError(f"{place}: {part!r} must be a text that is not empty")
    for part in must:
        if part not in parts:
            raise SettingsError(f"{place}: {part!r} is missing; legal: {legal}")
    if not is_http(parts["url"]):
        raise SettingsError(f"{place}: url {parts['url']!r}; legal is an address such as http://127.0.0.1:9000/epay/")
    told = {part: value for part, value in parts.items() if part not in ("url", "pid", "key", "dialect")}
    return Peer(name, parts["url"].rstrip("/") + "/", parts["pid"], parts["key"], dialect, told)


def _legal(variable: str) -> str:
    """What stands in the variable, in one line: by its first dialect, and what the others want beside that."""
    first, *others = DIALECTS[variable].items()
    also = "".join(f', "{part}": "…"' for part in first[1].may)
    legal = f'JSON {{"NAME": {{"url": "http://…/", "pid": "…", "key": "…"{also}}}}}'
    more = [f'"dialect": "{name}" with {", ".join(dialect.must) or "the same"}' for name, dialect in others]
    return "; or ".join([legal, *more])

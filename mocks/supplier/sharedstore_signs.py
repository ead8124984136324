"""How the acg-faka shared store signs: MD5 over what PHP makes of a form, and the ways to get that wrong.

Source: docs/protocols/sharedstore.md, The signature.
"""

import hashlib
import re
from functools import cmp_to_key
from urllib.parse import quote_plus, unquote_to_bytes

from faults.verdict import Variant
from mocks.reply import Fields

REQUESTS = frozenset(
    {
        Variant.WRONG_KEY,
        Variant.MISSING,
        Variant.CHARSET_GBK,
        Variant.EMPTY_KEPT,
        Variant.CASE,
        Variant.UNSORTED,
        Variant.SORT_LOCALE,
        Variant.URLENCODED,
        Variant.PLUS_SPACE,
        Variant.KEY_TAIL,
    }
)

_STEPS = re.compile(r"\[([^\]]*)\]")
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}", re.ASCII)


def signature(fields: Fields, key: str, variant: Variant | None = None) -> str:
    """MD5 over what PHP's http_build_query makes of the non-empty fields but `sign`, sorted, `&key=` and the key, all
    of it url-decoded again. With a variant: the same, wrong in that way."""
    if variant is Variant.URLENCODED:
        text, tail = signed_text(fields, variant), key
    else:
        spaces = "+" if variant is Variant.PLUS_SPACE else " "
        text = signed_text(fields, variant)
        if spaces == "+":
            text = text.replace(" ", "+")
        tail = unquote_to_bytes(key.replace("+", spaces)).decode("utf-8", "surrogateescape")
    if variant is Variant.WRONG_KEY:
        tail += "-of-another-shop"
    whole = f"{text}{tail}" if variant is Variant.KEY_TAIL else f"{text}&key={tail}"
    charset, errors = ("gbk", "replace") if variant is Variant.CHARSET_GBK else ("utf-8", "surrogateescape")
    digest = hashlib.md5(whole.encode(charset, errors), usedforsecurity=False).hexdigest()
    return digest.upper() if variant is Variant.CASE else digest


def signed_text(fields: Fields, variant: Variant | None = None) -> str:
    """The signed pairs, values raw: sorted by name, what is nested below one name in its own order behind it."""
    kept = {name: value for name, value in fields.items() if name != "sign"}
    nested: dict[str, object] = nest(kept) if any("[" in name for name in kept) else {**kept}
    pairs: list[tuple[str, str]] = []
    for name in _ordered(nested, variant):
        value = nested[name]
        if value != "" or variant is Variant.EMPTY_KEPT:
            _add_pairs(pairs, name, value)
    if variant is Variant.URLENCODED:
        pairs = [(_encoded(name), _encoded(value)) for name, value in pairs]
    return "&".join(f"{name}={value}" for name, value in pairs)


def nest(fields: Fields) -> dict[str, object]:
    """Fields as PHP reads them: `sku[区]=a` is the mapping sku with one key 区; `x[]=a` takes the next number."""
    top: dict[str, object] = {}
    for name, value in fields.items():
        head, bracket, rest = name.partition("[")
        steps = _STEPS.findall(f"[{rest}") if bracket and head else []
        if not steps:
            top[name] = value
            continue
        inner, step = top, head
        for deeper in steps:
            below = inner.get(step)
            if not isinstance(below, dict):
                below = inner[step] = {}
            inner, step = below, deeper or str(len(below))
        inner[step] = value
    return top


def _ordered(nested: dict[str, object], variant: Variant | None) -> list[str]:
    """The names as PHP's ksort puts them: in the order of their bytes, but whole numbers among each other by value."""
    match variant:
        case Variant.UNSORTED:
            return list(nested)
        case Variant.SORT_LOCALE:
            return sorted(nested, key=lambda name: (name.lower(), name))
    if any(_INTEGER.fullmatch(name) for name in nested):
        return sorted(nested, key=cmp_to_key(_compared))
    return sorted(nested)


def _compared(one: str, other: str) -> int:
    if _INTEGER.fullmatch(one) and _INTEGER.fullmatch(other):
        return int(one) - int(other)
    return (one > other) - (one < other)


def _encoded(text: str) -> str:
    return quote_plus(text, encoding="utf-8", errors="surrogateescape").replace("~", "%7E")


def _add_pairs(pairs: list[tuple[str, str]], name: str, value: object) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _add_pairs(pairs, f"{name}[{key}]", inner)
    else:
        pairs.append((name, str(value)))

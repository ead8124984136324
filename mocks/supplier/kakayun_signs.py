"""How 卡卡云 signs: MD5 over sorted fields and the key behind, and the ways to get that wrong.

Source: docs/protocols/kakayun.md, The signature.
"""

import hashlib

import msgspec

from faults.verdict import Variant

REQUESTS = frozenset(
    {
        Variant.WRONG_KEY,
        Variant.MISSING,
        Variant.CHARSET_GBK,
        Variant.EMPTY_KEPT,
        Variant.CASE,
        Variant.UNSORTED,
        Variant.SORT_LOCALE,
        Variant.KEY_TAIL,
        Variant.SKEW_6_MIN,
        Variant.SKEW_11_MIN,
        Variant.SKEW_1_DAY,
        Variant.UNIT_SKEW,
    }
)


def signature(fields: dict[str, object], key: str, variant: Variant | None = None) -> str:
    """MD5 over `name=value` of the fields but `sign`, sorted, joined with `&`, empty ones left out, and then the key.
    With a variant: the same, wrong in that way."""
    names = [name for name in fields if name != "sign"]
    match variant:
        case Variant.UNSORTED:
            pass
        case Variant.SORT_LOCALE:
            names.sort(key=lambda name: (name.lower(), name))
        case _:
            names.sort()
    kept = [name for name in names if variant is Variant.EMPTY_KEPT or fields[name] not in ("", None)]
    text = "&".join(f"{name}={_written(fields[name])}" for name in kept)
    if variant is Variant.WRONG_KEY:
        key = f"another-key-than-{key}"
    signed = f"{text}&key={key}" if variant is Variant.KEY_TAIL else f"{text}{key}"
    charset = "gbk" if variant is Variant.CHARSET_GBK else "utf-8"
    digest = hashlib.md5(signed.encode(charset, "replace"), usedforsecurity=False).hexdigest()
    return digest.upper() if variant is Variant.CASE else digest


def _written(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()

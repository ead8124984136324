"""JSON under an HMAC of its bytes, as partner APIs and webhooks have it: how it is written and signed, oddly too.

Shared by the dialects of this folder; each says in its own `signs` which variants it knows.
"""

import hashlib
import hmac
import json

import msgspec

from faults.verdict import Variant
from mocks.mangle import Mangled

SKEWS_S: dict[Variant | None, int] = {
    Variant.SKEW_4_MIN: 240,
    Variant.SKEW_6_MIN: 360,
    Variant.SKEW_11_MIN: 660,
    Variant.SKEW_1_DAY: 86_400,
}
"""Seconds by which a signer's clock is behind."""
ODDLY_WRITTEN = frozenset({Variant.FIELD_ORDER, Variant.SPACED, Variant.ESCAPED, Variant.EXTRA_FIELD})
"""The variants that are nothing but another way to write the same JSON."""


def written(fields: Mangled, variant: Variant | None = None) -> bytes:
    """The fields as they are sent."""
    match variant:
        case Variant.FIELD_ORDER:
            return msgspec.json.encode(dict(reversed(fields.items())))
        case Variant.SPACED:
            return json.dumps(fields, ensure_ascii=False, indent=2).encode()
        case Variant.ESCAPED:
            return json.dumps(fields, separators=(",", ":")).replace("/", "\\/").encode()
        case Variant.EXTRA_FIELD:
            return msgspec.json.encode(fields | {"schema": "2"})
    return msgspec.json.encode(fields)


def as_signed(body: bytes, variant: Variant | None = None) -> bytes:
    """Which bytes a signer takes for the body."""
    match variant:
        case Variant.CHARSET_GBK:
            return body.decode("utf-8", "surrogateescape").encode("gbk", "replace")
        case Variant.BODY_RESERIALIZED:
            try:
                return json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8", "surrogatepass")
            except (ValueError, RecursionError):
                return body
    return body


def hmac_hex(text: bytes, key: str, variant: Variant | None = None) -> str:
    """The HMAC-SHA256 of a text, hex."""
    if variant is Variant.WRONG_KEY:
        key = f"another-key-than-{key}"
    digest = hmac.new(key.encode(), text, hashlib.sha256).hexdigest()
    return digest.upper() if variant is Variant.CASE else digest

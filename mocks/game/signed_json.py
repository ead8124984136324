"""JSON under an HMAC of its bytes, as partner APIs and webhooks have it: how it is signed, oddly too.

Shared by the dialects of this folder; each says in its own `signs` which variants it knows.
"""

import hashlib
import hmac
import json

from faults.verdict import Variant


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

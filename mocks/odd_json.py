"""JSON written oddly: the same fields in other bytes, for signatures that cover the bytes as they are sent."""

import json

import msgspec

from faults.verdict import Variant
from mocks.mangle import Mangled

ODDLY_WRITTEN = frozenset({Variant.FIELD_ORDER, Variant.SPACED, Variant.ESCAPED, Variant.EXTRA_FIELD})
"""The variants that are nothing but another way to write the same JSON."""
MORE = {"schema": "2"}
"""A field that no reader knows."""


def written(fields: Mangled, variant: Variant | None = None, more: Mangled = MORE) -> bytes:
    """The fields as the JSON that is signed and sent: compact, or as a variant has it; `more` is its extra field."""
    match variant:
        case Variant.FIELD_ORDER:
            return msgspec.json.encode(dict(reversed(fields.items())))
        case Variant.SPACED:
            return json.dumps(fields, ensure_ascii=False, indent=2).encode()
        case Variant.ESCAPED:
            return json.dumps(fields, separators=(",", ":")).replace("/", "\\/").encode()
        case Variant.EXTRA_FIELD:
            return msgspec.json.encode(fields | more)
    return msgspec.json.encode(fields)

"""How Fulu's platform signs: MD5 over the characters of a JSON text in their order, and the ways to get that wrong.

Source: docs/protocols/fulu.md, The signature.
"""

import hashlib
import re
from base64 import b64encode

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.padding import PKCS7

from faults.verdict import Variant

REQUESTS = frozenset(
    {
        Variant.WRONG_KEY,
        Variant.MISSING,
        Variant.CHARSET_GBK,
        Variant.JSON_ESCAPING,
        Variant.NUMBER_FORMAT,
        Variant.TIME_ZONE,
    }
)
ANSWERS = frozenset(
    {
        Variant.WRONG_KEY,
        Variant.MISSING,
        Variant.CHARSET_GBK,
        Variant.FIELD_ORDER,
        Variant.ESCAPED,
        Variant.EXTRA_FIELD,
    }
)
NOTICES = ANSWERS | {Variant.JSON_ESCAPING, Variant.NUMBER_FORMAT}
EXTRA = ("trace_id", "orderjam")
"""A field that no client knows."""

_ZEROS = re.compile(r"(?<=[0-9])\.([0-9]*?)0+(?![0-9])", re.ASCII)
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


def compact(value: object) -> str:
    """JSON without white space and without escapes that need not be: what PHP's json_encode gives with flag 320."""
    return msgspec.json.encode(value).decode()


def escaped(text: str) -> str:
    r"""A JSON text as PHP's json_encode writes it by default: `\/`, and `\uXXXX` for what is not ASCII."""
    return _BEYOND_ASCII.sub(lambda match: _units(match[0]), text.replace("/", "\\/"))


def _units(letter: str) -> str:
    pairs = letter.encode("utf-16-be")
    return "".join(f"\\u{pairs[i : i + 2].hex()}" for i in range(0, len(pairs), 2))


def reformatted(text: str) -> str:
    """A JSON text whose decimals end with no zeros: 9.5000 as 9.5, 10.0 as 10."""
    return _ZEROS.sub(lambda match: f".{match[1]}" if match[1] else "", text)


def request_text(params: dict[str, object], variant: Variant | None = None) -> str:
    """What is signed of a request, as the platform understood it: by the rule, or by that of a variant."""
    signed = {name: value for name, value in params.items() if name != "sign"}
    if variant is Variant.NUMBER_FORMAT:
        signed["biz_content"] = reformatted(str(signed.get("biz_content", "")))
    return compact(signed)


def notice_text(fields: dict[str, object], variant: Variant | None = None) -> str:
    """What is signed of a notice."""
    return reformatted(compact(fields)) if variant is Variant.NUMBER_FORMAT else compact(fields)


def signature(text: str, secret: str, variant: Variant | None = None) -> str:
    """Lower-case hex MD5 over the sorted characters of the text and then the secret. With a variant: the same, wrong in
    that way; one that is right gives the very same."""
    match variant:
        case Variant.WRONG_KEY:
            secret = f"{secret[1:]}-of-another-app"
        case Variant.JSON_ESCAPING:
            text = escaped(text)
    charset = "gbk" if variant is Variant.CHARSET_GBK else "utf-8"
    signed = ("".join(sorted(text)) + secret).encode(charset, "replace")
    return hashlib.md5(signed, usedforsecurity=False).hexdigest()


def encrypted(text: str, secret: str) -> str:
    """A card's number or password as Fulu sends it: AES-256-ECB with PKCS#7, its key the app's secret, as Base64."""
    padder = PKCS7(AES.block_size).padder()
    padded = padder.update(text.encode()) + padder.finalize()
    encryptor = Cipher(AES(secret.encode()), ECB()).encryptor()
    return b64encode(encryptor.update(padded) + encryptor.finalize()).decode()

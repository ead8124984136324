"""How both versions of Epay sign: MD5 with a key behind the text (V1), RSA over the text (V2), and every way to get it
wrong.

Source: docs/protocols/epay.md and docs/protocols/epay_v2.md, Signature.
"""

import hashlib
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Callable
from urllib.parse import quote, quote_plus, unquote_plus

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from faults.verdict import Variant
from mocks.reply import Fields
from mocks.signed import are_equal

UNSIGNED = frozenset({"sign", "sign_type"})
ON_THE_WAY = frozenset({Variant.DOUBLE_ENCODED, Variant.PLUS_SPACE})
"""Signed rightly, and spoilt when it is written into an address."""
EXTRA = {"channel": "1001"}
"""A field that no document names, as servers add them."""
_SAFE = "%:/?#[]@!$&'()*+,;=~-._"

_VALUES: dict[Variant, Callable[[str], str]] = {
    Variant.URLENCODED: lambda value: quote(value, safe="", errors="surrogateescape"),
    Variant.DOUBLE_ENCODED: unquote_plus,
    Variant.PLUS_SPACE: lambda value: value.replace("+", " "),
}
"""What stands in the signed text in place of a value: of a client that encodes first, a server that decodes twice."""


def signed_text(fields: Fields, variant: Variant | None = None) -> str:
    """The non-empty fields but sign and sign_type, sorted by name, `k=v` joined by `&`, values as they are. With a
    variant: the same, wrong in that way."""
    keep, value_of = variant is Variant.EMPTY_KEPT, _VALUES.get(variant, str) if variant else str
    named = [(k, v) for k, v in fields.items() if (v.strip() or keep) and k not in UNSIGNED]
    if variant is Variant.NUMBER_FORMAT:
        named = [(k, as_number(v) if k == "money" else v) for k, v in named]
    if variant is not Variant.UNSORTED:
        named.sort(key=lambda pair: pair[0].lower() if variant is Variant.SORT_LOCALE else pair[0])
    return "&".join(f"{k}={value_of(v)}" for k, v in named)


def as_number(money: str) -> str:
    """An amount as a language prints a float: 10.00 is 10, 10.50 is 10.5."""
    return money.rstrip("0").rstrip(".") if "." in money else money


def _bytes(text: str, variant: Variant | None) -> bytes:
    charset, errors = ("gbk", "replace") if variant is Variant.CHARSET_GBK else ("utf-8", "surrogateescape")
    return text.encode(charset, errors)


# --- MD5 ----------------------------------------------------------------------------------------------------------
def signature(fields: Fields, key: str, variant: Variant | None = None) -> str:
    """V1: MD5 over the text with the key right behind it, lower-case hex."""
    secret = f"another-key-than-{key}" if variant is Variant.WRONG_KEY else key
    tail = f"&key={secret}" if variant is Variant.KEY_TAIL else secret
    digest = hashlib.md5(_bytes(signed_text(fields, variant) + tail, variant), usedforsecurity=False).hexdigest()
    return digest.upper() if variant is Variant.CASE else digest


def is_signature(fields: Fields, key: str, variant: Variant | None = None) -> bool:
    """Whether the fields carry their own signature, by the rule or by that of a variant."""
    if variant in (Variant.MISSING, Variant.TYPE_CONFUSION):  # a server that expects none, or one of RSA
        return False
    return are_equal(signature(fields, key, variant), fields.get("sign", ""))


# --- RSA ----------------------------------------------------------------------------------------------------------
def private_key(pem: str) -> RSAPrivateKey:
    """A key of this machine's own: whether it is one at all was looked at when it was kept, and takes long."""
    key = load_pem_private_key(pem.encode(), None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, RSAPrivateKey)
    return key


def public_key(pem: str) -> RSAPublicKey:
    key = load_pem_public_key(pem.encode())
    assert isinstance(key, RSAPublicKey)
    return key


def _hash(variant: Variant | None) -> HashAlgorithm:
    return SHA1() if variant is Variant.TYPE_CONFUSION else SHA256()


def rsa_signature(fields: Fields, key: RSAPrivateKey, variant: Variant | None = None) -> str:
    """V2: RSA with SHA-256 over the text (PKCS#1 v1.5), base64."""
    return b64encode(key.sign(_bytes(signed_text(fields, variant), variant), PKCS1v15(), _hash(variant))).decode()


def is_rsa_signature(fields: Fields, key: RSAPublicKey, variant: Variant | None = None) -> bool:
    """Whether the fields carry their own signature, by the rule or by that of a variant."""
    sign = fields.get("sign", "")
    if variant is Variant.MISSING or not sign:
        return False
    if variant is Variant.PLUS_SPACE:
        sign = sign.replace("+", " ")
    try:
        given = b64decode(sign, validate=True)
        key.verify(given, _bytes(signed_text(fields, variant), variant), PKCS1v15(), _hash(variant))
    except (InvalidSignature, NotBase64, ValueError):
        return False
    return True


# --- as a query string ---------------------------------------------------------------------------------------------
def joined(url: str, fields: Fields, variant: Variant | None = None) -> str:
    """The fields behind an address, encoded as a server of this family does it."""
    encoded: Callable[[str], str] = quote_plus
    if variant is Variant.DOUBLE_ENCODED:
        encoded = lambda value: quote_plus(quote_plus(value))  # noqa: E731
    elif variant is Variant.PLUS_SPACE:
        encoded = lambda value: quote_plus(value, safe="+")  # noqa: E731
    pairs = list(fields.items())
    if variant is Variant.FIELD_ORDER:
        pairs.reverse()
    whole = url if url.isascii() else quote(url, safe=_SAFE)
    return f"{whole}{'&' if '?' in whole else '?'}{'&'.join(f'{quote_plus(k)}={encoded(v)}' for k, v in pairs)}"

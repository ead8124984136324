"""The signatures of Alipay's gateway: the texts of requests, answers and notices, and every odd way to sign them.

Source: docs/protocols/alipay.md, Signatures.
"""

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar
from urllib.parse import quote_plus, urlencode

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509.oid import NameOID

from faults.verdict import Variant
from mocks.call import Signs
from mocks.mangle import Mangled
from mocks.reply import Fields
from mocks.upstreams import Keys

K = TypeVar("K")

RSA2, RSA = "RSA2", "RSA"
HASHES: dict[str, HashAlgorithm] = {RSA2: SHA256(), RSA: SHA1()}
_OTHER = {RSA2: RSA, RSA: RSA2}
CHARSETS = {"utf-8": "utf-8", "gbk": "gbk", "gb2312": "gb2312"}
EXTRA = ("orderjam_extra", "1")
"""What Variant.EXTRA_FIELD adds: a field that no version of the protocol knows."""

SIGNS = Signs(
    requests=frozenset(
        {
            Variant.WRONG_KEY, Variant.MISSING, Variant.CHARSET_GBK, Variant.UNSORTED, Variant.EMPTY_KEPT,
            Variant.PLUS_SPACE, Variant.TYPE_CONFUSION, Variant.TYPE_IN_STRING, Variant.MERGED_SOURCES,
            Variant.SKEW_6_MIN, Variant.SKEW_11_MIN, Variant.SKEW_1_DAY, Variant.TIME_ZONE,
        }
    ),
    answers=frozenset(
        {
            Variant.WRONG_KEY, Variant.MISSING, Variant.CHARSET_GBK, Variant.TYPE_CONFUSION, Variant.JSON_ESCAPING,
            Variant.BODY_RESERIALIZED, Variant.FIELD_ORDER, Variant.ESCAPED, Variant.SPACED, Variant.SIGN_FIRST,
            Variant.EXTRA_FIELD,
        }
    ),
    notices=frozenset(
        {
            Variant.WRONG_KEY, Variant.MISSING, Variant.CHARSET_GBK, Variant.UNSORTED, Variant.TYPE_CONFUSION,
            Variant.TYPE_IN_STRING, Variant.DOUBLE_ENCODED, Variant.PLUS_SPACE, Variant.FIELD_ORDER,
            Variant.EXTRA_FIELD,
        }
    ),
)  # fmt: skip

_SIGN_BYTES_MAX = 1024
_ISSUER = (
    ("CN", NameOID.COMMON_NAME),
    ("OU", NameOID.ORGANIZATIONAL_UNIT_NAME),
    ("O", NameOID.ORGANIZATION_NAME),
    ("C", NameOID.COUNTRY_NAME),
)
_TYPED = frozenset({"sign", "sign_type"})
_SIGN = frozenset({"sign"})


class KeysMissing(ValueError):
    """The merchant's keys are not those of this dialect: which one is missing, or cannot be read."""


def request_text(fields: Fields, variant: Variant | None = None) -> bytes:
    """What a shop signs: all fields but `sign`, the empty ones left out, sorted by name, `k=v` joined by `&`, raw."""
    unsigned = _TYPED if variant is Variant.TYPE_IN_STRING else _SIGN
    return _joined(fields, unsigned, variant, keeps_empty=variant is Variant.EMPTY_KEPT)


def notice_text(fields: Fields, variant: Variant | None = None) -> bytes:
    """What the gateway signs in a notice: all fields but `sign` and, other than in requests, `sign_type`."""
    unsigned = _SIGN if variant is Variant.TYPE_IN_STRING else _TYPED
    return _joined(fields, unsigned, variant, keeps_empty=True)


def _joined(fields: Fields, unsigned: frozenset[str], variant: Variant | None, *, keeps_empty: bool) -> bytes:
    names = fields if variant is Variant.UNSORTED else sorted(fields)
    text = "&".join([f"{k}={fields[k]}" for k in names if k not in unsigned and (keeps_empty or fields[k])])
    return _encoded(text, variant)


def _encoded(text: str, variant: Variant | None) -> bytes:
    """Bytes that are no UTF-8 are signed as they came."""
    if variant is Variant.CHARSET_GBK:
        return text.encode("gbk", "replace")
    return text.encode("utf-8", "surrogateescape")


def cert_sn(pem: str) -> str:
    """The number of a certificate in this protocol: MD5, in hex, of the issuer's name and the decimal serial number.

    Clients write the name backwards (CN, OU, O, C), some of them with a fixed list of parts: an issuer needs all four.
    """
    cert = x509.load_pem_x509_certificate(pem.encode())
    name = ",".join(f"{short}={cert.issuer.get_attributes_for_oid(oid)[0].value!s}" for short, oid in _ISSUER)
    return hashlib.md5(f"{name}{cert.serial_number}".encode(), usedforsecurity=False).hexdigest()


class Seal:
    """The keys of one gateway and its merchant, read once, and what is done with them."""

    def __init__(self, keys: Keys) -> None:
        """KeysMissing where these are not an Alipay merchant's keys."""
        self._private = _read(keys, "platform_private_key", _private)
        self._other_private = _read(keys, "other_private_key", _private)
        self._shop = _read(keys, "app_public_key", _public)
        self.app_cert_sn = _read(keys, "app_cert", cert_sn)
        self.root_cert_sn = _read(keys, "alipay_root_cert", cert_sn)
        self.alipay_cert_sn = _read(keys, "alipay_cert", cert_sn)

    # --- requests -----------------------------------------------------------------------------------------------
    def is_signed(self, fields: Fields, variant: Variant | None = None) -> bool:
        """Whether the shop has signed the fields, by the plain rule or by a variant's."""
        if variant in (Variant.MISSING, Variant.WRONG_KEY):
            return False  # nobody holds the key that another gateway would check with
        given = fields.get("sign", "")
        if variant is Variant.PLUS_SPACE:
            given = given.replace("+", " ")
        sign_type = fields.get("sign_type", "")
        if len(given) > _SIGN_BYTES_MAX or sign_type not in HASHES:
            return False
        method = HASHES[_OTHER[sign_type] if variant is Variant.TYPE_CONFUSION else sign_type]
        try:
            self._shop.verify(b64decode(given, validate=True), request_text(fields, variant), PKCS1v15(), method)
        except (InvalidSignature, ValueError):
            return False
        return True

    # --- answers ------------------------------------------------------------------------------------------------
    def answer(
        self,
        node: str,
        fields: Mangled,
        *,
        sign_type: str = RSA2,
        charset: str = "utf-8",
        cert_sn: str = "",
        variant: Variant | None = None,
    ) -> bytes:
        """The body of an answer: the node, then the signature of its very bytes, then (certificate mode) the number of
        the certificate that it is checked with."""
        sent, signed = _texts(fields, charset, variant)
        named = b'"%s":%s' % (node.encode(), sent)
        parts = [named]
        if variant is not Variant.MISSING:
            sign = b'"sign":"%s"' % self.sign(signed, sign_type, variant)
            parts = [sign, named] if variant is Variant.SIGN_FIRST else [named, sign]
        if cert_sn:
            parts.append(b'"alipay_cert_sn":"%s"' % cert_sn.encode())
        return b"{%s}" % b",".join(parts)

    # --- notices ------------------------------------------------------------------------------------------------
    def notice(self, fields: Mangled, *, sign_type: str = RSA2, variant: Variant | None = None) -> bytes:
        """A notice, or what a buyer carries back, as a form: the fields, `sign_type` and `sign`."""
        told = {name: str(value) for name, value in fields.items()} | {"sign_type": sign_type}
        if variant is Variant.EXTRA_FIELD:
            told |= dict([EXTRA])
        elif variant is Variant.FIELD_ORDER:
            told = dict(reversed(told.items()))
        if variant is not Variant.MISSING:
            told["sign"] = self.sign(notice_text(told, variant), sign_type, variant).decode()
        if variant is Variant.DOUBLE_ENCODED:
            told = {name: quote_plus(value) for name, value in told.items()}
        if variant is Variant.PLUS_SPACE and "sign" in told:
            sign = told.pop("sign")
            return f"{urlencode(told)}&sign={quote_plus(sign, safe='+')}".encode()
        return urlencode(told).encode()

    def sign(self, text: bytes, sign_type: str = RSA2, variant: Variant | None = None) -> bytes:
        """The signature of a text in base64, by the platform's key or, wrongly, by another."""
        key = self._other_private if variant is Variant.WRONG_KEY else self._private
        method = HASHES[_OTHER[sign_type] if variant is Variant.TYPE_CONFUSION else sign_type]
        return b64encode(key.sign(text, PKCS1v15(), method))


def _texts(fields: Mangled, charset: str, variant: Variant | None) -> tuple[bytes, bytes]:
    """The node as it is sent, and as it is signed."""
    if variant is Variant.EXTRA_FIELD:
        fields = fields | dict([EXTRA])
    elif variant is Variant.FIELD_ORDER:
        fields = dict(reversed(fields.items()))
    plain = msgspec.json.encode(fields)
    if charset != "utf-8":
        plain = plain.decode().encode(charset, "replace")
    match variant:
        case Variant.CHARSET_GBK:
            return plain, msgspec.json.encode(fields).decode().encode("utf-8" if charset == "gbk" else "gbk", "replace")
        case Variant.ESCAPED:
            return _escaped(fields), _escaped(fields)
        case Variant.JSON_ESCAPING:
            return plain, _escaped(fields)
        case Variant.SPACED:
            return _spaced(fields, charset), _spaced(fields, charset)
        case Variant.BODY_RESERIALIZED:
            return _spaced(fields, charset), plain
    return plain, plain


def _escaped(fields: Mangled) -> bytes:
    """With slashes and all letters beyond ASCII escaped, as PHP's json_encode writes them."""
    return json.dumps(fields, separators=(",", ":")).replace("/", "\\/").encode()


def _spaced(fields: Mangled, charset: str) -> bytes:
    """With spaces behind commas and colons, as many serializers write them."""
    return json.dumps(fields, ensure_ascii=False).encode(charset, "replace")


def _read(keys: Keys, name: str, read: Callable[[str], K]) -> K:
    """What the upstream holds under that name, read."""
    try:
        return read(keys.own[name])
    except KeyError:
        raise KeysMissing(f"own.{name} is missing") from None
    except (ValueError, TypeError, IndexError, UnsupportedAlgorithm):
        raise KeysMissing(f"own.{name} cannot be read: it must be PEM, of RSA") from None


@lru_cache(maxsize=16)
def _private(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError("a private key is no RSA key")
    return key


def _public(pem: str) -> RSAPublicKey:
    key = load_pem_public_key(pem.encode())
    if not isinstance(key, RSAPublicKey):
        raise TypeError("a public key is no RSA key")
    return key

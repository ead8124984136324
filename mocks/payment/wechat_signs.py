"""Signatures and ciphertexts of WeChat Pay v3: the merchant's requests are checked, the platform's texts signed.

Source: docs/protocols/wechat.md, The signatures.
"""

import json
import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from datetime import datetime, timedelta, timezone
from functools import cache, partial
from hashlib import blake2b

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import Certificate, load_pem_x509_certificate

from faults.verdict import Variant
from mocks import odd_json
from mocks.reply import Fields
from mocks.signed import SKEWS_S
from mocks.upstreams import Keys

SCHEME = "WECHATPAY2-SHA256-RSA2048"
SCHEME_SM2 = "WECHATPAY2-SM2-WITH-SM3"
ALGORITHM = "AEAD_AES_256_GCM"
PROBE = "WECHATPAY/SIGNTEST/"
"""What a signature begins with that the platform sends to see whether it is checked at all."""
APART_S_MAX = 300
"""How far a request's timestamp may be from the platform's clock, either way."""
NOBODY = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"
"""A serial number that no certificate has."""
written = partial(odd_json.written, more={"x_orderjam": "1"})
"""The fields as the JSON that is signed and sent."""

_PADDING, _SHA256, _SHA1 = PKCS1v15(), SHA256(), SHA1()
_PART = re.compile(r'([a-z_]+)="([^"]*)"', re.ASCII)
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_BEIJING = timezone(timedelta(hours=8))


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What a request's Authorization header says of it."""

    mchid: str
    serial_no: str
    nonce_str: str
    timestamp: str
    signature: bytes


class Flaw(msgspec.Struct, frozen=True):
    """Why a request is not the merchant's own, in the platform's words, and the part of the header that is to blame."""

    words: str
    field: str


ILL_FORMED = Flaw("Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》", "Authorization")
OTHER_SCHEME = Flaw("Http头Authorization认证类型不正确", "Authorization")
NO_MERCHANT = Flaw("商户号不存在", "mchid")
OTHER_CERTIFICATE = Flaw("商户证书序列号有误，请使用签名私钥匹配的证书序列号", "serial_no")
TOO_OLD = Flaw("Http头Authorization中的timestamp与发起请求的时间不得超过5分钟", "timestamp")
NO_MATCH = Flaw("错误的签名，验签失败", "signature")


def read_claim(header: str) -> Claim | Flaw:
    """What the header claims, its parts in any order; or what is wrong with it."""
    scheme, _, rest = header.strip().partition(" ")
    if not rest:
        return ILL_FORMED
    if scheme != SCHEME:
        return OTHER_SCHEME
    parts = dict(_PART.findall(rest))
    try:
        signature = b64decode(parts["signature"], validate=True)
        claim = Claim(parts["mchid"], parts["serial_no"], parts["nonce_str"], parts["timestamp"], signature)
    except (KeyError, ValueError, NotBase64):
        return ILL_FORMED
    return claim if _TIMESTAMP.fullmatch(claim.timestamp) else ILL_FORMED


def request_text(method: str, target: str, claim: Claim, body: bytes) -> bytes:
    """What a request's signature is over: five lines, each with its end. `target` is the path with the query."""
    head = f"{method}\n{target}\n{claim.timestamp}\n{claim.nonce_str}\n"
    return head.encode("utf-8", "surrogateescape") + body + b"\n"


def answer_text(timestamp: str, nonce: str, body: bytes) -> bytes:
    """What the signature of an answer or a notice is over: three lines, each with its end."""
    return f"{timestamp}\n{nonce}\n".encode() + body + b"\n"


def rfc3339(wall_s: float) -> str:
    """The moment in Beijing, as the platform writes it."""
    return datetime.fromtimestamp(int(wall_s), _BEIJING).isoformat()


def rewritten(body: bytes) -> bytes:
    """The same JSON written by somebody else's library; what is no JSON stays as it is."""
    try:
        return json.dumps(json.loads(body), ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return body


class Merchant:
    """The merchant as the platform knows him: his number, his certificate. His requests are checked here."""

    def __init__(self, keys: Keys) -> None:
        self._mchid, self._serial = keys.pid, keys.own["merchant_serial"]
        self._key = _public(load_pem_x509_certificate(keys.own["merchant_certificate"].encode()))
        self._stranger = _private(keys.own["stranger_private_key"]).public_key()

    def flaw(self, claim: Claim, wall_s: float, variant: Variant | None = None) -> Flaw | None:
        """What is wrong with a claim before its signature is looked at."""
        if claim.mchid != self._mchid:
            return NO_MERCHANT
        if claim.serial_no.upper() != self._serial:
            return OTHER_CERTIFICATE
        now_s = wall_s + SKEWS_S.get(variant, 0)
        return TOO_OLD if abs(now_s - int(claim.timestamp)) > APART_S_MAX else None

    def signed_target(
        self, claim: Claim, method: str, targets: tuple[str, ...], body: bytes, variant: Variant | None = None
    ) -> str | None:
        """The one of these targets that the request was signed for, by the rule or by that of a variant."""
        if variant is Variant.MISSING:
            return None
        if variant is Variant.BODY_RESERIALIZED:
            body = rewritten(body)
        key = self._stranger if variant is Variant.WRONG_KEY else self._key
        digest = _SHA1 if variant is Variant.TYPE_CONFUSION else _SHA256
        for target in targets:
            text = request_text(method, target, claim, body)
            if _matches(key, claim.signature, text[:-1] if variant is Variant.TRAILING_NEWLINE else text, digest):
                return target
        return None


class Hand(msgspec.Struct, frozen=True):
    """A private key and the serial number that it goes by."""

    serial: str
    key: RSAPrivateKey

    def sign(self, text: bytes, digest: HashAlgorithm = _SHA256) -> str:
        return b64encode(self.key.sign(text, _PADDING, digest)).decode()


class Stamp(msgspec.Struct, frozen=True, gc=False):
    """When a text is signed, in seconds since 1970, and what makes it unlike any other."""

    wall_s: int
    nonce: str


class Platform:
    """The platform's side: it signs every text it sends, and encrypts what goes into notices and lists of certificates.

    It signs by its certificate, or by its public key where the merchant asks for that. `next` is the certificate that
    follows and is listed already; `later` comes after it, and nobody can know it yet.
    """

    def __init__(self, keys: Keys) -> None:
        own = keys.own
        self._listed = [
            load_pem_x509_certificate(own[name].encode())
            for name in ("platform_certificate", "next_platform_certificate")
        ]
        later = load_pem_x509_certificate(own["later_platform_certificate"].encode())
        self.by_certificate = Hand(serial_of(self._listed[0]), _private(own["platform_private_key"]))
        self.by_public_key = Hand(own["platform_public_key_id"], self.by_certificate.key)
        self.next = Hand(serial_of(self._listed[1]), _private(own["next_platform_private_key"]))
        self._later = Hand(serial_of(later), _private(own["later_platform_private_key"]))
        self._stranger = _private(own["stranger_private_key"])
        self._v3key = AESGCM(keys.key.encode())
        self._other_v3key = AESGCM(blake2b(keys.key.encode(), digest_size=32).digest())

    def hand(self, serial: str) -> Hand | None:
        """By which hand a merchant wants to be answered, who says that he knows this serial number; none: as usual."""
        if serial == self.by_public_key.serial:
            return self.by_public_key
        return self.by_certificate if serial.upper() in ("", self.by_certificate.serial, self.next.serial) else None

    def headers(self, body: bytes, stamp: Stamp, hand: Hand, variant: Variant | None = None) -> Fields:
        """The headers that sign these very bytes: by the rule, or in the way of a variant."""
        hand = self._other_hand(hand, variant)
        timestamp = str(stamp.wall_s - SKEWS_S.get(variant, 0))
        text = answer_text(timestamp, stamp.nonce, body)
        if variant is Variant.TRAILING_NEWLINE:
            text = text[:-1]
        headers = {
            "Wechatpay-Timestamp": timestamp,
            "Wechatpay-Nonce": stamp.nonce,
            "Wechatpay-Serial": hand.serial,
            "Wechatpay-Signature-Type": SCHEME,
        }
        match variant:
            case Variant.MISSING:
                return headers
            case Variant.MISSING_TYPE_HEADER:
                del headers["Wechatpay-Signature-Type"]
            case Variant.TYPE_CONFUSION:
                headers["Wechatpay-Signature-Type"] = SCHEME_SM2
                return headers | {"Wechatpay-Signature": hand.sign(text, _SHA1)}
        signature = hand.sign(text)
        return headers | {"Wechatpay-Signature": PROBE + signature if variant is Variant.PROBE else signature}

    def _other_hand(self, hand: Hand, variant: Variant | None) -> Hand:
        match variant:
            case Variant.WRONG_KEY | Variant.PROBE:
                return Hand(hand.serial, self._stranger)
            case Variant.UNKNOWN_SERIAL:
                return Hand(NOBODY, self._stranger)
            case Variant.EMPTY_SERIAL:
                return Hand("", self._stranger)
            case Variant.CERT_ROTATED:
                return self._later
            case Variant.CERT_OVERLAP:  # a merchant who trusts the public key has no certificates to overlap
                return self.next if hand is self.by_certificate else hand
        return hand

    def encrypted(self, plain: bytes, associated: str, variant: Variant | None = None) -> dict[str, str]:
        """The text as AES-256-GCM under the APIv3 key, with all that is needed to open it. The nonce is the text's own,
        so that the same text makes the same ciphertext."""
        nonce = blake2b(plain + associated.encode(), digest_size=6).hexdigest()
        v3key = self._other_v3key if variant is Variant.V3KEY_CHANGED else self._v3key
        sealed = v3key.encrypt(nonce.encode(), plain, associated.encode())
        if variant is Variant.GCM_BAD_TAG:
            sealed = sealed[:-1] + bytes([sealed[-1] ^ 1])
        return {
            "algorithm": ALGORITHM,
            "ciphertext": b64encode(sealed).decode(),
            "associated_data": associated,
            "nonce": nonce,
        }

    def certificates(self, variant: Variant | None = None) -> list[dict[str, object]]:
        """The platform's certificates as they are listed, the one in use first."""
        return [
            {
                "serial_no": serial_of(certificate),
                "effective_time": rfc3339(certificate.not_valid_before_utc.timestamp()),
                "expire_time": rfc3339(certificate.not_valid_after_utc.timestamp()),
                "encrypt_certificate": self.encrypted(certificate.public_bytes(Encoding.PEM), "certificate", variant),
            }
            for certificate in self._listed
        ]


def serial_of(certificate: Certificate) -> str:
    return f"{certificate.serial_number:X}"


def _matches(key: RSAPublicKey, signature: bytes, text: bytes, digest: HashAlgorithm) -> bool:
    try:
        key.verify(signature, text, _PADDING, digest)
    except InvalidSignature:
        return False
    return True


@cache
def _private(pem: str) -> RSAPrivateKey:
    """Kept, for OpenSSL proves its primes anew each time that a key is read: tens of milliseconds."""
    key = load_pem_private_key(pem.encode(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


def _public(certificate: Certificate) -> RSAPublicKey:
    key = certificate.public_key()
    assert isinstance(key, RSAPublicKey)
    return key

"""Signatures and ciphertexts of WeChat Pay v3, against vectors that openssl and node have made."""

import json
from base64 import b64decode
from pathlib import Path

import pytest

from faults.verdict import Variant
from mocks.payment.wechat_signs import (
    ILL_FORMED,
    NO_MERCHANT,
    OTHER_CERTIFICATE,
    OTHER_SCHEME,
    TOO_OLD,
    Claim,
    Flaw,
    Merchant,
    Platform,
    Stamp,
    answer_text,
    read_claim,
    request_text,
    rfc3339,
    written,
)
from mocks.upstreams import Keys
from tests.mocks.wechat import the_keys
from tests.mocks.world import KEY

PINNED = (Path(__file__).parent / "pinned" / "wechat.pem").read_text()
PINNED_KEY, _, _PINNED_REST = PINNED.partition("-----BEGIN CERTIFICATE-----")
PINNED_CERT = "-----BEGIN CERTIFICATE-----" + _PINNED_REST
SERIAL = "5157F09EFDC096DE15EBE81A47057A72"
NONCE = "593BEC0C930BF1AFEB40B4A08C8FB242"
BODY = (
    '{"mchid":"1900001001","appid":"wx0000000000001001","description":"会员 充值&x=1","out_trade_no":"C000001",'
    '"notify_url":"http://127.0.0.1:9000/notify","amount":{"total":1999,"currency":"CNY"},"attach":"b00000001"}'
).encode()
POST, GET = "/v3/pay/transactions/native", "/v3/pay/transactions/out-trade-no/C000001?mchid=1900001001"
# openssl dgst -sha256 -sign pinned.key, over the lines that docs/protocols/wechat.md shows; base64.
SIGNED_POST = (
    "fXD5ZICEC0+0FurWlNVG597/E4jpoYQAC7vBjpPCTUngbPCyrHRTBLKScXPIdHc/6b1CBGzd4efSR431I/qkM0AXS1rOgistlgDvVMe7PhRSAni0"
    "jnzuywol31k2qX/mPTKnqVWXnsnqmeCtLQza/fKxoJ4Y/apB18uJzFtsr/yCeci/c39+jrYQ68ynvN/ymRbG6cSayPp94PY1K/y0/oyv21XU+TXk"
    "fNbgnIJg0zvWG5RyFluyO2dPifVDXDBdgIGme/atb5DFMtRFudwRJUHFhILFPcneUeJhT7qbjC+zuaF8LXi2ETUSnYHeLqm7foNEnlteWhQHvXyL"
    "HSu5Fg=="
)
SIGNED_GET = (
    "YMmrZZhk8sW6blXQCO61xUkQFNj/AcMoSM+u9dunwxjzsjuDCidELzRYCpgl1QhLff0aEFHRo61OLDLXtcp+GK7miLdqWNkR12FLvM9eQExCXhmt"
    "4pHTz8KuadXT/f6SOohyNLCAPewRXU55ursRgEGz/g1davmxF9vSoOQcZziVUI67UwamF1HM+glBE+pCv0wlNMnQWp2jHM++6+QMbmzSmOyk+hRm"
    "JvBXUR03GfPFZNc+T5fDd+eazEVy9Ivzqj2Ot2qJiZ9krlgek7ZdMR2Vl1bMpjZxCf5/sPdyPStF+TrpSxchETJesd3kZ4HAEUmYN7D63h1KKjxz"
    "vIxNtg=="
)
ANSWER = b'{"code_url":"http://127.0.0.1:8000/wechat/cashier?prepay_id=wx1"}'
ANSWER_NONCE = "c5ac7061fccab6bf3e254dcf98995b8c"
SIGNED_ANSWER = (
    "J204Blyua2xyOoK9KhUl/E99hBgMd9NbY6UA2Y0lWKkWhQuLtbxzhWF+9SnOdBJGqC9QWsBM+MzVQNE2yhgN6bS9bIt1zAtOIKe4i0CoCMtKdkrm"
    "jgBPXOvg3RJuhlXp5pIlJ6cFyn1uzUf71pIouuWU79SXVLF7Lrf8nz+lzB6jWJcQq5cKF33NlK8Z2tzzCjS6995JAz/YgrfmG+yf+dEJUSjOmMwM"
    "jpHJ+TTkffW3VVWRMc9vgkoV408EB9g3ewPgbpB8XVPniMuB5n5bxJP07l4XtkBQqrkCIR18gK+Gy0EtAMb5RYS7DlummgOwOqI0ZlzRklABMrsJ"
    "KH2vkQ=="
)
SIGNED_EMPTY = (
    "npx6qeWHsoAB2yemASN1hOHlB2yTNkaqqHz7e0QWjJGcRMYtr5ul3dB/G7QB46QUgTYsijFlvHOGCzbBNjhnD5nMO9I9Q3qvTVc2irYO7mjy6WGy"
    "lcU/EpqhUtajexifSvYPT2iH4f53fvAeZgZeVkWjqr4MKsIGaDnmSqjOwHnVGbqtqkoEAHeF407rqQRcv2NTTqfGQFcquXazTzL4xxiMhQTxSDLI"
    "s6APWQBwuSQGC25TNLiE6y0gf1Hn+/ri9Cy/TUdgkVAE37jQ/R3vA1/g0MJVH4BjE8UDNYYSYqowHCMbrL8/DySqdka/jm229tCrUt+8VqzhkNCk"
    "wPgNGg=="
)
# node's createCipheriv("aes-256-gcm", KEY, "0123456789ab"), associated data "transaction", ciphertext and tag; base64.
PLAIN = '{"out_trade_no":"C000001","trade_state":"SUCCESS","attach":"会员"}'
ENCRYPTED = (
    "whMsRWz4m/w+QeZTHkSIqI5bH/bVNEavF23QjjdIS3p378BfuYwXPSjJvTybw4ke5+JBTjocPMjFzQanMi3gNDFulnYtMFNarzLufph+bwAZAx08"
)


def pinned() -> Keys:
    """A merchant and a platform who both have the pinned key."""
    own = the_keys().own | {
        "merchant_certificate": PINNED_CERT,
        "merchant_serial": SERIAL,
        "platform_private_key": PINNED_KEY,
        "platform_certificate": PINNED_CERT,
    }
    return Keys("1900001001", KEY, own)


def header(signature: str = SIGNED_POST, **changed: str) -> str:
    parts = {
        "mchid": "1900001001",
        "nonce_str": NONCE,
        "signature": signature,
        "timestamp": "1790000000",
        "serial_no": SERIAL,
    } | changed
    return "WECHATPAY2-SHA256-RSA2048 " + ",".join(f'{name}="{value}"' for name, value in parts.items())


def claim(signature: str = SIGNED_POST, **changed: str) -> Claim:
    found = read_claim(header(signature, **changed))
    assert isinstance(found, Claim)
    return found


@pytest.mark.parametrize(
    ("method", "target", "body", "signature", "is_right"),
    [
        ("POST", POST, BODY, SIGNED_POST, True),
        ("GET", GET, b"", SIGNED_GET, True),
        ("POST", POST, BODY + b"\n", SIGNED_POST, False),
        ("POST", POST, BODY.replace(b"1999", b"1998"), SIGNED_POST, False),
        ("POST", POST + "?x=1", BODY, SIGNED_POST, False),
        ("GET", GET.partition("?")[0], b"", SIGNED_GET, False),
        ("GET", POST, BODY, SIGNED_POST, False),
        ("POST", POST, BODY, SIGNED_GET, False),
    ],
)
def test_a_request_is_taken_that_openssl_signed_and_no_other(
    method: str, target: str, body: bytes, signature: str, is_right: bool
) -> None:
    found = Merchant(pinned()).signed_target(claim(signature), method, (target,), body)
    assert found == (target if is_right else None)


@pytest.mark.parametrize(("body", "signature"), [(ANSWER, SIGNED_ANSWER), (b"", SIGNED_EMPTY)])
def test_answers_are_signed_as_openssl_does_also_where_there_is_no_body(body: bytes, signature: str) -> None:
    platform = Platform(pinned())
    assert platform.headers(body, Stamp(1790000000, ANSWER_NONCE), platform.by_certificate) == {
        "Wechatpay-Timestamp": "1790000000",
        "Wechatpay-Nonce": ANSWER_NONCE,
        "Wechatpay-Serial": SERIAL,
        "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
        "Wechatpay-Signature": signature,
    }


def test_the_cipher_opens_what_node_has_sealed_and_seals_what_opens() -> None:
    v3key = Platform(pinned())._v3key
    assert v3key.decrypt(b"0123456789ab", b64decode(ENCRYPTED), b"transaction").decode() == PLAIN
    sealed = Platform(pinned()).encrypted(PLAIN.encode(), "transaction")
    assert (sealed["algorithm"], len(sealed["nonce"]), sealed["associated_data"]) == (
        "AEAD_AES_256_GCM",
        12,
        "transaction",
    )
    assert v3key.decrypt(sealed["nonce"].encode(), b64decode(sealed["ciphertext"]), b"transaction").decode() == PLAIN
    assert len(b64decode(sealed["ciphertext"])) == len(PLAIN.encode()) + 16


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (header(), Claim),
        ("  " + header(), Claim),
        (header().replace(",", ", "), Claim),
        ("WECHATPAY2-SHA256-RSA2048 " + ",".join(reversed(header().split(" ", 1)[1].split(","))), Claim),
        (header(more="1"), Claim),
        ("", ILL_FORMED),
        ("WECHATPAY2-SHA256-RSA2048", ILL_FORMED),
        (header().replace("nonce_str", "nonce"), ILL_FORMED),
        (header().replace('"', "'"), ILL_FORMED),
        (header("not base64!"), ILL_FORMED),
        (header(timestamp="soon"), ILL_FORMED),
        (header(timestamp="１７９０００００００"), ILL_FORMED),
        (header(timestamp="-1790000000"), ILL_FORMED),
        (header(timestamp="1" * 13), ILL_FORMED),
        (header().replace("SHA256-RSA2048", "SM2-WITH-SM3"), OTHER_SCHEME),
        ("Bearer abc", OTHER_SCHEME),
    ],
)
def test_a_header_is_read_in_any_order_or_refused_for_what_is_wrong(text: str, found: Flaw | type[Claim]) -> None:
    read = read_claim(text)
    assert read == found if isinstance(found, Flaw) else isinstance(read, found)


@pytest.mark.parametrize(
    ("changed", "wall_s", "variant", "flaw"),
    [
        ({}, 1790000000, None, None),
        ({}, 1790000300, None, None),
        ({}, 1789999700, None, None),
        ({"serial_no": SERIAL.lower()}, 1790000000, None, None),
        ({}, 1790000301, None, TOO_OLD),
        ({}, 1789999699, None, TOO_OLD),
        ({}, 1790000000, Variant.SKEW_6_MIN, TOO_OLD),
        ({"mchid": "1900001002"}, 1790000000, None, NO_MERCHANT),
        ({"serial_no": "00" + SERIAL}, 1790000000, None, OTHER_CERTIFICATE),
        ({"serial_no": ""}, 1790000000, None, OTHER_CERTIFICATE),
    ],
)
def test_a_claim_is_the_merchants_own_and_of_the_last_five_minutes(
    changed: dict[str, str], wall_s: int, variant: Variant | None, flaw: Flaw | None
) -> None:
    assert Merchant(pinned()).flaw(claim(**changed), wall_s, variant) == flaw


def test_the_signed_texts_end_each_line_also_the_last() -> None:
    assert request_text("GET", GET, claim(), b"") == f"GET\n{GET}\n1790000000\n{NONCE}\n\n".encode()
    assert answer_text("1", "n", b"{}") == b"1\nn\n{}\n"


def test_times_are_those_of_beijing() -> None:
    assert rfc3339(1790000000.9) == "2026-09-21T22:13:20+08:00"


@pytest.mark.parametrize("variant", [Variant.FIELD_ORDER, Variant.SPACED, Variant.ESCAPED])
def test_odd_json_says_the_same_in_other_bytes(variant: Variant) -> None:
    fields = {"code_url": "http://127.0.0.1/会员", "n": 1, "in": {"a": "b\\/c"}}
    odd = written(fields, variant)
    assert odd != written(fields)
    assert json.loads(odd) == fields


def test_one_more_field_is_the_only_thing_that_an_extra_field_adds() -> None:
    more = json.loads(written({"n": 1}, Variant.EXTRA_FIELD))
    assert more.pop("x_orderjam") == "1"
    assert more == {"n": 1}

"""The signatures of Alipay's gateway, against those of OpenSSL, and every odd way of them."""

import json
from functools import cache
from urllib.parse import parse_qsl

import msgspec
import pytest

from faults.verdict import VALID, Variant
from mocks.keyring import Keyring
from mocks.payment.alipay_signs import RSA, SIGNS, KeysMissing, Seal, cert_sn, notice_text, request_text
from mocks.upstreams import Keys
from tests.mocks import alipay_golden as golden
from tests.mocks.alipay import merchant

NODE = "alipay_trade_precreate_response"


@cache
def seal() -> Seal:
    """With the key of the golden vectors on both sides."""
    own = {"platform_private_key": golden.PRIVATE, "app_public_key": golden.PUBLIC}
    return Seal(msgspec.structs.replace(merchant(), own=merchant().own | own))


def signed(fields: dict[str, str], sign: str = golden.REQUEST_SIGN) -> dict[str, str]:
    return fields | {"sign": sign}


def test_the_signed_texts_are_those_of_the_golden_vectors() -> None:
    assert request_text(signed(golden.REQUEST)).decode() == golden.REQUEST_TEXT
    told = {name: str(value) for name, value in golden.NOTICE.items()} | {"sign_type": "RSA2", "sign": "x"}
    assert notice_text(told).decode() == golden.NOTICE_TEXT


def test_what_openssl_signed_is_genuine_and_nothing_else() -> None:
    assert seal().is_signed(signed(golden.REQUEST))
    assert not seal().is_signed(signed(golden.REQUEST | {"version": "1.1"}))
    assert not seal().is_signed(signed(golden.REQUEST | {"app_auth_token": "x"}))


@pytest.mark.parametrize(
    "sign",
    ["", "x", "====", "中文", golden.REQUEST_SIGN[:-4], golden.REQUEST_SIGN.replace("+", " "), "A" * 100_000,
     golden.REQUEST_SIGN_SHA1, golden.NOTICE_SIGN, f" {golden.REQUEST_SIGN}"],
)  # fmt: skip
def test_another_signature_is_none(sign: str) -> None:
    assert not seal().is_signed(signed(golden.REQUEST, sign))


@pytest.mark.parametrize("sign_type", ["", "MD5", "RSA", "rsa2"])
def test_a_signature_is_of_the_type_that_is_named(sign_type: str) -> None:
    assert not seal().is_signed(signed(golden.REQUEST | {"sign_type": sign_type}))


def test_answers_and_notices_are_signed_as_openssl_does() -> None:
    text = seal().answer(NODE, dict(golden.ANSWER)).decode()
    assert text == f'{{"{NODE}":{golden.ANSWER_TEXT},"sign":"{golden.ANSWER_SIGN}"}}'
    told = dict(parse_qsl(seal().notice(dict(golden.NOTICE)).decode()))
    assert told == golden.NOTICE | {"sign_type": "RSA2", "sign": golden.NOTICE_SIGN}


def test_the_number_of_the_certificate_comes_last() -> None:
    text = seal().answer(NODE, dict(golden.ANSWER), cert_sn="abc")
    assert text.endswith(f'"sign":"{golden.ANSWER_SIGN}","alipay_cert_sn":"abc"}}'.encode())


def test_the_legacy_type_signs_with_sha1() -> None:
    text = golden.REQUEST_TEXT.encode()
    assert seal().sign(text, RSA).decode() == golden.REQUEST_SIGN_SHA1


@pytest.mark.parametrize("variant", sorted(SIGNS.answers | SIGNS.notices))
def test_a_variant_looks_different_wherever_it_can(variant: Variant) -> None:
    answer, notice = (
        dict(golden.ANSWER) | {"subject": "会员"},
        dict(golden.NOTICE) | {"notify_url": "http://127.0.0.1/"},
    )
    if variant in SIGNS.answers:
        odd = seal().answer(NODE, answer, variant=variant)
        assert odd != seal().answer(NODE, answer)
        assert answer == golden.ANSWER | {"subject": "会员"}
        if variant is not Variant.EXTRA_FIELD:
            assert json.loads(odd)[NODE] == answer
    if variant in SIGNS.notices:
        assert seal().notice(notice, variant=variant) != seal().notice(notice)


@pytest.mark.parametrize("variant", sorted(set(Variant) - SIGNS.answers))
def test_a_variant_that_means_nothing_here_changes_no_answer(variant: Variant) -> None:
    assert seal().answer(NODE, dict(golden.ANSWER), variant=variant) == seal().answer(NODE, dict(golden.ANSWER))


@pytest.mark.parametrize("variant", [Variant.CHARSET_GBK, Variant.JSON_ESCAPING, Variant.ESCAPED])
def test_some_variants_need_letters_or_slashes_to_differ(variant: Variant) -> None:
    plain: dict[str, object] = {"code": "10000", "msg": "Success"}
    assert seal().answer(NODE, plain, variant=variant) == seal().answer(NODE, plain)


def rightly_signed(body: bytes) -> bool:
    """Whether a notice verifies as the vendor tells shops to check it."""
    told = dict(parse_qsl(body.decode(), keep_blank_values=True))
    text = "&".join(f"{k}={v}" for k, v in sorted(told.items()) if k not in ("sign", "sign_type"))
    return told.get("sign", "") == seal().sign(text.encode()).decode()


@pytest.mark.parametrize("variant", sorted(SIGNS.notices))
def test_a_notice_verifies_just_where_a_shop_must_accept_it(variant: Variant) -> None:
    notice = dict(golden.NOTICE) | {"notify_url": "http://127.0.0.1/"}
    assert rightly_signed(seal().notice(notice, variant=variant)) is (variant in VALID)


def test_the_numbers_of_certificates_hold_the_whole_name_of_their_issuer() -> None:
    own = merchant().own
    numbers = [cert_sn(own[name]) for name in ("app_cert", "alipay_cert", "alipay_root_cert")]
    assert len(set(numbers)) == 3
    assert all(len(number) == 32 for number in numbers)


NOT_KEYS = ["", "no PEM", Keyring().ca(), merchant().own["platform_private_key"], merchant().own["app_public_key"]]


@pytest.mark.parametrize(
    ("name", "text"),
    [(name, None) for name in ("platform_private_key", "app_public_key", "app_cert", "alipay_root_cert")]
    + [("platform_private_key", text) for text in (*NOT_KEYS[:3], NOT_KEYS[4])]
    + [("app_public_key", text) for text in NOT_KEYS[:4]]
    + [("app_cert", text) for text in (*NOT_KEYS[:2], *NOT_KEYS[3:])],
)
def test_what_is_no_key_of_an_application_is_refused_by_its_name_alone(name: str, text: str | None) -> None:
    own = {k: v for k, v in (merchant().own | {name: text}).items() if v is not None}
    with pytest.raises(KeysMissing, match=rf"^own\.{name} (is missing|cannot be read: it must be PEM, of RSA)$"):
        Seal(Keys("1", "k" * 8, own))

"""What all dialects share of signatures: the ways to sign, in words for the journal, what a good shop makes of them."""

import hmac

from faults.verdict import UNSURE, VALID, OtherRule, SignAs, Strike, Variant, Verdict
from ledger.events import ACCEPT, REFUSE

SIGNED = {
    Variant.WRONG_KEY: "signed with another key",
    Variant.MISSING: "not signed",
    Variant.CHARSET_GBK: "signed as GBK",
    Variant.EMPTY_KEPT: "empty fields signed",
    Variant.CASE: "signature in upper case",
    Variant.JSON_ESCAPING: "signed with other JSON escapes than sent",
    Variant.UNSORTED: "fields signed unsorted",
    Variant.SORT_LOCALE: "fields sorted in another order of letters",
    Variant.URLENCODED: "url-encoded values signed",
    Variant.DOUBLE_ENCODED: "url-encoded twice",
    Variant.PLUS_SPACE: "plus signs arrive as spaces",
    Variant.TYPE_CONFUSION: "signed by another algorithm than named",
    Variant.TYPE_IN_STRING: "sign_type on the wrong side of the signed text",
    Variant.KEY_TAIL: "key joined to the text in another way",
    Variant.MERGED_SOURCES: "query and body taken together or apart",
    Variant.BODY_RESERIALIZED: "JSON written anew after signing",
    Variant.TRAILING_NEWLINE: "last line break of the signed text missing",
    Variant.MISSING_TYPE_HEADER: "no header names the signature's type",
    Variant.PARTIAL_COVER: "changed where the signature does not reach",
    Variant.SKEW_6_MIN: "signed six minutes off",
    Variant.SKEW_11_MIN: "signed eleven minutes off",
    Variant.SKEW_1_DAY: "signed a day off",
    Variant.UNIT_SKEW: "time in another unit",
    Variant.TIME_ZONE: "time of another zone",
    Variant.CERT_ROTATED: "signed with a certificate that is not listed yet",
    Variant.UNKNOWN_SERIAL: "serial number that nobody knows",
    Variant.EMPTY_SERIAL: "serial number empty",
    Variant.PROBE: "a probe in place of the signature",
    Variant.GCM_BAD_TAG: "ciphertext with a broken tag",
    Variant.V3KEY_CHANGED: "encrypted with another key",
    Variant.NUMBER_FORMAT: "another form of the number signed than sent",
    Variant.FIELD_ORDER: "fields in another order",
    Variant.ESCAPED: "slashes and letters escaped, signed so",
    Variant.SPACED: "white space within, signed so",
    Variant.SIGN_FIRST: "signature in front of what it signs",
    Variant.EXTRA_FIELD: "one more field, signed too",
    Variant.CERT_OVERLAP: "signed with the newer of two listed certificates",
    Variant.SKEW_4_MIN: "signed four minutes off",
}


SKEWS_S: dict[Variant | None, int] = {
    Variant.SKEW_4_MIN: 240,
    Variant.SKEW_6_MIN: 360,
    Variant.SKEW_11_MIN: 660,
    Variant.SKEW_1_DAY: 86_400,
}
"""Seconds by which a clock is off."""


def are_equal(own: str, given: object) -> bool:
    """Whether the secret or signature that was given is the own one, told in constant time."""
    return isinstance(given, str) and hmac.compare_digest(own.encode(), given.encode("utf-8", "surrogateescape"))


def oddly_signed(verdict: Verdict) -> tuple[Strike, Variant] | None:
    """How an answer or notice is signed otherwise than by the rule, if it is."""
    strike = verdict.first(SignAs, OtherRule)
    if strike is None:
        return None
    assert isinstance(strike.effect, SignAs | OtherRule)
    return strike, strike.effect.variant


def must(variant: Variant) -> str:
    """What a good shop does with an answer or notice that is signed in this way; empty where that is not certain."""
    if variant in UNSURE:
        return ""
    return ACCEPT if variant in VALID else REFUSE

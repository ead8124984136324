"""What signature faults make of WeChat Pay's answers and notices, and of how it checks requests, one variant after the
other; the receiver is one who takes nothing but what is right."""

import json
from typing import Any

import msgspec
import pytest
from cryptography.exceptions import InvalidTag

from faults.catalog import catalog
from faults.verdict import UNSURE, VALID, OtherRule, SignAs, Variant
from ledger.events import ACCEPT, REFUSE, Struck, TradeCreated
from ledger.states import Hop
from mocks.payment.wechat import ON_ANSWERS, ON_NOTICES, ON_REQUESTS
from mocks.post import Letter
from mocks.reply import Reply
from plan.faults import FaultPlan
from plan.units import from_text
from tests.mocks.wechat import NONCE, PAY, WeChatWorld, a_wechat, an_order, authorization, opened, plain, the_keys
from tests.mocks.world import WALL_S, a_fault

BY = {Variant.SKEW_6_MIN: "6 min", Variant.SKEW_11_MIN: "11 min", Variant.SKEW_1_DAY: "1 day"}
QUERY = f"{PAY}/out-trade-no/C000001?mchid={the_keys().pid}"
PUBLIC_KEY = the_keys().told["platform_public_key_id"]


def fault_of(variant: Variant, hop: Hop) -> FaultPlan:
    """The fault of the catalogue that signs in this way, on everything at the hop."""
    params: dict[str, Any] = {"by": BY[variant]} if variant in BY else {}
    for fault in catalog().values():
        if (
            "wechat" in fault.dialects
            and hop in fault.hops
            and fault.effect is not None
            and fault.name.startswith("sig.")
        ):
            if variant in BY and fault.name != "sig.clock_skew":
                continue
            given = msgspec.convert(params, fault.params, dec_hook=from_text) if params else fault.params()
            effect = fault.effect(given)
            if isinstance(effect, OtherRule | SignAs) and effect.variant is variant:
                return a_fault(str(variant), fault.name, hop, params=params)
    raise AssertionError(f"no fault of the catalogue signs by {variant}")


def is_taken(w: WeChatWorld, letter: Letter | Reply) -> bool:
    """Whether a careful receiver believes it: signed by a key that is known or listed, fresh, and to be opened."""
    assert letter.body is not None
    if not w.is_signed(letter.headers, letter.body):
        return False
    told = json.loads(letter.body) if letter.body else {}
    sealed = [told["resource"]] if "resource" in told else [one["encrypt_certificate"] for one in told.get("data", [])]
    try:
        for one in sealed:
            plain(one)
    except InvalidTag:
        return False
    return True


def musts(w: WeChatWorld) -> list[str]:
    return [event.must for event in w.found(Struck)]


MUST = {variant: ACCEPT if variant in VALID else "" if variant in UNSURE else REFUSE for variant in Variant}


@pytest.mark.parametrize("variant", sorted(ON_NOTICES))
async def test_a_careful_shop_takes_of_the_notices_signed_oddly_just_the_valid_ones(variant: Variant) -> None:
    async with a_wechat(fault_of(variant, Hop.PAYMENT_SHOP)) as w:
        w.begin_load()
        await w.paid(1)
        (letter,) = w.letters
        assert musts(w) == [MUST[variant]]
        takes = variant in VALID or variant is Variant.PARTIAL_COVER
        assert is_taken(w, letter) is takes
        if variant in VALID:
            assert opened(letter)["resource"] == (await w.query())[1]


@pytest.mark.parametrize("variant", sorted(ON_ANSWERS))
async def test_a_careful_shop_takes_of_the_answers_signed_oddly_just_the_valid_ones(variant: Variant) -> None:
    """Where requests are checked by the variant's rule too, it is a refusal, and the request is what was struck."""
    async with a_wechat(fault_of(variant, Hop.SHOP_PAYMENT)) as w:
        await w.ordered(1)
        w.begin_load()
        is_of_ciphers = variant in (Variant.V3KEY_CHANGED, Variant.GCM_BAD_TAG)
        reply = await w.send("GET", "/v3/certificates" if is_of_ciphers else QUERY)
        is_checked = variant in ON_REQUESTS - {Variant.WRONG_KEY, Variant.BODY_RESERIALIZED}  # a GET has no body
        assert reply.status == (401 if is_checked else 200)
        assert musts(w) == ["" if is_checked else MUST[variant]]
        assert is_taken(w, reply) is (variant in VALID)


@pytest.mark.parametrize("variant", sorted(ON_REQUESTS - {Variant.WRONG_KEY}))
async def test_a_platform_that_checks_by_another_rule_refuses_what_is_right(variant: Variant) -> None:
    async with a_wechat(fault_of(variant, Hop.SHOP_PAYMENT)) as w:
        w.begin_load()
        text = json.dumps(an_order(1), separators=(",", ":")).encode()
        reply = await w.send("POST", f"{PAY}/native", text)
        assert (reply.status, json.loads(reply.body)["code"]) == (401, "SIGN_ERROR")
        assert w.found(TradeCreated) == []
        assert [event.changed for event in w.found(Struck)] == ["right signature refused"]


@pytest.mark.parametrize(
    ("variant", "changed"),
    [
        (Variant.TRAILING_NEWLINE, {"text": f"GET\n{QUERY}\n{WALL_S}\n{NONCE}\n".encode()}),
        (Variant.SKEW_6_MIN, {"wall_s": WALL_S + 360}),
        (Variant.SKEW_1_DAY, {"wall_s": WALL_S + 86_400}),
    ],
)
async def test_a_platform_that_checks_by_another_rule_takes_what_is_wrong(
    variant: Variant, changed: dict[str, Any]
) -> None:
    signed = authorization("GET", QUERY, b"", **changed)
    async with a_wechat(fault_of(variant, Hop.SHOP_PAYMENT)) as w:
        await w.ordered(1)
        assert (await w.send("GET", QUERY, signed=signed)).status == 401
        w.begin_load()
        assert (await w.send("GET", QUERY, signed=signed)).status == 200
        assert [event.changed for event in w.found(Struck)] == ["wrong signature taken"]


async def test_a_body_that_the_proxy_would_write_just_so_passes_it() -> None:
    async with a_wechat(fault_of(Variant.BODY_RESERIALIZED, Hop.SHOP_PAYMENT)) as w:
        w.begin_load()
        reply = await w.send("POST", f"{PAY}/native", json.dumps(an_order(1), ensure_ascii=False).encode())
        assert reply.status == 200


@pytest.mark.parametrize(
    "variant",
    sorted(
        {Variant.FIELD_ORDER, Variant.ESCAPED, Variant.SPACED, Variant.BODY_RESERIALIZED, Variant.EXTRA_FIELD}
        & ON_ANSWERS
    ),
)
async def test_an_empty_answer_cannot_be_written_otherwise_and_nothing_is_struck(variant: Variant) -> None:
    async with a_wechat(fault_of(variant, Hop.SHOP_PAYMENT)) as w:
        await w.ordered(1)
        w.begin_load()
        closing = json.dumps({"mchid": the_keys().pid}).encode()
        reply = await w.send("POST", f"{PAY}/out-trade-no/C000001/close", closing)
        assert (reply.status, reply.body) == (204, b"")
        assert w.is_signed(reply.headers, reply.body)
        assert w.found(Struck) == []


async def test_who_trusts_the_public_key_has_no_certificates_to_overlap() -> None:
    faults = [fault_of(Variant.CERT_OVERLAP, hop) for hop in (Hop.SHOP_PAYMENT, Hop.PAYMENT_SHOP)]
    faults[1] = msgspec.structs.replace(faults[1], id="notices")
    async with a_wechat(*faults) as w:
        w.begin_load()
        page = (await w.ask("POST", f"{PAY}/native", an_order(1), serial=PUBLIC_KEY))[1]["code_url"]
        await w.pay(page)
        await w.settle()
        assert w.letters[0].headers["Wechatpay-Serial"] == PUBLIC_KEY
        assert w.found(Struck) == []


async def test_a_belied_event_is_signed_rightly_over_a_resource_that_says_otherwise() -> None:
    async with a_wechat(fault_of(Variant.PARTIAL_COVER, Hop.PAYMENT_SHOP)) as w:
        w.begin_load()
        await w.paid(1)
        told = opened(w.letters[0])
        assert (told["event_type"], told["resource"]["trade_state"]) == ("REFUND.SUCCESS", "SUCCESS")


@pytest.mark.parametrize(
    ("fault", "params", "found"),
    [
        ("ver.enum_changed", {}, "REFUND"),
        ("ver.enum_unknown", {}, "ACCEPT"),
        ("ver.missing_field", {}, None),
        ("ver.cents_vs_yuan", {}, "SUCCESS"),
    ],
)
async def test_version_faults_change_the_resource_before_it_is_encrypted(
    fault: str, params: dict[str, Any], found: str | None
) -> None:
    async with a_wechat(a_fault("v", fault, Hop.PAYMENT_SHOP, params=params)) as w:
        w.begin_load()
        await w.paid(1)
        resource = opened(w.letters[0])["resource"]
        assert is_taken(w, w.letters[0])
        assert resource.get("trade_state") == found
        assert (resource["amount"]["total"] == 1999) is (fault != "ver.cents_vs_yuan")
        assert len(w.found(Struck)) == 1

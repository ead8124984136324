"""sig.clock_skew: the upstream's clock is off by more than both sides allow."""

from typing import Literal

import msgspec

from faults.catalog import SIGNED, Cause, Fault, Part, hops_of
from faults.verdict import OtherRule, Variant
from ledger.events import REFUSE
from plan.faults import Label

WHERE = {
    "epay_v2": Part.ALL,
    "alipay": Part.REQUESTS,
    "wechat": Part.ALL,
    "kakayun": Part.REQUESTS,
    "topup": Part.REQUESTS | Part.NOTICES,
}
SKEWS = {"6 min": Variant.SKEW_6_MIN, "11 min": Variant.SKEW_11_MIN, "1 day": Variant.SKEW_1_DAY}


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`by`: how far the upstream's clock is off: beyond 5 minutes, beyond 10, or a whole day."""

    by: Literal["6 min", "11 min", "1 day"] = "6 min"


FAULT = Fault(
    name="sig.clock_skew",
    label=Label("clock of the upstream off", "上游时钟偏差"),
    hops=hops_of(WHERE),
    operations=SIGNED,
    dialects=WHERE,
    params=Params,
    effect=lambda p: OtherRule(SKEWS[p.by]),
    cause=Cause.SIGNATURE,
    imitates="a server without a time service: requests come too late or too early, and so do its answers and notices",
    source="WeChat Pay 5 min, Epay V2 300 s, 卡卡云 v3 300 s, 阿奇索 600 s; wechatpayv3 takes a callback a day old",
    twin="sig.odd_skew",
    must=REFUSE,
)

"""sig.charset_gbk: the upstream signs and checks the texts as GBK."""

from faults.catalog import NOTICES, OF_AN_ORDER, TO_MOCKS, Cause, Fault, NoParams
from faults.verdict import OtherRule, Variant
from ledger.states import Operation
from plan.faults import Label

FAULT = Fault(
    name="sig.charset_gbk",
    label=Label("signed in GBK", "签名编码为 GBK"),
    hops=(*TO_MOCKS, *NOTICES),
    operations=(*OF_AN_ORDER, Operation.NOTICE),
    params=NoParams,
    effect=lambda p: OtherRule(Variant.CHARSET_GBK),
    cause=Cause.SIGNATURE,
    imitates="GBK under a declared UTF-8: fails only where a name is not ASCII, so it works in tests and fails live",
    source="signature failure modes of the protocols: Alipay, Epay and Fulu gateways that sign in GBK",
)

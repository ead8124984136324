"""sig.case: the upstream signs in upper-case hex, and takes no other."""

from faults.catalog import NOTICES, OF_AN_ORDER, TO_MOCKS, Cause, Fault, NoParams
from faults.verdict import OtherRule, Variant
from ledger.states import Operation
from plan.faults import Label

FAULT = Fault(
    name="sig.case",
    label=Label("signatures in upper case", "签名大小写不符"),
    hops=(*TO_MOCKS, *NOTICES),
    operations=(*OF_AN_ORDER, Operation.NOTICE),
    params=NoParams,
    effect=lambda p: OtherRule(Variant.CASE),
    cause=Cause.SIGNATURE,
    imitates="a server that compares letter by letter with upper-case hex: a strict reader sees a wrong signature",
    source="signature failure modes of the protocols: upper against lower hex, Epay variants",
)

"""sig.missing: the signature does not arrive."""

from faults.catalog import NOTICES, OF_AN_ORDER, TO_MOCKS, Cause, Fault, NoParams
from faults.verdict import OtherRule, Variant
from ledger.states import Operation
from plan.faults import Label

FAULT = Fault(
    name="sig.missing",
    label=Label("signatures missing", "签名缺失"),
    hops=(*TO_MOCKS, *NOTICES),
    operations=(*OF_AN_ORDER, Operation.NOTICE),
    params=NoParams,
    effect=lambda p: OtherRule(Variant.MISSING),
    cause=Cause.SIGNATURE,
    imitates="a field or header lost on the way: requests are refused, and no shop may deliver on an unsigned notice",
    source="signature failure modes of the protocols: no sign, no header; must be refused",
)

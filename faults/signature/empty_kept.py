"""sig.empty_kept: the upstream signs and checks empty fields too."""

from faults.catalog import NOTICES, OF_AN_ORDER, TO_MOCKS, Cause, Fault, NoParams
from faults.verdict import OtherRule, Variant
from ledger.states import Operation
from plan.faults import Label

FAULT = Fault(
    name="sig.empty_kept",
    label=Label("empty fields signed", "空字段参与签名"),
    hops=(*TO_MOCKS, *NOTICES),
    operations=(*OF_AN_ORDER, Operation.NOTICE),
    params=NoParams,
    effect=lambda p: OtherRule(Variant.EMPTY_KEPT),
    cause=Cause.SIGNATURE,
    imitates="a library that keeps empty values: fails only in the orders where an optional field is empty",
    source="signature failure modes of the protocols: python-alipay-sdk keeps them, most others drop them",
)

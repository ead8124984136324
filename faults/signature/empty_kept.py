"""sig.empty_kept: the upstream signs and checks empty fields too.

Only where fields are signed one by one, which leaves out the top-up server. Epay's notices hold no empty field unless
notice_stripped has emptied one.
"""

from faults.catalog import OF_AN_ORDER, Cause, Fault, NoParams
from faults.verdict import OtherRule, Variant
from ledger.states import Hop, Operation
from plan.faults import Label

FAULT = Fault(
    name="sig.empty_kept",
    label=Label("empty fields signed", "空字段参与签名"),
    hops=(Hop.SHOP_PAYMENT, Hop.BUYER_PAYMENT, Hop.SHOP_SUPPLIER, Hop.PAYMENT_SHOP),
    operations=(*OF_AN_ORDER, Operation.NOTICE),
    params=NoParams,
    effect=lambda p: OtherRule(Variant.EMPTY_KEPT),
    cause=Cause.SIGNATURE,
    imitates="a library that keeps empty values: fails only in the orders where an optional field is empty",
    source="signature failure modes of the protocols: python-alipay-sdk keeps them, most others drop them",
)

"""ver.cents_vs_yuan: amounts come in the other unit: fen for yuan, or yuan for fen. (A top-up tells no amount.)"""

from faults.catalog import ANY_NOTICE, OF_AN_ORDER, Cause, Fault, NoParams
from faults.verdict import ScaleMoney
from ledger.states import Hop
from plan.faults import Label

FAULT = Fault(
    name="ver.cents_vs_yuan",
    label=Label("amounts in the other unit", "版本不符：元分混淆"),
    hops=(Hop.SHOP_PAYMENT, Hop.SHOP_SUPPLIER, Hop.PAYMENT_SHOP, Hop.SUPPLIER_SHOP),
    operations=(*OF_AN_ORDER, *ANY_NOTICE),
    params=NoParams,
    effect=lambda p: ScaleMoney(100.0),
    cause=Cause.VERSION,
    imitates="a version that counts in the other unit: a hundred times too much, or too little",
    source="schema mismatch modes of the protocols: one platform's v1 in fen, its v3 in yuan",
)

"""sig.wrong_key: the shop's request is refused as signed with another key."""

from faults.catalog import Cause, Fault, NoParams
from faults.verdict import FailCheck
from ledger.states import Hop, Operation
from plan.faults import Label

FAULT = Fault(
    name="sig.wrong_key",
    label=Label("requests refused by signature", "请求验签失败"),
    hops=(Hop.SHOP_PAYMENT, Hop.BUYER_PAYMENT),
    operations=(Operation.CREATE, Operation.QUERY, Operation.REFUND),
    params=NoParams,
    effect=lambda p: FailCheck(),
    cause=Cause.SIGNATURE,
    imitates="a key changed at the channel and not yet in the shop: the mock checks as if it held another key",
    source="Epay V1 servers answer code -1 or an HTML page with a Chinese sentence, status 200",
)

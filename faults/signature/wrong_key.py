"""sig.wrong_key: the shop's request is refused as signed with another key."""

from faults.catalog import OF_AN_ORDER, TO_MOCKS, Cause, Fault, NoParams
from faults.verdict import FailCheck
from plan.faults import Label

FAULT = Fault(
    name="sig.wrong_key",
    label=Label("requests refused by signature", "请求验签失败"),
    hops=TO_MOCKS,
    operations=OF_AN_ORDER,
    params=NoParams,
    effect=lambda p: FailCheck(),
    cause=Cause.SIGNATURE,
    imitates="a key changed at the channel and not yet in the shop: the mock checks as if it held another key",
    source="Epay V1 servers answer code -1 or an HTML page, status 200; acg-faka 密钥错误; HMAC APIs 401",
)

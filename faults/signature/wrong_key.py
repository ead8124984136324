"""sig.wrong_key: the shop's request is refused as signed with another key."""

from faults.catalog import CHECKED, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import FailCheck
from plan.faults import Label

WHERE = {
    "epay": Part.REQUESTS,
    "epay_v2": Part.REQUESTS,
    "vmq": Part.REQUESTS,
    "alipay": Part.REQUESTS,
    "wechat": Part.REQUESTS,
    "sharedstore": Part.REQUESTS,
    "fulu": Part.REQUESTS,
    "kakayun": Part.REQUESTS,
    "topup": Part.REQUESTS,
    "fazer": Part.REQUESTS,
    "rcon": Part.REQUESTS,
    "command_queue": Part.REQUESTS,
}
FAULT = Fault(
    name="sig.wrong_key",
    label=Label("requests refused by signature", "请求验签失败"),
    hops=hops_of(WHERE),
    operations=CHECKED,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: FailCheck(),
    cause=Cause.SIGNATURE,
    imitates="a key changed at the channel and not yet in the shop: the mock checks as if it held another key",
    source=(
        "Epay V1 servers answer code -1 or an HTML page, status 200; Alipay 40002; WeChat 401; acg-faka "
        "密钥错误; HMAC APIs 401"
    ),
)

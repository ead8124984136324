"""sig.wrong_peer_key: a notice arrives signed with a key the shop does not know."""

from faults.catalog import NOTICES, Cause, Fault, NoParams
from faults.verdict import SignAs, Variant
from ledger.states import Operation
from plan.faults import Label

FAULT = Fault(
    name="sig.wrong_peer_key",
    label=Label("notices with a wrong signature", "通知签名错误"),
    hops=NOTICES,
    operations=(Operation.NOTICE,),
    params=NoParams,
    effect=lambda p: SignAs(Variant.WRONG_KEY),
    cause=Cause.SIGNATURE,
    imitates="a key changed in the shop and not yet at the channel, or a forged notice: a shop must not deliver on it",
    source="signature failure modes of payment channels: answer or notice signed with the wrong platform key",
)

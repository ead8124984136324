"""amount_off: the notice tells another amount than the one that was paid."""

import msgspec

from faults.catalog import Cause, Fault
from faults.verdict import AmountOff
from ledger.states import Hop, Operation
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`fen`: by so many whole fen more (or less, below 0) than was paid."""

    fen: int = -1

    def __post_init__(self) -> None:
        if not 1 <= abs(self.fen) <= 1_000_000:
            raise ValueError(f"fen must be -1000000..-1 or 1..1000000 (given: {self.fen})")


FAULT = Fault(
    name="amount_off",
    label=Label("notices with another amount", "通知金额不符"),
    hops=(Hop.PAYMENT_SHOP,),
    operations=(Operation.NOTICE,),
    params=Params,
    effect=lambda p: AmountOff(p.fen),
    cause=Cause.AMOUNT,
    imitates="a channel that tells payers apart by some fen, or prints a rounded float: the amounts do not match",
    source="stalls seen in real shops: amount off by 0.01, payment never noticed; dujiaoka issue 351, VPay issue 45",
)

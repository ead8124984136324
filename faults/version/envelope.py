"""ver.envelope: the whole answer comes under another name."""

import msgspec

from faults.catalog import OF_AN_ORDER, TO_UPSTREAMS, WITH_FIELDS, Cause, Fault
from faults.verdict import Enwrap
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`name`: what the answer stands under; none: the dialect's other envelope (alipay: error_response)."""

    name: str | None = None

    def __post_init__(self) -> None:
        if self.name == "":
            raise ValueError("name must not be empty")


FAULT = Fault(
    name="ver.envelope",
    label=Label("answer in another envelope", "版本不符：外层结构改变"),
    hops=TO_UPSTREAMS,
    operations=OF_AN_ORDER,
    dialects=WITH_FIELDS,
    params=Params,
    effect=lambda p: Enwrap(p.name),
    cause=Cause.VERSION,
    imitates="a gateway or framework in front of the server that answers in its own form; the work was done",
    source="schema mismatch modes of the protocols: Alipay's error_response, the framework errors of Epay V2",
)

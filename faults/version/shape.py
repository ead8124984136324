"""ver.shape: a field of the answer has another shape: a list, a text of JSON, or its fields beside the others."""

import msgspec

from faults.catalog import ANY_NOTICE, NOTICES, OF_AN_ORDER, TO_UPSTREAMS, WITH_JSON, Cause, Fault
from faults.verdict import Reshape, Shape
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`field` becomes a list that holds it, a text of JSON, or flat, its fields beside those around it (`into`; a list
    unless told); what has that shape already goes back to a plain object. No field named: what the dialect's versions
    disagree on."""

    field: str | None = None
    into: Shape | None = None

    def __post_init__(self) -> None:
        if self.field == "":
            raise ValueError("field must be a name; it is empty")
        if self.into is not None and self.field is None:
            raise ValueError("give field too, or neither")


FAULT = Fault(
    name="ver.shape",
    label=Label("fields in another shape", "版本不符：结构改变"),
    hops=(*TO_UPSTREAMS, *NOTICES),
    operations=(*OF_AN_ORDER, *ANY_NOTICE),
    dialects=WITH_JSON,
    params=Params,
    effect=lambda p: Reshape(p.field, p.into),
    cause=Cause.VERSION,
    imitates="a server whose new version answers a list where an object was, or nests what was flat",
    source=(
        "schema mismatch modes of the protocols: 卡速售 answers object and list, Epay V2 flat or under data, Fulu's "
        "result is a text of JSON"
    ),
)

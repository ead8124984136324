"""ver.num_to_string: numbers come as texts, and numeric texts as numbers."""

import msgspec

from faults.catalog import ANY_NOTICE, NOTICES, OF_AN_ORDER, TO_UPSTREAMS, WITH_JSON, Cause, Fault
from faults.verdict import Retype, Turned
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`turned`: both ways, or one of them only."""

    turned: Turned = Turned.BOTH


FAULT = Fault(
    name="ver.num_to_string",
    label=Label("numbers as texts", "版本不符：数字变文本"),
    hops=(*TO_UPSTREAMS, *NOTICES),
    operations=(*OF_AN_ORDER, *ANY_NOTICE),
    dialects=WITH_JSON,
    params=Params,
    effect=lambda p: Retype(p.turned),
    cause=Cause.VERSION,
    imitates="a rewritten server with other types in its JSON: strict readers refuse what lenient ones never notice",
    source="schema mismatch modes of the protocols: money and code as text or number",
)

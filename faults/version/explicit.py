"""ver.explicit: the upstream refuses the version that the request names, and says so."""

from faults.catalog import OF_AN_ORDER, Cause, Fault, NoParams, Part, hops_of
from faults.verdict import RejectVersion
from plan.faults import Label

WHERE = {"alipay": Part.REQUESTS, "fulu": Part.REQUESTS}
FAULT = Fault(
    name="ver.explicit",
    label=Label("version refused", "版本不符：明确拒绝"),
    hops=hops_of(WHERE),
    operations=OF_AN_ORDER,
    dialects=WHERE,
    params=NoParams,
    effect=lambda p: RejectVersion(),
    cause=Cause.VERSION,
    imitates="the one neat kind of mismatch, and the rarest: an old version switched off, and refused by its name",
    source="schema mismatch modes of the protocols: version parameter rejected (Alipay isv.invalid-version, Fulu)",
)

"""ver.content_type: the answer is right, and wrapped as something else."""

import msgspec

from faults.catalog import OF_AN_ORDER, TO_UPSTREAMS, WITH_FIELDS, Cause, Fault
from faults.verdict import Wrap, Wrapping
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`kind`: the JSON is called text/html or text/plain, has a byte order mark in front, or is zipped."""

    kind: Wrapping = Wrapping.HTML


FAULT = Fault(
    name="ver.content_type",
    label=Label("answer in another wrapping", "版本不符：内容类型"),
    hops=TO_UPSTREAMS,
    operations=OF_AN_ORDER,
    dialects=WITH_FIELDS,
    params=Params,
    effect=lambda p: Wrap(p.kind),
    cause=Cause.VERSION,
    imitates="a server with another configuration: a strict client refuses what it could read, though all was done",
    source="schema mismatch modes of the protocols: text/html or text/plain for JSON, a BOM in front, gzip",
)

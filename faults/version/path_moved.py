"""ver.path_moved: the path of the request is one of another version."""

from typing import Literal

import msgspec

from faults.catalog import OF_AN_ORDER, TO_UPSTREAMS, Cause, Fault
from faults.verdict import Moved
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`status`: 404, or 301 or 302 to a place of the new version (which does not take the old request either)."""

    status: Literal[404, 301, 302] = 404


FAULT = Fault(
    name="ver.path_moved",
    label=Label("path of another version", "版本不符：接口路径变更"),
    hops=TO_UPSTREAMS,
    operations=OF_AN_ORDER,
    params=Params,
    effect=lambda p: Moved(p.status),
    cause=Cause.VERSION,
    imitates="an upgraded server with new paths: not found, or a redirect that turns a POST into a GET",
    source="schema mismatch modes of the protocols: 404, 301, 302; acg-faka follows no redirect",
)

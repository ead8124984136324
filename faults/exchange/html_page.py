"""html_page: a page of HTML comes where an answer of the protocol belongs."""

import msgspec

from faults.catalog import TO_MOCKS, Cause, Fault
from faults.verdict import Page
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`status`: the HTTP status of the page, 200..599; `acted`: whether the request was carried out behind it."""

    status: int = 200
    acted: bool = False

    def __post_init__(self) -> None:
        if not 200 <= self.status <= 599 or self.status in (204, 304):
            raise ValueError(f"status must be 200..599 and allow a body (given: {self.status})")


FAULT = Fault(
    name="html_page",
    label=Label("a page in place of an answer", "返回网页"),
    hops=TO_MOCKS,
    params=Params,
    effect=lambda p: Page(p.status, p.acted),
    cause=Cause.REFUSED,
    imitates="a firewall's or gateway's own page, with any status: what became of the request is unknown, not failed",
    source="stalls seen in real shops: channel hangs or answers HTML while ordering; acg-faka issue 885",
)

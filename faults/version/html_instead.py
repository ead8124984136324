"""ver.html_instead: a page of the new version's site comes where the old one's answer was."""

import msgspec

from faults.catalog import OF_AN_ORDER, TO_UPSTREAMS, Cause, Fault
from faults.verdict import Page
from plan.faults import Label


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`status`: the HTTP status of the page, 200..599."""

    status: int = 200

    def __post_init__(self) -> None:
        if not 200 <= self.status <= 599 or self.status in (204, 304):
            raise ValueError(f"status must be 200..599 and allow a body (given: {self.status})")


FAULT = Fault(
    name="ver.html_instead",
    label=Label("a page of another version", "版本不符：返回网页"),
    hops=TO_UPSTREAMS,
    operations=OF_AN_ORDER,
    params=Params,
    effect=lambda p: Page(p.status, acted=False),
    cause=Cause.VERSION,
    imitates="an upgraded server whose front page answers every old path, often with status 200: nothing was done",
    source="schema mismatch modes of the protocols: HTML with 200, 502 page, captcha page",
)

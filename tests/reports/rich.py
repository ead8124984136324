"""Findings that have something to say everywhere, so that a page made of them holds every section it can."""

import msgspec

from plan.causes import CAUSES_ZH, MULTIPLE, UNKNOWN, Cause
from reports.findings import (
    Capacity,
    CauseRow,
    Causes,
    Claims,
    Confused,
    Disputes,
    Findings,
    Flow,
    Group,
    Heat,
    Lag,
    Money,
    Named,
    NoticesDue,
    Recovery,
    SignedRow,
    WireRow,
)

ODD = '<b onclick="x()">&amp; | `odd`'
"""What a shop or a scenario may put into a name."""


def rich(findings: Findings) -> Findings:
    """The same findings with every part of a report that a run may have."""
    struck = msgspec.structs.replace(
        findings.struck,
        signed=[SignedRow("old_key", "refuse", 13, 2, 1, 13, 12, 1)],
        wire=[WireRow("cut", "shop>payment/epay", "embedded proxy", "内置代理", 7, 5, None, True)],
        confused=[
            Confused(Cause.LOST_NOTICE, {Cause.LOST_NOTICE: 36, UNKNOWN: 2, MULTIPLE: 1}),
            Confused("none", {Cause.SOLD_OUT: 1}),
        ],
    )
    groups = [Group(name, 20, 5, 0.25, 0.1, 0.5, 1, 15, 2, 1, 61.5, 400.0, True) for name in ("cheap", ODD)]
    return msgspec.structs.replace(
        findings,
        stopped="lost_orders >= 1 (2 paid …)",
        claims=Claims(False, ["journals unclosed: payment was killed"], ["日志未正常结束：payment 被终止"]),
        struck=struck,
        breakdown=findings.breakdown | {"channel": groups},
        disputes=Disputes(3, 1, 1, 1, 123456, ["b00000001"]),
        notices_due=[NoticesDue("epay", 6, 0, -5.0, 940.0)],
        causes=_causes(),
        recovery=[Recovery("dusk", "slow answers", "响应变慢", 6.0, 8.0, 12.0, None, 95.0, 40.0, 2.0, 31)],
        capacity=Capacity(
            [5.0, 10.0], [10.0, 20.0], [9.0, 12.0], [5, 45], 14.5, 12.0, 17.0, 8.0, "isotonic regression, bootstrap"
        ),
        heat=Heat([5.0, 10.0], [30.0, 120.0], [[10, 20], [3, 9]], [1, 4]),
        lag=Lag(300, 280, 4.0, 95.0, 240.0, [0.0, 4.0, 95.0], [1.0, 0.5, 0.05]),
        named=Named(9000.0, 5400.0, 0.6, 0.5, 0.7, {"paid": [4000.0, 1000.0], "recharging": [5000.0, 4400.0]}),
        money=Money(360000, 0, 354000, 0, 360000, 335000, 25000, 2, {"b00000006": 1000, "b00000007": 1000}),
    )


def _causes() -> Causes:
    notice = CauseRow(
        Cause.LOST_NOTICE, Cause.LOST_NOTICE, CAUSES_ZH[Cause.LOST_NOTICE],
        orders=30, stuck=30, lost=4, open=6, excess_s=9000.0, share=0.75, lo=0.6, hi=0.86,
        hops={"notice": 28, "page_paid": 2}, orders_first=["b00000006", "b00000007"],
    )  # fmt: skip
    unknown = CauseRow(
        UNKNOWN, "unknown", "未知", orders=10, stuck=8, lost=0, open=2, excess_s=1000.0, share=0.25, lo=0.14, hi=0.4,
        hops={"asked": 10}, orders_first=["b00000008"],
    )  # fmt: skip
    flows = [Flow("paying", Cause.LOST_NOTICE, "completed", 30), Flow("recharging", UNKNOWN, "open", 10)]
    return Causes(40, [notice, unknown], flows)

"""One order as evidence: what is known of it, put together from its row and from what every voice told."""

from datetime import UTC, datetime

import msgspec

from ledger.clock import SECOND_NS
from ledger.events import DONE
from ledger.states import State
from plan.run import Plan
from reports.advice import Evidence
from reports.lanes import dwells
from reports.table import Row
from reports.told import Event, Frame

UPSTREAM_SAID = ("goods_requested", "goods_accepted", "goods_sold", "credited", "goods_refused")


class Asked(msgspec.Struct, frozen=True):
    """What became of the last request for goods: `outcome` is sold, refused, taken or none; `times`: how often an
    upstream was asked in all; `refusal`: code and words of a refusal."""

    upstream: str
    request_no: str
    outcome: str
    times: int
    refusal: str = ""


class Notices(msgspec.Struct, frozen=True):
    """The channel's notices of the payment: attempts, how the last one ended (empty: it had not), attempts that the
    ladder allows in all, and in how many business seconds after the end of the observation the next one is due
    (negative: it was due before; None: none is due)."""

    channel: str
    sent: int
    outcome: str
    allowed: int
    next_s: float | None


class Known(msgspec.Struct, frozen=True):
    """All that a sentence about an order may draw upon. Amounts in fen, durations in business seconds, times by the
    wall clock (UTC; empty where nobody wrote it down). `state`: what the page showed last, `gone` where it answers
    404; `said_s`: for how long after the payment it had said so."""

    row: Row
    evidence: Evidence
    trades: tuple[str, ...]
    placed_at: str
    paid_at: str
    captures: int
    said_s: float
    compress: float
    asked: Asked | None
    notices: Notices | None
    others_paid: tuple[str, ...] = ()
    refund_asked: bool = False
    complaint: bool = False
    forced_in_s: float | None = None


class Case(msgspec.Struct, frozen=True):
    """One order of a run, with every fact about it in time order; `others`: the other orders of its wish."""

    row: Row
    events: list[Event]
    plan: Plan
    frame: Frame
    others: tuple[Row, ...] = ()

    def of(self, *kinds: str) -> list[Event]:
        return [e for e in self.events if e.kind in kinds]


def known(case: Case) -> Known:
    """What is known of the order."""
    captured, created = case.of("captured"), case.of("trade_created")
    trades = dict.fromkeys(e.text("trade_no") for e in captured or created) or {case.row.trade_no: None}
    opened, ended = case.of("disputed"), case.of("dispute_ended")
    return Known(
        row=case.row,
        evidence=_evidence(case),
        trades=tuple(filter(None, trades)),
        placed_at=_clock(case, case.of("placed")),
        paid_at=_clock(case, captured),
        captures=len(captured),
        said_s=_said_s(case),
        compress=case.plan.compress,
        asked=_asked(case),
        notices=_notices(case),
        others_paid=tuple(other.key for other in case.others if other.paid),
        refund_asked=bool(case.of("refund_requested")),
        complaint=len(opened) > len(ended),
        forced_in_s=_forced_in_s(case, opened[-1]) if len(opened) > len(ended) else None,
    )


def _evidence(case: Case) -> Evidence:
    row = case.row
    answers = case.of(*UPSTREAM_SAID)
    failed = [e for e in case.of("poll_failed") if e.text("operation") == "pay"]
    accepted = [e for e in _about_payment(case, "notice_answered") if e.text("outcome") == "accepted"]
    return Evidence(
        state=State(row.state) if row.state in set(State) else State.UNKNOWN,
        code=row.code,
        placed=bool(case.of("placed")),
        tried=bool(failed or case.of("paid_at_cashier")),
        captured_fen=row.captured_fen,
        refunded_fen=row.refunded_fen,
        notice_accepted=bool(accepted),
        is_vouched=row.is_vouched,
        asked=bool(case.of("goods_requested")),
        refused=bool(answers) and answers[-1].kind == "goods_refused",
        sold=row.sold,
        had=row.goods,
    )


def _about_payment(case: Case, kind: str) -> list[Event]:
    """The channel's notices that a trade was paid; those of goods go by other numbers."""
    trades = {e.text("trade_no") for e in case.of("captured")}
    return [e for e in case.of(kind) if e.text("trade_no") in trades and (e.text("about") or DONE) == DONE]


def _clock(case: Case, events: list[Event]) -> str:
    if not events or case.frame.wall_ns is None:
        return ""
    return f"{datetime.fromtimestamp((case.frame.wall_ns + events[0].t) / SECOND_NS, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _said_s(case: Case) -> float:
    shown = dwells(case.events, case.plan, case.frame)
    if not shown:
        return 0.0
    since = max(shown[-1].start_t, *(e.t for e in case.of("captured")[:1]), 0)
    return max(shown[-1].end_t - since, 0) / SECOND_NS * case.plan.compress


def _asked(case: Case) -> Asked | None:
    """The last request, and the last that was told of it."""
    requests, told = case.of("goods_requested"), case.of(*UPSTREAM_SAID)
    if not told:
        return None
    last = next((e for e in reversed(told) if e.kind in ("goods_sold", "credited")), told[-1])
    outcome = {"goods_requested": "none", "goods_accepted": "taken", "goods_refused": "refused"}.get(last.kind, "sold")
    refusal = " ".join(filter(None, (last.text("code"), last.text("words"))))
    return Asked(last.text("upstream"), last.text("request_no"), outcome, len(requests), refusal)


def _notices(case: Case) -> Notices | None:
    sent, answered = _about_payment(case, "notice_sent"), _about_payment(case, "notice_answered")
    captured = case.of("captured")
    if not captured:
        return None
    channel = captured[0].text("upstream")
    upstream = case.plan.upstreams.get(channel)
    ladder = upstream.ladder if upstream else ()
    accepted = any(e.text("outcome") == "accepted" for e in answered)
    n, done = (max((e.number("n") for e in told), default=0) for told in (sent, answered))
    outcome = "accepted" if accepted else answered[-1].text("outcome") if answered and done >= n else ""
    next_s = None
    if not accepted and 0 < n <= min(done, len(ladder)):
        next_t = answered[-1].t + case.plan.wire_s(ladder[n - 1]) * SECOND_NS
        next_s = (next_t - case.frame.end_t) / SECOND_NS * case.plan.compress
    return Notices(channel, n, outcome, len(ladder) + 1, next_s)


def _forced_in_s(case: Case, complaint: Event) -> float | None:
    """When the channel gives the money back against the shop's silence, after the end of the observation."""
    upstream = case.plan.upstreams.get(complaint.text("upstream"))
    if upstream is None:
        return None
    return float(upstream.forced_after) - (case.frame.end_t - complaint.t) / SECOND_NS * case.plan.compress

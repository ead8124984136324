"""What a report says, as values: the shape of findings.json. Durations are business seconds unless named wire."""

import msgspec

SCHEMA = 1


class Words(msgspec.Struct, frozen=True):
    """A sentence in both languages of the report."""

    en: str
    zh: str


class Claims(msgspec.Struct, frozen=True):
    """How far the numbers can be relied on. `reasons` also holds remarks that do not make `ok` false."""

    ok: bool
    reasons: list[str]
    reasons_zh: list[str]


class Verdict(msgspec.Struct, frozen=True):
    """The sentence at the top; `word` is pass, fail or inconclusive."""

    word: str
    en: str
    zh: str


class Finding(msgspec.Struct, frozen=True):
    """One number. `lo` and `hi` are the two-sided 95 % interval, `bound_lo` and `bound_hi` the one-sided 95 % bounds
    that gates use; all null where the measure has no interval, `value` too where it cannot be estimated."""

    value: float | None
    unit: str
    method: str
    k: int | None = None
    n: int | None = None
    lo: float | None = None
    hi: float | None = None
    bound_lo: float | None = None
    bound_hi: float | None = None


class Invariant(msgspec.Struct, frozen=True):
    """Violations `k` of `n` orders, the one-sided 95 % upper bound of their share, and the first keys. Also what is
    counted in the same way without being forbidden."""

    k: int
    n: int
    upper: float | None
    orders: list[str]
    evaluated: bool = True
    method: str = ""


class GateResult(msgspec.Struct, frozen=True):
    """A gate, judged: pass, fail or inconclusive, and why."""

    text: str
    measure: str
    op: str
    limit: float
    unit: str
    verdict: str
    why: Words
    value: float | None = None
    k: int | None = None
    n: int | None = None
    bound_lo: float | None = None
    bound_hi: float | None = None


class Outcomes(msgspec.Struct, frozen=True):
    """What became of the orders; `money_kept` ended unserved with the money not given back.

    Of those sent and never paid (`unpaid`): `not_placed` the shop did not take, `not_submitted` the buyer tried to pay
    for and the channel never got it, `left_unpaid` nobody tried to pay for. `extra`: orders beside the planned ones.
    """

    planned: int
    sent: int
    unsent: int
    unsent_by: dict[str, int]
    placed: int
    paid: int
    delivered: int
    refunded: int
    money_kept: int
    open: int
    held: int
    unpaid: int
    not_placed: int
    not_submitted: int
    left_unpaid: int
    cancel_asked: int
    cancel_done: int
    extra: int
    goods_shared: int


class Slice(msgspec.Struct, frozen=True):
    """Stuck orders `k` of the `n` paid ones in a part of the orders, and the excess they sum up to."""

    name: str
    k: int
    n: int
    value: float | None
    lo: float | None
    hi: float | None
    excess_s: float


class Group(msgspec.Struct, frozen=True):
    """The paid orders of one channel, supplier, product … and what became of them. `is_few`: too few to tell much.
    `end_median_s`: Kaplan-Meier median of payment to end; null where half of them had not ended. `late` had not ended
    by the deadline, null where not all were followed so long. `honest`: share of order-time in which their pages said
    what is true. `stuck_upper`, `lost_upper`: the share that the group can still rule out, one-sided 95 %: 0 of 12
    shows no more than "less than 22 %"."""

    name: str
    paid: int
    stuck: int
    rate: float | None
    lo: float | None
    hi: float | None
    open: int
    delivered: int
    refunded: int
    lost: int
    end_median_s: float | None
    excess_s: float
    is_few: bool
    late: int | None = None
    honest: float | None = None
    stuck_upper: float | None = None
    lost_upper: float | None = None


class Intents(msgspec.Struct, frozen=True):
    """Wishes of buyers: how many had several orders, how many were paid for more than once, and for how many of those
    no more than one payment is kept in the end."""

    wishes: int
    several_orders: int
    paid_twice: int
    refunded_since: int


class Disputes(msgspec.Struct, frozen=True):
    """Orders whose buyer complained at the channel: those that the shop settled, those whose money the channel gave
    back by force (`forced_fen` in all), those still open at the end; and the first keys."""

    orders: int
    settled: int
    forced: int
    open: int
    forced_fen: int
    keys: list[str]


class AskedUpstream(msgspec.Struct, frozen=True):
    """Payment to the first request for goods at an upstream (business s): of `n` paid orders with such an upstream,
    `asked` were asked for; the curve is the share not yet asked for, by Kaplan-Meier."""

    n: int
    asked: int
    median_s: float | None
    p95_s: float | None
    max_s: float | None
    t_s: list[float]
    waiting: list[float]


class Unchanged(msgspec.Struct, frozen=True):
    """The longest time each paid order's page stood still (business s), state, words and code alike; `open`: orders
    whose page might have stood longer, for they had not ended."""

    n: int
    open: int
    median_s: float | None
    p95_s: float | None
    max_s: float | None
    worst: str
    worst_is_open: bool


class HonestyClass(msgspec.Struct, frozen=True):
    """Order-time in a class, its share of all that was judged, and the orders that were ever in it."""

    name: str
    s: float
    share: float | None
    orders: int


class HonestyState(msgspec.Struct, frozen=True):
    """Order-time while the page showed a state, by class, and the orders that it told of false progress."""

    state: str
    s: float
    by: dict[str, float]
    false_progress: int


class Honesty(msgspec.Struct, frozen=True):
    """How far pages agreed with the truth after payment. Business seconds, but for the tolerance `eps_wire_s`.
    `went_on`: orders whose page ended and whose books tell of another state later, which nobody read."""

    order_s: float
    eps_wire_s: float
    judged_orders: int
    vouched_orders: int
    went_on: int
    classes: list[HonestyClass]
    states: list[HonestyState]


class Settled(msgspec.Struct, frozen=True):
    """What was open and stuck when the faults were healed, and what became of that without anybody's help. `healed`
    ended completed or refunded, `stayed` were still open at the end, `ended_badly` failed, expired or cancelled,
    `with_person` held or handed over; `stuck_later` got stuck only after the heal. Business seconds after the heal:
    `half_s` when half of the open orders had ended, `last_s` when the last stuck one healed."""

    open: int
    stuck: int
    healed: int
    stayed: int
    ended_badly: int
    with_person: int
    stuck_later: int
    last_s: float | None
    half_s: float | None


class Stuck(msgspec.Struct, frozen=True):
    """Episodes: how many, how many had not ended, in which states and for which orders. `excess_median_s` is a
    Kaplan-Meier median with its interval (null: half of them were not seen to end, or there is no such end)."""

    orders: int
    episodes: int
    open_episodes: int
    reconciled: int
    excess_s: float
    excess_median_s: float | None
    by: dict[str, list[Slice]]
    excess_median_lo_s: float | None = None
    excess_median_hi_s: float | None = None


class Deadline(msgspec.Struct, frozen=True):
    """Share of paid orders not ended so long after payment."""

    s: float
    finding: Finding


class AtRisk(msgspec.Struct, frozen=True):
    s: float
    n: int


class Horizon(msgspec.Struct, frozen=True):
    """Shares of paid orders by how they had ended a time after payment; they sum to 1. Counted where all were followed
    so long, else Aalen-Johansen by phase of payment; `intervals`: two-sided 95 %, by name of the share."""

    s: float
    delivered: float
    refunded: float
    failed: float
    manual: float
    open: float
    intervals: dict[str, list[float]] = {}
    method: str = ""


class Survival(msgspec.Struct, frozen=True):
    """Kaplan-Meier of payment to end, by phase of payment: the curve (thinned, as far as each phase was followed), who
    was still followed, and how orders had ended. `beyond_s`: horizons to which a phase was not followed, where
    nothing can be told."""

    n: int
    t_s: list[float]
    open: list[float]
    lo: list[float]
    hi: list[float]
    at_risk: list[AtRisk]
    outcomes: list[Horizon]
    beyond_s: list[float] = []


class NoticesDue(msgspec.Struct, frozen=True):
    """Notices of one upstream that were still to come: how many, and in how many business seconds after the end."""

    upstream: str
    trades: int
    under_way: int
    next_s: float | None
    last_s: float | None


class RequestRow(msgspec.Struct, frozen=True):
    """One kind of request over the run; times in wire ms, by interpolation in the histogram's buckets."""

    name: str
    count: int
    errors: int
    late: int
    per_s: float
    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    why: dict[str, int]


class LatencySeries(msgspec.Struct, frozen=True):
    """p50 and p95 of one kind of request over time (wire)."""

    name: str
    t_s: list[float]
    p50_ms: list[float]
    p95_ms: list[float]


class Series(msgspec.Struct, frozen=True):
    """Paid open orders by what the page showed, and how many of them were stuck; wire seconds after start of load."""

    t_s: list[float]
    states: dict[str, list[int]]
    stuck: list[int]
    load_end_s: float | None
    heal_s: float | None


class FaultRow(msgspec.Struct, frozen=True):
    """What one fault did: strikes, orders struck, those of them that paid and got stuck. `from_s`, `to_s`: wire
    seconds of the load in which it was in force."""

    id: str
    fault: str
    en: str
    zh: str
    cause: str
    exposure: bool
    from_s: float
    to_s: float | None
    strikes: int
    orders: int
    stuck: int
    lost: int


class HopRow(msgspec.Struct, frozen=True):
    """Stuck or lost orders that had come so far and no farther: in all, by fault that struck before, by none."""

    hop: str
    orders: int
    by: dict[str, int]
    none: int


class SignedRow(msgspec.Struct, frozen=True):
    """What a shop made of answers and notices that one fault had signed oddly; a good shop must `must` (refuse or
    accept) them all.

    Exchanges: `wrong` of the `judged` were treated otherwise (accepted though invalid, refused though valid), of
    `unjudged` nobody can say from outside what the shop thought. Orders: of the `refused` paid ones some `recovered`
    (delivered or given their money back) and some were `stranded` (lost, or open at the end).
    """

    id: str
    must: str
    judged: int
    wrong: int
    unjudged: int
    refused: int
    recovered: int
    stranded: int


class WireRow(msgspec.Struct, frozen=True):
    """What a fault on the wire did at one hop: who applied it, strikes in all and those of known orders (None: nobody
    counts them), packets that the kernel dropped, and whether another run strikes the same ones."""

    id: str
    hop: str
    server_en: str
    server_zh: str
    strikes: int | None
    by_key: int | None
    packets: int | None
    repeatable: bool


class Confused(msgspec.Struct, frozen=True):
    """Orders that were judged, by the cause of the fault that truly struck them (`none`: nothing did; `multiple`:
    faults of several causes) and by the cause they were put down to."""

    injected: str
    found: dict[str, int]


class Struck(msgspec.Struct, frozen=True):
    """All that is known from the injectors' voice; nothing else in the findings uses it, but `struck` in `worst`."""

    faults: list[FaultRow]
    hops: list[HopRow]
    signed: list[SignedRow]
    wire: list[WireRow] = []
    confused: list[Confused] = []


class CauseRow(msgspec.Struct, frozen=True):
    """The orders that are put down to one cause, by the evidence alone: paid orders that got stuck, were lost or never
    ended. `cause` is a word of plan/causes.py, also `unknown` and `multiple`; `share` of all that were judged, with
    Wilson's interval; `orders_first`: the first keys; `hops`: how many stopped before which hop."""

    cause: str
    en: str
    zh: str
    orders: int
    stuck: int
    lost: int
    open: int
    excess_s: float
    share: float | None
    lo: float | None
    hi: float | None
    hops: dict[str, int]
    orders_first: list[str]


class Flow(msgspec.Struct, frozen=True):
    """Orders that went one way: the state they got stuck in (or lost from), the cause, what became of them at last."""

    state: str
    cause: str
    outcome: str
    orders: int


class Causes(msgspec.Struct, frozen=True):
    """Why orders got stuck, found blind: `judged` orders, by cause, most of them first."""

    judged: int = 0
    rows: list[CauseRow] = []
    flows: list[Flow] = []


class Recovery(msgspec.Struct, frozen=True):
    """What a fault given by a time window did to the backlog. `from_s`, `to_s`: its window (wire s of the load); all
    else in business seconds: from its start to the first overdue order, from its end until the count of overdue open
    orders stayed within what it had been before (`recover_at_least_s` where that was not seen to its end), and until
    half of the overdue at its end were gone. `before`: that count's 95th percentile before the first window of the run
    (`has_before` false: it began with the load, and no overdue order is taken for usual); `peak`: its highest since.
    `beside`: other windows that were open before it was over; what is told of one is then told of them together."""

    id: str
    en: str
    zh: str
    from_s: float
    to_s: float
    detect_s: float | None
    recover_s: float | None
    recover_at_least_s: float | None
    half_life_s: float | None
    before: float
    peak: int
    has_before: bool = True
    beside: list[str] = []


class Capacity(msgspec.Struct, frozen=True):
    """Backlog against offered load, in equal steps of the load (wire; `t_s` is the end of each, the first begins at 0):
    orders due a second, orders that ended a second, open paid orders at the end of the step. `limit_per_s`: the offered
    load above which the backlog grew, with its interval; null where the run does not show one, and `method` says why.
    `drain_per_s`: orders that ended a second (wire) from the last payment to the last end."""

    t_s: list[float]
    offered_per_s: list[float]
    ended_per_s: list[float]
    open: list[int]
    limit_per_s: float | None
    lo: float | None
    hi: float | None
    drain_per_s: float | None
    method: str


class Heat(msgspec.Struct, frozen=True):
    """Paid orders by when they were paid (columns; `t_s` is the end of each, wire s of the load, the first begins at 0)
    and how long they took to their end (`counts` by row, from the shortest; business s, upper edges, which belong to
    their row); `open`: those of each column that had not ended."""

    t_s: list[float]
    edges_s: list[float]
    counts: list[list[int]]
    open: list[int]


class Lag(msgspec.Struct, frozen=True):
    """How long pages were behind the truth (business s): of `n` changes that a page had to show (money taken, goods
    there, money back), `shown` were; the curve is the share not yet shown, by Kaplan-Meier."""

    n: int
    shown: int
    median_s: float | None
    p95_s: float | None
    max_s: float | None
    t_s: list[float]
    waiting: list[float]


class Named(msgspec.Struct, frozen=True):
    """Order-time from payment to the end (business s), and how much of it the page named the true step; by step, both:
    paid, refused, recharging, refunding, delivered, refunded."""

    order_s: float
    named_s: float
    share: float | None
    lo: float | None
    hi: float | None
    by_step: dict[str, list[float]]


class Money(msgspec.Struct, frozen=True):
    """Fen in three ledgers: the channels' (taken, given back), the shop's books (orders booked as paid, refunded), and
    the buyers' (price of what they paid for, and goods or money they have for it). `disagree`: how many orders the
    ledgers do not agree about, null where the books were not read or the record is not whole; `orders`: the first keys
    of these, and the most fen that one ledger has and another has not."""

    taken_fen: int
    given_back_fen: int
    booked_fen: int | None
    booked_back_fen: int | None
    priced_fen: int
    served_fen: int
    unserved_fen: int
    disagree: int | None
    orders: dict[str, int]


class HealthRow(msgspec.Struct, frozen=True):
    child: str
    samples: int
    cpu_mean: float | None
    cpu_max: float | None
    rss_max_mb: float | None
    lag_max_ms: float | None


class Worst(msgspec.Struct, frozen=True):
    """One of the worst orders: how long it was stuck and waited in all, where it stopped, what struck it before."""

    key: str
    lost: bool
    state: str
    stuck_s: float
    waited_s: float
    is_open: bool
    hop: str
    struck: list[str]


class PhaseRow(msgspec.Struct, frozen=True):
    phase: str
    t_s: float
    note: str


class Findings(msgspec.Struct, frozen=True):
    """Every number of a report. `stopped`: why the load was stopped early, in the harness's words; empty if it was not.
    `counted`: what is counted beside the invariants and for gates alone is good or bad. `without`: faults of the
    scenario that were left out."""

    schema: int
    run: str
    scenario: str
    target: str
    profile: str
    seed: int
    compress: float
    deadline_s: float
    replay: str
    stopped: str
    claims: Claims
    verdict: Verdict
    exit_code: int
    measures: dict[str, Finding]
    invariants: dict[str, Invariant]
    counted: dict[str, Invariant]
    gates: list[GateResult]
    outcomes: Outcomes
    intents: Intents
    disputes: Disputes | None
    stuck: Stuck
    breakdown: dict[str, list[Group]]
    honesty: Honesty
    asked: AskedUpstream
    unchanged: Unchanged
    settled: Settled | None
    deadlines: list[Deadline]
    survival: Survival
    notices_due: list[NoticesDue]
    requests: list[RequestRow]
    latency: list[LatencySeries]
    series: Series
    struck: Struck
    health: list[HealthRow]
    worst: list[Worst]
    phases: list[PhaseRow]
    duration_s: float
    causes: Causes = Causes()
    recovery: list[Recovery] = []
    capacity: Capacity | None = None
    heat: Heat | None = None
    lag: Lag | None = None
    named: Named | None = None
    money: Money | None = None
    without: list[str] = []

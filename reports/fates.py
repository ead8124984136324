"""What became of each planned order of a run, in words that two runs share; and two runs of the same orders matched."""

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.states import State
from plan.run import Plan
from reports.recorded import NEEDED, Recorded

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]

OUTCOMES = {
    "unsent": "未发出",
    "unpaid": "未付款",
    "lost": "丢单",
    "delivered": "已发货",
    "refunded": "已退款",
    "held": "审核或人工",
    "open": "未完结",
    "nothing": "结束但无货无退款",
}
"""How an order ended, the first that applies. Lost as in docs/measures.md; `nothing`: its page ended without goods or
refund, and that does not make it lost (an apology in place of goods)."""
FIRST_KEYS = 5


class Fates(msgspec.Struct, frozen=True):
    """The planned orders, one entry each. `outcome` is an index into OUTCOMES; `bad`: paid, and stuck, lost, open at
    the end, or ended with nothing. Excess, and `waited_s` from payment to the end or as far as it was followed, in
    business seconds; other times in wire seconds on the run's axis."""

    keys: Texts
    outcome: npt.NDArray[np.int64]
    paid: Bools
    stuck: Bools
    lost: Bools
    open: Bools
    got: Bools
    bad: Bools
    excess_s: Floats
    due_s: Floats
    captured_s: Floats
    ended_s: Floats
    channel: Texts
    waited_s: Floats


class Matched(msgspec.Struct, frozen=True):
    """Orders matched by their key over two runs: of how many something is true in both, in one alone, in neither (the
    counts of McNemar's table), and the first keys of those in one alone."""

    both: int
    only_a: int
    only_b: int
    neither: int
    first_a: list[str]
    first_b: list[str]


def fates(run: Recorded) -> Fates:
    """What became of the planned orders, in the order of their keys, as the table of orders has them."""
    planned = run.orders["planned"].astype(bool)
    o = {name: run.orders[name][planned] for name in NEEDED}
    sent, paid = np.isfinite(o["sent_s"]), np.isfinite(o["captured_s"])
    lost, stuck = o["lost"].astype(bool), paid & (o["stuck_business_s"] > 0)
    got, back = o["goods"] > 0, (o["captured_fen"] > 0) & (o["refunded_fen"] >= o["captured_fen"])
    held = (o["last_state"] == str(State.HELD)) | (o["last_state"] == str(State.MANUAL))
    ended = np.isfinite(o["ended_s"])
    cases = [~sent & ~paid, ~paid, lost, got, back, held, ~ended]
    outcome = np.select(cases, range(len(cases)), default=len(cases)).astype(np.int64)
    is_open, ended_empty = paid & ~ended, outcome == len(cases)
    bad = stuck | (paid & (lost | is_open | ended_empty))
    excess_s, times = np.nan_to_num(o["excess_business_s"]), (o["due_s"], o["captured_s"], o["ended_s"])
    beside = (o["channel"], np.nan_to_num(o["waited_business_s"]))
    return Fates(o["key"], outcome, paid, stuck, paid & lost, is_open, paid & got, bad, excess_s, *times, *beside)


def unmatched(a: Plan, b: Plan) -> str:
    """Why the orders of two runs are not the same ones, one clause; empty where they are, key by key."""
    if a.seed != b.seed:
        return f"seeds {a.seed} and {b.seed}"
    if a.load.orders != b.load.orders:
        return f"{a.load.orders} and {b.load.orders} planned orders"
    return "another mix of orders" if a.mix != b.mix else ""


def matched(a: Fates, in_a: Bools, in_b: Bools, among: Bools) -> Matched:
    """Two runs of the same orders, by something that is true of some of them in each; counted `among` some alone."""
    only_a, only_b = among & in_a & ~in_b, among & in_b & ~in_a
    return Matched(
        both=int((among & in_a & in_b).sum()),
        only_a=int(only_a.sum()),
        only_b=int(only_b.sum()),
        neither=int((among & ~in_a & ~in_b).sum()),
        first_a=first_keys(a, only_a),
        first_b=first_keys(a, only_b),
    )


def first_keys(of: Fates, which: Bools) -> list[str]:
    return [str(key) for key in of.keys[which][:FIRST_KEYS]]

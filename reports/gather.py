"""From what was told of orders to the columns of `Orders`: the facts of each kind, put to the order they are of."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from ledger.states import BEFORE_PAID, Code, Operation, State
from reports.goods import Query
from reports.journals import quoted
from reports.measure.money import Booked
from reports.measure.stuck import INDEX, Seen
from reports.orders import Bools, Floats, Ints, Texts

PAID_STATES = (
    State.PAID, State.SUBMITTED, State.RECHARGING, State.COMPLETED, State.REFUNDING, State.REFUNDED, State.DELAYED
)  # fmt: skip
PAGE_PAID = (*PAID_STATES, State.FAILED, State.HELD, State.MANUAL)
UNPAID_BOOKS = (*sorted(BEFORE_PAID), State.EXPIRED, State.CANCELLED, State.UNKNOWN)
GONE = 404


def _listed(states: Iterable[State]) -> str:
    return ", ".join(f"'{state}'" for state in states)


_DONE = "coalesce(about, 'done') = 'done'"


_HOLDS = f"state NOT IN ({_listed(UNPAID_BOOKS)}) AND code IS DISTINCT FROM '{Code.PAY_AMOUNT_MISMATCH}'"
"""Whether a row of the books holds its order for paid."""


def columns(query: Query, seen: Seen, final: Bools, ends: dict[str, float], n: int) -> dict[str, Any]:
    """All but what the plan and reports/goods.py tell of n orders. `seen`: everything that pages showed, `final` where
    that was the closing row of an open order; `ends`: by writer, when it last wrote anything."""
    by = _Scatter(query, n)
    made = {**_driven(by, ends), **_paid(by), **_asked(by), **_pages(by, seen, final), **_booked(by)}
    booked_fen = made.pop("booked_fen")
    made["price_fen"] = np.where(made["price_fen"] > 0, made["price_fen"], booked_fen)
    nameless = made["order_no"] == ""
    if nameless.any():
        made["order_no"] = np.where(nameless, by.booked_no(), made["order_no"])
    return made


def first_t(query: Query, kind: str, n: int) -> Floats:
    """By order, when a kind of fact was first told of it."""
    by = _Scatter(query, n)
    found = by.facts("t", f"k = '{kind}'")
    return by.first(found["i"], found["t"])


def booked(query: Query, n: int) -> Booked:
    """What the shop's books hold of each order, in fen."""
    by = _Scatter(query, n)
    columns = f"amount_fen, ({_HOLDS})::INTEGER AS held, (state = '{State.REFUNDED}')::INTEGER AS back"
    rows = by.facts(f"{columns}, (state = '{State.COMPLETED}')::INTEGER AS done", "k = 'booked'")
    i, fen = rows["i"], rows["amount_fen"]
    return Booked(*(by.total(i, np.where(rows[name] == 1, fen, 0)) for name in ("held", "back", "done")))


class _Scatter:
    """Reads facts, and puts what they say to the orders they are of."""

    def __init__(self, query: Query, n: int) -> None:
        self.query, self.n = query, n

    def facts(self, columns: str, where: str, order: str = "") -> dict[str, npt.NDArray[Any]]:
        found = self.query(f"SELECT i, {columns} FROM told WHERE {where} {order}")
        found["i"] = found["i"].astype(np.int64)
        return found

    def first(self, i: Ints, values: Floats) -> Floats:
        return self._by(np.minimum.at, np.inf, i, values)

    def last(self, i: Ints, values: Floats) -> Floats:
        return self._by(np.maximum.at, -np.inf, i, values)

    def total(self, i: Ints, values: Floats) -> Ints:
        return np.bincount(i, np.nan_to_num(values), self.n).astype(np.int64)

    def count(self, i: Ints) -> Ints:
        return np.bincount(i, minlength=self.n).astype(np.int64)

    def any(self, i: Ints) -> npt.NDArray[np.bool_]:
        full = np.zeros(self.n, dtype=bool)
        full[i] = True
        return full

    def text(self, i: Ints, values: npt.NDArray[Any]) -> Texts:
        """The least text of each order; empty where there is none."""
        full = np.full(self.n, "", dtype=object)
        full[i] = values
        told = np.bincount(i, minlength=self.n)
        for row in np.flatnonzero(told[i] > 1).tolist() if told.max(initial=0) > 1 else ():
            full[i[row]] = min(full[i[row]], values[row])
        return full

    def word(self, column: str, where: str, order: str = "") -> Texts:
        """Texts of a small set: the last one in the order given, by default the least."""
        where += f" AND {column} IS NOT NULL"
        names = self.query(f"SELECT DISTINCT {column}::VARCHAR AS word FROM told WHERE {where} ORDER BY word")
        words = np.array(sorted({"", *names["word"].tolist()}), dtype=object)
        if len(words) == 1:
            return np.full(self.n, "", dtype=object)
        listed = ", ".join(f"'{quoted(word)}'" for word in words[1:])
        found = self.facts(f"coalesce(list_position([{listed}], {column}::VARCHAR), 0) AS word", where, order)
        code = np.zeros(self.n, dtype=np.int64)
        given = found["word"].astype(np.int64)
        if order:
            code[found["i"]] = given
        else:
            code[:] = len(words)
            np.minimum.at(code, found["i"], given)
            code[code == len(words)] = 0
        return np.asarray(words[code])

    def booked_no(self) -> Texts:
        """The order number that stands in the books."""
        rows = self.facts("order_no", "k = 'booked' AND order_no IS NOT NULL")
        return self.text(rows["i"], rows["order_no"])

    def _by(self, at: Callable[..., None], start: float, i: Ints, values: Floats) -> Floats:
        full = np.full(self.n, start)
        known = np.isfinite(values)
        if known.all():
            at(full, i, values)
        else:
            at(full, i[known], values[known])
        full[full == start] = np.nan
        return full


def _driven(by: _Scatter, ends: dict[str, float]) -> dict[str, Any]:
    """What the driver did, and until when it wrote."""
    written = by.facts(f"CASE w {_cases(ends)} END AS t", "k IN ('placed', 'seen')") if ends else None
    planned, sent = by.facts("due_t", "k = 'planned'"), by.facts("t, late_ns", "k = 'sent'")
    placed = by.facts("t, coalesce(order_no, '') AS order_no", "k = 'placed'")
    unsent = by.facts("json_extract_string(why, '$') AS why", "k = 'unsent' AND why IS NOT NULL")
    cashier, cancelled = by.facts("t", "k = 'paid_at_cashier'"), by.facts("done", "k = 'cancel_asked'")
    return {
        "due_t": by.first(planned["i"], planned["due_t"]),
        "sent_t": by.first(sent["i"], sent["t"]),
        "late_ns": by.first(sent["i"], sent["late_ns"]),
        "unsent_why": by.text(unsent["i"], unsent["why"]),
        "placed_t": by.first(placed["i"], placed["t"]),
        "order_no": by.text(placed["i"], placed["order_no"]),
        "written_t": by.last(written["i"], written["t"]) if written else np.full(by.n, np.nan),
        "cashier_t": by.first(cashier["i"], cashier["t"]),
        "cancel_asked": by.count(cancelled["i"]),
        "cancel_done": by.any(cancelled["i"][cancelled["done"] == 1]),
    }


def _paid(by: _Scatter) -> dict[str, Any]:
    """What happened at the channels."""
    trades = by.facts("t, coalesce(trade_no, '') AS trade_no, amount_fen", "k = 'trade_created'")
    captured, refunded = by.facts("t, amount_fen", "k = 'captured'"), by.facts("t, amount_fen", "k = 'refunded'")
    accepted = by.facts("t", f"k = 'notice_answered' AND outcome = 'accepted' AND {_DONE}")
    sent = by.facts("n", f"k = 'notice_sent' AND {_DONE}")
    return {
        "trade_no": by.text(trades["i"], trades["trade_no"]),
        "way": by.word("way", "k = 'trade_created'"),
        "trade_t": by.first(trades["i"], trades["t"]),
        "price_fen": np.nan_to_num(by.first(trades["i"], trades["amount_fen"])).astype(np.int64),
        "captured_t": by.first(captured["i"], captured["t"]),
        "captured_fen": by.total(captured["i"], captured["amount_fen"]),
        "accepted_t": by.first(accepted["i"], accepted["t"]),
        "notices": np.nan_to_num(by.last(sent["i"], sent["n"])).astype(np.int64),
        "refunded_t": by.first(refunded["i"], refunded["t"]),
        "returned_t": by.last(refunded["i"], refunded["t"]),
        "refunded_fen": by.total(refunded["i"], refunded["amount_fen"]),
    }


def _asked(by: _Scatter) -> dict[str, Any]:
    """What happened at suppliers and game servers."""
    asked, taken = by.facts("t", "k = 'goods_requested'"), by.facts("t", "k = 'goods_accepted'")
    sold = by.facts("t", "k IN ('goods_sold', 'credited')")
    return {
        "requested_t": by.first(asked["i"], asked["t"]),
        "taken_t": by.first(taken["i"], taken["t"]),
        "sold_t": by.first(sold["i"], sold["t"]),
        "supplier": by.word("upstream", "k = 'goods_requested'", "ORDER BY t DESC, seq DESC"),
    }


def _pages(by: _Scatter, seen: Seen, final: Bools) -> dict[str, Any]:
    """What the pages showed, and how reading them failed."""
    paid = np.isin(seen.state, [INDEX[state] for state in PAGE_PAID])
    failed = by.facts("t, operation, status", "k = 'poll_failed'")
    polled, pays = failed["operation"] == Operation.POLL, failed["operation"] == Operation.PAY
    gone = polled & (failed["status"] == GONE)
    return {
        "page_paid_t": by.first(seen.i[paid], seen.t[paid]),
        "last_seen_t": by.last(seen.i, seen.t),
        "final_t": by.last(seen.i[final], seen.t[final]),
        "polls_seen": by.count(seen.i),
        "last_failed_t": by.last(failed["i"][polled], failed["t"][polled]),
        "gone_t": by.last(failed["i"][gone], failed["t"][gone]),
        "pay_failures": by.count(failed["i"][pays]),
    }


def _booked(by: _Scatter) -> dict[str, Any]:
    """What the shop's books say, and where only they or the page say it: code and number."""
    paid = _listed(PAID_STATES)
    columns = f"amount_fen, (state IN ({paid}))::INTEGER AS paid, ({_HOLDS})::INTEGER AS holds"
    rows = by.facts(columns, "k = 'booked'")
    i, amount = rows["i"], rows["amount_fen"]
    price = by.first(i[amount > 0], amount[amount > 0])
    code, page_code = (by.word("code", f"k = '{kind}'", "ORDER BY t, seq") for kind in ("booked", "seen"))
    return {
        "booked_fen": np.nan_to_num(price).astype(np.int64),
        "books": by.count(i),
        "booked_paid": by.any(i[rows["paid"] == 1]),
        "booked_holds": by.any(i[rows["holds"] == 1]),
        "booked_state": by.word("state", "k = 'booked'", f"ORDER BY state IN ({paid}), state"),
        "code": np.where(code != "", code, page_code),
    }


def _cases(ends: dict[str, float]) -> str:
    return " ".join(f"WHEN '{quoted(writer)}' THEN {t:.0f}::DOUBLE" for writer, t in ends.items())

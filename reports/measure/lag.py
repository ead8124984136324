"""How far pages were behind the truth: from money taken, goods there, money back to the page that shows it."""

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.states import BEFORE_PAID, State
from reports.findings import Lag
from reports.measure.stuck import STATES, Dwells
from reports.measure.survival import kaplan_meier, quantile
from reports.orders import Orders

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

CURVE_POINTS_MAX = 200
_KNOWS_OF_PAYMENT = np.array(
    [state not in (*BEFORE_PAID, State.EXPIRED, State.CANCELLED, State.UNKNOWN) for state in STATES]
)
_SHOWN = {state: np.array([other is state for other in STATES]) for state in (State.COMPLETED, State.REFUNDED)}


class Waits(msgspec.Struct, frozen=True):
    """One entry per change that a page had to show: whose, how long it took, or until when it was not shown, and
    whether it was."""

    i: Ints
    s: Floats
    shown: Bools


def waits(orders: Orders, dwells: Dwells, read_t: Floats, to_business: float) -> Waits:
    """Business seconds. `read_t`: until when what each page shows is known (ns); what changed later is left out."""
    returned_t = np.where(orders.is_refunded, orders.returned_t, np.nan)
    held_t = np.where(orders.goods > 0, orders.held_t, np.nan)
    parts = [
        _waits(event_t, names, dwells, read_t)
        for event_t, names in (
            (orders.captured_t, _KNOWS_OF_PAYMENT),
            (np.where(orders.paid, held_t, np.nan), _SHOWN[State.COMPLETED]),
            (returned_t, _SHOWN[State.REFUNDED]),
        )
    ]
    i, lasted, shown = (np.concatenate([part[column] for part in parts]) for column in range(3))
    return Waits(i, lasted * to_business, shown)


def _waits(event_t: Floats, names: Bools, dwells: Dwells, read_t: Floats) -> tuple[Ints, Floats, Bools]:
    """The orders with the event; from it to the first state that names it, in ns, and whether there was one. A page
    that named it before is not behind."""
    first_t = np.full(len(event_t), np.nan)
    rows = np.flatnonzero(names[dwells.state])
    with np.errstate(invalid="ignore"):
        late_enough = dwells.is_last[rows] | (dwells.end[rows] > event_t[dwells.i[rows]])
    rows = rows[late_enough][::-1]  # the first one of each order stays
    first_t[dwells.i[rows]] = dwells.entry[rows]
    with np.errstate(invalid="ignore"):
        mine = event_t <= np.fmax(read_t, first_t)
    shown = np.isfinite(first_t[mine])
    until_t = np.where(shown, first_t[mine], read_t[mine])
    return np.flatnonzero(mine), np.maximum(until_t - event_t[mine], 0.0), shown


def findings(found: Waits) -> Lag | None:
    """The distribution, its curve thinned; None where nothing changed that a page had to show."""
    if not len(found.s):
        return None
    curve = kaplan_meier(found.s, found.shown)
    n = len(curve.t)
    rows = np.unique(np.linspace(0, n - 1, min(n, CURVE_POINTS_MAX)).astype(int)) if n else np.zeros(0, dtype=int)
    return Lag(
        n=len(found.s),
        shown=int(found.shown.sum()),
        median_s=quantile(curve, 0.5),
        p95_s=quantile(curve, 0.95),
        max_s=float(found.s[found.shown].max()) if found.shown.any() else None,
        t_s=[round(float(t), 6) for t in curve.t[rows]],
        waiting=[round(float(share), 6) for share in curve.open[rows]],
    )

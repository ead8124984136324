"""What became of open and stuck orders once the faults were healed: what healed by itself, and what needs a person."""

import numpy as np
import numpy.typing as npt

from ledger.states import ENDED_UNSERVED, State
from reports.findings import Settled
from reports.measure.stuck import INDEX, IS_COMPETING, Episodes
from reports.measure.survival import kaplan_meier, quantile
from reports.orders import Orders

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_SERVED = [INDEX[State.COMPLETED], INDEX[State.REFUNDED]]


def settled(
    orders: Orders,
    episodes: Episodes,
    ended_t: Floats,
    ended_state: Ints,
    *,
    heal_t: float,
    end_t: float,
    to_business: float,
) -> Settled | None:
    """None where the run never came to heal. An order healed if its page showed completed or refunded after it."""
    if not np.isfinite(heal_t):
        return None
    with np.errstate(invalid="ignore"):
        was_open = orders.paid & (orders.captured_t <= heal_t) & ~(ended_t <= heal_t)
    stuck = np.zeros(len(orders), dtype=bool)
    stuck[episodes.i[(episodes.onset <= heal_t) & ((episodes.end > heal_t) | episodes.censored)]] = True
    later = np.zeros(len(orders), dtype=bool)
    later[episodes.i[episodes.onset > heal_t]] = True
    ended = np.isfinite(ended_t)
    healed = stuck & ended & np.isin(ended_state, _SERVED)
    with_person = stuck & ended & IS_COMPETING[ended_state]
    badly = stuck & ended & np.isin(ended_state, [INDEX[state] for state in ENDED_UNSERVED])
    until = np.where(ended, ended_t, end_t)[was_open]
    left = kaplan_meier(np.fmax(until - heal_t, 0.0) * to_business, ended[was_open])
    return Settled(
        open=int(was_open.sum()),
        stuck=int(stuck.sum()),
        healed=int(healed.sum()),
        stayed=int((stuck & ~ended).sum()),
        ended_badly=int(badly.sum()),
        with_person=int(with_person.sum()),
        stuck_later=int((later & ~stuck).sum()),
        last_s=float((ended_t[healed] - heal_t).max()) * to_business if healed.any() else None,
        half_s=quantile(left, 0.5),
    )

"""From payment to the first request for goods at an upstream: where "paid" and "recharged" are not joined, it grows."""

import numpy as np
import numpy.typing as npt

from plan.gates import Unit
from reports.findings import AskedUpstream, Finding
from reports.measure.survival import kaplan_meier, quantile, quantile_finding
from reports.orders import Orders

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

CURVE_POINTS_MAX = 200


def waits(orders: Orders, end_t: float, to_business: float) -> tuple[Floats, Bools]:
    """For each paid order that upstreams vouch for: business seconds to the first request, or to the end of the
    observation without one; and whether there was one."""
    mine = orders.paid & orders.is_vouched
    requested_t, captured_t = orders.requested_t[mine], orders.captured_t[mine]
    was_asked = np.isfinite(requested_t)
    until = np.where(was_asked, requested_t, end_t)
    return np.fmax(until - captured_t, 0.0) * to_business, was_asked


def p95(durations: Floats, was_asked: Bools) -> Finding:
    """The 95th percentile; an order never asked for counts as not asked for as long as the run saw."""
    if not len(durations):
        return Finding(None, Unit.BUSINESS_S, "not evaluated: no upstream vouches for requests", n=0)
    return quantile_finding(durations, was_asked, 0.95, Unit.BUSINESS_S)


def findings(durations: Floats, was_asked: Bools) -> AskedUpstream:
    """The curve of the report, thinned, and its marks."""
    curve = kaplan_meier(durations, was_asked)
    n = len(curve.t)
    rows = np.unique(np.linspace(0, n - 1, min(n, CURVE_POINTS_MAX)).astype(int)) if n else np.zeros(0, dtype=int)
    return AskedUpstream(
        n=len(durations),
        asked=int(was_asked.sum()),
        median_s=quantile(curve, 0.5),
        p95_s=quantile(curve, 0.95),
        max_s=float(durations[was_asked].max()) if was_asked.any() else None,
        t_s=[round(float(t), 6) for t in curve.t[rows]],
        waiting=[round(float(share), 6) for share in curve.open[rows]],
    )

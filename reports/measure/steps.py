"""Equal steps of the load, for what is shown by time."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

STEPS_MAX = 60
STEP_NS_MIN = 5e8


def edges(l0_t: float, load_t: float) -> Floats:
    """The edges of the steps (ns) from the start of the load to its end: at most 60 of half a second or more."""
    n = int(min(max((load_t - l0_t) // STEP_NS_MIN, 1), STEPS_MAX))
    return np.linspace(l0_t, max(load_t, l0_t + 1.0), n + 1)


def ends_s(steps: Floats) -> list[float]:
    """The end of each step, wire seconds after the start of the load."""
    return [round(float(t - steps[0]) / 1e9, 3) for t in steps[1:]]


def counts(t: Floats, steps: Floats) -> npt.NDArray[np.int64]:
    """How many moments fall into each step; the last one has both its edges."""
    return np.histogram(t[np.isfinite(t)], steps)[0].astype(np.int64)

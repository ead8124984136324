"""Intervals of shares: Wilson, and the exact one-sided upper bound of Clopper and Pearson."""

from math import cbrt, isfinite, lgamma, sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from reports.findings import Finding

Z95 = NormalDist().inv_cdf(0.975)
"""Two-sided 95 %."""
Z95_ONE = NormalDist().inv_cdf(0.95)
"""One-sided 95 %: what gates use."""


def student_t(df: int) -> float:
    """The two-sided 95 % quantile of Student's t, by Fisher's expansion: within 1 % at 2 degrees of freedom, 0.2 % at 3
    (Abramowitz & Stegun 26.7.5)."""
    assert df >= 2
    z = Z95
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / float(df) ** power for power, term in enumerate(terms, 1))


def wilson(k: float, n: float, z: float = Z95) -> tuple[float, float]:
    """The score interval of k of n; (0, 1) where n is 0."""
    if n <= 0:
        return 0.0, 1.0
    p, zz = k / n, z * z
    middle = (p + zz / (2 * n)) / (1 + zz / n)
    half = z * sqrt(p * (1 - p) / n + zz / (4 * n * n)) / (1 + zz / n)
    return (0.0 if k <= 0 else max(middle - half, 0.0)), (1.0 if k >= n else min(middle + half, 1.0))


def clopper_pearson_upper(k: int, n: int, confidence: float = 0.95) -> float | None:
    """The largest share under which k or fewer of n are still as likely as 1 - confidence; None where n is 0."""
    if n <= 0:
        return None
    if k >= n:
        return 1.0
    alpha = 1.0 - confidence
    if k == 0:
        return float(1.0 - alpha ** (1.0 / n))
    j = np.arange(k + 1)
    log_ways = lgamma(n + 1) - np.array([lgamma(i + 1) + lgamma(n - i + 1) for i in range(k + 1)])
    low, high = k / n, 1.0
    for _ in range(60):
        p = (low + high) / 2
        at_most_k = float(np.exp(log_ways + j * np.log(p) + (n - j) * np.log1p(-p)).sum())
        low, high = (p, high) if at_most_k > alpha else (low, p)
    return (low + high) / 2


def share(k: int, n: int, unit: str, method: str = "Wilson") -> Finding:
    """The share k of n with its intervals; value null where n is 0."""
    if n <= 0:
        return Finding(None, unit, "nothing to count", k=k, n=n)
    (lo, hi), (one_lo, one_hi) = wilson(k, n), wilson(k, n, Z95_ONE)
    return Finding(k / n, unit, method, k=k, n=n, lo=lo, hi=hi, bound_lo=one_lo, bound_hi=one_hi)


def at_least(k: int, n: int, unit: str) -> Finding:
    """The share k of n where more may still have come: only its lower bounds stand."""
    if n <= 0:
        return Finding(None, unit, "nothing to count", k=k, n=n)
    lo, one_lo = wilson(k, n)[0], wilson(k, n, Z95_ONE)[0]
    method = "not all orders were followed to their deadline: at least k of n, so there is no upper bound"
    return Finding(k / n, unit, method, k=k, n=n, lo=lo, hi=1.0, bound_lo=one_lo, bound_hi=1.0)


def bent(z: float, skew: float) -> float:
    """A normal quantile for a mean of skewed values: Hall's cubic transformation (1992). `skew` is the skewness of the
    mean: that of one value over the root of their number."""
    return z if abs(skew) < 1e-9 else 3 / skew * (cbrt(1 + skew * (z - skew / 6)) - 1)


def around(
    value: float,
    se: float,
    *,
    unit: str,
    method: str,
    n: int,
    least: float = 0.0,
    most: float | None = None,
    skew: float = 0.0,
) -> Finding:
    """A mean with its standard error, normal intervals (bent by its skewness) kept between `least` and `most`; none
    where n < 2."""
    if not isfinite(value):
        return Finding(None, unit, "not estimable", n=n)
    if n < 2 or not isfinite(se):
        return Finding(value, unit, f"{method}; too few orders for an interval", n=n, bound_lo=least, bound_hi=most)

    def up(z: float) -> float:
        end = value - bent(-z, skew) * se
        return end if most is None else min(end, most)

    def down(z: float) -> float:
        return max(value - bent(z, skew) * se, least)

    return Finding(value, unit, method, n=n, lo=down(Z95), hi=up(Z95), bound_lo=down(Z95_ONE), bound_hi=up(Z95_ONE))


def skewness(values: npt.NDArray[np.float64]) -> float:
    """Of the mean of these values; 0 where they do not differ."""
    off = values - values.mean()
    spread = float(np.mean(off**2)) ** 1.5
    return float(np.mean(off**3)) / spread / sqrt(len(values)) if spread > 0 else 0.0

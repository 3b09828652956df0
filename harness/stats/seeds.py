"""A difference tested over queries and training seeds at once."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.stats.values import ALPHA, TIE, FloatArray, Interval, per_query

__all__ = ["MeanSquares", "SeedTest", "mean_squares", "seed_test"]

SMALLEST_P = 1e-12
"""Below this p is not resolved further."""


@dataclass(frozen=True)
class MeanSquares:
    """Mean squares of a (queries, seeds) table without replication: rows, columns, what is left.

    Their expectations are `s_e + S s_q`, `s_e + Q s_s` and `s_e`, with s_q, s_s and s_e
    the variances between queries, between seeds and of the residual.
    """

    queries: float
    seeds: float
    residual: float


@dataclass(frozen=True)
class SeedTest:
    """The mean over queries and seeds with its 95 % t interval, and the two-sided p of its being 0."""

    interval: Interval
    p: float


def mean_squares(values: FloatArray) -> MeanSquares:
    """Return the mean squares of `values` (queries, seeds), at least two of each."""
    queries, seeds = values.shape
    mean, by_query, by_seed = values.mean(), values.mean(axis=1), values.mean(axis=0)
    left = values - by_query[:, None] - by_seed + mean
    return MeanSquares(
        queries=seeds * float(((by_query - mean) ** 2).sum()) / (queries - 1),
        seeds=queries * float(((by_seed - mean) ** 2).sum()) / (seeds - 1),
        residual=float((left**2).sum()) / ((queries - 1) * (seeds - 1)),
    )


def seed_test(differences: npt.ArrayLike) -> SeedTest:
    """Test the mean of `differences` (queries, seeds) where other queries and other seeds might have been drawn.

    Queries and seeds are crossed random effects (Owen 2007, doi 10.1214/07-AOAS122). With
    MS_q, MS_s and MS_e the mean squares of rows, columns and residual, the variance of the
    grand mean has two parts: max(MS_q - MS_e, 0) / QS for the queries, known well, and
    MS_s / QS for the seeds and the residual, known from few seeds. The squared half width
    of the interval is the sum of the parts, each times the squared t quantile of its own
    degrees of freedom, Q - 1 and S - 1 (Banerjee 1960, Sankhya 22, 357). Satterthwaite's
    degrees of freedom, the usual choice, do not keep the level with two or three seeds.
    Where nothing varies over the seeds this is the paired t-test.

    Raises ValueError for less than two queries or seeds, NumericError for what is not finite.
    """
    values = per_query(differences, "differences")
    if min(values.shape) < 2:  # noqa: PLR2004
        message = f"differences must have shape (queries, seeds) with at least two of each, got {values.shape}"
        raise ValueError(message)
    squares = mean_squares(values)
    parts = np.array([max(squares.queries - squares.residual, 0.0), squares.seeds]) / values.size
    freedom = np.array([values.shape[0] - 1, values.shape[1] - 1])
    mean = float(values.mean())
    half = _half_width(parts, freedom, ALPHA)
    return SeedTest(Interval(mean, mean - half, mean + half), _p(abs(mean), parts, freedom))


def _half_width(parts: FloatArray, freedom: npt.NDArray[np.int64], p: float) -> float:
    from scipy import special

    return float(np.sqrt((parts * special.stdtrit(freedom, p / 2.0) ** 2).sum()))


def _p(size: float, parts: FloatArray, freedom: npt.NDArray[np.int64]) -> float:
    """Return the level at which the interval ends at 0, found by halving its logarithm."""
    if size < TIE:
        return 1.0
    low, high = np.log(SMALLEST_P), 0.0
    for _ in range(40):
        middle = (low + high) / 2.0
        if _half_width(parts, freedom, float(np.exp(middle))) < size:
            high = middle
        else:
            low = middle
    return float(np.exp(high))

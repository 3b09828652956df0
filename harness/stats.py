"""Paired comparisons over queries: intervals, tests, corrections and one rule for a verdict.

The unit is the query. Seeds are no further queries: they are averaged within each
query first, and their spread is reported beside the test. Numbers that are resampled
depend on `seed` alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from harness.errors import NumericError

__all__ = [
    "ALPHA",
    "RESAMPLES",
    "RULE",
    "Interval",
    "PairedComparison",
    "Verdict",
    "holm",
    "macro_interval",
    "mean_interval",
    "paired_comparison",
    "rank_correlation",
    "verdict",
]

ALPHA = 0.05
RESAMPLES = 10_000
CONFIDENCE = 0.95
POWER = 0.80
RULE = (
    f"A difference counts as beyond noise only if its Holm-adjusted permutation p is below {ALPHA} "
    "and it is larger than the spread over seeds (the standard deviation of the per-seed mean difference)."
)
"""The rule that `verdict` applies, in words; printed in every report."""

Verdict = Literal["better", "worse", "noise", "one seed"]
FloatArray = npt.NDArray[np.float64]

_CHUNK = 1 << 20
_TIE = 1e-9


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % percentile bootstrap interval over queries."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedComparison:
    """How a differs from b on the same queries; positive means that a is higher.

    `p_permutation` is two-sided; `p_t` and `effect` (d_z: mean over standard deviation
    of the differences) are None where the differences do not vary or there is one
    query, except that p_t is then 1 for all ties. `seed_spread` is None for one seed.
    `detectable` is the difference found with 80 % power at alpha 0.05, by the normal
    approximation; None for one query.
    """

    queries: int
    seeds: int
    difference: Interval
    p_permutation: float
    p_t: float | None
    effect: float | None
    wins: int
    ties: int
    losses: int
    seed_spread: float | None
    detectable: float | None


def _per_query(values: npt.ArrayLike, what: str) -> FloatArray:
    """Return `values` as (queries, seeds), refusing what cannot be averaged."""
    array = np.asarray(values, dtype=np.float64)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or 0 in array.shape:  # noqa: PLR2004
        message = f"{what} must have shape (queries, seeds) with at least one of each, got {array.shape}"
        raise ValueError(message)
    if not np.isfinite(array).all():
        message = f"{what} holds {np.count_nonzero(~np.isfinite(array))} values that are not finite"
        raise NumericError(message)
    return array


def _chunks(resamples: int, width: int) -> list[int]:
    """Split `resamples` so that a block of `width` columns stays small."""
    size = max(1, min(resamples, _CHUNK // width))
    return [size] * (resamples // size) + ([resamples % size] if resamples % size else [])


def _bootstrap_means(values: FloatArray, resamples: int, rng: np.random.Generator) -> FloatArray:
    """Draw means of `values` (n,) resampled with replacement. Shape (resamples,)."""
    n = len(values)
    blocks = [values.take(rng.integers(0, n, (rows, n), dtype=np.int32)).mean(axis=1) for rows in _chunks(resamples, n)]
    return np.concatenate(blocks)


def _sign_flip_p(values: FloatArray, resamples: int, rng: np.random.Generator) -> float:
    """Return (b + 1) / (B + 1) with b the sign flips at least as extreme as `values` (n,).

    Metrics take few values, so exact ties with the observed sum are common; rounding
    must not decide on which side they fall.
    """
    observed = abs(values.sum()) - 1e-12 * np.abs(values).sum()
    extreme = 0
    for rows in _chunks(resamples, len(values)):
        signs = rng.integers(0, 2, (rows, len(values)), dtype=np.int8)
        # sum of s·d with s in {-1, 1} is twice the sum over the positive signs less the total
        sums = 2.0 * (signs.astype(np.float64) @ values) - values.sum()
        extreme += int(np.count_nonzero(np.abs(sums) >= observed))
    return (extreme + 1) / (resamples + 1)


def _t_test_p(values: FloatArray) -> float | None:
    """Return the two-sided p of the paired t-test on differences `values` (n,)."""
    from scipy import stats

    if not values.any():
        return 1.0
    if len(values) < 2 or values.std() <= _TIE * np.abs(values).max():  # noqa: PLR2004
        return None
    return float(stats.ttest_1samp(values, 0.0).pvalue)


def macro_interval(
    groups: Sequence[npt.ArrayLike], *, resamples: int = RESAMPLES, seed: int, paired_with: Sequence[npt.ArrayLike] = ()
) -> Interval:
    """Return the unweighted mean over groups of their means, resampling queries within each group.

    Each group is (queries, seeds) or (queries,); with `paired_with`, of the same
    shapes, the differences are taken first.
    """
    values = [_per_query(group, "values").mean(axis=1) for group in groups]
    if paired_with:
        others = [_per_query(group, "values").mean(axis=1) for group in paired_with]
        values = [mine - other for mine, other in zip(values, others, strict=True)]
    rng = np.random.default_rng(seed)
    means = np.mean([_bootstrap_means(value, resamples, rng) for value in values], axis=0)
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return Interval(float(np.mean([value.mean() for value in values])), float(low), float(high))


def mean_interval(values: npt.ArrayLike, *, resamples: int = RESAMPLES, seed: int) -> Interval:
    """Return the mean of (queries, seeds) or (queries,) values with its bootstrap interval."""
    return macro_interval([values], resamples=resamples, seed=seed)


def paired_comparison(a: npt.ArrayLike, b: npt.ArrayLike, *, resamples: int = RESAMPLES, seed: int) -> PairedComparison:
    """Compare a with b, both (queries, seeds) or (queries,), rows and columns paired.

    Raises NumericError for NaN or infinity and ValueError for shapes that do not pair.
    """
    left, right = _per_query(a, "a"), _per_query(b, "b")
    if left.shape != right.shape:
        message = f"a and b must be paired: got shapes {left.shape} and {right.shape}"
        raise ValueError(message)
    by_seed = (left - right).mean(axis=0)
    values = (left - right).mean(axis=1)
    values[np.abs(values) < _TIE] = 0.0
    n = len(values)
    deviation = float(values.std(ddof=1)) if n > 1 else 0.0
    return PairedComparison(
        queries=n,
        seeds=left.shape[1],
        difference=mean_interval(values, resamples=resamples, seed=seed),
        p_permutation=_sign_flip_p(values, resamples, np.random.default_rng([seed, 1])),
        p_t=_t_test_p(values),
        effect=float(values.mean()) / deviation if deviation > _TIE else None,
        wins=int(np.count_nonzero(values > 0)),
        ties=int(np.count_nonzero(values == 0)),
        losses=int(np.count_nonzero(values < 0)),
        seed_spread=float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None,
        detectable=_detectable(deviation, n) if n > 1 else None,
    )


def _detectable(deviation: float, n: int) -> float:
    from scipy import stats

    return float((stats.norm.ppf(1.0 - ALPHA / 2.0) + stats.norm.ppf(POWER)) * deviation / math.sqrt(n))


def holm(p: Sequence[float]) -> list[float]:
    """Return Holm's step-down adjusted p-values, in the order given."""
    order = sorted(range(len(p)), key=lambda index: p[index])
    adjusted = [0.0] * len(p)
    floor = 0.0
    for step, index in enumerate(order):
        floor = max(floor, min(1.0, (len(p) - step) * p[index]))
        adjusted[index] = floor
    return adjusted


def verdict(result: PairedComparison, p_adjusted: float) -> Verdict:
    """Apply `RULE`; `one seed` where the queries show a difference and its spread over seeds is unknown."""
    if p_adjusted >= ALPHA:
        return "noise"
    if result.seed_spread is None:
        return "one seed"
    if abs(result.difference.mean) <= result.seed_spread:
        return "noise"
    return "better" if result.difference.mean > 0 else "worse"


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation; None if either side does not vary."""
    from scipy import stats

    if len(set(x)) < 2 or len(set(y)) < 2:  # noqa: PLR2004
        return None
    return float(stats.spearmanr(x, y).statistic)

"""Aggregates over whole runs, for arms with five or more seeds (Agarwal et al. 2021, arXiv:2108.13264).

A run is one seed on one dataset, its score a mean over queries. Runs are resampled
within datasets, and the percentile intervals expanded for how few they are; of fewer
than `ENOUGH_SEEDS` a bootstrap knows too little.
"""

import numpy as np
import numpy.typing as npt

from harness.errors import NumericError
from harness.stats.resampling import bootstrap_counts, expanded_tail, percentiles
from harness.stats.values import RESAMPLES, FloatArray, Interval

__all__ = ["ENOUGH_SEEDS", "interquartile_mean", "probability_of_improvement"]

ENOUGH_SEEDS = 5


def interquartile_mean(runs: npt.ArrayLike, *, resamples: int = RESAMPLES, seed: int) -> Interval:
    """Return the mean of the middle half of all `runs` (seeds, datasets), with its bootstrap interval.

    Of n runs, the floor of n / 4 lowest and as many of the highest are left out.
    Raises ValueError for fewer than `ENOUGH_SEEDS` seeds, NumericError for what is not finite.
    """
    scores = _runs(runs, "runs")
    seeds, datasets = scores.shape
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, seeds, (resamples, seeds, datasets))
    means = _middle(scores[drawn, np.arange(datasets)].reshape(resamples, -1))
    # where datasets lie far apart, only those in the middle have runs that count
    freedom = max(seeds - 1, datasets * (seeds - 1) // 2)
    return _interval(float(_middle(scores.reshape(1, -1))[0]), means, expanded_tail(seeds, freedom))


def probability_of_improvement(
    a: npt.ArrayLike, b: npt.ArrayLike, *, resamples: int = RESAMPLES, seed: int
) -> Interval:
    """Return how often a run of a beats one of b on a dataset, averaged over datasets; ties count half.

    Both are (seeds, datasets) on the same datasets; their seeds are drawn independently,
    since a run of one is compared with every run of the other.
    Raises ValueError for fewer than `ENOUGH_SEEDS` seeds, NumericError for what is not finite.
    """
    left, right = _runs(a, "a"), _runs(b, "b")
    if left.shape[1] != right.shape[1]:
        message = f"a and b need the same datasets, got {left.shape[1]} and {right.shape[1]}"
        raise ValueError(message)
    rng = np.random.default_rng(seed)
    wins = (np.sign(left[:, None] - right[None]) + 1.0) / 2.0
    chances = np.zeros(resamples)
    for dataset in range(left.shape[1]):
        mine = _drawn_shares(len(left), resamples, rng)
        others = _drawn_shares(len(right), resamples, rng)
        chances += np.einsum("ri,ij,rj->r", mine, wins[:, :, dataset], others, optimize=True)
    seeds = min(len(left), len(right))
    freedom = left.shape[1] * (len(left) + len(right) - 2)
    return _interval(float(wins.mean()), chances / left.shape[1], expanded_tail(seeds, freedom))


def _runs(values: npt.ArrayLike, what: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or len(array) < ENOUGH_SEEDS or array.shape[1] == 0:  # noqa: PLR2004
        message = f"{what} must have shape (seeds, datasets) with at least {ENOUGH_SEEDS} seeds, got {array.shape}"
        raise ValueError(message)
    if not np.isfinite(array).all():
        message = f"{what} holds {np.count_nonzero(~np.isfinite(array))} values that are not finite"
        raise NumericError(message)
    return array


def _middle(scores: FloatArray) -> FloatArray:
    """Return the mean of the middle half of every row."""
    cut = scores.shape[1] // 4
    return np.asarray(np.sort(scores, axis=1)[:, cut : scores.shape[1] - cut].mean(axis=1))


def _drawn_shares(n: int, resamples: int, rng: np.random.Generator) -> FloatArray:
    return np.concatenate(list(bootstrap_counts(n, resamples, rng))) / n


def _interval(estimate: float, resampled: FloatArray, tail: float) -> Interval:
    low, high = percentiles(resampled[:, None], tail)
    return Interval(estimate, float(low[0]), float(high[0]))

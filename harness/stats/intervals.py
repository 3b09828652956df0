"""Percentile bootstrap intervals of mean scores, over the queries of one dataset or of several."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from harness.stats.resampling import bootstrap_means, percentiles
from harness.stats.values import RESAMPLES, FloatArray, Interval, checked_columns, per_query

__all__ = ["macro_interval", "macro_intervals", "mean_interval", "mean_intervals"]


def macro_intervals(
    groups: Sequence[npt.ArrayLike], *, resamples: int = RESAMPLES, seed: int, paired_with: Sequence[npt.ArrayLike] = ()
) -> list[Interval]:
    """Return, for each arm, the unweighted mean over groups of its means; queries are resampled within groups.

    Each group is (queries, arms), one column an arm; groups may differ in their queries,
    not in their arms. With `paired_with`, of the same shapes, the differences are taken first.
    """
    columns = [checked_columns(group, "values") for group in groups]
    if paired_with:
        others = [checked_columns(group, "values") for group in paired_with]
        columns = [_less(mine, other) for mine, other in zip(columns, others, strict=True)]
    return _stratified(columns, resamples, seed)


def macro_interval(
    groups: Sequence[npt.ArrayLike], *, resamples: int = RESAMPLES, seed: int, paired_with: Sequence[npt.ArrayLike] = ()
) -> Interval:
    """Return the same for one arm: each group is (queries, seeds) or (queries,); seeds are averaged first."""
    columns = [per_query(group, "values").mean(axis=1, keepdims=True) for group in groups]
    if paired_with:
        others = [per_query(group, "values").mean(axis=1, keepdims=True) for group in paired_with]
        columns = [_less(mine, other) for mine, other in zip(columns, others, strict=True)]
    return _stratified(columns, resamples, seed)[0]


def mean_intervals(values: npt.ArrayLike, *, resamples: int = RESAMPLES, seed: int) -> list[Interval]:
    """Return the mean of every column of (queries, arms) with its interval; seeds are averaged before."""
    return macro_intervals([values], resamples=resamples, seed=seed)


def mean_interval(values: npt.ArrayLike, *, resamples: int = RESAMPLES, seed: int) -> Interval:
    """Return the mean of (queries, seeds) or (queries,) values with its bootstrap interval."""
    return macro_interval([values], resamples=resamples, seed=seed)


def _less(mine: FloatArray, other: FloatArray) -> FloatArray:
    if mine.shape != other.shape:
        message = f"values must be paired: got shapes {mine.shape} and {other.shape}"
        raise ValueError(message)
    return mine - other


def _stratified(columns: Sequence[FloatArray], resamples: int, seed: int) -> list[Interval]:
    """Return an interval for each column, (n, arms) in each group."""
    if not columns:
        message = "a macro average needs at least one group"
        raise ValueError(message)
    if len({group.shape[1] for group in columns}) != 1:
        message = f"all groups need the same arms, got shapes {[group.shape for group in columns]}"
        raise ValueError(message)
    rng = np.random.default_rng(seed)
    means = np.zeros((resamples, columns[0].shape[1]))
    for group in columns:
        means += bootstrap_means(group, resamples, rng)
    low, high = percentiles(means / len(columns))
    centre = np.mean([group.mean(axis=0) for group in columns], axis=0)
    return [Interval(float(m), float(a), float(b)) for m, a, b in zip(centre, low, high, strict=True)]

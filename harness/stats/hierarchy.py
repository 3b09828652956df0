"""A bootstrap interval over datasets, seeds and queries, each level drawn or held."""

from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from harness.stats.resampling import bootstrap_counts, percentiles
from harness.stats.values import RESAMPLES, FloatArray, Interval, per_query

__all__ = ["Level", "hierarchical_interval"]

Level = Literal["dataset", "seed", "query"]
_LEVELS: tuple[Level, ...] = ("dataset", "seed", "query")


def hierarchical_interval(
    datasets: Sequence[npt.ArrayLike],
    *,
    levels: Collection[Level] = ("seed", "query"),
    resamples: int = RESAMPLES,
    seed: int,
) -> Interval:
    """Return the unweighted mean over datasets of their means, with an interval for which `levels` are drawn anew.

    Each dataset is (queries, seeds), of scores or differences. Drawn datasets come with
    queries and seeds drawn within them, and these crosswise: one draw of seeds serves all
    queries of a dataset (Owen 2007, doi 10.1214/07-AOAS122). By default the datasets are
    those of interest and stay.

    A bootstrap of S seeds sees (S - 1) / S of their variance: with two or three seeds, or
    datasets, the interval is too narrow wherever they matter; prefer `seed_test`.

    Raises ValueError for an unknown level or no dataset, NumericError for what is not finite.
    """
    unknown = sorted(set(levels) - set(_LEVELS))
    if unknown or not datasets:
        message = f"need datasets and levels among {list(_LEVELS)}, got {len(datasets)} datasets, levels {unknown}"
        raise ValueError(message)
    tables = [per_query(values, f"dataset {place}") for place, values in enumerate(datasets)]
    rng = np.random.default_rng(seed)
    count = len(tables)
    if "dataset" in levels:
        chosen = rng.integers(0, count, (resamples, count))
    else:
        chosen = np.broadcast_to(np.arange(count), (resamples, count))
    means = np.zeros(resamples)
    for place, table in enumerate(tables):
        times = (chosen == place).sum(axis=1)
        drawn = _means(table, int(times.sum()), levels, rng)
        means += np.bincount(np.repeat(np.arange(resamples), times), weights=drawn, minlength=resamples)
    low, high = percentiles(means[:, None] / count)
    return Interval(float(np.mean([table.mean() for table in tables])), float(low[0]), float(high[0]))


def _means(table: FloatArray, draws: int, levels: Collection[Level], rng: np.random.Generator) -> FloatArray:
    """Return `draws` means of a dataset's `table` (queries, seeds), its drawn levels drawn anew each time."""
    queries, seeds = table.shape
    by_seed = np.concatenate(list(bootstrap_counts(seeds, draws, rng))) if "seed" in levels else np.ones((draws, seeds))
    if "query" in levels:
        rows = np.concatenate([counts @ table for counts in bootstrap_counts(queries, draws, rng)])
    else:
        rows = np.broadcast_to(table.sum(axis=0), (draws, seeds))
    return np.asarray((rows * by_seed).sum(axis=1) / table.size)

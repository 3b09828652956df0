"""Bootstrap draws and sign flips of many columns at once.

All columns of one call meet the same draws, which are made once: a resample is the
count of how often it holds each query, and all its means are one matrix product.
"""

from collections.abc import Iterator

import numpy as np

from harness.stats.values import CONFIDENCE, FloatArray

__all__ = ["bootstrap_counts", "bootstrap_means", "expanded_tail", "percentiles", "sign_flip_p", "sign_flips"]

_CHUNK = 1 << 20
"""How many entries of a (resamples, queries) block are held at once."""


def _chunks(resamples: int, width: int) -> list[int]:
    """Split `resamples` so that a block of `width` columns stays small."""
    size = max(1, min(resamples, _CHUNK // width))
    return [size] * (resamples // size) + ([resamples % size] if resamples % size else [])


def bootstrap_counts(n: int, resamples: int, rng: np.random.Generator) -> Iterator[FloatArray]:
    """Draw n of n queries with replacement, `resamples` times; yield blocks of counts, (rows, n)."""
    for rows in _chunks(resamples, n):
        drawn = rng.integers(0, n, (rows, n), dtype=np.int32)
        places = drawn + np.arange(0, rows * n, n)[:, None]
        yield np.bincount(places.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def bootstrap_means(columns: FloatArray, resamples: int, rng: np.random.Generator) -> FloatArray:
    """Return means of `columns` (n, arms) over queries drawn with replacement. Shape (resamples, arms)."""
    n = len(columns)
    return np.concatenate([counts @ columns / n for counts in bootstrap_counts(n, resamples, rng)])


def percentiles(means: FloatArray, tail: float = (1.0 - CONFIDENCE) / 2.0) -> tuple[FloatArray, FloatArray]:
    """Return the ends of the percentile intervals of `means` (resamples, arms), each (arms,)."""
    low, high = np.quantile(means, [tail, 1.0 - tail], axis=0)
    return low, high


def expanded_tail(drawn: int, freedom: int) -> float:
    """Return which share to cut off at either end where few were drawn from.

    A percentile interval of n drawn ones is too narrow by sqrt((n - 1) / n), and knows
    their spread from `freedom` degrees of freedom only. The expanded percentile interval
    allows for both (Hesterberg 2015, doi 10.1080/00031305.2015.1089789).
    """
    from scipy import special

    quantile = special.stdtrit(freedom, (1.0 - CONFIDENCE) / 2.0)
    return float(special.ndtr(np.sqrt(drawn / (drawn - 1)) * quantile))


def sign_flips(columns: FloatArray, resamples: int, rng: np.random.Generator) -> Iterator[FloatArray]:
    """Yield blocks of the sums of `columns` (n, arms) under random signs of the queries, (rows, arms)."""
    totals = columns.sum(axis=0)
    for rows in _chunks(resamples, len(columns)):
        positive = rng.integers(0, 2, (rows, len(columns)), dtype=np.int8).astype(np.float64)
        # the sum of s d with s in {-1, 1} is twice the sum over the positive signs less the total
        yield 2.0 * (positive @ columns) - totals


def sign_flip_p(columns: FloatArray, resamples: int, rng: np.random.Generator) -> FloatArray:
    """Return (b + 1) / (B + 1) per column of (n, arms), b the sign flips at least as extreme as the data.

    Metrics take few values, so exact ties with the observed sum are common; rounding
    must not decide on which side they fall.
    """
    observed = np.abs(columns.sum(axis=0)) - 1e-12 * np.abs(columns).sum(axis=0)
    extreme = sum(np.count_nonzero(np.abs(sums) >= observed, axis=0) for sums in sign_flips(columns, resamples, rng))
    return np.asarray((extreme + 1) / (resamples + 1), dtype=np.float64)

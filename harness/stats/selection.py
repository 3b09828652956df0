"""What is left of the best arm's lead once it is allowed for that it was picked by the same queries."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.stats.resampling import bootstrap_counts, percentiles, sign_flips
from harness.stats.values import RESAMPLES, TIE, FloatArray, Interval, checked_columns

__all__ = ["BestOf", "best_of", "max_t"]


@dataclass(frozen=True)
class BestOf:
    """The arm with the highest mean, and that mean corrected for the choice.

    `arm` is its column. `score` and, with a baseline, `difference` are corrected;
    `naive_score` and `naive_difference` are what the queries that chose it say.
    `chosen` is the share of resamples in which it is the best again.
    """

    arm: int
    chosen: float
    naive_score: float
    score: Interval
    naive_difference: float | None
    difference: Interval | None


def best_of(
    scores: npt.ArrayLike, *, baseline: npt.ArrayLike | None = None, resamples: int = RESAMPLES, seed: int
) -> BestOf:
    """Estimate what the best of several arms is worth on new queries.

    `scores` is (queries, arms), averaged over seeds, `baseline` (queries,). Each resample
    chooses the best arm by the queries drawn and scores it by those left out
    (Tsamardinos et al. 2018, doi 10.1007/s10994-018-5714-4); the mean of these scores is
    the estimate. The interval is the percentile interval of the arm chosen by all queries,
    its lower end moved by what the correction takes off; the upper end stays, since the
    correction overshoots where one arm leads clearly. Ties go to the first arm.

    Raises ValueError for shapes that do not pair or fewer than two queries, NumericError for what is not finite.
    """
    columns = checked_columns(scores, "scores")
    n = len(columns)
    reference = np.zeros((n, 1)) if baseline is None else checked_columns(baseline, "baseline")
    if n < 2 or reference.shape != (n, 1):  # noqa: PLR2004
        message = f"baseline must have shape ({n},) and queries be at least two, got {reference.shape}"
        raise ValueError(message)
    draws = list(_draws(columns, reference, resamples, np.random.default_rng(seed)))
    chosen, left_out, lead, means, leads = (np.concatenate(parts) for parts in zip(*draws, strict=True))
    best = int(columns.mean(axis=0).argmax())
    naive, behind = float(columns[:, best].mean()), float(reference.mean())
    compared = baseline is not None
    return BestOf(
        arm=best,
        chosen=float((chosen == best).mean()),
        naive_score=naive,
        score=_corrected(naive, left_out, means[:, best]),
        naive_difference=naive - behind if compared else None,
        difference=_corrected(naive - behind, lead, leads[:, best]) if compared else None,
    )


def _draws(
    columns: FloatArray, reference: FloatArray, resamples: int, rng: np.random.Generator
) -> Iterator[tuple[FloatArray, ...]]:
    """Yield, for blocks of resamples: the arm chosen, its score and lead on the queries left out, all means and leads.

    A resample that draws every query leaves none out and is passed over; with two queries
    that is every second one.
    """
    n = len(columns)
    for drawn in bootstrap_counts(n, resamples, rng):
        counts = drawn[(drawn == 0.0).any(axis=1)]
        rest = (counts == 0.0).astype(np.float64)
        rest /= rest.sum(axis=1, keepdims=True)
        means = counts @ columns / n
        # equal arms may differ by rounding after the product; the first of them is taken
        chosen = (means >= means.max(axis=1, keepdims=True) - TIE).argmax(axis=1)
        left_out = (rest @ columns)[np.arange(len(chosen)), chosen]
        yield chosen, left_out, left_out - (rest @ reference)[:, 0], means, means - counts @ reference / n


def _corrected(naive: float, left_out: FloatArray, resampled: FloatArray) -> Interval:
    """Return the mean of `left_out`, with the interval of `resampled`, its lower end moved as far as that is off."""
    estimate = float(left_out.mean())
    low, high = percentiles(resampled[:, None])
    return Interval(estimate, float(low[0]) + estimate - naive, float(high[0]))


def max_t(differences: npt.ArrayLike, *, resamples: int = RESAMPLES, seed: int) -> list[float]:
    """Return step-down max-T adjusted p-values, two-sided, for the columns of `differences` (queries, arms).

    The signs of whole queries are flipped, so that the arms' dependence is kept: less is
    lost than by Holm where arms resemble each other (Westfall and Young 1993, algorithm
    4.1). The smallest is the p of the best arm against the baseline, the choice included.
    Columns are compared by their sum over the root of their sum of squares, which orders
    sign flips as their t does; one of ties alone has p = 1.

    Raises ValueError for another shape, NumericError for what is not finite.
    """
    columns = checked_columns(differences, "differences")
    columns = np.where(np.abs(columns) < TIE, 0.0, columns)
    norms = np.sqrt((columns**2).sum(axis=0))
    scaled = columns / np.where(norms > 0.0, norms, 1.0)
    observed = np.abs(scaled.sum(axis=0))
    order = np.argsort(-observed, kind="stable")
    extreme = np.zeros(len(order))
    for sums in sign_flips(scaled[:, order], resamples, np.random.default_rng(seed)):
        # the largest of each arm and all behind it
        largest = np.maximum.accumulate(np.abs(sums)[:, ::-1], axis=1)[:, ::-1]
        extreme += np.count_nonzero(largest >= observed[order] - TIE, axis=0)
    adjusted = np.empty(len(order))
    adjusted[order] = np.maximum.accumulate((extreme + 1) / (resamples + 1))
    return [float(p) for p in adjusted]

"""Numbers that say how well scores part positives from negatives, query by query."""

import numpy as np
import numpy.typing as npt

from harness.mining.base import BoolArray, Negatives, Pool

__all__ = ["capacity_index", "opis", "opis_of_negatives", "opis_of_teacher"]

FAR = (0.01, 0.10)
"""False acceptance rates between which OPIS looks."""

_THRESHOLDS = 50
Floats = npt.NDArray[np.floating]
Indices = npt.NDArray[np.integer]


def opis(positive: Floats, positive_query: Indices, negative: Floats, negative_query: Indices) -> float | None:
    """Return how much the use of one threshold differs between queries (OPIS, after arXiv:2307.04047).

    A query's utility at a threshold is the harmonic mean of the share of its positives at
    or above it and the share of its negatives below it. OPIS is the variance of that
    utility over queries, averaged over 50 thresholds that accept between 10 % and 1 % of
    all negatives. 0: one threshold serves every query alike. Scores and the queries that
    they belong to have shapes (p,) and (n,); only queries with both kinds count, and
    None is returned where there is none.
    """
    both = np.intersect1d(positive_query, negative_query)
    if not both.size:
        return None
    in_positive, in_negative = np.isin(positive_query, both), np.isin(negative_query, both)
    negative, positive = negative[in_negative].astype(np.float64), positive[in_positive].astype(np.float64)
    positive_place = np.searchsorted(both, positive_query[in_positive])
    negative_place = np.searchsorted(both, negative_query[in_negative])
    high, low = np.quantile(negative, [1.0 - rate for rate in FAR])
    variances = []
    for threshold in np.linspace(low, high, _THRESHOLDS):
        accepted = _share(positive >= threshold, positive_place, len(both))
        rejected = _share(negative < threshold, negative_place, len(both))
        total = accepted + rejected
        utility = np.divide(2.0 * accepted * rejected, total, out=np.zeros_like(total), where=total > 0)
        variances.append(utility.var())
    return float(np.mean(variances))


def _share(holds: BoolArray, place: Indices, queries: int) -> npt.NDArray[np.float64]:
    share: npt.NDArray[np.float64] = np.bincount(place, weights=holds, minlength=queries) / np.bincount(
        place, minlength=queries
    )
    return share


def opis_of_teacher(pool: Pool) -> float | None:
    """Return OPIS of labelled and hidden positives against all other eligible candidates."""
    hidden, other = pool.eligible & pool.hidden, pool.eligible & ~pool.hidden
    row_group = np.broadcast_to(pool.group[:, None], pool.eligible.shape)
    positive = np.concatenate([pool.positive, pool.score[hidden]])
    return opis(positive, np.concatenate([pool.group, row_group[hidden]]), pool.score[other], row_group[other])


def opis_of_negatives(pool: Pool, negatives: Negatives) -> float | None:
    """Return OPIS of the labelled positives against the chosen negatives that have a score."""
    scored = negatives.filled & np.isfinite(negatives.score)
    row_group = np.broadcast_to(pool.group[:, None], scored.shape)
    return opis(pool.positive, pool.group, negatives.score[scored], row_group[scored])


def capacity_index(pool: Pool, negatives: Negatives) -> float | None:
    """Return an experimental index of how much a pair's negatives can teach; not for choosing by.

    A reading of our own of ECI (arXiv:2603.20990), whose constants are not published:
    log(1 + n) times the harmonic mean of hardness h and safety s, averaged over pairs
    with a scored negative. Scores are first mapped to [0, 1] over the whole pool; n counts
    a pair's distinct negatives, h is their mean score, and s is how far the positive
    stands above the hardest of them, at least 0. Order and repetition change nothing.
    """
    scored = negatives.filled & np.isfinite(negatives.score) & ~_repeated(negatives)
    served = scored.any(axis=1)
    if not served.any():
        return None
    everything = [pool.positive, pool.score[np.isfinite(pool.score)], negatives.score[scored]]
    low = min(float(part.min()) for part in everything if part.size)
    width = max(float(part.max()) for part in everything if part.size) - low or 1.0
    level = np.where(scored, (negatives.score.astype(np.float64) - low) / width, 0.0)[served]
    n = scored[served].sum(axis=1)
    hardness = level.sum(axis=1) / n
    safety = np.maximum(0.0, (pool.positive[served].astype(np.float64) - low) / width - level.max(axis=1))
    total = hardness + safety
    mean = np.divide(2.0 * hardness * safety, total, out=np.zeros_like(total), where=total > 0)
    return float((np.log1p(n) * mean).mean())


def _repeated(negatives: Negatives) -> BoolArray:
    """Tell which documents stood in the row before. Shape (n, k)."""
    same = negatives.document[:, :, None] == negatives.document[:, None, :]
    repeated: BoolArray = np.tril(same, -1).any(axis=2)
    return repeated

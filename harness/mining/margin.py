"""Miners that refuse candidates whose score comes too near the positive's.

All comparisons are made in float32, the type in which scores are kept: a ceiling is
computed in float64 and rounded once. A score that a teacher gave as 0.76 therefore
lies exactly on the ceiling 0.95 * 0.80, and `boundary` decides about it.
"""

import numpy as np
import numpy.typing as npt
from pydantic.dataclasses import dataclass

from harness.mining.base import BoolArray, Negatives, Pool
from harness.mining.rank import Count
from harness.registry import MINERS
from harness.spec import STRICT, Boundary, Margin, PositiveAgg, Share, Threshold

__all__ = [
    "Boundary",
    "Ceiling",
    "Margin",
    "PositiveAgg",
    "Share",
    "Threshold",
    "TopKAbs",
    "TopKMarginPos",
    "TopKPercPos",
    "aggregated",
    "under",
]


def aggregated(pool: Pool, how: PositiveAgg) -> npt.NDArray[np.float64]:
    """Return the positive score that each row is measured against. Shape (n,).

    `group` says which rows belong to one query. The mean is taken over sorted scores, so
    that it does not depend on the order of the rows.
    """
    positive: npt.NDArray[np.float64] = pool.positive.astype(np.float64)
    if how == "per_pair":
        return positive
    _, row_group = np.unique(pool.group, return_inverse=True)
    order = np.lexsort((positive, row_group))
    sizes = np.bincount(row_group)
    ends = np.cumsum(sizes)
    ordered = positive[order]
    if how == "min":
        value = ordered[ends - sizes]
    elif how == "max":
        value = ordered[ends - 1]
    else:
        value = np.bincount(row_group[order], weights=ordered) / sizes
    result: npt.NDArray[np.float64] = value[row_group]
    return result


def under(pool: Pool, ceiling: npt.NDArray[np.float64] | float, boundary: Boundary) -> BoolArray:
    """Tell which scores lie under the row's ceiling, compared in float32. Shape (n, m)."""
    limit = np.asarray(ceiling, dtype=np.float64).astype(np.float32).reshape(-1, 1)
    return pool.score < limit if boundary == "below" else pool.score <= limit


@dataclass(kw_only=True, config=STRICT)
class Ceiling:
    """Which candidates may be negatives: those under every ceiling that is given.

    `threshold` is a teacher score, `margin` a distance below the positive's score,
    `share` a multiple of it; one that is None sets no ceiling.
    """

    threshold: Threshold | None = None
    margin: Margin | None = None
    share: Share | None = None
    boundary: Boundary = "below"
    positive_agg: PositiveAgg = "per_pair"

    def keep(self, pool: Pool) -> BoolArray:
        """Tell which eligible candidates lie under every ceiling. Shape (n, m)."""
        positive = aggregated(pool, self.positive_agg)
        keep = pool.eligible.copy()
        if self.threshold is not None:
            keep &= under(pool, self.threshold, self.boundary)
        if self.margin is not None:
            keep &= under(pool, positive - self.margin, self.boundary)
        if self.share is not None:
            # abs keeps the ceiling below a positive with a negative score; equal to
            # share * positive for the others
            keep &= under(pool, positive - (1.0 - self.share) * np.abs(positive), self.boundary)
        return keep


@MINERS.register("topk_abs", paper="arXiv:2407.15831")
@dataclass(kw_only=True, config=STRICT)
class TopKAbs:
    """Take the k best candidates that score no more than a fixed threshold (NV-Retriever's TopK-Abs).

    The threshold is a score of the teacher: 0.7 suits cosines of the paper's teacher
    and no other by right, and a teacher whose scores are logits may need a negative one.
    The paper removes what lies above it, so the boundary is kept by default.
    """

    k: Count = 4
    threshold: Threshold = 0.7
    boundary: Boundary = "at_or_below"

    def select(self, pool: Pool, rng: np.random.Generator) -> Negatives:
        """Choose the k best candidates under the threshold."""
        del rng
        ceiling = Ceiling(threshold=self.threshold, boundary=self.boundary)
        return pool.best(ceiling.keep(pool), by=pool.score, k=self.k)


@MINERS.register("topk_marginpos", paper="arXiv:2407.15831")
@dataclass(kw_only=True, config=STRICT)
class TopKMarginPos:
    """Take the k best candidates that score at least a margin below the positive (NV-Retriever's TopK-MarginPos).

    The margin is in units of the teacher's score; a negative one lets candidates above
    the positive through. The paper keeps strictly below, hence the default boundary.
    """

    k: Count = 4
    margin: Margin = 0.05
    boundary: Boundary = "below"
    positive_agg: PositiveAgg = "per_pair"

    def select(self, pool: Pool, rng: np.random.Generator) -> Negatives:
        """Choose the k best candidates under the positive's score minus the margin."""
        del rng
        ceiling = Ceiling(margin=self.margin, boundary=self.boundary, positive_agg=self.positive_agg)
        return pool.best(ceiling.keep(pool), by=pool.score, k=self.k)


@MINERS.register("topk_percpos", paper="arXiv:2407.15831")
@dataclass(kw_only=True, config=STRICT)
class TopKPercPos:
    """Take the k best candidates that score below a share of the positive (NV-Retriever's TopK-PercPos).

    The paper sweeps the share up to 1.05. For a positive with a negative score the
    ceiling is as far below it as it would be for its absolute value, so that a share up
    to 1 never keeps a candidate above the positive.
    """

    k: Count = 4
    share: Share = 0.95
    boundary: Boundary = "below"
    positive_agg: PositiveAgg = "per_pair"

    def select(self, pool: Pool, rng: np.random.Generator) -> Negatives:
        """Choose the k best candidates under that share of the positive's score."""
        del rng
        ceiling = Ceiling(share=self.share, boundary=self.boundary, positive_agg=self.positive_agg)
        return pool.best(ceiling.keep(pool), by=pool.score, k=self.k)

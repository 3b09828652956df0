"""Filters whose threshold is a quantile of the teacher's own scores.

A threshold in units of score suits one teacher; a quantile moves with the scores. Any
c * s + d with c > 0 leaves what these miners choose unchanged. The quantile is taken
over all rows of the pool at once, and is always one of its scores or differences, so
the pool must be that of the whole split: mining it in parts gives each its own threshold.
"""

from typing import Annotated

import numpy as np
from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.mining.base import Negatives, Pool
from harness.mining.margin import Boundary, PositiveAgg, aggregated, under
from harness.mining.rank import Count
from harness.registry import MINERS
from harness.spec import STRICT

__all__ = ["TopKAbsQuantile", "TopKMarginQuantile"]

Quantile = Annotated[float, Interval(ge=0.0, le=1.0)]


@MINERS.register("topk_abs_quantile")
@dataclass(kw_only=True, config=STRICT)
class TopKAbsQuantile:
    """Take the k best candidates that score below a quantile of the positives' scores.

    At 0.5 whatever scores like the better half of the positives is refused.
    """

    k: Count = 4
    quantile: Quantile = 0.5
    boundary: Boundary = "below"

    def select(self, pool: Pool, rng: np.random.Generator) -> Negatives:
        """Choose the k best candidates under the quantile."""
        del rng
        some = pool.positive.size > 0
        threshold = float(np.quantile(pool.positive, self.quantile, method="lower")) if some else np.inf
        return pool.best(under(pool, threshold, self.boundary), by=pool.score, k=self.k)


@MINERS.register("topk_margin_quantile")
@dataclass(kw_only=True, config=STRICT)
class TopKMarginQuantile:
    """Refuse the candidates nearest to or above their positive, a fixed share of all, then take the k best.

    The margin is the quantile `removal` of positive minus candidate over all eligible
    candidates, so at most that share of them is refused, whatever the teacher, and just
    that share if no two differences are equal. Candidates at the margin itself are kept.
    """

    k: Count = 4
    removal: Annotated[float, Interval(ge=0.0, le=1.0)] = 0.05
    positive_agg: PositiveAgg = "per_pair"

    def select(self, pool: Pool, rng: np.random.Generator) -> Negatives:
        """Choose the k best candidates whose difference reaches the quantile."""
        del rng
        score = np.where(pool.eligible, pool.score, 0.0).astype(np.float64)
        difference = aggregated(pool, self.positive_agg)[:, None] - score
        among = difference[pool.eligible]
        margin = np.quantile(among, self.removal, method="lower") if among.size else -np.inf
        return pool.best(difference >= margin, by=pool.score, k=self.k)

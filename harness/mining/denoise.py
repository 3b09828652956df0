"""Choose negatives of one teacher that a second, better one confirms."""

from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.mining.base import FloatArray, Negatives, Pool
from harness.mining.rank import Count
from harness.spec import STRICT

__all__ = ["Confirmed", "probabilities"]


def probabilities(logit: FloatArray) -> FloatArray:
    """Map the logits of a cross-encoder to probabilities."""
    value: npt.NDArray[np.float64] = 0.5 * (1.0 + np.tanh(0.5 * logit.astype(np.float64)))
    return value.astype(np.float32)


@dataclass(kw_only=True, config=STRICT)
class Confirmed:
    """Take the k best candidates that a second teacher holds for irrelevant (RocketQA, arXiv:2010.08191).

    The first `scan` candidates of the pool are read in its order, and those whose
    probability of being relevant is strictly below `ceiling` (in float32) are taken.
    Where they are fewer than k, candidates behind the scan are drawn uniformly,
    unscored, as the released code does for MS MARCO. Scanned candidates that are not
    below the ceiling count as refused. No Miner, since it reads two teachers.
    """

    k: Count = 4
    ceiling: Annotated[float, Interval(ge=0.0, le=1.0)] = 0.1
    scan: Annotated[int, Interval(ge=0, le=10_000)] = 50

    def select(self, pool: Pool, probability: FloatArray, rng: np.random.Generator) -> Negatives:
        """Choose k negatives; `probability` (n, m) is the second teacher's for each candidate of the pool."""
        column = np.arange(pool.document.shape[1])[None, :]
        scanned = np.broadcast_to(column < self.scan, pool.eligible.shape)
        low = probability < np.float32(self.ceiling)
        by = np.where(scanned, 1.0 + column[:, ::-1], pool.uniform(rng))
        return pool.best(low | ~scanned, by=by, k=self.k, refused=scanned)

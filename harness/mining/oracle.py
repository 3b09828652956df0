"""Bounds for every other miner: removal that knows the truth, and removal that knows nothing."""

from typing import Annotated

import numpy as np
from annotated_types import Interval
from pydantic.dataclasses import dataclass

from harness.mining.base import Negatives, Pool
from harness.mining.rank import Count
from harness.registry import MINERS
from harness.spec import STRICT

__all__ = ["Oracle", "RandomRemoval"]


@MINERS.register("oracle")
@dataclass(kw_only=True, config=STRICT)
class Oracle:
    """Take the k best candidates that are not hidden positives.

    A bound on contamination, not on the quality of what is trained: it knows only the
    hidden positives that the collection knows.
    """

    k: Count = 4

    def select(self, pool: Pool, rng: np.random.Generator) -> Negatives:
        """Choose the k best eligible candidates, hidden positives removed."""
        del rng
        return pool.best(~pool.hidden, by=pool.score, k=self.k)


@MINERS.register("random_removal")
@dataclass(kw_only=True, config=STRICT)
class RandomRemoval:
    """Remove each candidate with one probability, whatever its score, then take the k best.

    The control for a filter: at the same share removed, a rule that is no better at
    finding false negatives than this one only made the negatives easier.
    """

    k: Count = 4
    removal: Annotated[float, Interval(ge=0.0, le=1.0)] = 0.2

    def select(self, pool: Pool, rng: np.random.Generator) -> Negatives:
        """Choose the k best of the candidates that chance leaves."""
        return pool.best(pool.uniform(rng) >= self.removal, by=pool.score, k=self.k)

"""Pairs in random order."""

import numpy as np
from pydantic.dataclasses import dataclass

from harness.registry import BATCHERS
from harness.spec import STRICT
from harness.training.batching.base import Arrangement, Epoch, Pairs

__all__ = ["Random"]


@BATCHERS.register("random", paper="Karpukhin et al. 2020, arXiv:2004.04906")
@dataclass(kw_only=True, config=STRICT)
class Random:
    """Shuffle the pairs anew in every epoch, and look at nothing else: what an arm does that names no batching."""

    def arrange(self, pairs: Pairs, epoch: Epoch) -> Arrangement:
        """Return a permutation."""
        return Arrangement(epoch.rng.permutation(len(pairs)).astype(np.int32))

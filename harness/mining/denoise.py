"""Choose negatives of one teacher that a second, better one confirms."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from harness.mining.base import BoolArray, FloatArray, Miner, Negatives, Pool
from harness.mining.shortage import appended

__all__ = ["confirmed", "probabilities"]


def probabilities(logit: FloatArray) -> FloatArray:
    """Map the logits of a cross-encoder to probabilities."""
    value: npt.NDArray[np.float64] = 0.5 * (1.0 + np.tanh(0.5 * logit.astype(np.float64)))
    return value.astype(np.float32)


def confirmed(miner: Miner, pool: Pool, irrelevant: BoolArray, rng: np.random.Generator, *, scan: int) -> Negatives:
    """Choose among candidates that a second teacher holds for `irrelevant` (n, m) (RocketQA, arXiv:2010.08191).

    Of the first `scan` candidates the miner sees those that are. Where it finds fewer
    than k, candidates behind the scan that it does not refuse are drawn uniformly,
    unjudged, as the released code does for MS MARCO; with the miner `topk` that is the
    whole method. Scanned candidates that are not irrelevant count as refused.
    """
    scanned = np.broadcast_to(np.arange(pool.document.shape[1]) < scan, pool.eligible.shape)
    chosen = miner.select(replace(pool, eligible=pool.eligible & scanned & irrelevant), rng)
    behind = replace(pool, eligible=pool.eligible & ~scanned)
    refused = miner.select(behind, rng).removed
    filler = behind.best(~refused, by=pool.uniform(rng), k=chosen.document.shape[1])
    removed = chosen.removed | refused | (pool.eligible & scanned & ~irrelevant)
    return replace(appended(chosen, filler), removed=removed)

"""How well a rule's refusals hit the hidden positives."""

import numpy as np

from harness.audit.records import Removal
from harness.audit.truth import Truth
from harness.mining.base import BoolArray, Negatives, Pool

__all__ = ["naive_candidates", "removal"]


def naive_candidates(pool: Pool, k: int) -> BoolArray:
    """Tell which candidates plain top-k would take: the first k eligible ones of each row. Shape (n, m)."""
    return pool.eligible & (pool.eligible_rank < k)


def removal(pool: Pool, negatives: Negatives, among: BoolArray, truth: Truth) -> Removal:
    """Count what the rule refused `among` (n, m) some of the eligible candidates."""
    among = among & pool.eligible & truth.known(pool, pool.document)
    hidden = among & truth.hidden(pool, pool.document)
    removed = among & negatives.removed
    counts = [int(np.count_nonzero(mask)) for mask in (among, hidden, removed, removed & hidden)]
    candidates, of_hidden, of_removed, hit = counts
    return Removal(
        candidates=candidates,
        hidden=of_hidden,
        removed=of_removed,
        hidden_removed=hit,
        precision=hit / of_removed if of_removed else None,
        recall=hit / of_hidden if of_hidden else None,
        base_rate=of_hidden / candidates if candidates else None,
    )

"""What happens to a pair that its miner could not serve in full.

A fill never brings back a candidate that the miner refused: it would hand the trainer
the very documents that are suspected to be false negatives.
"""

from dataclasses import dataclass, replace

import numpy as np

from harness.mining.base import PADDING, BoolArray, IntArray, Negatives, Pool
from harness.spec import Shortage

__all__ = ["Served", "appended", "serve"]


@dataclass(frozen=True)
class Served:
    """The negatives that are trained on, and where they came from.

    `mined` and `filled` (n,) count the negatives of each pair that its miner chose and
    that the policy added; `trained` (n,) says which pairs stay.
    """

    negatives: Negatives
    mined: IntArray
    filled: IntArray
    trained: BoolArray


def serve(
    negatives: Negatives,
    pool: Pool,
    policy: Shortage,
    k: int,
    rng: np.random.Generator,
) -> Served:
    """Bring every pair to k negatives, or decide not to.

    - `keep`: padding stays, and the pair is trained on even without any negative;
    - `drop`: padding stays, and only pairs with k negatives are trained on;
    - `backfill_deeper`: the pool's best eligible candidates that were neither chosen nor
      refused, then, where none is left, as `backfill_random`;
    - `backfill_random`: uniform draws from the corpus that are neither excluded, nor
      chosen, nor refused. A draw carries no score and no rank.

    What the miner chose stays in front, unchanged. A pair stays short only where the
    corpus has no document left that may be a negative; it is trained on all the same.
    """
    mined = _count(negatives)
    result = _resized(negatives, k)
    if policy == "backfill_deeper":
        result = appended(result, _deeper(result, pool, k))
    if policy in {"backfill_deeper", "backfill_random"}:
        result = _filled_at_random(result, pool, rng)
    total = _count(result)
    trained = total == k if policy == "drop" else np.ones(len(total), dtype=np.bool_)
    mined = np.minimum(mined, k)
    return Served(negatives=result, mined=mined, filled=total - mined, trained=trained)


def _count(negatives: Negatives) -> IntArray:
    count: IntArray = negatives.filled.sum(axis=1, dtype=np.int32)
    return count


def _deeper(chosen: Negatives, pool: Pool, k: int) -> Negatives:
    """Return the best candidates that the miner neither chose nor refused."""
    taken = chosen.removed.copy()
    for column in chosen.document.T:  # one column at a time bounds the memory
        taken |= pool.document == column[:, None]
    return pool.best(~taken, by=pool.score, k=k)


def _filled_at_random(chosen: Negatives, pool: Pool, rng: np.random.Generator) -> Negatives:
    """Fill the padding of the rows that have any with draws from the corpus."""
    k = chosen.document.shape[1]
    short = np.flatnonzero(~chosen.filled.all(axis=1))
    refused = np.where(chosen.removed[short], pool.document[short], PADDING)
    avoid = np.concatenate([chosen.document[short], refused], axis=1).astype(np.int32)
    fill = _blank((len(chosen.document), k), chosen.removed)
    fill.document[short] = pool.rows(short).draw(rng, k, avoid=avoid)
    return appended(chosen, fill)


def appended(first: Negatives, second: Negatives) -> Negatives:
    """Put `second` behind the documents of `first`, in as many columns as `first` has."""
    k = first.document.shape[1]
    joined = _beside(first, second)
    order = np.argsort(~joined.filled, axis=1, kind="stable")[:, :k]
    return replace(
        joined,
        document=np.take_along_axis(joined.document, order, axis=1),
        score=np.take_along_axis(joined.score, order, axis=1),
        rank=np.take_along_axis(joined.rank, order, axis=1),
    )


def _beside(first: Negatives, second: Negatives) -> Negatives:
    """Put the columns of `second` behind those of `first`, padding and all."""
    return replace(
        first,
        document=np.concatenate([first.document, second.document], axis=1),
        score=np.concatenate([first.score, second.score], axis=1),
        rank=np.concatenate([first.rank, second.rank], axis=1),
    )


def _blank(shape: tuple[int, int], removed: BoolArray) -> Negatives:
    """Return negatives that are all padding."""
    return Negatives(
        document=np.full(shape, PADDING, dtype=np.int32),
        score=np.full(shape, np.nan, dtype=np.float32),
        rank=np.full(shape, PADDING, dtype=np.int32),
        removed=removed,
    )


def _resized(negatives: Negatives, k: int) -> Negatives:
    """Cut or pad to k columns."""
    n = len(negatives.document)
    wide = _beside(negatives, _blank((n, k), negatives.removed))
    return replace(wide, document=wide.document[:, :k], score=wide.score[:, :k], rank=wide.rank[:, :k])

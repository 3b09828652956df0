"""What a way of batching sees of the pairs and of the epoch, and what it returns."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Arrangement", "Batcher", "Epoch", "Pairs", "side_by_side"]

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pairs:
    """The n pairs that are trained on, and vectors to group them by.

    `query` and `positive` (n,) are numbers from 0 that are equal where the texts are.
    `embed_queries` and `embed_positives` return unit vectors of the pairs' texts by the
    model as it is now, shape (n, d): at the beginning of the first epoch, the base.
    """

    query: IntArray
    positive: IntArray
    embed_queries: Callable[[], FloatArray]
    embed_positives: Callable[[], FloatArray]

    def __len__(self) -> int:
        return len(self.query)


@dataclass(frozen=True)
class Arrangement:
    """How the pairs of one epoch follow each other.

    `order` (n,) holds every pair once; it is cut into batches, of which only the last
    may be smaller. `cluster` (n,) is the cluster of each pair where a batcher makes
    any; it is handed to the next epoch, which keeps it or, if `clustered` is true,
    has made it anew.
    """

    order: IntArray
    cluster: IntArray | None = None
    clustered: bool = False


@dataclass(frozen=True)
class Epoch:
    """The epoch to arrange, counted from 0.

    `rng` depends on the run's seed and on `number`; `last` is the arrangement of the
    epoch before, None in the first.
    """

    number: int
    batch_size: int
    rng: np.random.Generator
    last: Arrangement | None = None

    @property
    def kept(self) -> IntArray | None:
        """The clusters (n,) of the epoch before, if it had any."""
        return None if self.last is None else self.last.cluster


class Batcher(Protocol):
    """Puts pairs together; parameters are the fields of the class, and it has no other state."""

    def arrange(self, pairs: Pairs, epoch: Epoch) -> Arrangement:
        """Return every pair exactly once, in the order in which they are cut into batches."""
        ...


def side_by_side(cluster: IntArray, rng: np.random.Generator) -> IntArray:
    """Return a shuffle of n items in which those of one cluster stand side by side. Shape (n,).

    Clusters come in the order in which a plain shuffle meets them, so that clusters of
    one item each give that very shuffle.
    """
    shuffled = rng.permutation(len(cluster)).astype(np.int32)
    _, first, inverse = np.unique(cluster[shuffled], return_index=True, return_inverse=True)
    return shuffled[np.argsort(first[inverse], kind="stable")]

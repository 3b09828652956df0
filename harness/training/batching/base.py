"""What a way of batching sees of the pairs, and what it must offer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Batcher", "Pairs"]

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pairs:
    """The n pairs that are trained on, and vectors to group them by.

    `query` and `positive` (n,) are indices; pairs of one query share its index.
    `query_key` and `positive_key` (n,) are equal where the texts are. `embed_queries`
    and `embed_documents` return unit vectors of the pairs' queries and positives by the
    model as it is now, shape (n, d).
    """

    query: IntArray
    positive: IntArray
    query_key: IntArray
    positive_key: IntArray
    embed_queries: Callable[[], FloatArray]
    embed_documents: Callable[[], FloatArray]

    def __len__(self) -> int:
        return len(self.query)


class Batcher(Protocol):
    """Puts pairs together; parameters are the fields of the class.

    It may keep what it computed from one epoch to the next: one instance serves one
    training, and is asked for the epochs in order.
    """

    def order(self, pairs: Pairs, epoch: int, batch_size: int, rng: np.random.Generator) -> IntArray:
        """Return every pair exactly once, in the order in which they are cut into batches. Shape (n,).

        The first `batch_size` make the first batch, and so on; only the last is smaller.
        `epoch` counts from 0. `rng` depends on the run's seed and the epoch.
        """
        ...

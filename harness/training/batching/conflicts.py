"""Which pairs make false negatives of one another when they stand in one batch."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from harness.training.batching.base import IntArray

__all__ = ["Conflicts", "count_conflicts"]

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Conflicts:
    """For each of n pairs, the others of which it should not share a batch.

    Two pairs conflict if the positive of one is, in any pair, a positive of the other's
    query; so do pairs of one query, and pairs of one positive. The others of pair i are
    `other[start[i]:start[i + 1]]`.
    """

    start: Places
    other: IntArray

    @classmethod
    def of(cls, query: IntArray, positive: IntArray) -> Self:
        """Find the conflicts of pairs given by the numbers of their texts, each of shape (n,)."""
        from scipy.sparse import csr_array

        n = len(query)
        if not n:
            return cls(np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int32))
        asks = csr_array((np.ones(n, dtype=np.bool_), (np.arange(n), query)))
        holds = csr_array((np.ones(n, dtype=np.bool_), (np.arange(n), positive)))
        answers = asks @ (asks.T @ holds) @ holds.T  # (i, j): pair j's positive answers pair i's query
        either = (answers + answers.T).tocoo()
        row, column = either.coords
        apart = row != column
        order = np.lexsort((column[apart], row[apart]))
        start = np.concatenate([[0], np.cumsum(np.bincount(row[apart], minlength=n))])
        return cls(start.astype(np.int64), column[apart][order].astype(np.int32))

    @property
    def counts(self) -> Places:
        """How many conflicts each pair has. Shape (n,)."""
        return np.diff(self.start)

    def of_pair(self, pair: int) -> IntArray:
        """Return the pairs that conflict with this one."""
        return self.other[self.start[pair] : self.start[pair + 1]]


def count_conflicts(conflicts: Conflicts, order: IntArray, batch_size: int) -> int:
    """Count the conflicts between pairs of one batch, each once; `order` (n,) is cut into batches."""
    batch = np.empty(len(order), dtype=np.int64)
    batch[order] = np.arange(len(order)) // batch_size
    one = np.repeat(np.arange(len(order)), conflicts.counts)
    return int(np.count_nonzero(batch[one] == batch[conflicts.other])) // 2

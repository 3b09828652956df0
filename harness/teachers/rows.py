"""Vectors that are read block by block, from one array or several, and their exact products."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from harness.errors import NumericError

__all__ = ["Rows", "inner_products"]

FloatArray = npt.NDArray[np.float32]
Index = npt.NDArray[np.integer]
_PAIRS = 2048
"""Pairs multiplied at once: their float64 products stay in the processor's cache."""


class Rows:
    """The rows of one array, or of several shards one after another, in memory or memory-mapped.

    Any floating type is welcome; what is read comes as float32 in memory of its own.
    """

    def __init__(
        self, shards: npt.NDArray[np.floating] | Sequence[npt.NDArray[np.floating]], what: str = "row"
    ) -> None:
        self._shards = (shards,) if isinstance(shards, np.ndarray) else tuple(shards)
        self._ends = np.cumsum([len(shard) for shard in self._shards])
        self._what = what

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @property
    def width(self) -> int:
        """Length of a row."""
        return int(self._shards[0].shape[1]) if self._shards else 0

    def blocks(self, size: int) -> Iterator[tuple[int, FloatArray]]:
        """Yield each block's first row number and its rows, at most `size` of them.

        Raises NumericError that names the first row with NaN or infinity.
        """
        for end, shard in zip(self._ends, self._shards, strict=True):
            first = int(end) - len(shard)
            for start in range(0, len(shard), size):
                block = np.array(shard[start : start + size], dtype=np.float32)
                if not np.isfinite(block).all():
                    row = first + start + int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
                    message = f"the embedding of {self._what} {row} holds NaN or infinity"
                    raise NumericError(message)
                yield first + start, block

    def take(self, index: Index) -> FloatArray:
        """Return rows by number. Shape (len(index), width)."""
        if len(self._shards) == 1:
            return np.asarray(self._shards[0][index], dtype=np.float32)
        taken = np.empty((len(index), self.width), dtype=np.float32)
        owner = np.searchsorted(self._ends, index, side="right")
        for number in np.unique(owner):
            here = owner == number
            shard = self._shards[number]
            taken[here] = shard[index[here] - (self._ends[number] - len(shard))]
        return taken


def inner_products(left: Rows, right: Rows, i: Index, j: Index) -> FloatArray:
    """Return the inner product of row i of `left` and row j of `right`, pair by pair. Shape (n,).

    Products of float32 are exact in float64; they are summed in float64, in an order that
    the width alone decides, and rounded to float32 once. A pair's score thus depends on
    its two vectors and nothing else: not on what stands beside it, threads or device.
    """
    result = np.empty(len(i), dtype=np.float32)
    for start in range(0, len(i), _PAIRS):
        part = slice(start, start + _PAIRS)
        product = left.take(i[part]).astype(np.float64)
        product *= right.take(j[part])
        result[part] = np.add.reduce(product, axis=1)
    return result

"""Near-identical texts of two lists, found exactly: every pair at or above a Jaccard similarity."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["similar_across"]

IndexArray = npt.NDArray[np.int64]

_SHARED = 3
"""How many of their rare tokens a pair must share to be compared; see the figures in docs/leakage.md."""

_ROWS = 1000
"""Left sets joined at a time, which bounds the memory."""


def similar_across(
    left: Sequence[frozenset[str]], right: Sequence[frozenset[str]], threshold: float
) -> npt.NDArray[np.int64]:
    """Return all pairs (i, j) whose Jaccard similarity is at least `threshold`, sorted. Shape (n, 2).

    The prefix filter of `near_identical.similar_pairs` between two lists, with products
    of sparse matrices in place of posting lists; equal sets of a list are joined once.
    Empty sets are similar to none. Raises ValueError for a threshold outside (0, 1].
    """
    if not 0.0 < threshold <= 1.0:
        message = f"threshold must be in (0, 1], got {threshold}"
        raise ValueError(message)
    first, second = _Distinct(left), _Distinct(right)
    found = [np.zeros((0, 2), dtype=np.int64), *_joined(first.sets, second.sets, threshold)]
    pairs = [
        (i, j)
        for here, there in np.concatenate(found).tolist()
        for i in first.places[here]
        for j in second.places[there]
    ]
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)


class _Distinct:
    """The distinct sets that are not empty, and where each stands."""

    def __init__(self, sets: Sequence[frozenset[str]]) -> None:
        where: dict[frozenset[str], list[int]] = {}
        for place, tokens in enumerate(sets):
            if tokens:
                where.setdefault(tokens, []).append(place)
        self.sets = list(where)
        self.places = list(where.values())


def _joined(left: list[frozenset[str]], right: list[frozenset[str]], threshold: float) -> Iterator[IndexArray]:
    """Yield the similar pairs of distinct sets, `_ROWS` left sets at a time. Shapes (n, 2)."""
    if not left or not right:
        return
    frequency = Counter(chain.from_iterable((*left, *right)))
    order = sorted(frequency, key=lambda token: (frequency[token], token))
    number = {token: place for place, token in enumerate(order)}
    ours, theirs = _Rows(left, number, threshold), _Rows(right, number, threshold)
    for start in range(0, len(left), _ROWS):
        common = (ours.prefix[start : start + _ROWS] @ theirs.prefix.T).tocoo()
        here, there = common.row.astype(np.int64) + start, common.col.astype(np.int64)
        least = np.maximum(ours.least[here], theirs.least[there])
        smaller = np.minimum(ours.size[here], theirs.size[there])
        able = (common.data >= np.minimum(_SHARED, least)) & (smaller >= least)
        here, there = here[able], there[able]
        overlap = np.asarray(ours.whole[here].multiply(theirs.whole[there]).sum(axis=1)).ravel()
        similar = overlap / (ours.size[here] + theirs.size[there] - overlap) >= threshold
        yield np.column_stack([here[similar], there[similar]])


class _Rows:
    """Sets as rows of a sparse matrix: `whole`, and `prefix` with the rare tokens alone.

    `size` (n,) counts the tokens of a set; `least` (n,) is how many a similar set shares
    with it at the least.
    """

    def __init__(self, sets: list[frozenset[str]], number: dict[str, int], threshold: float) -> None:
        self.size = np.array([len(tokens) for tokens in sets], dtype=np.int64)
        # 1e-9 keeps rounding from shortening the prefix; a longer one only costs time
        self.least = np.ceil(threshold * self.size - 1e-9).astype(np.int64)
        columns = np.concatenate([sorted(number[token] for token in tokens) for tokens in sets])
        rank = np.arange(len(columns)) - np.repeat(np.cumsum(self.size) - self.size, self.size)
        length = np.minimum(self.size, self.size - self.least + _SHARED)
        self.whole = _incidence(columns, self.size, len(number))
        self.prefix = _incidence(columns[rank < np.repeat(length, self.size)], length, len(number))


def _incidence(columns: IndexArray, sizes: IndexArray, width: int) -> "csr_array":
    """Return a matrix of zeros and ones; row i has its ones in the next `sizes[i]` of `columns`."""
    from scipy.sparse import csr_array

    starts = np.concatenate([[0], np.cumsum(sizes)])
    return csr_array((np.ones(len(columns), dtype=np.int32), columns, starts), shape=(len(sizes), width))

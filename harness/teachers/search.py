"""Exact top-k by inner product, in blocks, with ties by document id."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.collection import IntArray
from harness.errors import NumericError
from harness.mining.base import PADDING
from harness.teachers.base import Candidates

if TYPE_CHECKING:
    import torch

__all__ = ["exact_top_k", "id_order"]

FloatArray = npt.NDArray[np.float32]


def id_order(ids: Sequence[str], *, descending: bool = False) -> IntArray:
    """Return each document's place when ids are sorted: the tie-break of a search. Shape (n,)."""
    order = sorted(range(len(ids)), key=ids.__getitem__, reverse=descending)
    place = np.empty(len(ids), dtype=np.int32)
    place[order] = np.arange(len(ids), dtype=np.int32)
    return place


def exact_top_k(
    queries: FloatArray, documents: FloatArray, k: int, place: IntArray, *, query_block: int = 1024
) -> Candidates:
    """Return the k documents with the highest inner product for each query.

    `queries` (q, d) and `documents` (n, d) are float32; `place` (n,) breaks ties, lower
    first. All n scores of a block of `query_block` queries are held at once, so peak
    memory is about 8 * query_block * n bytes; which block a query falls into changes
    nothing. Raises NumericError if an embedding is not finite.
    """
    import torch

    for what, array in (("query", queries), ("document", documents)):
        if not np.isfinite(array).all():
            row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
            message = f"the embedding of {what} {row} holds NaN or infinity"
            raise NumericError(message)
    depth = min(k, len(documents))
    # Columns in tie-break order: a stable sort by score then settles ties by itself.
    by_place = np.argsort(place, kind="stable")
    corpus = torch.from_numpy(documents[by_place])
    document = np.full((len(queries), k), PADDING, dtype=np.int32)
    score = np.full((len(queries), k), -np.inf, dtype=np.float32)
    for start in range(0, len(queries), query_block):
        block = torch.from_numpy(queries[start : start + query_block]) @ corpus.T
        column, best = _stable_top(block, depth)
        document[start : start + len(block), :depth] = by_place[column.numpy()]
        score[start : start + len(block), :depth] = best.numpy()
    return Candidates(document=document, score=score)


def _stable_top(block: "torch.Tensor", depth: int) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Return columns and values of the `depth` largest of each row, equal values by column.

    torch.topk picks any of several values that tie at the edge, so the edge is filled
    again: all columns above it, then the leftmost that equal it.
    """
    import torch

    edge = torch.topk(block, depth, dim=1).values[:, -1:]
    above = block > edge
    ties = block == edge
    room = depth - above.sum(dim=1, keepdim=True)
    chosen = above | (ties & (ties.cumsum(dim=1) <= room))
    column = chosen.nonzero()[:, 1].reshape(len(block), depth)
    value = block.gather(1, column)
    order = torch.sort(value, dim=1, descending=True, stable=True).indices
    return column.gather(1, order), value.gather(1, order)

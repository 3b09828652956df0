"""Exact top-k by inner product, in bounded memory, the same whatever the blocks and the device.

A blocked float32 product picks candidates, a few more than asked for. Their scores are
computed anew, each from its own two vectors, and those decide. Where the error of
float32 could have kept a document out, every document near the edge is looked at.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.collection import IntArray
from harness.errors import ConfigError, NumericError
from harness.mining.base import PADDING
from harness.teachers.base import Candidates, Progress, Resources, silent
from harness.teachers.rows import Rows, inner_products

if TYPE_CHECKING:
    import torch

__all__ = ["exact_top_k", "id_order", "reordered"]

FloatArray = npt.NDArray[np.float32]
Vectors = npt.NDArray[np.floating]
LongArray = npt.NDArray[np.int64]
_ROUNDING = 2.0**-24
_TINY = float(np.finfo(np.float32).tiny)
_DOCUMENT_BLOCK = 16384
_HELD = 4
"""Blocks whose best are held until they are merged."""


def id_order(ids: Sequence[str], *, descending: bool = False) -> IntArray:
    """Return each document's place when ids are sorted: the tie-break of a search. Shape (n,)."""
    order = sorted(range(len(ids)), key=ids.__getitem__, reverse=descending)
    place = np.empty(len(ids), dtype=np.int32)
    place[order] = np.arange(len(ids), dtype=np.int32)
    return place


def reordered(document: IntArray, score: FloatArray, place: IntArray) -> Candidates:
    """Put candidates (q, m) in the order of `score` (q, m), ties by `place` (n,); PADDING, at -inf, goes behind."""
    last = np.where(document == PADDING, len(place), place[document] if len(place) else 0)
    order = np.lexsort((last, -score), axis=1)
    return Candidates(np.take_along_axis(document, order, axis=1), np.take_along_axis(score, order, axis=1))


def exact_top_k(  # noqa: PLR0913 - what to search for, and how much room there is
    queries: Vectors,
    documents: Vectors | Sequence[Vectors],
    k: int,
    place: IntArray,
    *,
    resources: Resources | None = None,
    query_block: int | None = None,
    progress: Progress = silent,
) -> Candidates:
    """Return the k documents with the highest inner product for each query.

    `queries` (q, d) and `documents` (n, d), or shards of them, may be memory-mapped;
    `place` (n,) breaks ties, lower first. Scores are those of `rows.inner_products`, so
    that neither ids nor scores depend on blocks, shards, threads, device or engine, and
    equal documents tie. `resources.memory` bounds the scores and documents held at
    once, unless `query_block` says how many queries go together; candidates, about
    15 * q * k bytes, come on top. Raises NumericError if an embedding is not finite or
    a product leaves float32.
    """
    left, right = Rows(queries, "query"), Rows(documents, "document")
    document = np.full((len(left), k), PADDING, dtype=np.int32)
    score = np.full((len(left), k), -np.inf, dtype=np.float32)
    depth, wide = min(k, len(right)), min(k + max(32, k // 4), len(right))
    if not depth:
        return Candidates(document=document, score=score)
    resources = resources or Resources()
    down, across = _blocks(resources.memory, right, wide)
    down = query_block or down
    corpus = _Corpus(right, across, resources)
    with _full_precision():
        for start, block in left.blocks(down):
            rows = slice(start, start + len(block))
            found, rough = corpus.best(block, wide)
            edge = rough[:, depth - 1] - corpus.window(block)
            document[rows, :depth], score[rows, :depth] = _settled(
                Rows(block), right, np.where(rough >= edge[:, None], found, PADDING), place, depth
            )
            short = np.flatnonzero(rough[:, -1] >= edge) if wide < len(right) else np.empty(0, dtype=np.int64)
            for first in range(0, len(short), -(-down // 8)):
                part = short[first : first + -(-down // 8)]
                best = corpus.near(block[part], edge[part], place, depth)
                document[start + part, :depth], score[start + part, :depth] = best
            progress("searching", rows.stop, len(left))
    return Candidates(document=document, score=score)


def _blocks(memory: int, documents: Rows, wide: int) -> tuple[int, int]:
    """Return how many queries and documents go together: a quarter of `memory` for the documents, at most."""
    across = max(1, min(len(documents), _DOCUMENT_BLOCK, memory // (16 * max(1, documents.width))))
    left = memory - 4 * across * documents.width
    return max(1, left // (4 * across + 24 * _HELD * wide)), across


@contextmanager
def _full_precision() -> Iterator[None]:
    """Keep torch from multiplying in TF32 or bfloat16."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


class _Corpus:
    """The documents, to be gone through block by block for a block of queries."""

    def __init__(self, documents: Rows, size: int, resources: Resources) -> None:
        import torch

        self._documents = documents
        self._size = size
        automatic = "cuda" if torch.cuda.is_available() and resources.engine == "torch" else "cpu"
        self._device = automatic if resources.device == "auto" else resources.device
        self._top = _faiss_top if resources.engine == "faiss" else _TorchTop()
        self._longest = 0.0

    def best(self, queries: FloatArray, wide: int) -> tuple[LongArray, FloatArray]:
        """Return the documents with the `wide` highest float32 scores, and those, descending. Shapes (b, wide)."""
        import torch

        block = torch.from_numpy(queries).to(self._device)
        tops: list[tuple[torch.Tensor, torch.Tensor]] = []
        for start, vectors in self._documents.blocks(self._size):
            part = torch.from_numpy(vectors).to(self._device)
            self._longest = max(self._longest, float(torch.linalg.vector_norm(part, dim=1).max()))
            value, column = self._top(block, part, min(wide, len(part)))
            tops.append((value, column.add_(start)))
            if len(tops) == _HELD:
                tops = [_merged(tops, wide)]
        value, column = _merged(tops, wide)
        return column.cpu().numpy(), value.cpu().numpy()

    def window(self, queries: FloatArray) -> FloatArray:
        """Return how far below the k-th float32 score a document of the true best k can stand. Shape (b,).

        Twice the error bound of a float32 inner product summed in any order (Higham 2002,
        section 3.1), with rounding of the score itself and underflow; it holds after `best`.
        """
        width = self._documents.width
        # a length measured in float32 has errors of its own, and loses squares that underflow
        longest = 1.001 * self._longest + math.sqrt(width * _TINY)
        length = np.sqrt(np.sum(np.square(queries, dtype=np.float64), axis=1)) * longest
        if length.max(initial=0.0) >= np.finfo(np.float32).max:
            message = f"the inner products of these embeddings leave float32: lengths multiply to {length.max():.3g}"
            raise NumericError(message)
        bound: FloatArray = (2.02 * (width + 8) * _ROUNDING * length + 8 * width * _TINY).astype(np.float32)
        return bound

    def near(self, queries: FloatArray, edge: FloatArray, place: IntArray, depth: int) -> tuple[IntArray, FloatArray]:
        """Settle queries by all documents whose float32 score reaches `edge`. Shapes (b, depth)."""
        import torch

        block = torch.from_numpy(queries).to(self._device)
        floor = torch.from_numpy(edge).to(self._device)[:, None]
        row, document = np.empty((2, 0), dtype=np.int64)
        score = np.empty(0, dtype=np.float32)
        for start, vectors in self._documents.blocks(self._size):
            reached = (block @ torch.from_numpy(vectors).to(self._device).T >= floor).nonzero().cpu().numpy()
            exact = inner_products(Rows(queries), Rows(vectors), reached[:, 0], reached[:, 1])
            row = np.concatenate([row, reached[:, 0]])
            document = np.concatenate([document, reached[:, 1] + start])
            score = np.concatenate([score, exact])
            order = np.lexsort((place[document], -score, row))
            first = np.searchsorted(row[order], row[order], side="left")
            order = order[np.arange(len(order)) - first < depth]
            row, document, score = row[order], document[order], score[order]
        shape = (len(queries), depth)
        return document.astype(np.int32).reshape(shape), score.reshape(shape)


def _settled(
    queries: Rows, documents: Rows, found: LongArray, place: IntArray, depth: int
) -> tuple[IntArray, FloatArray]:
    """Score candidates (b, wide) exactly and return the best `depth`, ties by place. Shapes (b, depth)."""
    row, column = np.nonzero(found != PADDING)
    exact = np.full(found.shape, -np.inf, dtype=np.float32)
    exact[row, column] = inner_products(queries, documents, row, found[row, column])
    best = reordered(found.astype(np.int32), exact, place)
    return best.document[:, :depth], best.score[:, :depth]


def _merged(tops: Sequence[tuple["torch.Tensor", "torch.Tensor"]], wide: int) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Return the `wide` highest values of several blocks, descending, and their columns."""
    import torch

    values = _beside([value for value, _ in tops])
    value, order = torch.topk(values, min(wide, values.shape[1]), dim=1)
    return value, _beside([column for _, column in tops]).gather(1, order)


def _beside(parts: Sequence["torch.Tensor"]) -> "torch.Tensor":
    """Put columns side by side; on the CPU by numpy, for torch wakes all threads for a copy of a millisecond."""
    import torch

    if parts[0].device.type == "cpu":
        return torch.from_numpy(np.concatenate([part.numpy() for part in parts], axis=1))
    return torch.cat(list(parts), dim=1)


class _TorchTop:
    """Multiply and pick with torch; the buffer of scores is used again for every block."""

    def __init__(self) -> None:
        self._buffer: torch.Tensor | None = None

    def __call__(
        self, queries: "torch.Tensor", documents: "torch.Tensor", k: int
    ) -> tuple["torch.Tensor", "torch.Tensor"]:
        import torch

        shape = (len(queries), len(documents))
        if self._buffer is None or self._buffer.shape != shape:
            self._buffer = queries.new_empty(shape)
        torch.mm(queries, documents.T, out=self._buffer)
        value, column = torch.topk(self._buffer, k, dim=1, sorted=False)
        return value, column


def _faiss_top(queries: "torch.Tensor", documents: "torch.Tensor", k: int) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Multiply and pick with FAISS, on the CPU; raise ConfigError if it is not installed."""
    import torch

    try:
        import faiss
    except ImportError as error:
        message = "the engine faiss is not installed: pip install faiss-cpu"
        raise ConfigError(message) from error
    value, column = faiss.knn(queries.numpy(), documents.numpy(), k, metric=faiss.METRIC_INNER_PRODUCT)
    return torch.from_numpy(value), torch.from_numpy(column)

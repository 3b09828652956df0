"""A frozen teacher as a guide of training: looked up, never run twice on the same text or pair."""

from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from harness.collection import Collection, IntArray
from harness.errors import ConfigError, NumericError
from harness.spec import Component
from harness.teachers.base import Teacher, Workspace, teacher_of
from harness.teachers.rows import Rows, inner_products

__all__ = ["StoredGuide"]

FloatArray = npt.NDArray[np.float32]


class _Embedder(Protocol):
    def embed_documents(self, collection: Collection, work: Workspace) -> FloatArray: ...

    def embed_queries(self, collection: Collection, work: Workspace) -> FloatArray: ...


class StoredGuide:
    """A teacher's embeddings and scores for one collection.

    Embeddings come from the store. Scores of a teacher that embeds are products of
    those; any other teacher is asked once for each pair.
    """

    def __init__(self, teacher: Component, collection: Collection, work: Workspace) -> None:
        self._name = teacher.name
        self._teacher: Teacher = teacher_of(teacher)
        self._collection = collection
        self._work = work
        self._vectors: tuple[FloatArray, FloatArray] | None = None
        self._keys = np.empty(0, dtype=np.int64)
        self._scores = np.empty(0, dtype=np.float32)

    @property
    def embeds(self) -> bool:
        """Whether the teacher embeds queries and documents."""
        return hasattr(self._teacher, "embed_documents")

    def embed_queries(self) -> FloatArray:
        """Return unit vectors of all queries (n_queries, d); raise ConfigError if the teacher embeds none."""
        return self._embedded()[0]

    def embed_documents(self) -> FloatArray:
        """Return unit vectors of all documents (n_documents, d); raise ConfigError if the teacher embeds none."""
        return self._embedded()[1]

    def score(self, query: IntArray, document: IntArray) -> FloatArray:
        """Score (n,) pairs of query and document indices; raise NumericError if a score is not finite."""
        if self.embeds:
            queries, documents = self._embedded()
            return inner_products(Rows(queries), Rows(documents), query, document)
        asked = query.astype(np.int64) * len(self._collection.document_ids) + document
        self._learn(np.setdiff1d(asked, self._keys))
        return self._scores[np.searchsorted(self._keys, asked)]

    def _embedded(self) -> tuple[FloatArray, FloatArray]:
        if not self.embeds:
            message = f"the teacher {self._name} embeds no texts, and cannot guide a loss within the batch"
            raise ConfigError(message)
        if self._vectors is None:
            embedder = cast("_Embedder", self._teacher)
            vectors = (
                embedder.embed_queries(self._collection, self._work),
                embedder.embed_documents(self._collection, self._work),
            )
            self._vectors = vectors
        return self._vectors

    def _learn(self, keys: npt.NDArray[np.int64]) -> None:
        """Have the teacher score pairs that it has not been asked for; `keys` are ascending."""
        if not keys.size:
            return
        query, document = (part.astype(np.int32) for part in np.divmod(keys, len(self._collection.document_ids)))
        scores = self._teacher.score(self._collection, query, document, self._work)
        if not np.isfinite(scores).all():
            message = f"the teacher {self._name} scored {self._collection.name} with NaN or infinity"
            raise NumericError(message)
        order = np.argsort(merged := np.concatenate([self._keys, keys]), kind="stable")
        self._keys, self._scores = merged[order], np.concatenate([self._scores, scores])[order]
